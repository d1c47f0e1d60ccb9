"""Positive and negative vectors for `coverage`, from facts alone."""

import pytest

from titer.core.nouns import Exchange, Principal, ReplyFacts, RequestFacts, Sketch, Usage
from titer.detect.coverage import Coverage

FAMILY = (1, 2, 3, 4)


def exchange(number, *, cells=FAMILY, exact=None, out=1500, settings=None, roles=("user",)):
    return Exchange(
        f"e{number}",
        number * 1_000_000,
        Principal("acct"),
        "/v1/chat/completions",
        "model",
        request=RequestFacts(
            turns=len(roles), roles=roles, params=settings or {"temperature": 0.7}
        ),
        sketch=Sketch(
            tuple(9000 + 8 * number + b for b in range(8)),
            cells,
            number if exact is None else exact,
            100,
        ),
        usage=Usage(50, out),
        reply=ReplyFacts(finish="stop"),
    )


def run(log):
    detector = Coverage()
    state, found = detector.start(), []
    for item in log:
        state, findings = detector.step(state, item)
        found += findings
    return found


def other(number):
    return tuple(100 + 4 * number + cell for cell in range(4))


def test_a_narrow_family_of_new_questions():
    found = run([exchange(n) for n in range(60)])
    assert found[-1].score > 30
    assert "100 % of its questions were new" in found[0].note


def test_half_of_the_cells_are_enough():
    assert run([exchange(n, cells=FAMILY[:2] + other(n)[2:]) for n in range(80)])


@pytest.mark.parametrize(
    "log",
    [
        [exchange(n, cells=other(n)) for n in range(200)],
        [exchange(n, exact=n % 4) for n in range(200)],
        [exchange(n, out=5) for n in range(200)],
        [exchange(n, roles=("user", "assistant", "user")) for n in range(200)],
        [exchange(n, settings={"temperature": n}) for n in range(200)],
        [exchange(n) for n in range(9)],
    ],
    ids=["many subjects", "repeated", "labels", "conversation", "varied settings", "too few"],
)
def test_quiet(log):
    assert not run(log)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 10**400, "hot", None, True])
def test_odd_settings_are_read(value):
    assert run([exchange(n, settings={"temperature": value}) for n in range(60)])
