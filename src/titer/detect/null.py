"""What one detector's scores are like under honest conduct: how rare a score is, and its bits."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.bits import conformal_bits

Floats = npt.NDArray[np.float64]

#: A score so many times as high as the highest level (or so many above it, if that is below 1)
#: earns `GROWTH` times what one just above it does; higher ones earn no more.
REACH = 4.0
GROWTH = REACH**3


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Honest subjects whose transformed scores were summed."""

    n: int
    total: float


class Null(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What calibration knows about one detector's scores under honest conduct.

    `levels[j]` is the raw score that 1 in 2^(j+1) of the fit half exceeded; `params` what the
    detector itself learnt; `top` the highest raw scores of the score half.
    """

    version: str
    fitted: int
    everyone: Segment
    levels: tuple[float, ...] = ()
    params: dict[str, tuple[float, ...]] = {}
    tiers: dict[str, Segment] = {}
    top: tuple[float, ...] = ()
    in_bits: bool = False

    @property
    def most(self) -> float:
        """The most bits that this many subjects support."""
        return math.log2(self.everyone.n + 1)

    def bits(self, score: float, tier: str = "") -> float:
        """Bits (>= 0) of a raw score (>= 0)."""
        segment = self.tiers.get(tier, self.everyone)
        bits = conformal_bits(transformed(score, self.levels), segment.total, segment.n)
        return min(bits, score) if self.in_bits else bits

    def rarity(self, score: float) -> float:
        """About -log2 of the share of the fit half with a higher score; never falls with it.

        Between two levels it is interpolated; above the highest it grows by one for every
        doubling. A score that is in bits is never rarer than it claims.
        """
        if score <= 0:
            return 0.0
        levels = self.levels
        passed = bisect_left(levels, score)
        if passed == len(levels):
            top = levels[-1] if levels else 0.0
            rare = passed + math.log2(1.0 + (score - top) / max(top, 1.0))
        else:
            low = levels[passed - 1] if passed else 0.0
            rare = passed + (score - low) / (levels[passed] - low)
        return min(rare, score) if self.in_bits else rare

    def rarities(self, scores: Floats) -> Floats:
        """`rarity` of many scores at once."""
        levels = np.asarray(self.levels, dtype=np.float64)
        passed = np.searchsorted(levels, scores, side="left")
        low = np.concatenate(((0.0,), levels))[passed]
        high = np.append(levels, math.inf)[passed]
        beyond = passed == len(levels)
        over = np.log2(1.0 + np.maximum(scores - low, 0.0) / np.maximum(low, 1.0))
        inside = (scores - low) / np.where(beyond | (high <= low), 1.0, high - low)
        rare: Floats = np.where(scores > 0, passed + np.where(beyond, over, inside), 0.0)
        return np.minimum(rare, scores) if self.in_bits else rare


def transformed(score: float, levels: Sequence[float]) -> float:
    """What a raw score earns on the levels of a fit half; never falls as the score rises.

    Exceeding level j of J earns 2^(j-J) of the top level's 2^J: mass is kept for the high
    levels, where it buys the most bits.
    """
    if score <= 0:
        return 0.0
    if not levels:
        return score
    top = len(levels)
    earned = sum(4.0 ** (j + 1) / 2.0**top for j, level in enumerate(levels) if score > level)
    # Below every level a positive score is still worth more than none.
    earned += 2.0**-top
    above = max(0.0, score - levels[-1]) / max(levels[-1], 1.0)
    return earned * min(1.0 + above, REACH) ** 3


def transformed_many(scores: Floats, levels: Sequence[float]) -> Floats:
    """`transformed` of many scores at once."""
    if not levels:
        return np.maximum(scores, 0.0)
    top = len(levels)
    steps = np.concatenate(((0.0,), np.cumsum(4.0 ** np.arange(1, top + 1) / 2.0**top)))
    earned = steps[np.searchsorted(np.asarray(levels), scores, side="left")] + 2.0**-top
    above = np.maximum(0.0, scores - levels[-1]) / max(levels[-1], 1.0)
    found: Floats = np.where(scores > 0, earned * np.minimum(1.0 + above, REACH) ** 3, 0.0)
    return found


def segment(values: Collection[float]) -> Segment:
    """The sum of some subjects' transformed scores."""
    return Segment(len(values), math.fsum(values))


def levels_of(scores: Sequence[float]) -> tuple[float, ...]:
    """The scores that 1 in 2, 4, 8 ... exceeded, as far as rising `scores` reach."""
    n = len(scores)
    return tuple(scores[n - 1 - (n >> (j + 1))] for j in range(max(0, n.bit_length() - 1)))
