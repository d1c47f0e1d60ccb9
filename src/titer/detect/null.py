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

    `levels[j]` is the raw score that 1 in 2^(j+1) of the fit half exceeded, `fitted` their number
    and `climbed` the sum of theirs (`climbs`); `params` what the detector itself learnt; `top`
    the highest raw scores of the score half.
    """

    version: str
    fitted: int
    everyone: Segment
    levels: tuple[float, ...] = ()
    climbed: float = 0.0
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
        """How unusual a raw score is beside the fit half, in bits (>= 0); never falls with it.

        As `bits`, but of those who set the levels, and smooth between levels: not valid as
        evidence, and so of use before the step that is.
        """
        rare = conformal_bits(climb(score, self.levels), self.climbed, self.fitted)
        return min(rare, score) if self.in_bits else rare

    def rarities(self, scores: Floats, *, own: bool = False) -> Floats:
        """`rarity` of many scores at once; `own` are those of the fit half itself, each of whom
        is held beside the others.
        """
        climbed = climbs(scores, self.levels)
        n = self.fitted - own
        total = np.maximum(self.climbed + (0.0 if own else climbed), 1e-300)
        rare = np.log2(np.maximum((n + 1) * climbed / total, 1.0))
        rare[scores <= 0] = 0.0
        found: Floats = np.minimum(rare, scores) if self.in_bits else rare
        return found


def climb(score: float, levels: Sequence[float]) -> float:
    """`transformed`, but rising smoothly from one level to the next (geometrically)."""
    if score <= 0:
        return 0.0
    if not levels:
        return score
    top = len(levels)
    passed = bisect_left(levels, score)
    if passed == top:
        above = (score - levels[-1]) / max(levels[-1], 1.0)
        return _step(passed, top) * min(1.0 + above, REACH) ** 3
    low = levels[passed - 1] if passed else 0.0
    part = (score - low) / (levels[passed] - low)
    return math.pow(_step(passed, top), 1.0 - part) * math.pow(_step(passed + 1, top), part)


def climbs(scores: Floats, levels: Sequence[float]) -> Floats:
    """`climb` of many scores at once."""
    if not levels:
        return np.maximum(scores, 0.0)
    top = len(levels)
    steps = np.log2([_step(passed, top) for passed in range(top + 1)])
    at = np.array([0.0, *levels])
    passed = np.searchsorted(at[1:], scores, side="left")
    low, high = at[passed], at[np.minimum(passed + 1, top)]
    part = (scores - low) / np.where(high > low, high - low, 1.0)
    rise = (steps[np.minimum(passed + 1, top)] - steps[passed]) * part
    above = np.maximum(scores - levels[-1], 0.0) / max(levels[-1], 1.0)
    climbed = np.exp2(steps[passed] + rise) * np.minimum(1.0 + above, REACH) ** 3
    found: Floats = np.where(scores > 0, climbed, 0.0)
    return found


def _step(passed: int, top: int) -> float:
    """What exceeding so many of `top` levels earns: 2^-top, and 4^j 2^-top for the j-th one."""
    return float((1 + (4 ** (passed + 1) - 4) // 3) / 2**top)


def transformed(score: float, levels: Sequence[float]) -> float:
    """What a raw score earns on the levels of a fit half; never falls as the score rises.

    Exceeding level j of J earns 2^(j-J) of the top level's 2^J: mass is kept for the high
    levels, where it buys the most bits.
    """
    if score <= 0:
        return 0.0
    if not levels:
        return score
    # Below every level a positive score is still worth more than none.
    earned = _step(bisect_left(levels, score), len(levels))
    above = max(0.0, score - levels[-1]) / max(levels[-1], 1.0)
    return earned * min(1.0 + above, REACH) ** 3


def transformed_many(scores: Floats, levels: Sequence[float]) -> Floats:
    """`transformed` of many scores at once."""
    if not levels:
        return np.maximum(scores, 0.0)
    steps = np.array([_step(passed, len(levels)) for passed in range(len(levels) + 1)])
    earned = steps[np.searchsorted(np.asarray(levels), scores, side="left")]
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
