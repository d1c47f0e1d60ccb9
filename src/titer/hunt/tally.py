"""One range of token values: which of them several units use, who, and when."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from titer.hunt import kernels
from titer.hunt.source import I32, I64, MAX_SPANS, WORD

Bits = npt.NDArray[np.uint8]


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


def count_users(
    key: I64, unit: I32, bits: Bits, tokens: I64, *, spans: int, unit_bits: int
) -> tuple[int, I64]:
    """(place in `tokens` of the first that can be here, users of it and of those after it in each
    span): `bits` says in which of so many spans a cell lies.
    """
    if not len(key):
        return 0, np.zeros((spans, 0), np.int64)
    low = int(np.searchsorted(tokens, key.min(), side="left"))
    high = int(np.searchsorted(tokens, key.max(), side="right"))
    wanted = tokens[low:high]
    if not len(wanted):
        return low, np.zeros((spans, 0), np.int64)
    place = kernels.find_wanted(key, wanted)
    keep = place >= 0
    users = _in_spans(
        place[keep], unit[keep], bits[keep], count=len(wanted), spans=spans, unit_bits=unit_bits
    )
    return low, users[:spans]


def uses_of(
    key: I64, unit: I32, bits: Bits, *, least: int, spans: int, unit_bits: int
) -> tuple[I64, I64]:
    """(tokens of `least` units or more among these cells, sorted; users of each in each span)."""
    keep = kernels.surviving(key, unit, least)
    values, number = kernels.number_keys(key, keep)
    some = keep.astype(np.bool_)
    users = _in_spans(
        number, unit[some], bits[some], count=len(values), spans=spans, unit_bits=unit_bits
    )
    order = np.flatnonzero(users[spans] >= least)
    order = order[np.argsort(values[order])]
    return values[order], users[:spans, order]


def _in_spans(
    number: I32, unit: I32, bits: Bits, *, count: int, spans: int, unit_bits: int
) -> I64:
    """Per number, units in each span, and at any time: (spans + 1, count)."""
    if count.bit_length() + unit_bits + MAX_SPANS > WORD:
        return _in_spans_wide(number, unit, bits, count=count, spans=spans)
    words = number.astype(np.int64) << unit_bits | unit
    words = words << MAX_SPANS | bits
    words.sort()
    users: I64 = kernels.count_spans(words, count, unit_bits, spans)
    return users


def _in_spans_wide(number: I32, unit: I32, bits: Bits, *, count: int, spans: int) -> I64:
    """The same, when number, unit and bits do not fit one word."""
    order = np.lexsort((unit, number))
    number, unit = number[order], unit[order]
    new = np.ones(len(number), np.bool_)
    new[1:] = (number[1:] != number[:-1]) | (unit[1:] != unit[:-1])
    start = np.flatnonzero(new)
    of_pair = np.bitwise_or.reduceat(bits[order], start) if len(start) else bits
    some = [number[start][(of_pair >> span) & 1 > 0] for span in range(spans)]
    return np.stack([np.bincount(n, minlength=count) for n in (*some, number[start])])


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
