"""Candidate groups: connected components of units over the tokens that bind them.

A unit enters only if a share of its own rows carries such tokens (score first, link second):
without that, one popular question joins everybody. Edges are stars, never pairs.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from titer.hunt.modalities import (
    FORMING,
    Bools,
    Modality,
    Units,
    excess_values,
    main_values,
)
from titer.hunt.table import Ints, Table
from titer.hunt.tokens import MIN_UNITS, Shared, bound_tokens, share_of_rows

Places = npt.NDArray[np.intp]

#: Share of a unit's rows that must carry binding tokens.
MIN_SHARE = 0.05
#: And how many rows.
MIN_ROWS = 2
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
#: Times that a group's members are compared with those left.
ROUNDS = 4
#: Odd multiplier that spreads a text's length over the bits of its hash.
LENGTH = np.int64(0x9E3779B97F4A7C1)
#: Candidates tested; the largest go first. A log with more has another problem.
MAX_CANDIDATES = 500


class Candidate(msgspec.Struct):
    """Units that share text and one modality, `formed_by`; `rows` are those with the tokens."""

    formed_by: str
    units: npt.NDArray[np.intp]
    rows: Ints
    tokens: int


def candidates(units: Units, shared: Shared, known: dict[str, Modality]) -> list[Candidate]:
    """Every candidate of every forming modality that the log has; groups may overlap."""
    found: list[Candidate] = []
    for name in FORMING:
        modality = known[name]
        if modality.available:
            found += _formed(units, shared, modality)
    found.sort(key=lambda c: (-len(c.units), c.formed_by, int(c.units[0])))
    return found[:MAX_CANDIDATES]


def _formed(units: Units, shared: Shared, modality: Modality) -> list[Candidate]:
    bound = bound_tokens(shared, modality)
    if not bound.any():
        return []
    share, marked, hits = share_of_rows(shared, bound, units)
    entering = (share >= MIN_SHARE) & (hits >= MIN_ROWS)
    edge = bound[shared.token] & entering[shared.unit]
    label = components(shared.token[edge], shared.unit[edge], units.count)
    members = np.flatnonzero(entering)
    groups: list[Candidate] = []
    _, which, sizes = np.unique(label[members], return_inverse=True, return_counts=True)
    for group in np.flatnonzero(sizes >= MIN_UNITS):
        for inside in _split(units, shared, bound, modality, members[which == group]):
            belongs = np.zeros(units.count, np.bool_)
            belongs[inside] = True
            rows = np.flatnonzero(marked & belongs[units.of_row])
            tokens = len(np.unique(shared.token[bound[shared.token] & belongs[shared.unit]]))
            groups.append(Candidate(modality.name, inside, rows, tokens))
    return groups


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
    profile = _profiles(units, shared, bound, of_unit, len(values))
    first, second = np.nonzero(profile @ profile.T >= ALIKE)
    label = components(first, second, len(values))[place]
    parts = [_same_texts(units, shared, bound, members[label == one]) for one in np.unique(label)]
    return [part for part in parts if len(part) >= MIN_UNITS]


def _same_texts(units: Units, shared: Shared, bound: Bools, members: Places) -> Places:
    """Members whose own texts point where the group's do: others share its value by chance."""
    for _ in range(ROUNDS):
        of_unit = np.full(units.count, -1)
        of_unit[members] = np.arange(len(members))
        own = _profiles(units, shared, bound, of_unit, len(members))
        whole = own.sum(axis=0)
        cosine = own @ (whole / max(float(np.linalg.norm(whole)), 1e-12))
        near = cosine >= NEAR * float(np.median(cosine))
        if near.all() or int(near.sum()) < MIN_UNITS:
            break
        members = members[near]
    return members


def _profiles(
    units: Units, shared: Shared, bound: Bools, of_unit: Ints, count: int
) -> npt.NDArray[np.float64]:
    """What each of `count` sets of units says in binding tokens: rare ones weigh more; length 1.

    `of_unit` gives each unit's set, -1 for none.
    """
    at = of_unit[units.of_row[shared.row]]
    told = (at >= 0) & bound[shared.row_token]
    token = shared.row_token[told]
    users = np.bincount(shared.token, minlength=shared.count)
    weight = np.log(units.count / users[token]) ** 2
    width = PROFILE if count <= MANY else PROFILE // 8
    profile = np.bincount(
        at[told] * width + token % width, weights=weight, minlength=count * width
    ).reshape(count, width)
    flat: npt.NDArray[np.float64] = profile / np.maximum(
        np.linalg.norm(profile, axis=1, keepdims=True), 1e-12
    )
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


def overlap(table: Table, units: Units, candidate: Candidate) -> float:
    """How far members ask the same things: the chance that another member asked what one asked.

    A class with one assignment and people who run one public benchmark lie near 1; a campaign
    that divides its work lies near the reciprocal of its size. Rows are known by the hash of
    their masked text and their length.
    """
    rows = candidate.rows
    if not len(rows) or len(candidate.units) < 2:
        return 0.0
    content = table.exact[rows] ^ (
        table.chars[rows].astype(np.int64) * np.int64(0x9E3779B97F4A7C1)
    )
    _, item = np.unique(content, return_inverse=True)
    unit = units.of_row[rows].astype(np.int64)
    pair = np.unique(item * units.count + unit)
    askers = np.bincount(pair // units.count)
    other = (askers[item] - 1) / (len(candidate.units) - 1)
    # Each unit counts once, whatever its volume.
    per_unit = np.bincount(unit, weights=other, minlength=units.count)
    volume = np.bincount(unit, minlength=units.count)
    there = volume > 0
    return float(np.mean(per_unit[there] / volume[there]))
