"""What besides text can bind callers together: where from, who pays, since when, with what.

A modality is a sparse table of (unit, value, share of the unit's rows). How much a group of units
is bound by it is its *breadth*: the share of the group that lies on values which at least
`MIN_SHARERS` of them share, beyond what the units outside the group put there. Breadth is 0 for
units without a tie and 1 for a group that lies wholly on values nobody else uses; a popular
value (a big carrier's network) counts only by its excess. A few tied pairs inside a large group
(two teams that use one framework) move it by no more than their share of the group.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.nouns import DISTILLATION
from titer.hunt.source import VALUES, WORD, Callers, Source, Totals

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Units that must share a value before it binds them: two are a coincidence or a household.
MIN_SHARERS = 3
#: Share of the group that a creation week must hold before it binds: a sign-up wave lasts weeks,
#: and a year of ordinary sign-ups puts some in every week.
WAVE = 0.1
#: Share of units that must have a modality before it is used at all.
MIN_KNOWN = 0.5
#: Classes of volume in the finest strata.
VOLUMES = 3
#: Microseconds in a week: the grain of the creation cohort.
WEEK = 7 * 86_400_000_000
#: What forms groups with text, in this order. What a program or a trade explains (a framework
#: brings its own headers and defaults, and runs on rented machines) forms, but never tests.
FORMING = ("network", "payment", "cohort", "provider", "software", "parameters")
#: What tests a group, unless it formed it.
TESTING = ("network", "payment", "cohort", "timing")
#: Modalities that a shared program or a shared habit does not explain.
HARD = frozenset(("network", "payment", "cohort"))
#: Those of them that stay with their owner: texts that they tie need not be news.
OWNED = frozenset(("network", "payment"))


class Units(msgspec.Struct, frozen=True):
    """The units of a log: who they are, what they did in all, in which stratum.

    `strata` from fine to coarse: main endpoint by third of volume, main endpoint, all one.
    `active`: those without a grant to distil. `created`: microseconds, 0 if unknown.
    """

    callers: Callers
    totals: Totals
    strata: tuple[npt.NDArray[np.int32], ...]
    declared: Bools
    active: Bools
    created: Ints
    count: int


class Entries(msgspec.Struct, frozen=True):
    """Sorted by unit: `start[u]:start[u+1]` are unit u's values, and the shares of its rows."""

    start: Ints
    value: Ints
    share: Floats

    def of(self, members: npt.NDArray[np.intp]) -> tuple[Ints, Ints]:
        """Places of the members' entries, and to which of the members each belongs."""
        begin = self.start[members]
        counts = self.start[members + 1] - begin
        at = np.repeat(begin - (np.cumsum(counts) - counts), counts)
        at += np.arange(len(at))
        return at, np.repeat(np.arange(len(members)), counts)


class Modality(msgspec.Struct, frozen=True):
    """Every unit's values; `mass` is each value's share of all units that have the modality;
    `known` says which have it. `binding` are the entries on values that `MIN_SHARERS` units or
    more have: no other can bind, and most values are one caller's own.
    """

    name: str
    entries: Entries
    binding: Entries
    mass: Floats
    known: Bools

    @property
    def wave(self) -> float:
        """The share of a group that one value must hold before it binds."""
        return WAVE if self.name == "cohort" else 0.0

    @property
    def available(self) -> bool:
        """Whether enough units have it for its absence to mean nothing."""
        return bool(self.known.mean() >= MIN_KNOWN) if len(self.known) else False


def units_of(source: Source) -> Units:
    """The units of a log: declared organisations collapsed."""
    callers, totals = source.callers(), source.totals()
    count = len(callers.subjects)
    declared = np.bincount(callers.unit, minlength=count) > 1  # several accounts
    active = np.ones(count, np.bool_)
    created = np.zeros(count, np.int64)
    for place, account in zip(callers.unit, callers.accounts, strict=True):
        if DISTILLATION in account.grants:
            active[place] = False
        # An organisation is as old as its oldest account.
        if account.created > 0 and (created[place] == 0 or account.created < created[place]):
            created[place] = account.created
    bounds = np.quantile(totals.rows, np.arange(1, VOLUMES) / VOLUMES) if count else np.zeros(0)
    volume = np.searchsorted(bounds, totals.rows, side="right")
    _, endpoint = np.unique(totals.endpoint, return_inverse=True)
    strata = [endpoint * VOLUMES + volume, endpoint, np.zeros(count, np.int64)]
    strata = [np.unique(s, return_inverse=True)[1].astype(np.int32) for s in strata]
    return Units(callers, totals, tuple(strata), declared, active, created, count)


