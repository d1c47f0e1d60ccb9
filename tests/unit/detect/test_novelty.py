"""Positive and negative vectors for `novelty`."""

import random

import msgspec
import pytest

from titer.core.nouns import Finding
from titer.detect.novelty import SLOTS, Novelty
from titer.detect.shares import BANDS

#: A pipeline's frame: six of its eight bands are the template's.
FRAME = tuple(n << 7 for n in (11, 23, 31, 47, 59, 61))


def framed(exchange, number, *, frame=FRAME, **facts):
    """A question that a template was put around: its other bands are its content's."""
    rng = random.Random(f"content {number}")
    return exchange(number, frames=(*frame, rng.getrandbits(60), rng.getrandbits(60)), **facts)


def chat(exchange, numbers, *, mix=0.0, seed=1):
    """Questions that are all different, a share of them framed."""
    rng = random.Random(seed)
    return [
        framed(exchange, n) if rng.random() < mix else exchange(n, seconds=60 * n) for n in numbers
    ]


def test_a_tenth_of_one_framing_in_a_chat(exchange, run):
    _, found = run(Novelty(), chat(exchange, range(600), mix=0.1))
    assert found[-1].score > 20
    assert all(isinstance(f, Finding) and len(f.cites) <= 2 for f in found)
    assert "% of the last" in found[0].note


def test_a_twentieth_is_enough_in_the_window_of_the_published_tests(exchange, run):
    assert run(Novelty(), chat(exchange, range(1500), mix=0.05))[1][-1].score > 10


def test_people_who_always_ask_something_else_are_no_news(exchange, run):
    assert not run(Novelty(), chat(exchange, range(1500)))[1]


def test_what_the_service_has_seen_is_no_news(exchange, run):
    """The same framing, once the history holds it in as large a share of questions."""
    log = chat(exchange, range(600), mix=0.1)
    detector = Novelty()
    states = [run(detector, chat(exchange, range(200), mix=0.1, seed=n))[0] for n in range(20)]
    params = detector.learn(states)
    knowing = detector.fitted(params, origin=0, horizon=detector.horizon)
    assert len(params["history"]) == SLOTS
    assert not run(knowing, log)[1]
    other = tuple(n << 7 for n in (101, 103, 107, 109, 113, 127))
    new = [framed(exchange, n, frame=other) if n % 8 == 0 else x for n, x in enumerate(log)]
    assert run(knowing, new)[1][-1].score > 10


def test_each_honest_subject_counts_once_in_the_history(exchange, run):
    detector = Novelty()
    whale = run(detector, [framed(exchange, n) for n in range(2000)])[0]
    small = [run(detector, chat(exchange, range(50 * n, 50 * n + 20)))[0] for n in range(1, 20)]
    history = detector.learn([whale, *small])["history"]
    assert max(history) < 0.1
    assert sum(history) == pytest.approx(BANDS, rel=0.05)
    assert detector.learn([]) == {"history": []}


def test_conversations_and_what_was_refused_count_nothing(exchange, run):
    turns = {"roles": ("user", "assistant", "user"), "turns": 3}
    assert not run(Novelty(), [framed(exchange, n, **turns) for n in range(300)])[1]
    assert not run(Novelty(), [framed(exchange, n, status=429) for n in range(300)])[1]


def test_a_horizon_begins_anew_and_the_score_stays(exchange, run):
    detector = Novelty()
    state, found = run(detector, [framed(exchange, n) for n in range(100)])
    later = exchange(101, at=found[-1].at + 2 * detector.horizon)
    state, _ = detector.step(state, later)
    assert state.total == 1
    assert state.score / 256 >= found[-1].score


def test_counts_stay_bytes_and_the_state_small(exchange, run):
    log = [framed(exchange, n) for n in range(3000)]
    state, _ = run(Novelty(), log)
    assert max(state.now) <= 255
    assert state.total < 600
    assert len(msgspec.msgpack.encode(state)) < 350


def test_a_history_has_a_share_for_each_slot():
    with pytest.raises(ValueError, match="256"):
        Novelty((0.1, 0.2))
    with pytest.raises(ValueError, match="horizon"):
        Novelty(horizon=0)
