"""One score out of all detectors' scores, so that listening to many costs nothing.

Averaging the e-values of s detectors costs log2 s bits when one of them speaks: 3.8 for fourteen.
Instead:

1. Each score becomes a rarity: about -log2 of the share of the fit half with a higher one
   (`Null.rarity`). Raw scores of different detectors mean different things; rarities do not.
2. `RULE` makes one number of a subject's rarities. It never falls when none of them does, so that
   the combination of running maxima is itself a running maximum.
3. One split-conformal step turns that number into bits: the same subjects score it who score the
   detectors alone, and the rarities came from the fit half only. The e-value is valid whatever
   the rule and however the detectors depend on each other (titer.detect.calibration, 3).

Rules that were tried, and why this one: docs/adr/0009-one-combined-score.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

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

#: Subjects of one tier from which it is compared with itself alone.
SEGMENT = 200

#: Rarity that everybody has somewhere: 1 in 2 subjects exceeds it, in each detector.
COMMON = 1.0


def largest(rarities: Floats) -> Floats:
    """The rarest score alone. Axis -1 are the detectors, here and below."""
    found: Floats = rarities.max(axis=-1, initial=0.0)
    return found


def excess(rarities: Floats) -> Floats:
    """The sum of what each rarity has beyond `COMMON`."""
    found: Floats = np.maximum(rarities - COMMON, 0.0).sum(axis=-1)
    return found


def log_mean_exp(rarities: Floats) -> Floats:
    """log2 of the mean of 2^rarity: the average of e-values, were rarities bits."""
    top = rarities.max(axis=-1, initial=0.0)
    found: Floats = np.maximum(
        top + np.log2(np.exp2(rarities - top[..., None]).mean(axis=-1)), 0.0
    )
    return found


def two_largest(rarities: Floats) -> Floats:
    """The sum of the two rarest scores."""
    if rarities.shape[-1] < 2:
        return excess(rarities + COMMON)
    found: Floats = np.sort(rarities, axis=-1)[..., -2:].sum(axis=-1)
    return found


def largest_and_half(rarities: Floats) -> Floats:
    """The rarest score, half of the next, a quarter of the one after: 2^-k of the k-th."""
    ranked = np.sort(rarities, axis=-1)[..., ::-1]
    found: Floats = (ranked * 0.5 ** np.arange(ranked.shape[-1])).sum(axis=-1)
    return found


RULES: dict[str, Callable[[Floats], Floats]] = {
    "largest": largest,
    "excess": excess,
    "log mean exp": log_mean_exp,
    "two largest": two_largest,
    "halving": largest_and_half,
}
#: The rule of new calibrations; a calibration names the one that it was made with.
RULE = "halving"


class Combination(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What calibration knows about the combined score.

    `detectors` are those that take part, in the order of their rarities. `levels`, `everyone`,
    `tiers` and `top` are as in `Null`, of the combined score.
    """

    rule: str
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
        rare = [nulls[d].rarity(scores.get(d, 0.0)) for d in self.detectors]
        return float(RULES[self.rule](np.array(rare)))

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

    def scores(self, scores: Floats, nulls: Mapping[str, Null]) -> Floats:
        """`score` of many subjects: a row each, a column for each of `detectors`."""
        return RULES[self.rule](rarities(scores, [nulls[d] for d in self.detectors]))

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


def rarities(scores: Floats, nulls: Sequence[Null]) -> Floats:
    """The rarity of every score: a row a subject, a column a detector."""
    columns = [null.rarities(scores[:, column]) for column, null in enumerate(nulls)]
    return np.stack(columns, axis=-1) if columns else np.zeros((len(scores), 0))


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
    rule: str = RULE,
    top: int = 8,
) -> Combination:
    """The combination of detectors under their nulls.

    `fits` and `scored` hold a row for each subject of the fit and of the score half, a column
    for each of `nulls`; `tiers` name the tier of each row of `scored`.
    """
    draft = Combination(rule, tuple(nulls), len(fits), Segment(0, 0.0))
    levels = levels_of(np.sort(draft.scores(fits, nulls)).tolist())
    combined = draft.scores(scored, nulls)
    earned = transformed_many(combined, levels).tolist()
    by_tier: dict[str, list[float]] = {}
    for tier, value in zip(tiers, earned, strict=bool(tiers)):
        by_tier.setdefault(tier, []).append(value)
    return Combination(
        rule,
        tuple(nulls),
        len(fits),
        segment(earned),
        levels,
        {t: segment(v) for t, v in sorted(by_tier.items()) if t and len(v) >= SEGMENT},
        tuple(sorted(combined.tolist(), reverse=True)[:top]),
    )
