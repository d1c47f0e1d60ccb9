"""A running bet against the worst honest caller, in constant memory.

For every exchange the detector says whether something happened (a hit) and in which stratum.
Honest callers hit with probability at most `p0` of that stratum; the wager holds one gambler
for each alternative q > p0, whose fortune is multiplied by q/p0 on a hit and (1-q)/(1-p0)
otherwise. The mixture of the fortunes is an e-process under that null (Waudby-Smith and
Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86, 2024); the score
is its running maximum in bits, bounded from below by the best gambler's share.

`p0` is an approximation: callers differ honestly, so Ville's inequality alone would be wrong
by orders of magnitude. Validity comes later and elsewhere, from split conformal calibration of
the score over whole organisations (`titer.detect.calibration`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

#: Where between p0 and 1 the alternatives stand.
REACH = (0.2, 0.45, 0.7, 0.9)
#: The mixture is at least the best of them divided by their number.
_SHARE = math.log2(len(REACH))
#: A null of 0 would make one hit infinite evidence, one of 1 none for ever.
LOWEST, HIGHEST = 0.02, 0.97
#: The null is this quantile of the honest subjects' own rates: the worst whom one accepts.
QUANTILE = 0.999
#: Exchanges in a stratum before a subject's rate there says anything about the null.
ENOUGH = 10
#: Bits that a gambler can fall to: evidence to come must not be hidden by a long honest past.
FLOOR = -8.0


class Wager:
    """The stakes of every stratum, worked out once. Holds no state of any subject."""

    __slots__ = ("nulls", "stakes")

    def __init__(self, nulls: Sequence[float]) -> None:
        self.nulls = tuple(min(max(p, LOWEST), HIGHEST) for p in nulls)
        self.stakes = tuple(_stakes(p) for p in self.nulls)

    def bet(self, fortunes: list[float], stratum: int, hit: bool) -> float:
        """Updates the gamblers' fortunes (bits) in place; returns the mixture's, at least."""
        stakes = self.stakes[stratum][hit]
        best = FLOOR
        for i, stake in enumerate(stakes):
            fortune = fortunes[i] + stake
            if fortune < FLOOR:  # noqa: PLR1730 - max() would double the cost
                fortune = FLOOR
            fortunes[i] = fortune
            if fortune > best:  # noqa: PLR1730
                best = fortune
        return best - _SHARE


def _stakes(p: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    alternatives = [p + (1 - p) * reach for reach in REACH]
    misses = tuple(math.log2((1 - q) / (1 - p)) for q in alternatives)
    return misses, tuple(math.log2(q / p) for q in alternatives)


def start() -> list[float]:
    """The fortunes of a subject that was never seen, in bits."""
    return [0.0] * len(REACH)


def worst_rates(
    counts: Iterable[tuple[Sequence[int], Sequence[int]]], drafts: Sequence[float]
) -> tuple[float, ...]:
    """The null of every stratum: the `QUANTILE` of honest subjects' rates, `drafts` if unseen.

    `counts` gives for each subject its hits and its exchanges by stratum. With fewer than
    1 / (1 - QUANTILE) subjects this is the highest rate seen.
    """
    rates: list[list[float]] = [[] for _ in drafts]
    for hits, trials in counts:
        for stratum, (hit, trial) in enumerate(zip(hits, trials, strict=True)):
            if trial >= ENOUGH:
                rates[stratum].append((hit + 0.5) / (trial + 1))
    return tuple(
        sorted(seen)[min(len(seen) - 1, math.ceil(QUANTILE * len(seen)) - 1)] if seen else draft
        for seen, draft in zip(rates, drafts, strict=True)
    )
