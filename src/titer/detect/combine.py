"""One score out of all detectors' scores, so that listening to many costs nothing.

Averaging the e-values of s detectors costs log2 s bits when one of them speaks: 3.8 for fourteen.
Instead:

1. Each score becomes a rarity: how few of the fit half exceed it, in bits, by the tail of their
   scores where it is rare (`Segment.rarity`). Raw scores of different detectors mean different
   things; rarities do not.
2. The combined score is the sum of 2^rarity - 1 over all detectors: the sum of their e-values,
   were rarities evidence. It never falls when none of the scores does, so that the combination
   of running maxima is itself a running maximum.
3. One split-conformal step turns it into bits: the same subjects score it who score the
   detectors alone, and the rarities came from the fit half only. That e-value is valid whatever
   was done in 1 and 2 and however the detectors depend on each other
   (titer.detect.calibration, 3).

A tier with `SEGMENT` subjects or more has rarities of its own as well: what is common among
applications is rare among people who chat, and the other way round.

What else was tried for 1 and 2, and what it lost: docs/adr/0009-one-combined-score.md; tiers:
docs/adr/0032-windows-tiers-and-tails.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from titer.detect.null import Floats, Null, Segment, segment, transformed_many

#: Subjects of one tier from which it is compared with itself alone: they support 10 bits. Fewer
#: would bound false alarms within the tier as well, and could not give enough bits to act on.
SEGMENT = 1000


class Combination(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What calibration knows about the combined score.

    `detectors` are those that take part, in the order of their rarities; `everyone`, `tiers` and
    `top` are as in `Null`, of the combined score.
    """

    detectors: tuple[str, ...]
    everyone: Segment
    tiers: dict[str, Segment] = {}
    top: tuple[float, ...] = ()

    @property
    def fitted(self) -> int:
        """Subjects of the fit half."""
        return self.everyone.fitted

    @property
    def most(self) -> float:
        """The most bits that this many subjects support."""
        return math.log2(self.everyone.n + 1)

    def segment(self, tier: str) -> Segment:
        """Whom a subject of this tier is compared with."""
        return self.tiers.get(tier, self.everyone)

    def score(
        self, scores: Mapping[str, float], nulls: Mapping[str, Null], tier: str = ""
    ) -> float:
        """The combined score of raw scores by detector; an absent one is 0."""
        tier = self._own(tier)
        return math.fsum(
            math.exp2(nulls[d].rarity(scores[d], tier)) - 1.0
            for d in self.detectors
            if d in scores
        )

    def bits(
        self, scores: Mapping[str, float], nulls: Mapping[str, Null], tier: str = ""
    ) -> float:
        """Bits (>= 0) of all scores together, never more than what the scores claim.

        A claim counts only where a score is in bits; beside it the bits may be many because
        nobody else did the like at all, and that is no evidence of anything.
        """
        combined = self.score(scores, nulls, tier)
        if combined <= 0:
            return 0.0
        bits = self.segment(tier).bits(combined)
        return min(bits, claim(scores, {d: nulls[d] for d in self.detectors}))

    def scores(self, scores: Floats, nulls: Mapping[str, Null], tier: str = "") -> Floats:
        """`score` of many subjects: a row each, a column for each of `detectors`."""
        tier = self._own(tier)
        total = np.zeros(len(scores))
        for column, name in enumerate(self.detectors):
            total += np.exp2(nulls[name].rarities(scores[:, column], tier)) - 1.0
        return total

    def bits_many(self, scores: Floats, nulls: Mapping[str, Null], tier: str = "") -> Floats:
        """`bits` of many subjects of one tier; a million rows take about a second."""
        held = self.segment(tier)
        earned = transformed_many(self.scores(scores, nulls, tier), held.levels)
        with np.errstate(divide="ignore"):
            bits = np.log2((held.n + 1) * earned / np.maximum(held.total + earned, 1e-300))
        claimed = np.zeros(len(scores))
        for column, name in enumerate(self.detectors):
            raw = scores[:, column]
            claimed += raw if nulls[name].in_bits else np.where(raw > 0, math.inf, 0.0)
        found: Floats = np.minimum(np.maximum(bits, 0.0), claimed)
        return found

    def _own(self, tier: str) -> str:
        """The tier, if its rarities are among its own; "" for everybody's."""
        return tier if tier in self.tiers else ""


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
    tiers: tuple[Sequence[str], Sequence[str]] = ((), ()),
    *,
    top: int = 8,
) -> Combination:
    """The combination of detectors under their nulls.

    `fits` and `scored` hold a row for each subject of the fit and of the score half, a column
    for each of `nulls`; `tiers` name the tier of each row of both, if tiers there are.
    """
    draft = Combination(tuple(nulls), Segment(0, 0.0))

    def combined(rows: Floats, tier: str = "") -> list[float]:
        """As `score` does it, row by row: the last bit of a sum decides between two levels."""
        return [
            draft.score(dict(zip(draft.detectors, row, strict=True)), nulls, tier)
            for row in rows.tolist()
        ]

    score_half = combined(scored)
    everyone = segment(combined(fits), score_half)
    fit_tiers, score_tiers = (np.array(names, dtype=object) for names in tiers)
    large = [t for t, n in sorted(Counter(score_tiers.tolist()).items()) if t and n >= SEGMENT]
    draft = msgspec.structs.replace(draft, tiers=dict.fromkeys(large, everyone))
    return msgspec.structs.replace(
        draft,
        everyone=everyone,
        tiers={
            tier: segment(
                combined(fits[fit_tiers == tier], tier),
                combined(scored[score_tiers == tier], tier),
            )
            for tier in large
        },
        top=tuple(sorted(score_half, reverse=True)[:top]),
    )
