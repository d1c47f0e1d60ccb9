"""Candidate groups: connected components of units over the tokens that bind them.

A unit enters only if a share of its own text lies on such tokens (score first, link second):
without that, one popular question joins everybody. Edges are stars, never pairs.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from titer.hunt.modalities import (
    FORMING,
    OWNED,
    Bools,
    Floats,
    Ints,
    Modality,
    Units,
    excess_values,
    main_values,
)
from titer.hunt.source import Tokens
from titer.hunt.tokens import MIN_UNITS, bound_tokens, cells_on, token_of

Places = npt.NDArray[np.intp]

#: Share of a unit's (row, band) cells that must lie on binding tokens: a tenth of its requests,
#: half of them reworded, each keeping a third of its bands.
MIN_SHARE = 0.01
#: And how many cells: two requests in one template.
MIN_CELLS = 6
#: Share of a unit's rows on the values that bind the group, for the unit to be in it.
MIN_ON_VALUES = 0.3
#: Cosine of two values' token profiles from which their units are one group.
ALIKE = 0.7
#: Cosine with the group, as a share of the median member's, below which a member is let go.
NEAR = 0.5
#: Columns of a token profile; tokens share columns by chance, which blurs it a little.
PROFILE = 2_048
#: Sets from which profiles are an eighth as wide: 25,000 accounts then cost 50 MB.
MANY = 2_000
#: Sets whose profiles are compared at a time: 2,000 by 25,000 cosines are 400 MB.
STRIP = 2_000
#: Times that a group's members are compared with those left.
ROUNDS = 4
#: Candidates tested; the largest go first. A log with more has another problem.
MAX_CANDIDATES = 500


class Candidate(msgspec.Struct):
    """Units that share text and one modality, `formed_by`; `tokens` are places in `Tokens`.

    `uncertain` are units that may belong to it, and nobody says that they do. `loose`: a closed
    set of texts that are mostly no templates, which is nothing unless a program's conduct shows.
    """

    formed_by: str
    units: Places
    tokens: Ints
    uncertain: Places = msgspec.field(default_factory=lambda: np.empty(0, np.intp))
    loose: bool = False


class Shared(msgspec.Struct, frozen=True):
    """The log's shared tokens, the token of every pair, and a token's weight by its rarity."""

    tokens: Tokens
    of_pair: Ints
    weight: Floats

    @classmethod
    def of(cls, tokens: Tokens, units: Units) -> Shared:
        """With what follows from the tokens alone."""
        users = np.diff(tokens.start)
        weight = np.log(max(units.count, 2) / np.maximum(users, 1)) ** 2
        return cls(tokens, token_of(tokens), weight)


def candidates(
    units: Units, shared: Shared, known: dict[str, Modality], among: Bools
) -> list[Candidate]:
    """Every candidate of every forming modality that the log has; groups may overlap.

    Only tokens in `among` (not old) form groups, but for those who share networks or cards: a
    campaign may have run before the log began.
    """
    found: list[Candidate] = []
    for name in FORMING:
        modality = known[name]
        if modality.available:
            own = None if name in OWNED else among
            bound = bound_tokens(shared.tokens, modality, own)
            found += formed(units, shared, bound, name, modality)
    found.sort(key=lambda c: (-len(c.units), c.formed_by, int(c.units[0])))
    return found[:MAX_CANDIDATES]


def formed(
    units: Units, shared: Shared, bound: Bools, name: str, modality: Modality | None
) -> list[Candidate]:
    """The groups that these tokens form; with a modality, taken apart by its values."""
    if not bound.any():
        return []
    tokens, of_pair = shared.tokens, shared.of_pair
    share, cells = cells_on(tokens, of_pair, bound, units)
    entering = (share >= MIN_SHARE) & (cells >= MIN_CELLS)
    edge = bound[of_pair] & entering[tokens.unit]
    label = components(of_pair[edge], tokens.unit[edge].astype(np.int64), units.count)
    members = np.flatnonzero(entering)
    groups: list[Candidate] = []
    _, which, sizes = np.unique(label[members], return_inverse=True, return_counts=True)
    for group in np.flatnonzero(sizes >= MIN_UNITS):
        inside = members[which == group]
        parts = (
            _split(units, shared, bound, modality, inside)
            if modality is not None
            else [_same_texts(units, shared, bound, inside)]
        )
        groups += [
            Candidate(name, part, _tokens_of(shared, bound, part, units))
            for part in parts
            if len(part) >= MIN_UNITS
        ]
    return groups


def _tokens_of(shared: Shared, bound: Bools, members: Places, units: Units) -> Ints:
    """The binding tokens that at least two of the members use."""
    belongs = np.zeros(units.count, np.bool_)
    belongs[members] = True
    there = bound[shared.of_pair] & belongs[shared.tokens.unit]
    users = np.bincount(shared.of_pair[there], minlength=len(shared.tokens.value))
    return np.flatnonzero(users >= 2)


def _split(
    units: Units, shared: Shared, bound: Bools, modality: Modality, members: Places
) -> list[Places]:
    """A component taken apart by the values that bind it: values whose units say like things
    stay together, others are groups of their own.

    One popular question can link a class to a campaign, each bound by networks of its own;
    their token profiles differ all the same.
    """
    values = excess_values(modality, members)
    main, share = main_values(modality, values, members)
    members, main = members[share >= MIN_ON_VALUES], main[share >= MIN_ON_VALUES]
    if len(members) < MIN_UNITS:
        return []
    values, place = np.unique(main, return_inverse=True)
    of_unit = np.full(units.count, -1)
    of_unit[members] = place
    profile = _profiles(shared, bound, of_unit, len(values))
    label = _alike(profile)[place]
    parts = [_same_texts(units, shared, bound, members[label == one]) for one in np.unique(label)]
    return [part for part in parts if len(part) >= MIN_UNITS]


def _alike(profile: Floats) -> Ints:
    """Components of rows whose cosine is at least `ALIKE`; strip by strip."""
    first: list[Ints] = []
    second: list[Ints] = []
    for begin in range(0, len(profile), STRIP):
        one, other = np.nonzero(profile[begin : begin + STRIP] @ profile.T >= ALIKE)
        first.append(one + begin)
        second.append(other)
    return components(np.concatenate(first), np.concatenate(second), len(profile))


def _same_texts(units: Units, shared: Shared, bound: Bools, members: Places) -> Places:
    """Members whose own texts point where the group's do: others share its value by chance."""
    for _ in range(ROUNDS):
        of_unit = np.full(units.count, -1)
        of_unit[members] = np.arange(len(members))
        own = _profiles(shared, bound, of_unit, len(members))
        whole = own.sum(axis=0)
        cosine = own @ (whole / max(float(np.linalg.norm(whole)), 1e-12))
        near = cosine >= NEAR * float(np.median(cosine))
        if near.all() or int(near.sum()) < MIN_UNITS:
            break
        members = members[near]
    return members


