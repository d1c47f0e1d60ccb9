"""Planted choices: text otherwise untouched, agreement exact over coins, bad sets refused."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from titer.core.errors import InputError
from titer.marks.choices import Choice, Choices, load

SETS = [
    Choice("example", ("for example", "for instance")),
    Choice("also", ("in addition", "moreover", "furthermore")),
    Choice("because", ("because", "since")),
    Choice("list", ("1.", "1)")),
]
SECRET = b"0123456789abcdef"


def prose(n, seed=0):
    rng = random.Random(seed)
    words = [f"word{i}" for i in range(400)]
    said = []
    for _ in range(n):
        said += rng.sample(words, 4)
        said.append(rng.choice(rng.choice(SETS).wordings))
    return " ".join(said) + " end."


def test_only_the_wordings_change():
    choices = Choices(SECRET, SETS)
    text = "For example, 1. a cat (because it rains); Moreover... sincerely, for examples"
    marked = choices.plant(text, "a")
    assert choices.plant(marked, "a") == marked
    fixed = ", ", " a cat (", " it rains); ", "... sincerely, for examples"
    rest = marked
    for part in fixed:
        head, found, rest = rest.partition(part)
        assert found == part
        assert head.casefold() in {"", *(w for c in SETS for w in c.wordings)}
    assert marked[0] == "F"
    assert "Moreover" in marked or "In addition" in marked or "Furthermore" in marked


@pytest.mark.parametrize("width", [0, 1])
def test_an_account_is_recognised_among_others(width):
    choices = Choices(SECRET, SETS * 1, width=width)
    marked = choices.plant(prose(300), "acct-5")
    found = choices.recognise([marked], [f"acct-{i}" for i in range(200)])
    if width == 1:
        assert found[0].account == "acct-5"
        assert found[0].agreed == found[0].coins > 100
        assert found[0].holm_log10_p < -20
        assert found[1].holm_log10_p > -3
    else:
        mine = next(a for a in found if a.account == "acct-5")
        assert (mine.agreed, mine.coins) == (4, 4)
        assert mine.log10_p == pytest.approx(math.log10(1 / 2 / 3 / 2 / 2))


def test_the_p_value_is_the_share_of_all_coins():
    """Every sequence of coins for four sets, counted: the same tail as computed."""
    choices = Choices(SECRET, SETS, width=0)
    text = "for example in addition because 1."
    (found,) = choices.recognise([text], ["someone"])
    seen = [0, 0, 0, 0]
    every = list(itertools.product(range(2), range(3), range(2), range(2)))
    agreed = sum(sum(a == b for a, b in zip(coins, seen, strict=True)) >= found.agreed
                 for coins in every)  # fmt: skip
    assert 10**found.log10_p == pytest.approx(agreed / len(every))


def test_unmarked_text_is_accused_no_more_often_than_the_level():
    """2,000 accounts, one text: at 1 % at most 1.9 % (p < 0.0001 under the level)."""
    choices = Choices(SECRET, SETS)
    found = choices.recognise([prose(120, 7)], [str(i) for i in range(2000)])
    assert sum(a.log10_p <= -2 for a in found) <= 38
    assert found[0].holm_log10_p > -3


def test_repetition_and_contradiction_prove_nothing():
    choices = Choices(SECRET, SETS)
    (once,) = choices.recognise(["x for example"], ["a"])
    (often,) = choices.recognise(["x for example " * 500], ["a"])
    assert often.coins <= once.coins + 1
    (both,) = choices.recognise(["x for example", "x for instance"], ["a"])
    assert both.agreed == 0
    assert choices.recognise([""], ["a"])[0].log10_p == 0


@pytest.mark.parametrize(
    "sets",
    [[], [Choice("a", ("one",))], [Choice("a", ("one", "One"))], [Choice("a", ("one", " two"))],
     [Choice("a", ("one", "x" * 101))], [Choice("a", ("one", "one two"))],
     [Choice("a", ("x", "y")), Choice("a", ("z", "w"))]],
)  # fmt: skip
def test_sets_that_cannot_be_told_apart_are_refused(sets):
    with pytest.raises(InputError):
        Choices(SECRET, sets)


def test_a_file_of_sets_is_read_strictly():
    assert load(b'[{"name":"a","wordings":["x","y"]}]') == [Choice("a", ("x", "y"))]
    for bad in (b"", b"{}", b'[{"name":"a"}]', b'[{"name":"a","wordings":["x"],"z":1}]'):
        with pytest.raises(InputError, match="no list of choices"):
            load(bad)
    with pytest.raises(InputError, match="16 bytes"):
        Choices(b"short", SETS)
    with pytest.raises(InputError, match="in parts"):
        Choices(SECRET, SETS).recognise(["x" * 4_000_001], ["a"])
