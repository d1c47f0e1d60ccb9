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
    MIN_SHARERS,
    Modality,
    Units,
    excess_values,
    on_values,
)
from titer.hunt.table import Ints, Table
from titer.hunt.tokens import MIN_UNITS, Shared, bound_tokens, share_of_rows

#: Share of a unit's rows that must carry binding tokens.
MIN_SHARE = 0.05
#: And how many rows.
MIN_ROWS = 2
#: Share of a unit's rows on the values that bind the group, for the unit to be in it.
MIN_ON_VALUES = 0.3
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
        inside = members[which == group]
        values = excess_values(modality, inside)
        inside = inside[on_values(modality, values, inside) >= MIN_ON_VALUES]
        if len(inside) < max(MIN_UNITS, MIN_SHARERS):
            continue
        belongs = np.zeros(units.count, np.bool_)
        belongs[inside] = True
        rows = np.flatnonzero(marked & belongs[units.of_row])
        tokens = len(np.unique(shared.token[bound[shared.token] & belongs[shared.unit]]))
        groups.append(Candidate(modality.name, inside, rows, tokens))
    return groups


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
