"""One range of token values: which of them several units use, and who."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from titer.hunt import kernels
from titer.hunt.source import I32, I64

#: Bits of a sortable word: signed, so one is lost.
WORD = 63


class Pairs(msgspec.Struct):
    """Kept tokens by value with their pairs by unit (`users` pairs each), and what was hidden."""

    value: I64
    users: I64
    unit: I32
    rows: I32
    first: I32
    common: int
    hidden_unit: I32
    hidden_rows: I32


def pairs_of(
    key: I64,
    unit: I32,
    hour: I32,
    *,
    least: int,
    most: int,
    without: I64,
    unit_bits: int,
    hour_bits: int,
) -> Pairs:
    """The tokens of `least`..`most` units among these cells, without those in `without`."""
    keep = kernels.surviving(key, unit, least)
    values, number = kernels.number_keys(key, keep)
    if len(values).bit_length() + unit_bits + hour_bits <= WORD:
        words = kernels.pack(number, keep, unit, hour, unit_bits, hour_bits)
        words.sort()
        ends, units, rows, first = kernels.walk(words, len(values), unit_bits, hour_bits)
    else:
        ends, units, rows, first = _walk_wide(number, keep, unit, hour, len(values))
    users = np.diff(ends)
    known = _within(values, without)
    kept = (users >= least) & (users <= most) & ~known
    common = np.flatnonzero((users > most) & ~known)
    order = np.flatnonzero(kept)
    order = order[np.argsort(values[order])]
    pairs = int(users[order].sum())
    out_unit, out_rows, out_first = (np.empty(pairs, np.int32) for _ in range(3))
    starts = np.cumsum(users[order]) - users[order]
    kernels.gather(ends, order, starts, units, rows, first, out_unit, out_rows, out_first)
    hidden = np.zeros(0, np.intp)
    if len(common):
        hidden = np.concatenate([np.arange(ends[n], ends[n + 1]) for n in common])
    return Pairs(
        values[order], users[order], out_unit, out_rows, out_first,
        len(common), units[hidden], rows[hidden],
    )  # fmt: skip


def count_users(key: I64, unit: I32, tokens: I64, unit_bits: int) -> tuple[int, I64]:
    """(place in `tokens` of the first that can be here, users of it and of those after it)."""
    if not len(key):
        return 0, np.zeros(0, np.int64)
    low = int(np.searchsorted(tokens, key.min(), side="left"))
    high = int(np.searchsorted(tokens, key.max(), side="right"))
    wanted = tokens[low:high]
    if not len(wanted):
        return low, np.zeros(0, np.int64)
    place = kernels.find_wanted(key, wanted)
    keep = place >= 0
    words = (place[keep].astype(np.int64) << unit_bits) | unit[keep]
    words.sort()
    new = np.ones(len(words), np.bool_)
    new[1:] = words[1:] != words[:-1]
    found = np.bincount(words[new] >> unit_bits, minlength=len(wanted))
    return low, found.astype(np.int64)


def _within(values: I64, sorted_values: I64) -> npt.NDArray[np.bool_]:
    if not len(sorted_values) or not len(values):
        return np.zeros(len(values), np.bool_)
    place = np.searchsorted(sorted_values, values)
    place[place == len(sorted_values)] = 0
    inside: npt.NDArray[np.bool_] = sorted_values[place] == values
    return inside


def _walk_wide(
    number: I32, keep: npt.NDArray[np.uint8], unit: I32, hour: I32, count: int
) -> tuple[I64, I32, I32, I32]:
    """As `kernels.walk`, when number, unit and hour do not fit one word."""
    some = keep.astype(np.bool_)
    unit, hour = unit[some], hour[some]
    order = np.lexsort((hour, unit, number))
    number, unit, hour = number[order], unit[order], hour[order]
    new = np.ones(len(number), np.bool_)
    new[1:] = (number[1:] != number[:-1]) | (unit[1:] != unit[:-1])
    start = np.flatnonzero(new)
    rows = np.diff(start, append=len(number)).astype(np.int32)
    users = np.bincount(number[start], minlength=count)
    ends = np.concatenate(([0], np.cumsum(users))).astype(np.int64)
    return ends, unit[start], rows, hour[start]
