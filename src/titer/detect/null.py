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
#: Bits from which a rarity follows a tail: 1 in 32 of the fit half is above.
TAIL = 5
#: A tail is estimated from the scores above, and these: so many, each e times the first. No tail
#: counts as lighter than `LIGHTEST`.
SUPPOSED, LIGHTEST = 2, 0.1
#: Bits of score that make a bit of rarity at least where a detector compares a caller with itself:
#: its log-likelihood ratio cannot claim more.
STEEPEST = 1.0
#: A tail starts at no less: scores below a thousandth of a bit are no scores.
LEAST = 1e-3
#: Rarities end here, long after bits do: a sum of 2^60 is a number that computers can add.
MOST = 60.0


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Honest subjects that others are compared with: all, or those of one tier.

    `n` scored, and `total` is the sum of their transformed scores. `fitted` subjects of the fit
    half set `levels`: `levels[j]` is the raw score that 1 in 2^(j+1) of them exceeded. Above
    `start`, which is as rare as `base` bits, rarities follow a Pareto tail of index `tail` (Hill,
    "A simple general approach to inference about the tail of a distribution", Annals of Statistics
    3, 1975): the more the highest of the fit half differ, the less does a higher score say. Where
    `scale` is above 0 the tail is exponential instead: so many bits of score make one of rarity.
    """

    n: int
    total: float
    fitted: int = 0
    levels: tuple[float, ...] = ()
    start: float = 1.0
    base: float = 0.0
    tail: float = 1.0
    scale: float = 0.0

    def bits(self, score: float) -> float:
        """Bits (>= 0) of a raw score (>= 0): split conformal."""
        return conformal_bits(transformed(score, self.levels), self.total, self.n)

    def rarity(self, score: float) -> float:
        """How few of the fit half exceed a raw score, in bits (>= 0); never falls with it.

        Drawn straight between levels and extrapolated above `start`: not valid as evidence, and
        so of use before the step that is.
        """
        if score <= 0:
            return 0.0
        if score > self.start:
            if self.scale:
                above = (score - self.start) / self.scale
            else:
                above = math.log2(score / self.start) / self.tail
            return min(self.base + above, MOST)
        if self.tailed:
            return self.base * score / self.start
        passed = bisect_left(self.levels, score)
        low = self.levels[passed - 1] if passed else 0.0
        return passed + (score - low) / (self.levels[passed] - low)

    def rarities(self, scores: Floats) -> Floats:
        """`rarity` of many scores at once."""
        positive = np.maximum(scores, 0.0)
        if self.tailed:
            below = self.base * positive / self.start
        else:
            levels = np.array(self.levels)
            passed = np.minimum(np.searchsorted(levels, positive), TAIL - 1)
            low = np.concatenate(([0.0], levels))[passed]
            width = levels[passed] - low
            below = passed + (positive - low) / np.where(width > 0, width, 1.0)
        if self.scale:
            above = (positive - self.start) / self.scale
        else:
            above = np.log2(np.maximum(positive / self.start, 1.0)) / self.tail
        rare = np.where(positive > self.start, self.base + above, below)
        found: Floats = np.minimum(rare, MOST)
        found[scores <= 0] = 0.0
        return found

    @property
    def tailed(self) -> bool:
        """Whether so few of the fit half had a score at all that these make the tail."""
        return len(self.levels) < TAIL or self.levels[TAIL - 1] < LEAST


class Null(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What calibration knows about one detector's scores under honest conduct.

    `tiers` are segments of their own, for tiers that are large enough; `params` what the detector
    itself learnt; `top` the highest raw scores of the score half.
    """

    version: str
    everyone: Segment
    params: dict[str, tuple[float, ...]] = {}
    tiers: dict[str, Segment] = {}
    top: tuple[float, ...] = ()
    in_bits: bool = False

    @property
    def fitted(self) -> int:
        """Subjects of the fit half."""
        return self.everyone.fitted

    @property
    def levels(self) -> tuple[float, ...]:
        """The scores that 1 in 2, 4, 8 ... of the fit half exceeded."""
        return self.everyone.levels

    @property
    def most(self) -> float:
        """The most bits that this many subjects support."""
        return math.log2(self.everyone.n + 1)

    def segment(self, tier: str) -> Segment:
        """Whom a subject of this tier is compared with."""
        return self.tiers.get(tier, self.everyone)

    def bits(self, score: float, tier: str = "") -> float:
        """Bits (>= 0) of a raw score (>= 0)."""
        bits = self.segment(tier).bits(score)
        return min(bits, score) if self.in_bits else bits

    def rarity(self, score: float, tier: str = "") -> float:
        """`Segment.rarity` beside this tier; no more than a score in bits claims."""
        rare = self.segment(tier).rarity(score)
        return min(rare, score) if self.in_bits else rare

    def rarities(self, scores: Floats, tier: str = "") -> Floats:
        """`rarity` of many scores at once."""
        rare = self.segment(tier).rarities(scores)
        found: Floats = np.minimum(rare, np.maximum(scores, 0.0)) if self.in_bits else rare
        return found


