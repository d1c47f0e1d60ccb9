"""The power calculator: more text, share and access need fewer pairs, and it says no."""

from __future__ import annotations

import math

import numpy as np
import pytest

from titer.audit import tails
from titer.audit.power import Attenuation, Fit, Question, answer, attenuation
from titer.core.errors import InputError
from titer.marks.contract import BinomialNull


def fit(access, width, **changed):
    fields = {
        "access": access, "width": width, "constant": math.log(0.05), "marked": 0.0, "share": 0.5,
        "spread": 0.2, "marked_from": 20_000, "marked_to": 200_000, "share_from": 0.1,
        "share_to": 1.0, "points": 9, "most_pairs": 50_000, "pairs_per_token": 0.5,
    }  # fmt: skip
    return Fit(**(fields | changed))


HELD = Attenuation(
    "somewhere", "kgw", {},
    (fit("words", 1), fit("chances", 1, constant=math.log(0.1)), fit("reading", 1),
     fit("words", 2, marked_from=None, share_from=None)),
)  # fmt: skip


def ask(**changed):
    return answer(Question(**({"marked": 100_000, "share": 1.0} | changed)), HELD)


def test_the_needed_number_gives_that_p():
    found = ask()
    assert found.provable
    n = found.needed
    mean, variance = 0.25, 0.25 * 0.75
    total = n * mean + 0.05 * math.sqrt(variance) * n  # the effect, exactly as fitted
    weights = tails.Weights(np.ones(n))
    log10 = float(tails.fixed(np.array([total]), weights, tails.Law(BinomialNull(mean)))[0])
    assert log10 / math.log(10) == pytest.approx(-6, abs=0.6)
    assert found.cautious > found.needed
    assert found.tokens == math.ceil(found.cautious / 0.5)


def test_more_of_anything_needs_less():
    base = ask(share=0.5).needed
    assert ask(share=1.0).needed < base
    assert ask(share=0.5, access="chances").needed < base
    assert ask(share=0.5, alpha=1e-3).needed < base
    assert ask(share=0.5, keys=1000).needed > base
    assert ask(share=0.5, access="reading").needed > base  # the same effect, a dearer bound


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"marked": 19_999}, "no effect was told"),
        ({"share": 0.05}, "no effect was told"),
        ({"width": 2}, "at this width"),
        ({"available": 100}, "can be had"),
    ],
)
def test_it_says_when_it_cannot_be_proved(changed, why):
    found = ask(**changed)
    assert not found.provable
    assert why in found.why
    assert "NOT PROVABLE" in found.lines()[0]
    if "available" not in changed:
        assert found.needed is None


def test_nothing_is_promised_beyond_what_was_measured():
    more = ask(marked=10**9)
    assert more.needed == ask(marked=200_000).needed
    assert any("more than the" in note for note in more.notes)


@pytest.mark.parametrize(
    "changed",
    [{"marked": 0}, {"share": 0.0}, {"share": 1.1}, {"width": 4}, {"alpha": 0.0}, {"keys": 0},
     {"available": 0}],
)  # fmt: skip
def test_questions_without_sense_are_refused(changed):
    with pytest.raises(InputError):
        ask(**changed)


def test_what_is_shipped_answers():
    held = attenuation()
    assert {(f.access, f.width) for f in held.fits} == {
        (access, width) for access in ("words", "chances", "reading") for width in (1, 2)
    }
    found = answer(Question(marked=200_000, share=1.0, access="chances"))
    assert found.provable
    assert "evals/radioactivity.json" in found.source
    assert not answer(Question(marked=500, share=0.01)).provable
