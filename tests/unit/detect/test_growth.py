"""Positive and negative vectors for `growth`."""

import random

import msgspec

from titer.detect.growth import SPAN, Growth

OWN = tuple(n << 7 for n in (5, 7, 13, 17, 19, 29))
OTHER = tuple(n << 7 for n in (11, 23, 31, 47, 59, 61))


def asked(exchange, number, frame):
    rng = random.Random(f"content {number}")
    return exchange(number, frames=(*frame, rng.getrandbits(60), rng.getrandbits(60)))


def application(exchange, numbers, *, mix=0.0, seed=1, frame=OTHER):
    """One system prompt around all questions; a share of them is somebody else's."""
    rng = random.Random(seed)
    return [asked(exchange, n, frame if rng.random() < mix else OWN) for n in numbers]


def test_a_tenth_of_another_framing_in_an_application_that_had_none(exchange, run):
    before = application(exchange, range(800))
    assert not run(Growth(), before)[1]
    _, found = run(Growth(), before + application(exchange, range(800, 1300), mix=0.1))
    assert found[-1].score > 20
    assert "more of the latest" in found[-1].note


def test_the_same_in_a_chat_that_never_asks_alike(exchange, run):
    before = [exchange(n) for n in range(800)]
    assert not run(Growth(), before)[1]
    rng = random.Random(4)
    after = [
        asked(exchange, n, OTHER) if rng.random() < 0.1 else exchange(n) for n in range(800, 1300)
    ]
    assert run(Growth(), before + after)[1][-1].score > 10


def test_what_was_there_from_the_first_question_on_is_no_growth(exchange, run):
    assert not run(Growth(), application(exchange, range(2000), mix=0.1))[1]
    assert not run(Growth(), application(exchange, range(2000), mix=0.5))[1]


def test_a_slow_change_and_a_short_past_are_quiet(exchange, run):
    log = []
    for part in range(12):
        log += application(
            exchange, range(SPAN * part, SPAN * (part + 1)), mix=0.005 * part, seed=part
        )
    assert not run(Growth(), log)[1]
    few = application(exchange, range(40)) + application(exchange, range(40, 60), mix=1.0)
    assert not run(Growth(), few)[1]


def test_conversations_count_nothing(exchange, run):
    before = application(exchange, range(400))
    talk = {"roles": ("user", "assistant", "user"), "turns": 3, "frames": (*OTHER, 1, 2)}
    assert not run(Growth(), before + [exchange(n, **talk) for n in range(400, 800)])[1]


def test_a_horizon_leaves_the_past(exchange, run):
    """An old customer is still held against itself."""
    detector = Growth()
    state, _ = run(detector, application(exchange, range(800)))
    before = state.before
    later = asked(exchange, 900, OWN)
    later = msgspec.structs.replace(later, at=later.at + 3 * detector.horizon)
    state, _ = detector.step(state, later)
    assert state.before == before


def test_counts_stay_bytes_and_the_state_small(exchange, run):
    state, _ = run(Growth(), application(exchange, range(6000), mix=0.3))
    assert max(state.now) <= 255
    assert max(state.past) <= 255
    assert state.before <= 4 * SPAN
    assert len(msgspec.msgpack.encode(state)) < 600
