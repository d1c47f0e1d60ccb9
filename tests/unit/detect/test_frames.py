"""Positive and negative vectors for `frames`, from facts alone."""

import msgspec
import pytest

from titer.core.nouns import Exchange, Principal, ReplyFacts, RequestFacts, Sketch, Usage
from titer.detect.frames import Frames
from titer.detect.glancing import DRAFT_HORIZON

FRAME = tuple(range(8))


def exchange(
    number, *, frames=FRAME, exact=None, out=1500, turns=1, at=None, status=200, finish="stop"
):
    return Exchange(
        f"e{number}",
        number * 1_000_000 if at is None else at,
        Principal("acct"),
        "/v1/chat/completions",
        request=RequestFacts(turns=turns, roles=("user", "assistant", "user")[: 2 * turns - 1]),
        sketch=Sketch(frames, (number,), number if exact is None else exact, 100),
        usage=Usage(50, out),
        reply=ReplyFacts(finish=finish),
        status=status,
    )


def run(log, detector=None):
    detector = detector or Frames()
    state, found = detector.start(), []
    for item in log:
        if detector.subject(item):
            state, findings = detector.step(state, item)
            found += findings
    return state, found


def fresh(number):
    return tuple(1000 + 8 * number + band for band in range(8))


def test_one_frame_over_new_content_with_long_replies():
    _, found = run([exchange(n) for n in range(40)])
    assert found[0].cites
    assert len(found[0].cites) <= 8
    assert found[-1].score > 30
    assert found[0].note == (
        "3 of the last 6 requests put new content into a frame that this caller had used before"
    )


def test_half_of_the_bands_are_enough_and_unrelated_traffic_does_not_hide_it():
    log = [exchange(n, frames=FRAME[:4] + fresh(n)[4:] if n % 2 else fresh(n)) for n in range(160)]
    state, found = run(log)
    assert found[-1].score > 30
    assert sum(state.trials) < 80


@pytest.mark.parametrize(
    "log",
    [
        [exchange(n, frames=fresh(n)) for n in range(200)],
        [exchange(n, out=5) for n in range(200)],
        [exchange(n, status=429) for n in range(200)],
        [exchange(n, frames=()) for n in range(200)],
        [exchange(n, out=0) for n in range(200)],
        [exchange(n) for n in range(4)],
    ],
    ids=["other frames", "labels", "refused", "no text", "empty replies", "too few"],
)
def test_quiet(log):
    assert not run(log)[1]


def test_repeated_content_is_no_harvest():
    log = [
        msgspec.structs.replace(exchange(n), sketch=Sketch(FRAME, (n % 5,), n % 5, 100))
        for n in range(200)
    ]
    assert not run(log)[1]


def test_samples_of_one_question_in_a_row_count_once():
    log = [
        msgspec.structs.replace(exchange(n), sketch=Sketch(FRAME, (n // 4,), n // 4, 100))
        for n in range(160)
    ]
    state, found = run(log)
    assert state.seen == 40
    assert found[-1].score == run([exchange(n) for n in range(40)])[1][-1].score


def test_unknown_replies_count_a_little():
    log = [exchange(n, out=0, finish="") for n in range(50)]
    assert not run(log)[1]
    assert run(log, Frames((0.02, 0.2, 0.2, 0.2)))[1]


def test_conversations_are_weighed_apart():
    talk = [exchange(n, turns=2) for n in range(40)]
    state, found = run(talk)
    assert found
    assert state.trials[:2] == [0, 0]
    assert state.trials[3] > 30


def test_each_horizon_begins_anew_and_the_score_stays():
    detector = Frames(horizon=1000)
    state, found = run([exchange(n, at=n) for n in range(40)], detector)
    score = state.score
    state, _ = detector.step(state, exchange(99, at=1500))
    assert state.seen == 1
    assert state.tokens.keys() == set(FRAME)
    assert state.score == score
    _, again = run([exchange(n, at=n) for n in range(40)] * 1, detector)
    assert [f.score for f in again] == [f.score for f in found]


def test_a_clock_that_goes_back_changes_nothing():
    detector = Frames(horizon=1000)
    state, _ = run([exchange(n, at=1500) for n in range(10)], detector)
    state, _ = detector.step(state, exchange(50, at=3))
    assert state.seen == 11


def test_wrong_parameters_are_refused():
    with pytest.raises(ValueError, match="horizon"):
        Frames(horizon=0)
    with pytest.raises(ValueError, match="strata"):
        Frames((0.1,))
    assert Frames().horizon == DRAFT_HORIZON