def _above(score: float, levels: Sequence[float]) -> float:
    """How many times as high as the highest level a score is; 1 if it is not above it."""
    if not levels or score <= levels[-1]:
        return 1.0
    return 1.0 + (score - levels[-1]) / max(levels[-1], 1.0)


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
    return earned * min(_above(score, levels), REACH) ** 3


def transformed_many(scores: Floats, levels: Sequence[float]) -> Floats:
    """`transformed` of many scores at once."""
    if not levels:
        return np.maximum(scores, 0.0)
    steps = np.array([_step(passed, len(levels)) for passed in range(len(levels) + 1)])
    earned = steps[np.searchsorted(np.asarray(levels), scores, side="left")]
    above = np.maximum(0.0, scores - levels[-1]) / max(levels[-1], 1.0)
    found: Floats = np.where(scores > 0, earned * np.minimum(1.0 + above, REACH) ** 3, 0.0)
    return found


def segment(
    fits: Collection[float], scored: Collection[float], *, own_past: bool = False
) -> Segment:
    """What the raw scores of both halves of some subjects make.

    `own_past`: the scores compare each subject with itself, in bits. Such a log-likelihood ratio
    exceeds b bits with a chance of 2^-b while nothing changes, whoever the subject is; so its tail
    is exponential, and only its scale is learnt.
    """
    ordered = sorted(fits)
    levels = levels_of(ordered)
    total = math.fsum(transformed(score, levels) for score in scored)
    start, base, tail = _tail(ordered, levels)
    scale = _scale(ordered, start) if own_past else 0.0
    return Segment(len(scored), total, len(ordered), levels, start, base, tail, scale)


def _scale(ordered: Sequence[float], start: float) -> float:
    """Bits of score for one of rarity: the mean excess of the fit half, times ln 2."""
    above = [score - start for score in ordered if score > start]
    mean = (math.fsum(above) * math.log(2) + SUPPOSED * STEEPEST) / (len(above) + SUPPOSED)
    return max(mean, STEEPEST)


def _tail(ordered: Sequence[float], levels: Sequence[float]) -> tuple[float, float, float]:
    """Where the tail of the fit half's rising scores starts, how rare that is, and its index."""
    positive = ordered[bisect_left(ordered, LEAST) :]
    if len(levels) >= TAIL and levels[TAIL - 1] >= LEAST:
        start, base = levels[TAIL - 1], float(TAIL)
    else:
        start = positive[0] if positive else 1.0
        base = math.log2((len(ordered) + 1) / (len(positive) + 1))
    above = [math.log(score / start) for score in positive if score > start]
    index = (math.fsum(above) + SUPPOSED) / (len(above) + SUPPOSED)
    return start, base, max(index, LIGHTEST)


def levels_of(scores: Sequence[float]) -> tuple[float, ...]:
    """The scores that 1 in 2, 4, 8 ... exceeded, as far as rising `scores` reach."""
    n = len(scores)
    return tuple(scores[n - 1 - (n >> (j + 1))] for j in range(max(0, n.bit_length() - 1)))
