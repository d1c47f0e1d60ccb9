"""Exact (Clopper-Pearson) intervals for a proportion, and for the ratio of two.

The bounds are quantiles of beta distributions (Clopper and Pearson, Biometrika 26, 1934); the
regularised incomplete beta function is summed as its continued fraction (DLMF 8.17.22, Lentz's
method) and inverted by Newton's method in a bracket. Accurate to about 1e-12, which `tests` hold
against values with a closed form.
"""

from __future__ import annotations

import math

#: Halvings of [0, 1] that reach the precision of a float.
HALVINGS = 60

#: Terms of the continued fraction; it converges in about sqrt(max(a, b)) of them.
MAX_TERMS = 100_000

_TINY = 1e-300
_PRECISION = 1e-15


def clopper_pearson(hits: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval for `hits` of `n`; (0, 1) when n is 0.

    Raises ValueError for counts that cannot be.
    """
    if not 0 <= hits <= n or not 0.0 < confidence < 1.0:
        raise ValueError("need 0 <= hits <= n and 0 < confidence < 1")
    if n == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if hits == 0 else _quantile(tail, hits, n - hits + 1)
    high = 1.0 if hits == n else _quantile(1.0 - tail, hits + 1, n - hits)
    return low, high


def likelihood_ratio(
    hits: int, n: int, others: int, m: int, *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """(ratio of hits/n to others/m, lower bound, upper bound).

    The bounds are those of the two exact intervals, each at 1 - (1 - confidence) / 2, so that both
    hold together with at least `confidence`. Ratio and upper bound are infinite when nobody else
    has it; with nobody to count on either side the ratio is 1 and the bounds are 0 and inf.
    """
    if n == 0 or m == 0:
        return 1.0, 0.0, math.inf
    each = 1.0 - (1.0 - confidence) / 2.0
    low, high = clopper_pearson(hits, n, confidence=each)
    base_low, base_high = clopper_pearson(others, m, confidence=each)
    alone = math.inf if hits else 1.0
    ratio = (hits / n) / (others / m) if others else alone
    return ratio, low / base_high, high / base_low if base_low > 0 else math.inf


def _quantile(p: float, a: float, b: float) -> float:
    """Newton's method from the mean, kept in a bracket that every step narrows; where a step would
    leave it, the bracket is halved. Some ten evaluations instead of sixty.
    """
    low, high, x = 0.0, 1.0, a / (a + b)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    for _ in range(2 * HALVINGS):
        off = incomplete_beta(x, a, b) - p
        if off < 0:
            low = x
        else:
            high = x
        density = math.exp(scale + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))
        step = x - off / density if density > _TINY else -1.0
        if not low < step < high:
            step = (low + high) / 2.0
        if abs(step - x) <= _PRECISION * x or step >= 1.0:
            return step
        x = step
    return x


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b) for 0 <= x <= 1 and a, b > 0."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):  # the fraction converges fast only on this side
        return 1.0 - incomplete_beta(1.0 - x, b, a)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(scale + a * math.log(x) + b * math.log1p(-x)) / a
    return front * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """Lentz's evaluation of the continued fraction of DLMF 8.17.22."""
    c, d = 1.0, _away(1.0 - (a + b) * x / (a + 1.0))
    d = 1.0 / d
    total = d
    for m in range(1, MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for term in (even, odd):
            d = 1.0 / _away(1.0 + term * d)
            c = _away(1.0 + term / c)
            change = d * c
            total *= change
        if abs(change - 1.0) < _PRECISION:
            return total
    raise ArithmeticError("the continued fraction did not converge")


def _away(value: float) -> float:
    """`value`, kept away from zero so that it can be divided by."""
    return value if abs(value) > _TINY else _TINY
