"""Pairs: distinct, without what was shown, only where our log went, and first uses in order."""

from __future__ import annotations

import numpy as np
import pytest

from titer.audit import statistics
from titer.audit.pairs import Fresh, Gatherer, LoggedTexts
from titer.marks import schemes
from titer.marks.kgw import Kgw


def ids(*values):
    return np.array(values, np.uint32)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_each_pair_counts_once_over_all_texts(width):
    gatherer = Gatherer(Kgw(width=width))
    text = ids(*range(20))
    for _ in range(3):
        gatherer.words(text)
    gatherer.words(ids(*range(100, 100 + width)))  # no whole context before any token
    pairs = gatherer.pairs(first=False)
    assert len(pairs) == 20 - width
    assert pairs.flat.reshape(-1, width + 1)[0].tolist() == list(range(width + 1))


def test_totals_are_the_schemes_own_values():
    scheme = Kgw(width=2)
    text = np.random.default_rng(1).integers(0, 500, 400).astype(np.uint32)
    gatherer = Gatherer(scheme)
    gatherer.words(text)
    pairs = gatherer.pairs(first=False)
    places = np.arange(2, 400, dtype=np.int64)
    assert pairs.totals(scheme, [99, 98])[0] == scheme.at(text, places, 99).sum()
    halved = pairs.where(np.ones(len(pairs), np.bool_))
    halved.weights[:] = 0.5
    assert halved.totals(scheme, [99])[0] == scheme.at(text, places, 99).sum() / 2


def test_what_was_shown_is_left_out_and_counted():
    gatherer = Gatherer(Kgw(width=1), shown=[ids(5, 6, 7)])
    gatherer.words(ids(5, 6, 8, 6, 7, 5))
    pairs = gatherer.pairs(first=False)
    assert gatherer.echoed == 2  # 5-6 and 6-7
    assert pairs.flat.reshape(-1, 2).tolist() == [[6, 8], [8, 6], [7, 5]]


def test_the_filter_keeps_contexts_of_our_log():
    scheme = Kgw(width=1)
    logged = LoggedTexts(scheme, [ids(5, 6, 9)])  # contexts 5 and 6
    gatherer = Gatherer(scheme, logged=logged)
    gatherer.words(ids(5, 1, 6, 2, 9, 3))
    assert gatherer.pairs(first=True).flat.reshape(-1, 2).tolist() == [[5, 1], [6, 2]]
    assert gatherer.elsewhere == 3


def test_chances_become_weights_and_unknown_tokens_do_not_count():
    gatherer = Gatherer(Kgw(width=1))
    gatherer.chances(
        ids(5, 5).reshape(2, 1),
        np.array([[1, 2, 0xFFFF_FFFF], [1, 3, 4]], np.uint32),
        np.array([[0.5, 0.25, 0.2], [0.75, 0.2, 0.0]]),
    )
    largest, first = gatherer.pairs(first=False), gatherer.pairs(first=True)
    assert largest.flat[1::2].tolist() == [1, 2, 3]
    assert largest.weights.tolist() == [0.75, 0.25, 0.2]
    assert first.weights[0] == 0.5


def test_fresh_contexts_are_first_uses_over_all_that_is_read():
    fresh = Fresh(Kgw(width=1))
    assert fresh.positions(ids(1, 2, 1, 3)).tolist() == [1, 2]
    assert fresh.positions(ids(9, 1, 2, 4)).tolist() == [1]


def test_nothing_gives_no_pairs():
    gatherer = Gatherer(Kgw(width=2))
    gatherer.words(ids())
    gatherer.words(ids(1))
    assert len(gatherer.pairs(first=False)) == 0


SCHEMES = [
    ("kgw", {"width": 2}),
    ("gumbel", {}),
    ("tournament", {}),
    ("vllm-philox", {}),
    ("sglang-murmur", {}),
    ("hf-kgw", {"vocabulary": 500}),
    ("hf-synthid", {}),
]


@pytest.mark.parametrize(("name", "parameters"), SCHEMES, ids=[name for name, _ in SCHEMES])
def test_every_scheme_gives_pairs_the_values_that_it_gives_the_text(name, parameters):
    scheme = schemes.scheme(name, parameters)
    text = np.random.default_rng(2).permutation(500)[:120].astype(np.uint32)  # nothing repeats
    gatherer = Gatherer(scheme)
    gatherer.words(text)
    pairs = gatherer.pairs(first=False)
    places = np.arange(scheme.width, len(text), dtype=np.int64)
    assert len(pairs) == len(places)
    values = scheme.at(text, places, 12345)
    assert pairs.totals(scheme, [12345])[0] == pytest.approx(values.sum())
    pairs.weights[:] = 0.25
    assert pairs.totals(scheme, [12345])[0] == pytest.approx(values.sum() / 4)
    if name == "hf-synthid":
        pairs.weights[:] = 1.0
    tested = statistics.under_keys("topk", scheme, pairs, [12345, *range(1, 31)])
    assert (tested.log_ps <= 0).all()
    assert (tested.log_ps < np.log(0.01)).sum() <= 3


def test_every_builtin_scheme_is_tried():
    assert {name for name, _ in SCHEMES} == set(schemes.BUILTIN)
