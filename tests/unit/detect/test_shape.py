"""Positive and negative vectors for `shape`."""

import pytest

from titer.detect.shape import AGAIN, CEILING, TAKING, Shape

TALK = ("user", "assistant", "user")


def test_single_questions_that_bring_much(exchange, run):
    state, found = run(Shape(), [exchange(n, into=60, out=900) for n in range(80)])
    assert found[-1].score > 10
    assert state.gains[TAKING] > 0.85 * 16 * 80
    assert "single questions" in found[-1].note


def test_replies_at_the_limit(exchange, run):
    limited = {"max_tokens": 512}
    log = [exchange(n, into=2000, out=512, params=limited, finish="length") for n in range(60)]
    assert run(Shape(), log)[1][-1].score > 20
    unknown = [exchange(n, into=2000, out=510, params=limited, finish="") for n in range(60)]
    assert run(Shape(), unknown)[1]


def test_several_samples_of_one_question(exchange, run):
    four = [exchange(n, into=2000, exact=n // 4, cells=(n // 4,)) for n in range(120)]
    assert run(Shape(), four)[1][-1].score > 20
    choices = [exchange(n, into=2000, params={"n": 4}) for n in range(60)]
    state, found = run(Shape(), choices)
    assert found
    assert state.gains[AGAIN] == 16 * 60


@pytest.mark.parametrize(
    "facts",
    [
        {"roles": TALK, "out": 900},
        {"into": 3000, "out": 400},
        {"out": 3, "params": {"max_tokens": 3}, "finish": "length"},
        {"into": 900, "params": {"max_tokens": "512", "n": True}},
        {"into": 900, "params": {"max_tokens": 4096}},
    ],
    ids=["conversation", "long documents", "labels", "odd values", "roomy limit"],
)
def test_quiet(exchange, run, facts):
    assert not run(Shape(), [exchange(n, **facts) for n in range(150)])[1]


def test_an_evaluation_asks_each_question_once_and_is_cut_seldom(exchange, run):
    log = [
        exchange(n, into=1500, out=300, params={"max_tokens": 1024}, finish="stop")
        for n in range(200)
    ]
    state, found = run(Shape(), log)
    assert not found
    assert state.trials[CEILING] == 200
