"""One score out of all detectors' scores, so that listening to many costs nothing.

Averaging the e-values of s detectors costs log2 s bits when one of them speaks: 3.8 for fourteen.
Instead:

1. Each score becomes a rarity: its conformal bits beside the fit half (`Null.rarity`). Raw scores
   of different detectors mean different things; rarities do not.
2. The combined score is the sum of 2^rarity - 1 over all detectors: the sum of their e-values,
   were rarities evidence. It never falls when none of the scores does, so that the combination
   of running maxima is itself a running maximum.
3. One split-conformal step turns it into bits: the same subjects score it who score the
   detectors alone, and the rarities came from the fit half only. That e-value is valid whatever
   was done in 1 and 2 and however the detectors depend on each other
   (titer.detect.calibration, 3).

What else was tried for 1 and 2, and what it lost: docs/adr/0009-one-combined-score.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from titer.core.bits import conformal_bits
from titer.detect.null import (
    Floats,
    Null,
    Segment,
    levels_of,
    segment,
    transformed,
    transformed_many,
)

#: Subjects of one tier from which it is compared with itself alone: they support 10 bits. Fewer
#: would bound false alarms within the tier as well, and could not give enough bits to act on.
SEGMENT = 1000


class Combination(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What calibration knows about the combined score.

    `detectors` are those that take part, in the order of their rarities. `levels`, `everyone`,
    `tiers` and `top` are as in `Null`, of the combined score.
    """

    detectors: tuple[str, ...]
    fitted: int
    everyone: Segment
    levels: tuple[float, ...] = ()
    tiers: dict[str, Segment] = {}
    top: tuple[float, ...] = ()

    @property
    def most(self) -> float:
        """The most bits that this many subjects support."""
        return math.log2(self.everyone.n + 1)

    def segment(self, tier: str) -> Segment:
        """Whom a subject of this tier is compared with."""
        return self.tiers.get(tier, self.everyone)

    def score(self, scores: Mapping[str, float], nulls: Mapping[str, Null]) -> float:
        """The combined score of raw scores by detector; an absent one is 0."""
        return math.fsum(
            math.exp2(nulls[d].rarity(scores[d])) - 1.0 for d in self.detectors if d in scores
        )

    def bits(
        self, scores: Mapping[str, float], nulls: Mapping[str, Null], tier: str = ""
    ) -> float:
        """Bits (>= 0) of all scores together, never more than what the scores claim.

        A claim counts only where a score is in bits; beside it the bits may be many because
        nobody else did the like at all, and that is no evidence of anything.
        """
        combined = self.score(scores, nulls)
        if combined <= 0:
            return 0.0
        held = self.segment(tier)
        bits = conformal_bits(transformed(combined, self.levels), held.total, held.n)
        return min(bits, claim(scores, {d: nulls[d] for d in self.detectors}))

    def scores(self, scores: Floats, nulls: Mapping[str, Null], *, own: bool = False) -> Floats:
        """`score` of many subjects: a row each, a column for each of `detectors`. `own` are the
        fit half itself.
        """
        total = np.zeros(len(scores))
        for column, name in enumerate(self.detectors):
            total += np.exp2(nulls[name].rarities(scores[:, column], own=own)) - 1.0
        return total

    def bits_many(self, scores: Floats, nulls: Mapping[str, Null], tier: str = "") -> Floats:
        """`bits` of many subjects of one tier; a million rows take about a second."""
        held = self.segment(tier)
        earned = transformed_many(self.scores(scores, nulls), self.levels)
        with np.errstate(divide="ignore"):
            bits = np.log2((held.n + 1) * earned / np.maximum(held.total + earned, 1e-300))
        claimed = np.zeros(len(scores))
        for column, name in enumerate(self.detectors):
            raw = scores[:, column]
            claimed += raw if nulls[name].in_bits else np.where(raw > 0, math.inf, 0.0)
        found: Floats = np.minimum(np.maximum(bits, 0.0), claimed)
        return found


def claim(scores: Mapping[str, float], nulls: Mapping[str, Null]) -> float:
    """What scores in bits claim together; infinite when one that is not in bits is positive."""
    total = 0.0
    for name, null in nulls.items():
        score = scores.get(name, 0.0)
        if score > 0:
            total += score if null.in_bits else math.inf
    return total


def fit(
    nulls: Mapping[str, Null],
    fits: Floats,
    scored: Floats,
    tiers: Sequence[str] = (),
    *,
    top: int = 8,
) -> Combination:
    """The combination of detectors under their nulls.

    `fits` and `scored` hold a row for each subject of the fit and of the score half, a column
    for each of `nulls`; `tiers` name the tier of each row of `scored`.
    """
    draft = Combination(tuple(nulls), len(fits), Segment(0, 0.0))
    levels = levels_of(np.sort(draft.scores(fits, nulls, own=True)).tolist())
    combined = draft.scores(scored, nulls)
    earned = transformed_many(combined, levels).tolist()
    by_tier: dict[str, list[float]] = {}
    for tier, value in zip(tiers, earned, strict=bool(tiers)):
        by_tier.setdefault(tier, []).append(value)
    return Combination(
        tuple(nulls),
        len(fits),
        segment(earned),
        levels,
        {t: segment(v) for t, v in sorted(by_tier.items()) if t and len(v) >= SEGMENT},
        tuple(sorted(combined.tolist(), reverse=True)[:top]),
    )
