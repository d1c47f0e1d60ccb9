"""How unlikely a group's tie is among honest units: permutation within strata, as e-values.

The units' labels are shuffled within strata (main endpoint by third of volume, or coarser where
the group is most of a stratum), so each draw is a group of the same composition. The e-value is
conformal: (B + 1) s_0 / (s_0 + ... + s_B) with a positive score s that grows with the statistic;
its expectation is exactly 1 when the group is exchangeable with its draws, whatever the
distribution (Vovk and Wang 2021). It cannot exceed B + 1: so many bits the null supports, and no
more.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from titer.hunt.modalities import TESTING, Floats, Modality, Units, breadth
from titer.hunt.table import Table

#: Fewest and most permutations; between them, as many as `WORK` units shuffled allow.
MIN_DRAWS = 999
MAX_DRAWS = 9_999
WORK = 40_000_000
#: Draws held at a time.
BATCH = 64
#: Breadth, above the median of the null, that a modality must have in the group itself before it
#: speaks at all: below, it ties a part of the group (a team among a framework's users), or the
#: group is merely of another kind than the rest (newer customers), not bound.
SPEAKS = 0.5
#: Steepness of the score in robust standard deviations of the statistic.
STEEP = 4.0
#: Share of a stratum that a group may be, before coarser strata are taken for it.
MOST_OF_STRATUM = 0.25
#: Bins of the time profile: hours of the day in twos, and the log's span.
HOUR_BINS = 12
SPAN_BINS = 20
_DAY = 86_400_000_000


class Tested(msgspec.Struct, frozen=True):
    """One group under one modality: the statistic, its e-value, whether it spoke."""

    modality: str
    statistic: float
    e_value: float


def draws_for(units: int) -> int:
    """How many permutations a log of so many units gets."""
    return int(np.clip(WORK // max(1, units), MIN_DRAWS, MAX_DRAWS))


def profiles(table: Table, units: Units) -> Floats:
    """When each unit is active: a unit vector over hours of day and the log's span, centred."""
    hour = (table.at % _DAY) * HOUR_BINS // _DAY
    start, end = (int(table.at.min()), int(table.at.max())) if len(table) else (0, 0)
    span = (table.at - start) * SPAN_BINS // (end - start + 1)
    out = np.zeros((units.count, HOUR_BINS + SPAN_BINS))
    for bins, column in ((HOUR_BINS, hour), (SPAN_BINS, span + HOUR_BINS)):
        counts = np.bincount(
            units.of_row.astype(np.int64) * out.shape[1] + column, minlength=out.size
        ).reshape(out.shape)
        part = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
        out += part / np.sqrt(bins)
    out -= out.mean(axis=0) if units.count else 0.0
    norm = np.linalg.norm(out, axis=1, keepdims=True)
    profile: Floats = out / np.maximum(norm, 1e-9)
    return profile


def test_groups(
    groups: Sequence[tuple[npt.NDArray[np.intp], str]],
    units: Units,
    known: dict[str, Modality],
    when: Floats,
    *,
    draws: int,
    seed: int,
) -> list[list[Tested]]:
    """For each (members, forming modality): every available modality that did not form it."""
    names = [n for n in TESTING if n == "timing" or known[n].available]
    plans = [[n for n in names if n != formed] for _, formed in groups]
    scores: list[dict[str, list[Floats]]] = []
    for (members, _), plan in zip(groups, plans, strict=True):
        scores.append({n: [_statistic(n, members[None, :], known, when)] for n in plan})
    levels = [_level(members, units) for members, _ in groups]
    for level in sorted(set(levels)):
        stratum = units.strata[level]
        rng = np.random.default_rng((seed, level))
        chosen = [g for g in range(len(groups)) if levels[g] == level]
        for begin in range(0, draws, BATCH):
            shuffled = _shuffled(rng, stratum, min(BATCH, draws - begin))
            for group in chosen:
                drawn = shuffled[:, groups[group][0]].astype(np.intp)
                for name, values in scores[group].items():
                    values.append(_statistic(name, drawn, known, when))
    return [
        [_tested(name, np.concatenate(values)) for name, values in statistics.items()]
        for statistics in scores
    ]


def _level(members: npt.NDArray[np.intp], units: Units) -> int:
    """The finest strata in which the group is not most of what it would be compared with.

    A stratum that a group fills only hands the group back; the choice looks at volumes and
    endpoints alone, so that it tells nothing about what is tested.
    """
    for level, stratum in enumerate(units.strata):
        inside = np.bincount(stratum[members], minlength=int(stratum.max()) + 1)
        everyone = np.bincount(stratum, minlength=len(inside))
        filled = inside[inside > MOST_OF_STRATUM * everyone].sum()
        if filled <= 0.1 * len(members):
            return level
    return len(units.strata) - 1


def _shuffled(
    rng: np.random.Generator, stratum: npt.NDArray[np.int32], size: int
) -> npt.NDArray[np.int32]:
    """`size` permutations of the units, each within strata."""
    order = np.argsort(stratum, kind="stable")
    shuffled = np.empty((size, len(stratum)), np.int32)
    for draw in range(size):
        shuffled[draw, order] = np.argsort(stratum + rng.random(len(stratum)))
    return shuffled


def average(tested: Sequence[Tested], *, silent: Sequence[str] = ()) -> float:
    """The e-value of a group: the mean over all its tests (they may depend on each other).

    Those in `silent` enter as 0, which can only lower it.
    """
    if not tested:
        return 0.0
    return sum(t.e_value for t in tested if t.modality not in silent) / len(tested)


def e_bh(e_values: Sequence[float], q: float) -> list[bool]:
    """Which hypotheses e-BH rejects at false discovery rate q (Wang and Ramdas, JRSS-B 84, 2022):
    valid whatever the dependence between them.
    """
    k = len(e_values)
    ranked = sorted(e_values, reverse=True)
    best = max((i for i, e in enumerate(ranked, 1) if e * i * q >= k), default=0)
    if not best:
        return [False] * k
    return [e >= k / (q * best) for e in e_values]


def _statistic(
    name: str, groups: npt.NDArray[np.intp], known: dict[str, Modality], when: Floats
) -> Floats:
    if name != "timing":
        return breadth(known[name], groups)
    size = groups.shape[1]
    out = np.empty(len(groups))
    step = max(1, 4_000_000 // (size * when.shape[1]))
    for begin in range(0, len(groups), step):
        part = when[groups[begin : begin + step]]
        total = part.sum(axis=1)
        own = (part**2).sum(axis=(1, 2))
        out[begin : begin + step] = ((total**2).sum(axis=1) - own) / max(1, size * (size - 1))
    return out


def _tested(name: str, values: Floats) -> Tested:
    """The conformal e-value of the first value among all; symmetric in them, so exact."""
    middle = np.median(values)
    spread = np.median(np.abs(values - middle)) * 1.4826
    spread = max(float(spread), 0.02)
    score = np.exp(np.clip(STEEP * (values - middle) / spread, -50.0, 500.0))
    e_value = float(len(values) * score[0] / score.sum())
    if name != "timing" and values[0] - middle < SPEAKS:
        e_value = 0.0
    return Tested(name, float(values[0]), e_value)
