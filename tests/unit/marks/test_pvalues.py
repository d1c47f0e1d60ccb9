"""Exact tails: against sums of exact fractions, and where floats underflow."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from titer.marks import pvalues


def log_of(x: Fraction) -> float:
    """The natural logarithm of a fraction that may lie below the smallest float."""
    up = max(0, x.numerator.bit_length() - 900)
    down = max(0, x.denominator.bit_length() - 900)
    ratio = math.log(x.numerator >> up) - math.log(x.denominator >> down)
    return ratio + (up - down) * math.log(2)


def trials_tail(k: int, chances: list[Fraction]) -> Fraction:
    pmf = [Fraction(1)]
    for p in chances:
        pmf = [
            (pmf[i] * (1 - p) if i < len(pmf) else 0) + (pmf[i - 1] * p if i else 0)
            for i in range(len(pmf) + 1)
        ]
    return sum(pmf[k:], Fraction(0))


@pytest.mark.parametrize(
    ("k", "n", "p"),
    [(1, 1, 0.25), (3, 10, 0.25), (5, 5, 0.25), (60, 200, 0.25), (40, 200, 0.25), (150, 400, 0.25),
     (900, 1000, 0.5), (1000, 1000, 0.01), (499, 1000, 0.5), (501, 1000, 0.5)],
)  # fmt: skip
def test_the_binomial_tail_is_that_of_exact_fractions(k, n, p):
    q = Fraction(p)
    exact = sum(math.comb(n, j) * q**j * (1 - q) ** (n - j) for j in range(k, n + 1))
    assert pvalues.binomial(k, n, p) == pytest.approx(log_of(Fraction(exact)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "n"), [(0.5, 1), (3.0, 1), (9.0, 10), (30.0, 10), (900.0, 500), (480.0, 500), (5e3, 999)]
)
def test_the_erlang_tail_is_the_poisson_sum(x, n):
    exact = sum(Fraction(x) ** i / math.factorial(i) for i in range(n))
    assert pvalues.gamma(x, n) == pytest.approx(log_of(exact) - x, rel=1e-9)


@pytest.mark.parametrize("k", [1, 10, 25, 30, 31, 40, 59, 60])
def test_the_poisson_binomial_tail_is_that_of_exact_fractions(k):
    chances = np.random.default_rng(3).uniform(0.01, 0.9, 60)
    exact = trials_tail(k, [Fraction(float(p)) for p in chances])
    found = pvalues.poisson_binomial(k, chances)
    assert math.exp(found) == pytest.approx(float(exact), rel=1e-9)


def test_equal_chances_make_the_poisson_binomial_a_binomial():
    for k in (2400, 2600, 9000, 10_000):
        found = pvalues.poisson_binomial(k, np.full(10_000, 0.25))
        assert found == pytest.approx(pvalues.binomial(k, 10_000, 0.25), rel=1e-9)


@pytest.mark.parametrize(("total", "n", "alpha"), [(9.0, 1, 0.1), (50.0, 1, 0.3)])
def test_two_gammas_of_one_are_the_hypoexponential_tail(total, n, alpha):
    a, b = 1 - alpha, alpha
    exact = math.log((a * math.exp(-total / a) - b * math.exp(-total / b)) / (a - b))
    assert pvalues.two_gammas(total, n, a, b) == pytest.approx(exact, rel=1e-12)


def test_two_gammas_agree_with_draws():
    rng = np.random.default_rng(5)
    draws = 0.9 * rng.standard_gamma(20, 400_000) + 0.1 * rng.standard_gamma(20, 400_000)
    for total in (18.0, 22.0, 26.0):
        share = (draws >= total).mean()
        assert math.exp(pvalues.two_gammas(total, 20, 0.9, 0.1)) == pytest.approx(share, rel=0.02)


def test_equal_weights_are_one_gamma():
    assert pvalues.two_gammas(30, 10, 0.5, 0.5) == pytest.approx(pvalues.gamma(60, 20), rel=1e-12)
    assert pvalues.two_gammas(30, 10, 0.5000001, 0.4999999) == pytest.approx(
        pvalues.gamma(60, 20), rel=1e-5
    )


def test_nothing_underflows():
    assert pvalues.binomial(10**7, 10**7, 0.25) == pytest.approx(1e7 * math.log(0.25), rel=1e-9)
    assert -1e6 < pvalues.gamma(1e6, 1000) < -9e5
    assert -30_000 < pvalues.two_gammas(20_000, 1000, 0.9, 0.1) < -10_000


def test_the_edges():
    assert pvalues.binomial(0, 0, 0.5) == 0
    assert pvalues.binomial(-3, 5, 0.5) == 0
    assert pvalues.binomial(6, 5, 0.5) == -math.inf
    assert pvalues.gamma(0, 4) == 0
    assert pvalues.gamma(1, 0) == -math.inf
    assert pvalues.poisson_binomial(0, []) == 0
    with pytest.raises(ValueError, match="chance"):
        pvalues.binomial(1, 2, 1.0)
    with pytest.raises(ValueError, match="chance"):
        pvalues.poisson_binomial(1, [0.5, 1.0])
    with pytest.raises(ValueError, match="heavier"):
        pvalues.two_gammas(1, 1, 0.1, 0.9)


def test_many_are_the_same_as_one_by_one():
    counts = np.array([[3, 9], [9, 0]])
    found = pvalues.binomials(counts, 20, 0.25)
    assert found.shape == counts.shape
    assert found[1, 0] == pvalues.binomial(9, 20, 0.25)
    assert pvalues.gammas(np.array([5.0]), 3.0)[0] == pvalues.gamma(5.0, 3)


def test_holm_keeps_the_order_and_never_falls_below_a_smaller_one():
    found = pvalues.holm([-10, -3, -1, -9])
    expected = [-10 + math.log(4), -3 + math.log(2), -1, -9 + math.log(3)]
    assert found == pytest.approx(expected)
    assert list(pvalues.holm([-0.1, -0.2])) == [0.0, 0.0]
    every = np.log(np.random.default_rng(1).random(50)) * 3
    few = np.sort(every)[:7]
    assert list(pvalues.holm(few, 50)) == list(np.sort(pvalues.holm(every))[:7])
