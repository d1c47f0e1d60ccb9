"""A running bet against the worst honest caller, in constant memory.

Every exchange has a yield between 0 and 1 (the detector decides) and a stratum. Honest callers'
yields have a mean of at most `null` in that stratum; the wager holds one gambler for each stake,
whose fortune is multiplied by 1 + stake (yield / null - 1). The mixture of the fortunes is an
e-process under that null (Waudby-Smith and Ramdas, "Estimating means of bounded random variables
by betting", JRSS-B 86, 2024); the score is its running maximum in bits, bounded from below by
the best gambler's share.

The null is an approximation: callers differ honestly, so Ville's inequality alone would be wrong
by orders of magnitude. Validity comes later and elsewhere, from split conformal calibration of
the score over whole organisations (`titer.detect.calibration`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

#: Shares of a fortune that the gamblers stake; less than 1, so that none is ruined.
STAKES = (0.05, 0.15, 0.35, 0.65)
#: Groups of gamblers: one bets on single questions only, one on conversations only. The
#: mixture is at least the best gambler's fortune divided by their number.
GROUPS = 2
_SHARE = math.log2(GROUPS * len(STAKES))
#: A null of 0 would make one exchange infinite evidence, one of 1 none for ever.
LOWEST, HIGHEST = 0.02, 0.97
#: The null is this quantile of the honest subjects' own means. It places the bet; the worst
#: honest subject is accounted for by calibration, which needs some of them to score above 0 to
#: tell them apart (measured: docs/adr/0006-bits-by-conformal-e-values.md).
QUANTILE = 0.95
#: Exchanges in a stratum before a subject's mean there says anything about the null.
ENOUGH = 10
#: Bits that a gambler can fall to: evidence to come must not be hidden by a long honest past.
#: What the floor lends is one more reason why only calibration gives bits.
FLOOR = -8.0


class Wager:
    """The nulls of every stratum. Holds no state of any subject."""

    __slots__ = ("nulls",)

    def __init__(self, nulls: Sequence[float]) -> None:
        self.nulls = tuple(min(max(p, LOWEST), HIGHEST) for p in nulls)

    def bet(self, fortunes: list[float], stratum: int, gain: float) -> float:
        """Updates the gamblers' fortunes (bits) in place; returns the mixture's, at least.

        `gain` is the exchange's yield, 0 to 1. Gamblers of the other group stand still; their
        fortune was weighed when they last moved.
        """
        edge = gain / self.nulls[stratum] - 1.0
        best = FLOOR
        first = (stratum >> 1) * len(STAKES)
        for i, stake in enumerate(STAKES, first):
            fortune = fortunes[i] + _log2(1.0 + stake * edge)
            if fortune < FLOOR:  # noqa: PLR1730 - max() would double the cost
                fortune = FLOOR
            fortunes[i] = fortune
            if fortune > best:  # noqa: PLR1730
                best = fortune
        return best - _SHARE


_log2 = math.log2


def start() -> list[float]:
    """The fortunes of a subject that was never seen, in bits."""
    return [0.0] * (GROUPS * len(STAKES))


def worst_means(
    sums: Iterable[tuple[Sequence[float], Sequence[int]]],
    drafts: Sequence[float],
    *,
    enough: int = ENOUGH,
) -> tuple[float, ...]:
    """The null of every stratum: the `QUANTILE` of honest subjects' means, `drafts` if unseen.

    `sums` gives for each subject its summed yields and its bets by stratum; a mean over fewer
    than `enough` says nothing. With fewer than 1 / (1 - QUANTILE) subjects this is the highest
    mean seen.
    """
    means: list[list[float]] = [[] for _ in drafts]
    for gains, trials in sums:
        for stratum, (gain, trial) in enumerate(zip(gains, trials, strict=True)):
            if trial >= enough:
                means[stratum].append(gain / trial)
    return tuple(
        sorted(seen)[min(len(seen) - 1, math.ceil(QUANTILE * len(seen)) - 1)] if seen else draft
        for seen, draft in zip(means, drafts, strict=True)
    )