def _profiles(shared: Shared, bound: Bools, of_unit: Ints, count: int) -> Floats:
    """What each of `count` sets of units says in binding tokens: rare ones weigh more; length 1.

    `of_unit` gives each unit's set, -1 for none.
    """
    at = of_unit[shared.tokens.unit]
    told = (at >= 0) & bound[shared.of_pair]
    token = shared.of_pair[told]
    width = PROFILE if count <= MANY else PROFILE // 8
    profile = np.bincount(
        at[told] * width + token % width,
        weights=shared.weight[token] * shared.tokens.rows[told],
        minlength=count * width,
    ).reshape(count, width)
    flat: Floats = profile / np.maximum(np.linalg.norm(profile, axis=1, keepdims=True), 1e-12)
    return flat


def components(token: Ints, unit: Ints, count: int) -> Ints:
    """Smallest unit reachable from each unit over shared tokens (pairs sorted by token)."""
    label = np.arange(count)
    if not len(token):
        return label
    first = np.flatnonzero(np.concatenate(([True], token[1:] != token[:-1])))
    size = np.diff(first, append=len(token))
    while True:
        lowest = np.repeat(np.minimum.reduceat(label[unit], first), size)
        after = label.copy()
        np.minimum.at(after, unit, lowest)
        np.minimum.at(after, label[unit], lowest)  # hook the roots, so that chains halve
        after = np.minimum(after, after[after])
        if np.array_equal(after, label):
            return label
        label = after
