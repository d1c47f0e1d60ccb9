"""Bits of evidence: log2 of an e-value, and how several are put together.

An e-value is a non-negative number whose expectation is at most 1 when the caller is honest;
by Markov's inequality honest conduct reaches b bits with probability at most 2^-b. E-values
that share data are averaged, never multiplied (Vovk and Wang, "E-values: Calibration,
combination and applications", Annals of Statistics 49, 2021, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def conformal_bits(score: float, calibration_sum: float, n: int) -> float:
    """Bits of a subject's score beside the scores of n exchangeable honest subjects.

    The e-value is (n + 1) * score / (calibration_sum + score): its expectation is exactly 1
    when the subject is exchangeable with the calibration subjects, whatever the distribution
    of the scores. It cannot exceed n + 1, so n honest subjects support at most log2(n + 1)
    bits. Scores must be non-negative and, for validity at any time, never fall over a
    subject's life. Returns a number >= 0 (an e-value below 1 counts as no evidence).
    """
    if score < 0 or calibration_sum < 0 or n < 0:
        raise ValueError("score, calibration_sum and n must not be negative")
    total = calibration_sum + score
    if total == 0 or n == 0:
        return 0.0
    if math.isinf(score):
        return math.log2(n + 1)
    return max(0.0, math.log2((n + 1) * score / total)) if score > 0 else 0.0


def average_bits(bits: Iterable[float], detectors: int) -> float:
    """Bits of the average of `detectors` e-values, of which `bits` have spoken.

    The silent ones enter as 1 (0 bits): leaving them out would select on the data.
    """
    values = [2.0**b for b in bits]
    if len(values) > detectors:
        raise ValueError("more values than detectors")
    if not values:
        return 0.0
    return max(0.0, math.log2((sum(values) + detectors - len(values)) / detectors))


def e_bh(e_values: Sequence[float], q: float, *, total: int | None = None) -> list[bool]:
    """Which hypotheses e-BH rejects at false discovery rate `q`, whatever their dependence.

    Wang and Ramdas, "False discovery rate control with e-values", JRSS-B 84, 2022. `total`
    counts all hypotheses when `e_values` are only the largest of them.
    """
    k = len(e_values) if total is None else total
    if k < len(e_values):
        raise ValueError("total must not be below the number of e-values")
    ranked = sorted(e_values, reverse=True)
    best = max((i for i, e in enumerate(ranked, 1) if e * i * q >= k), default=0)
    return [best > 0 and e * best * q >= k for e in e_values]
