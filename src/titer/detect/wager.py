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
#: The null is one of these quantiles of the honest subjects' own means: the one under which a
#: harvest is soonest beyond all honest subjects but the share `SPARED`, and has won `NEEDED` bits
#: (bits are never more than the score). It places the bet; the honest subject that wins most is
#: accounted for by calibration. Measured: docs/adr/0011-where-bets-are-placed.md.
PLACES = (0.99, 0.975, 0.95, 0.925, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)
SPARED, NEEDED = 0.005, 10.0
#: Where no place lets a harvest win within the life of a campaign's account, in exchanges: the
#: quantile against which honest subjects win next to nothing.
LIFE, QUANTILE = 667.0, 0.95
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
    aims: Sequence[float] = (),
    enough: int = ENOUGH,
) -> tuple[float, ...]:
    """The null of every stratum, `drafts` where too little was seen.

    `sums` gives for each honest subject its summed yields and its bets by stratum; a mean over
    fewer than `enough` says nothing. `aims` is the mean yield of a harvest: the higher the null
    lies, the fewer honest subjects win anything, but the harvest wins less each time, too.
    Without it the null is the `QUANTILE` of the means.
    """
    rows = [[(g, t) for g, t in zip(*row, strict=True)] for row in sums]
    found = []
    for stratum, draft in enumerate(drafts):
        seen = sorted((row[stratum][0] / row[stratum][1], row[stratum][1]) for row in rows
                      if row[stratum][1] >= enough)  # fmt: skip
        if not seen:
            found.append(draft)
        elif aims:
            found.append(_soonest(seen, len(rows), aims[stratum]))
        else:
            found.append(quantile([mean for mean, _ in seen], QUANTILE))
    return tuple(found)


def _soonest(seen: Sequence[tuple[float, int]], subjects: int, aim: float) -> float:
    """The null among quantiles of the means `seen`, which are sorted, with bets of each."""
    means = [mean for mean, _ in seen]
    waits = {p: _wait(seen, subjects, aim, p) for p in (quantile(means, q) for q in PLACES)}
    best = min(waits, key=waits.__getitem__)
    return best if waits[best] <= LIFE else quantile(means, QUANTILE)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The number that a share of the ordered ones does not exceed."""
    return ordered[min(len(ordered), math.ceil(share * len(ordered))) - 1]


def _wait(seen: Sequence[tuple[float, int]], subjects: int, aim: float, null: float) -> float:
    """Exchanges until a harvest is beyond the honest subjects that are not spared."""
    null = min(max(null, LOWEST), HIGHEST)
    pace = _growth(aim, null)
    if pace <= 0.0:
        return math.inf
    won = sorted((trials * _growth(mean, null) for mean, trials in seen), reverse=True)
    spared = int(SPARED * subjects)
    bar = won[spared] if spared < len(won) else 0.0
    return (max(bar, NEEDED) + _SHARE) / pace


def _growth(mean: float, null: float) -> float:
    """Bits that the best gambler wins at each exchange with such a yield."""
    return max(_log2(1.0 + stake * (mean / null - 1.0)) for stake in STAKES)
