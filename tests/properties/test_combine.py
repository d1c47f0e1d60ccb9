"""Bits of the combination are valid whatever the scores, never fall, and never exceed n."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.bits import e_bh
from titer.detect import combine
from titer.detect.null import Null, segment, transformed, transformed_many

SCORE = st.one_of(
    st.just(0.0),
    st.floats(0, 1e6, allow_subnormal=False),
    st.floats(0, 8, allow_subnormal=False),
    st.sampled_from([1.0, 2.0, 4.0]),
)
DETECTORS = 3
ROW = st.lists(SCORE, min_size=DETECTORS, max_size=DETECTORS)
ROWS = st.lists(ROW, min_size=2, max_size=40)


def null_of(column, *, in_bits=False, own_past=False):
    return Null("1", segment(column, [1.0] * 99, own_past=own_past), in_bits=in_bits)


def nulls_of(fits, in_bits=False):
    """One null for each column; the first compares callers with themselves."""
    columns = np.array(fits).T.tolist()
    return {
        f"d{n}": null_of(column, in_bits=in_bits, own_past=n == 0)
        for n, column in enumerate(columns)
    }


def named(row):
    return {f"d{n}": score for n, score in enumerate(row)}


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS, st.booleans())
def test_no_crowd_can_be_accused_beyond_the_bound(fits, pool, in_bits):
    """Each of n + 1 subjects is weighed beside the n others: at most (n + 1) 2^-b reach b bits.

    This is exact, for any scores: it is what exchangeability is worth. The e-values of all
    n + 1 sum to at most n + 1.
    """
    nulls = nulls_of(fits, in_bits)
    total = 0.0
    for out in range(len(pool)):
        others = np.array(pool[:out] + pool[out + 1 :])
        held = combine.fit(nulls, np.array(fits), others)
        bits = held.bits(named(pool[out]), nulls)
        assert 0 <= bits <= held.most + 1e-9
        total += 2.0**bits if bits > 0 else 0.0
    assert total <= len(pool) * (1 + 1e-9)


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS, st.booleans(), st.tuples(ROW, ROW))
def test_bits_never_fall_when_no_score_falls(fits, pool, in_bits, rows):
    low, more = rows
    nulls = nulls_of(fits, in_bits)
    held = combine.fit(nulls, np.array(fits), np.array(pool))
    high = [a + b for a, b in zip(low, more, strict=True)]
    assert held.bits(named(high), nulls) >= held.bits(named(low), nulls) - 1e-9
    assert held.score(named(high), nulls) >= held.score(named(low), nulls) - 1e-9


@given(
    st.lists(SCORE, max_size=40),
    st.lists(SCORE, min_size=1, max_size=20),
    st.booleans(),
    st.booleans(),
)
def test_many_scores_at_once_are_the_same(fits, scores, in_bits, own_past):
    null = null_of(fits, in_bits=in_bits, own_past=own_past)
    many = null.rarities(np.array(scores))
    assert np.allclose(many, [null.rarity(score) for score in scores])
    order = np.argsort(scores)
    assert (np.diff(many[order]) >= -1e-9).all()
    earned = transformed_many(np.array(scores), null.levels)
    assert np.allclose(earned, [transformed(score, null.levels) for score in scores])


def test_realised_false_positives_keep_the_bound():
    """3,000 draws of fit half, score half and one more honest subject, scores correlated.

    One subject a draw, so that the count is binomial; what is tolerated is exceeded with a chance
    of 10^-5 if the bound is exactly met.
    """
    rng = np.random.default_rng(20261122)
    runs, bits = 3000, (2.0, 4.0, 6.0)
    reached = dict.fromkeys(bits, 0)
    for _ in range(runs):
        kind = rng.random((181, 1)) < 0.1  # a tenth does what is looked for, honestly
        scores = rng.pareto(1.5, (181, 6)) * (0.2 + 3 * kind) * (rng.random((181, 6)) < 0.4)
        fits, pool, one = scores[:60], scores[60:180], scores[180]
        nulls = nulls_of(fits)
        earned = combine.fit(nulls, fits, pool).bits(named(one.tolist()), nulls)
        for level in bits:
            reached[level] += earned >= level
    for level, count in reached.items():
        assert count <= tolerated(runs, 2.0**-level), (level, count)
    assert reached[2.0] > 0


def tolerated(n, p):
    mass = 0.0
    for count in range(n + 1):
        mass += math.exp(
            math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
            + count * math.log(p) + (n - count) * math.log1p(-p)
        )  # fmt: skip
        if mass >= 1 - 1e-5:
            return count
    return n


@given(st.lists(st.floats(0, 1e5), max_size=30), st.floats(0.001, 0.5), st.integers(0, 50))
def test_e_bh_is_as_its_paper_says(values, q, more):
    total = len(values) + more
    passed = e_bh(values, q, total=total)
    count = sum(passed)
    if count:
        assert all(e * count * q >= total for e, good in zip(values, passed, strict=True) if good)
        assert min(e for e, good in zip(values, passed, strict=True) if good) >= max(
            (e for e, good in zip(values, passed, strict=True) if not good), default=0.0
        )
    for k in range(count + 1, len(values) + 1):
        assert sorted(values, reverse=True)[k - 1] * k * q < total
    full = e_bh([*values, *[0.0] * more], q)
    assert full[: len(values)] == passed
