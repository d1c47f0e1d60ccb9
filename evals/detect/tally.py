"""Counts turned into figures: rates with intervals, medians with intervals, ROC points."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from titer.lab.interval import clopper_pearson

NEVER = 10**9


def rate(hits: int, n: int) -> dict:
    """hits of n, with the exact 95 % interval."""
    low, high = clopper_pearson(hits, n)
    return {"hits": hits, "n": n, "share": round(hits / n, 6) if n else None,
            "interval": [round(low, 6), round(high, 6)]}  # fmt: skip


def against(hits: int, n: int, nominal: float) -> dict:
    """A realised rate beside the nominal one; `ratio_interval` is the exact one, divided."""
    found = rate(hits, n)
    return {
        "nominal": nominal, **found, "ratio": round(hits / n / nominal, 4),
        "ratio_interval": [round(bound / nominal, 4) for bound in found["interval"]],
    }  # fmt: skip


def threshold(scores: np.ndarray, alpha: float) -> float:
    """The score that at most alpha of these exceed: an alarm is a score above it."""
    ordered = np.sort(scores)[::-1]
    return float(ordered[min(int(alpha * len(ordered)), len(ordered) - 1)])


def conformal(scores: np.ndarray, alpha: float) -> tuple[float, float]:
    """A score that another honest one exceeds with a chance of at most `alpha`, and that chance.

    Split conformal: the (k + 1)-th highest of n is exceeded with (k + 1) / (n + 1) at most if the
    other is exchangeable with these. Too few for `alpha` give their highest, and 1 / (n + 1).
    """
    ordered = np.sort(scores)[::-1]
    k = max(1, int(alpha * (len(ordered) + 1)))
    return float(ordered[k - 1]), k / (len(ordered) + 1)


def first_above(trace: Sequence[tuple[int, float]], bound: float) -> int:
    """The number of the first exchange after which the score exceeds the bound, or `NEVER`."""
    return next((number for number, score in trace if score > bound), NEVER)


def waiting(firsts: Sequence[int]) -> dict:
    """Exchanges to detection: share detected, and median and quartiles over all accounts.

    The median's interval is between order statistics (binomial, at least 95 %).
    """
    ordered = sorted(firsts)
    n = len(ordered)
    low, high = _median_ranks(n)
    return {
        "accounts": n,
        "detected": rate(sum(first < NEVER for first in ordered), n),
        "median": _or_none(ordered[(n - 1) // 2]),
        "median_interval": [_or_none(ordered[low]), _or_none(ordered[high])],
        "quartiles": [_or_none(ordered[(n - 1) // 4]), _or_none(ordered[3 * (n - 1) // 4])],
    }


def roc(honest: np.ndarray, attack: np.ndarray) -> list[list[float]]:
    """(false, true positive rate) at thresholds spaced evenly in the logarithm of the former."""
    n, points = len(honest), []
    for alpha in np.logspace(math.log10(1 / n), 0, 40):
        bound = threshold(honest, float(alpha))
        points.append([float((honest > bound).mean()), float((attack > bound).mean())])
    return [[round(x, 6), round(y, 4)] for x, y in sorted({tuple(p) for p in points})]


def _median_ranks(n: int) -> tuple[int, int]:
    tail, k = 0.0, 0
    while k < n // 2:
        tail += math.comb(n, k) * 0.5**n
        if tail > 0.025:
            break
        k += 1
    return max(0, k - 1), min(n - 1, n - k)


def _or_none(first: int) -> int | None:
    return None if first == NEVER else first