def modalities(source: Source, units: Units) -> dict[str, Modality]:
    """Every categorical modality of the log, by name."""
    made = {}
    for name in VALUES:
        found = source.values(name)
        codes, value = np.unique(found.value, return_inverse=True)
        made[name] = _modality(name, found.unit, value, found.rows, width=len(codes), units=units)
    callers = units.callers
    created = np.fromiter((p.created for p in callers.accounts), np.int64, len(callers.accounts))
    there = created > 0
    weeks, week = np.unique(created[there] // WEEK, return_inverse=True)
    pair, accounts = np.unique(
        callers.unit[there].astype(np.int64) * max(1, len(weeks)) + week, return_counts=True
    )
    width = max(1, len(weeks))
    made["cohort"] = _modality(
        "cohort", pair // width, pair % width, accounts, width=width, units=units
    )
    return made


def breadth(modality: Modality, groups: npt.NDArray[np.intp]) -> Floats:
    """Breadth of each of several groups of one size: a matrix (groups x units) of places."""
    at, who = modality.binding.of(groups.ravel())
    group = who // max(1, groups.shape[1])
    n = modality.known[groups].sum(axis=1).astype(np.float64)
    out, _ = _excess(modality, group, at, n)
    return out


def excess(modality: Modality, group: Ints, unit: Ints, groups: int) -> tuple[Floats, Floats]:
    """(breadth, G in nats) of groups given as (group, unit) pairs; group ids below `groups`.

    G is the log-likelihood ratio of the group's excess values against the units outside it:
    it grows with the group, so that three of five on a rare value do not pass for a group.
    """
    at, who = modality.binding.of(unit)
    n = np.bincount(group, weights=modality.known[unit], minlength=groups)
    return _excess(modality, group[who], at, n)


def excess_values(modality: Modality, members: npt.NDArray[np.intp]) -> Ints:
    """The values that bind a group: shared by at least `MIN_SHARERS`, twice what others have."""
    entries = modality.binding
    at, _ = entries.of(members)
    n = max(1, int(modality.known[members].sum()))
    value, inverse, sharers = np.unique(entries.value[at], return_inverse=True, return_counts=True)
    mass = np.bincount(inverse, weights=entries.share[at], minlength=len(value)) / n
    outside = _outside(modality, value, mass, np.full(len(value), n))
    enough = max(MIN_SHARERS, modality.wave * n)
    bound: Ints = value[(sharers >= enough) & (mass > 2 * outside)]
    return bound


def on_values(modality: Modality, values: Ints, members: npt.NDArray[np.intp]) -> Floats:
    """Share of each member's rows that lie on the given values."""
    entries = modality.entries
    running = np.concatenate(([0.0], np.cumsum(entries.share * np.isin(entries.value, values))))
    on: Floats = running[entries.start[members + 1]] - running[entries.start[members]]
    return on


def main_values(
    modality: Modality, values: Ints, members: npt.NDArray[np.intp]
) -> tuple[Ints, Floats]:
    """(each member's most used of the given values, the share of its rows on any of them)."""
    entries = modality.entries
    hit = np.where(np.isin(entries.value, values), entries.share, 0.0)
    at, who = entries.of(members)
    order = np.lexsort((hit[at], who))  # the last entry of each member is its largest
    best = np.zeros(len(members), np.int64)
    best[who[order]] = entries.value[at[order]]
    return best, np.bincount(who, weights=hit[at], minlength=len(members)).astype(np.float64)


def of_members(modality: Modality, members: npt.NDArray[np.intp]) -> tuple[Ints, Ints]:
    """(value, place among the members) of all that the members have."""
    at, who = modality.entries.of(members)
    return modality.entries.value[at], who


def _excess(
    modality: Modality, group: Ints, at: Ints, n: npt.NDArray[Any]
) -> tuple[Floats, Floats]:
    width = max(1, len(modality.mass))
    key = group * width + modality.binding.value[at]
    order = in_order(key)
    key = key[order]
    first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1]))) if len(key) else key
    sharers = np.diff(first, append=len(key))
    weight = modality.binding.share[at[order]]
    sums = np.add.reduceat(weight, first) if len(key) else weight
    run_group, run_value = key[first] // width, key[first] % width
    size = np.maximum(n[run_group], 1)
    mass = sums / size
    outside = _outside(modality, run_value, mass, size)
    enough = np.maximum(MIN_SHARERS, modality.wave * size)
    more = (sharers >= enough) & (mass > outside)
    over = np.where(more, mass - outside, 0.0)
    floor = np.maximum(outside, 1.0 / (1 + len(modality.known)))
    nats = np.where(more, size * mass * np.log(np.maximum(mass, 1e-12) / floor), 0.0)
    wide: Floats = np.bincount(run_group, weights=over, minlength=len(n)).astype(np.float64)
    ratio = np.bincount(run_group, weights=np.maximum(nats, 0.0), minlength=len(n))
    return wide, ratio.astype(np.float64)


def _outside(modality: Modality, value: Ints, mass: Floats, n: npt.NDArray[Any]) -> Floats:
    """A value's share among the units outside the group (which is part of all units)."""
    everyone = max(1, int(modality.known.sum()))
    left = np.maximum(everyone - n, 1)
    outside: Floats = np.maximum(0.0, (modality.mass[value] * everyone - mass * n) / left)
    return outside


def _modality(
    name: str, unit: npt.NDArray[Any], value: Ints, rows: Ints, *, width: int, units: Units
) -> Modality:
    """A modality of (unit, value, rows), sorted by unit; a unit's shares add up to 1."""
    total = np.bincount(unit, weights=rows, minlength=units.count)
    share = rows / np.maximum(total[unit], 1)
    known = total > 0
    mass = np.bincount(value, weights=share, minlength=width) / max(1, int(known.sum()))
    value = value.astype(np.int64)
    tied = np.bincount(value, minlength=width)[value] >= MIN_SHARERS
    every, binding = (
        Entries(np.searchsorted(unit[some], np.arange(units.count + 1)), value[some], share[some])
        for some in (slice(None), tied)
    )
    return Modality(name, every, binding, mass, known)


def in_order(keys: Ints) -> Ints:
    """The stable order of keys from 0 on. Sorts words of key and place where both fit one: a
    tenth of the time of a stable argsort.
    """
    bits = max(1, len(keys) - 1).bit_length()
    if not len(keys) or int(keys.max()).bit_length() + bits > WORD:
        return np.argsort(keys, kind="stable")
    words = (keys << bits) | np.arange(len(keys))
    words.sort()
    words &= (1 << bits) - 1
    return words
