"""How unlikely a group's tie is among honest units: permutation within strata, as e-values.

Each draw is a random group of the same composition by strata (main endpoint by third of volume,
or coarser where the group is most of a stratum). The e-value is conformal:
(B + 1) s_0 / (s_0 + ... + s_B) with a positive score s that grows with the statistic; its
expectation is exactly 1 when the group is exchangeable with its draws, whatever the distribution
(Vovk and Wang 2021). It cannot exceed B + 1: so many bits the null supports, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from titer.hunt.groups import Candidate, Shared
from titer.hunt.modalities import TESTING, Floats, Ints, Modality, Units, breadth
from titer.hunt.source import HOUR_BINS

#: Fewest and most draws; between them, as many as `WORK` units over all groups allow.
MIN_DRAWS = 999
MAX_DRAWS = 9_999
WORK = 8_000_000
#: Draws held at a time.
BATCH = 64
#: Breadth, above the median of the null, that a modality must have in the group itself before it
#: speaks at all: below, it ties a part of the group (a team among a framework's users), or the
#: group is merely of another kind than the rest (newer customers), not bound.
SPEAKS = 0.5
#: Steepness of the score in robust standard deviations of the statistic.
STEEP = 4.0
#: e-value of one test from which that modality counts as a tie of its own.
TIE = 20.0
#: What the test of a closed set of texts on callers who did not form it is called.
OTHERS = "held-out callers"
#: Callers on whom a pool is tested at most, texts that it needs, and the places in the order of
#: popularity within which another text stands for one of them.
MOST_CALLERS = 8_000
FEWEST_TEXTS = 3
TEXT_DRAWS = 19_999
NEAR = 100
#: Share of a stratum that a group may be, before coarser strata are taken for it.
MOST_OF_STRATUM = 0.25
#: Units of a group that are tested at most: a random part of it is as exchangeable as the whole.
MOST_TESTED = 512
#: A group that takes more than 1 in so many of a stratum is drawn by shuffling all of it.
SPARSE = 20


class Tested(msgspec.Struct, frozen=True):
    """One group under one modality: the statistic, its e-value, whether it spoke."""

    modality: str
    statistic: float
    e_value: float


def draws_for(sizes: Sequence[int]) -> int:
    """How many draws groups of these sizes get."""
    work = sum(min(size, MOST_TESTED) for size in sizes)
    return int(np.clip(WORK // max(1, work), MIN_DRAWS, MAX_DRAWS))


def profiles(clock: npt.NDArray[np.int64]) -> Floats:
    """When each unit is active, of `Source.clock`: a unit vector over hours and span, centred."""
    out = np.zeros(clock.shape)
    for part in (slice(0, HOUR_BINS), slice(HOUR_BINS, None)):
        counts = clock[:, part]
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        out[:, part] = np.sqrt(share / max(1, counts.shape[1]))
    out -= out.mean(axis=0) if len(out) else 0.0
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
    """For each (members, forming modality): every available modality that did not form it.

    A group of more than `MOST_TESTED` is tested by so many of its members, chosen at random.
    """
    names = [n for n in TESTING if n == "timing" or known[n].available]
    out: list[list[Tested]] = []
    for number, (members, formed) in enumerate(groups):
        rng = np.random.default_rng((seed, number))
        if len(members) > MOST_TESTED:
            members = np.sort(rng.choice(members, MOST_TESTED, replace=False))  # noqa: PLW2901
        plan = [n for n in names if n != formed]
        values: dict[str, list[Floats]] = {
            n: [_statistic(n, members[None, :], known, when)] for n in plan
        }
        stratum = units.strata[_level(members, units)]
        for begin in range(0, draws, BATCH):
            drawn = _draw(rng, members, stratum, min(BATCH, draws - begin))
            for name, seen in values.items():
                seen.append(_statistic(name, drawn, known, when))
        out.append([_tested(name, np.concatenate(seen)) for name, seen in values.items()])
    return out


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


def _draw(
    rng: np.random.Generator,
    members: npt.NDArray[np.intp],
    stratum: npt.NDArray[np.int32],
    size: int,
) -> npt.NDArray[np.intp]:
    """`size` groups with as many units of each stratum as this one has, none twice in one."""
    out: list[npt.NDArray[np.intp]] = []
    for one, wanted in zip(*np.unique(stratum[members], return_counts=True), strict=True):
        inside = np.flatnonzero(stratum == one)
        if wanted * SPARSE > len(inside):
            shuffled = rng.permuted(np.tile(inside, (size, 1)), axis=1)
            out.append(shuffled[:, :wanted])
            continue
        places = np.sort(rng.integers(len(inside), size=(size, wanted)), axis=1)
        while True:
            again = np.zeros(places.shape, np.bool_)
            again[:, 1:] = places[:, 1:] == places[:, :-1]
            if not again.any():
                break
            places[again] = rng.integers(len(inside), size=int(again.sum()))
            places.sort(axis=1)
        out.append(inside[places])
    return np.concatenate(out, axis=1)


def average(tested: Sequence[Tested], *, silent: Sequence[str] = ()) -> float:
    """The e-value of a group: the mean over all its tests (they may depend on each other).

    Those in `silent` enter as 0, which can only lower it.
    """
    if not tested:
        return 0.0
    return sum(t.e_value for t in tested if t.modality not in silent) / len(tested)


def text_draws_for(candidates: int) -> int:
    """How many draws a closed set of texts gets: enough to pass e-BH among so many candidates."""
    return int(np.clip(400 * candidates, MIN_DRAWS, TEXT_DRAWS))


def held_out(
    shared: Shared, candidate: Candidate, units: Units, band: Ints, *, seed: int, draws: int
) -> Tested:
    """Whether a closed set of texts is one among callers who had no part in finding it.

    Own texts are taken anew from every second unit; on the other half, on how few callers their
    uses lie is held against as many texts from outside the set, drawn at random, each used by
    about as many of that half. If callers there chose texts by their popularity alone, the draws
    are exchangeable with the set. `band` gives the band of each token (-1: unknown): only tokens
    of one band are looked at, since those of one text in several bands have the same users.

    The statistic is the logarithm of how many callers would use any of the texts, if so many uses
    fell on callers by how much each uses at all, over how many do.
    """
    tokens, of_pair = shared.tokens, shared.of_pair
    unit = tokens.unit.astype(np.int64)
    even = unit % 2 == 0
    size = len(tokens.value)
    members, own = np.zeros(units.count, np.bool_), np.zeros(size, np.bool_)
    members[candidate.units], own[candidate.tokens] = True, True
    inside = np.bincount(of_pair[even & members[unit]], minlength=size)
    everyone = np.bincount(of_pair[even], minlength=size)
    rng = np.random.default_rng((seed, size, len(candidate.tokens)))
    rich = np.bincount(unit, minlength=units.count)
    rich[::2] = 0
    others = np.flatnonzero(rich)
    if len(others) > MOST_CALLERS:
        rich[rng.choice(others, len(others) - MOST_CALLERS, replace=False)] = 0
    odd = np.flatnonzero(rich[unit] > 0)
    used = np.bincount(of_pair[odd], minlength=size)
    chosen = own & (2 * inside >= np.maximum(everyone, 1)) & (used > 0) & (band >= 0)
    if not chosen.any():
        return Tested(OTHERS, 0.0, 0.0)
    chosen &= band == np.bincount(band[chosen]).argmax()
    outside = np.flatnonzero(~own & (used > 0) & (band == band[chosen][0]))
    texts = np.flatnonzero(chosen)
    if len(texts) < FEWEST_TEXTS or len(outside) < FEWEST_TEXTS:
        return Tested(OTHERS, 0.0, 0.0)
    outside = outside[np.argsort(used[outside], kind="stable")]
    ranks = np.searchsorted(used[outside], used[texts], side="left")
    ranks = (ranks + np.searchsorted(used[outside], used[texts], side="right")) // 2
    start = np.concatenate(([0], np.cumsum(used)))
    users = unit[odd]  # by token, as the pairs are
    part = rich[rich > 0] / rich.sum()
    values = np.empty(draws + 1)
    for draw in range(draws + 1):
        if draw:
            near = ranks + rng.integers(-NEAR, NEAR + 1, len(ranks))
            texts = outside[np.clip(near, 0, len(outside) - 1)]
        count = used[texts]
        at = np.repeat(start[texts] - (np.cumsum(count) - count), count)
        on = np.zeros(units.count, np.bool_)
        on[users[at + np.arange(len(at))]] = True
        usual = float(-np.expm1(-len(at) * part).sum())
        values[draw] = np.log(max(usual, 1.0) / max(1, int(on.sum())))
    return _tested(OTHERS, values)


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
    if name not in ("timing", OTHERS) and values[0] - middle < SPEAKS:
        e_value = 0.0
    return Tested(name, float(values[0]), e_value)
