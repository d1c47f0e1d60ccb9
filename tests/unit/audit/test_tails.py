"""The bounds hold: against enumeration, against draws, and whatever stops the sum."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.audit import tails
from titer.marks.contract import BinomialNull, GammaNull, TwoGammasNull

LAW = tails.Law(BinomialNull(0.25))


def enumerated(weights, total, gamma):
    """P(sum of w g >= total) over all 2^n outcomes."""
    found = 0.0
    for bits in itertools.product((0, 1), repeat=len(weights)):
        if np.dot(bits, weights) >= total - 1e-12:
            ones = sum(bits)
            found += gamma**ones * (1 - gamma) ** (len(bits) - ones)
    return found


def test_chernoff_is_above_the_exact_tail_and_not_far_above():
    rng = np.random.default_rng(1)
    for _ in range(20):
        weights = rng.random(11)
        total = float(weights.sum() * rng.uniform(0.3, 0.95))
        exact = enumerated(weights, total, 0.25)
        bound = math.exp(float(tails.fixed(np.array([total]), tails.Weights(weights), LAW)[0]))
        assert bound >= exact * (1 - 1e-9)
        if exact < 0.1:
            assert bound < exact * 40


def test_equal_weights_take_the_exact_tail():
    weights = tails.Weights(np.ones(400))
    found = tails.fixed(np.array([100.0, 130.0]), weights, LAW)
    null = BinomialNull(0.25)
    assert found[0] == pytest.approx(null.log_p(100, 400))
    assert found[1] == pytest.approx(null.log_p(130, 400))


def mixed(rng, shape):
    return 0.9 * rng.exponential(size=shape) + 0.1 * rng.exponential(size=shape)


@pytest.mark.parametrize(
    ("null", "draw"),
    [
        (BinomialNull(0.25), lambda rng, shape: (rng.random(shape) < 0.25).astype(float)),
        (BinomialNull(0.5, 4), lambda rng, shape: rng.binomial(4, 0.5, shape).astype(float)),
        (GammaNull(), lambda rng, shape: rng.exponential(size=shape)),
        (TwoGammasNull(0.1), mixed),
    ],
)
@pytest.mark.parametrize("tail", [tails.fixed, tails.uniform])
def test_p_is_at_most_alpha_as_often_as_it_says(null, draw, tail):
    rng = np.random.default_rng(2)
    weights = rng.beta(0.4, 4.0, 100)
    totals = draw(rng, (1500, 100)) @ weights
    log_ps = tail(totals, tails.Weights(weights), tails.Law(null))
    for alpha in (0.1, 0.01):
        hits = int((log_ps <= math.log(alpha)).sum())
        # five standard deviations above alpha would be a broken bound
        assert hits <= 1500 * alpha + 5 * math.sqrt(1500 * alpha)


def test_uniform_survives_a_stop_that_looks_at_the_sum():
    """Stopping at the best moment breaks the fixed-sample p-value and not the uniform one."""
    rng = np.random.default_rng(3)
    runs, n, alpha = 200, 400, 0.05
    fixed_hits = uniform_hits = 0
    for _ in range(runs):
        sums = np.cumsum((rng.random(n) < 0.25).astype(float))
        best_fixed = best_uniform = 0.0
        for stop in range(25, n + 1, 25):
            weights, total = tails.Weights(np.ones(stop)), sums[stop - 1 : stop]
            best_fixed = min(best_fixed, float(tails.fixed(total, weights, LAW)[0]))
            best_uniform = min(best_uniform, float(tails.uniform(total, weights, LAW)[0]))
        fixed_hits += best_fixed <= math.log(alpha)
        uniform_hits += best_uniform <= math.log(alpha)
    assert fixed_hits > 2 * runs * alpha
    assert uniform_hits <= runs * alpha


def test_uniform_costs_little_where_the_effect_is_large():
    n = 5000
    weights = tails.Weights(np.ones(n))
    total = np.array([0.31 * n])
    exact = float(tails.fixed(total, weights, LAW)[0]) / math.log(10)
    bound = float(tails.uniform(total, weights, LAW)[0]) / math.log(10)
    assert exact < -15
    assert exact < bound < exact + 4


def test_long_sums_do_not_underflow():
    n = 1_000_000
    weights = tails.Weights(np.ones(n))
    assert float(tails.fixed(np.array([0.5 * n]), weights, LAW)[0]) < -100_000
    assert np.isfinite(tails.uniform(np.array([0.5 * n]), weights, LAW)).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
)
def test_bounds_are_probabilities_and_fall_with_the_total(weights, a, b):
    held = tails.Weights(np.array(weights))
    if held.equal:
        return
    low, high = sorted((a * held.sum, b * held.sum))
    for tail in (tails.fixed, tails.uniform):
        at_low, at_high = tail(np.array([low, high]), held, LAW)
        assert at_low <= 0.0
        assert at_high <= at_low + 1e-9


def test_weights_outside_the_unit_interval_are_refused():
    with pytest.raises(ValueError, match="lie in"):
        tails.Weights(np.array([0.2, 1.5]))
    with pytest.raises(TypeError, match="no tail bound"):
        tails.Law(object())


def test_nothing_to_sum_is_no_evidence():
    empty = tails.Weights(np.zeros(0))
    assert tails.fixed(np.array([0.0]), empty, LAW)[0] == 0.0
    assert tails.uniform(np.array([0.0]), empty, LAW)[0] == 0.0
    assert tails.z(0.0, empty, LAW) == 0.0
