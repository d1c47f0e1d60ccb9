"""Inner loops of the embedded engine, compiled by numba. Imported by `hunt.embedded` alone.

All take plain arrays, release the interpreter lock and know nothing of files. Rows carry `who`:
the unit if the row carries text, else `-1 - unit`. Everything that is looked up at random is kept
small enough for the processor's caches by partitioning first, so that the cost of a row does not
grow with the log (docs/adr/0010-facts-and-engines.md).
"""

# ruff: noqa: PLR0917 - compiled functions are called by position
from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from titer.hunt.source import MAX_SPANS

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
U64 = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

F = TypeVar("F", bound=Callable[..., Any])

#: Largest table of slots for one partition (2^22 x 5 bytes): a partition that one hot value fills
#: needs no more, since slots that collide cost time and never change the result.
MAX_SLOT_BITS = 22
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)
_SIGN = np.uint64(1 << 63)
_DAY = 86_400_000_000
_HOUR = 3_600_000_000


def _compiled(function: F) -> F:
    """Compile on first use; keep the machine code on disk where there is a place for it."""
    try:
        return cast("F", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no writable place beside the package nor in the user's cache
        return cast("F", numba.njit(nogil=True)(function))


@_compiled
def fill_table(keys: I64, values: I32, table_key: I64, table_value: I32) -> None:
    """Put `keys` into an open-addressed table (power of two, `table_value` -1 where empty)."""
    mask = len(table_key) - 1
    shift = np.uint64(64 - _bits(len(table_key) - 1))
    for i in range(len(keys)):
        place = np.int64((np.uint64(keys[i]) * _SPREAD) >> shift)
        while table_value[place] >= 0 and table_key[place] != keys[i]:
            place = (place + 1) & mask
        if table_value[place] < 0:
            table_key[place] = keys[i]
            table_value[place] = values[i]


@_compiled
def index_rows(
    account: I64,
    at: I64,
    status: I32,
    chars: I32,
    tokens_out: I64,
    table_key: I64,
    table_value: I32,
    begin: int,
    end: int,
    who: I32,
    hour: I32,
    totals: I64,
    clock: I32,
    hour_bins: int,
    span_bins: int,
) -> int:
    """Fill `who` and `hour` of these rows; add to `totals` (units, 8: rows, texts, first, last,
    tokens out; the rest makes it a line of the cache) and `clock` (units, bins). Returns the rows
    of no known account or time.
    """
    mask = len(table_key) - 1
    shift = np.uint64(64 - _bits(len(table_key) - 1))
    span = end - begin + 1
    strange = 0
    for i in range(len(account)):
        key = account[i]
        place = np.int64((np.uint64(key) * _SPREAD) >> shift)
        while table_value[place] >= 0 and table_key[place] != key:
            place = (place + 1) & mask
        unit = table_value[place]
        now = at[i]
        if unit < 0 or now < begin or now > end:
            strange += 1
            continue
        served = status[i] < 400
        totals[unit, 0] += 1
        totals[unit, 2] = min(totals[unit, 2], now)
        totals[unit, 3] = max(totals[unit, 3], now)
        if served:
            totals[unit, 4] += tokens_out[i]
        if served and chars[i] > 0:
            totals[unit, 1] += 1
            who[i] = unit
        else:
            who[i] = -1 - unit
        hour[i] = (now - begin) // _HOUR
        clock[unit, (now % _DAY) * hour_bins // _DAY] += 1
        clock[unit, hour_bins + (now - begin) * span_bins // span] += 1
    return strange


@_compiled
def count_keys(keys: I64, who: I32, active: Bools, shift: int, counts: I64) -> None:
    """Add to `counts` how many cells of active units fall into each range of keys."""
    for i in range(len(keys)):
        unit = who[i]
        if unit >= 0 and keys[i] != 0 and active[unit]:
            counts[(np.uint64(keys[i]) ^ _SIGN) >> np.uint64(shift)] += 1


@_compiled
def scatter_keys(
    keys: I64,
    who: I32,
    when: npt.NDArray[Any],
    active: Bools,
    shift: int,
    low: int,
    high: int,
    places: I64,
    out_key: I64,
    out_unit: I32,
    out_when: npt.NDArray[Any],
) -> None:
    """Move the cells of ranges `low`..`high` - 1 to their places (advanced)."""
    for i in range(len(keys)):
        unit = who[i]
        if unit >= 0 and keys[i] != 0 and active[unit]:
            part = np.int64((np.uint64(keys[i]) ^ _SIGN) >> np.uint64(shift))
            if low <= part < high:
                place = places[part]
                places[part] = place + 1
                out_key[place] = keys[i]
                out_unit[place] = unit
                out_when[place] = when[i]


@_compiled
def surviving(key: I64, unit: I32, least: int) -> npt.NDArray[np.uint8]:
    """Which cells may hold a key of `least` or more units: all of those, and a few others.

    A slot counts how often its unit changed, which is never less than the units seen there.
    """
    n = len(key)
    bits = min(MAX_SLOT_BITS, max(6, _bits(2 * n)))
    shift = np.uint64(64 - bits)
    last = np.zeros(1 << bits, np.int32)
    changes = np.zeros(1 << bits, np.uint8)
    for i in range(n):
        slot = (np.uint64(key[i]) * _SPREAD) >> shift
        if last[slot] != unit[i] + 1:
            last[slot] = unit[i] + 1
            if changes[slot] < 255:
                changes[slot] += 1
    enough = min(least, 255)
    keep = np.zeros(n, np.uint8)
    for i in range(n):
        keep[i] = changes[(np.uint64(key[i]) * _SPREAD) >> shift] >= enough
    return keep


@_compiled
def number_keys(key: I64, keep: npt.NDArray[np.uint8]) -> tuple[I64, I32]:
    """(the different kept keys in order of appearance, the number of each kept cell's key)."""
    kept = 0
    for i in range(len(keep)):
        kept += keep[i]
    number = np.empty(kept, np.int32)
    values = np.empty(kept, np.int64)
    bits = max(4, _bits(2 * kept))
    table = np.full(1 << bits, -1, np.int32)
    shift, mask = np.uint64(64 - bits), (1 << bits) - 1
    count = j = 0
    for i in range(len(key)):
        if not keep[i]:
            continue
        place = np.int64((np.uint64(key[i]) * _SPREAD) >> shift)
        found = table[place]
        while found >= 0 and values[found] != key[i]:
            place = (place + 1) & mask
            found = table[place]
        if found < 0:
            found = table[place] = count
            values[count] = key[i]
            count += 1
        number[j] = found
        j += 1
    return values[:count].copy(), number


@_compiled
def pack(
    number: I32, keep: npt.NDArray[np.uint8], unit: I32, hour: I32, unit_bits: int, hour_bits: int
) -> I64:
    """Number, unit and hour of each kept cell in one sortable word."""
    out = np.empty(len(number), np.int64)
    j = 0
    for i in range(len(keep)):
        if keep[i]:
            word = (np.int64(number[j]) << unit_bits) | np.int64(unit[i])
            out[j] = (word << hour_bits) | np.int64(hour[i])
            j += 1
    return out


@_compiled
def walk(words: I64, count: int, unit_bits: int, hour_bits: int) -> tuple[I64, I32, I32, I32]:
    """From sorted words: (per number its pairs' end, and per pair unit, rows, first hour)."""
    pairs = 0
    before = np.int64(-1)
    for i in range(len(words)):
        pair = words[i] >> hour_bits
        pairs += pair != before
        before = pair
    ends = np.zeros(count + 1, np.int64)
    unit, rows, first = (
        np.empty(pairs, np.int32),
        np.empty(pairs, np.int32),
        np.empty(pairs, np.int32),
    )
    before = np.int64(-1)
    at = -1
    for i in range(len(words)):
        pair = words[i] >> hour_bits
        if pair != before:
            before = pair
            at += 1
            unit[at] = pair & ((1 << unit_bits) - 1)
            rows[at] = 0
            first[at] = words[i] & ((1 << hour_bits) - 1)
            ends[(pair >> unit_bits) + 1] += 1
        rows[at] += 1
    return np.cumsum(ends), unit, rows, first


@_compiled
def span_bits(at: I64, since: I64, until: I64, out: npt.NDArray[np.uint8]) -> None:
    """In which of some spans (`since` <= `at` < `until`) each time lies, as bits."""
    for i in range(len(at)):
        bits = np.uint8(0)
        for j in range(len(since)):
            if since[j] <= at[i] < until[j]:
                bits |= np.uint8(1 << j)
        out[i] = bits


@_compiled
def count_spans(words: I64, count: int, unit_bits: int, spans: int) -> I64:
    """From sorted words of (number, unit, `MAX_SPANS` bits): per number how many units there are
    in each of so many spans, and in the last row at any time.
    """
    users = np.zeros((spans + 1, count), np.int64)
    i = 0
    while i < len(words):
        pair = words[i] >> MAX_SPANS
        bits = np.int64(0)
        while i < len(words) and words[i] >> MAX_SPANS == pair:
            bits |= words[i]
            i += 1
        number = pair >> unit_bits
        for j in range(spans):
            users[j, number] += (bits >> j) & 1
        users[spans, number] += 1
    return users


@_compiled
def gather(
    ends: I64, order: I64, starts: I64, unit: I32, rows: I32, first: I32,
    out_unit: I32, out_rows: I32, out_first: I32,
) -> None:  # fmt: skip
    """Copy the pairs of the numbers in `order`, those of the i-th to `starts[i]` and on."""
    for i in range(len(order)):
        at = starts[i]
        for j in range(ends[order[i]], ends[order[i] + 1]):
            out_unit[at] = unit[j]
            out_rows[at] = rows[j]
            out_first[at] = first[j]
            at += 1


@_compiled
def hide(ends: I64, numbers: I64, unit: I32, rows: I32, hidden: I64) -> None:
    """Add the rows of some numbers' pairs to their units."""
    for i in range(len(numbers)):
        for j in range(ends[numbers[i]], ends[numbers[i] + 1]):
            hidden[unit[j]] += rows[j]


@_compiled
def find_wanted(key: I64, wanted: I64) -> I32:
    """The place of each key in `wanted` (sorted), or -1."""
    bits = max(4, _bits(2 * len(wanted)))
    mask = (1 << bits) - 1
    shift = np.uint64(64 - bits)
    table = np.full(1 << bits, -1, np.int32)
    for i in range(len(wanted)):
        place = np.int64((np.uint64(wanted[i]) * _SPREAD) >> shift)
        while table[place] >= 0:
            place = (place + 1) & mask
        table[place] = i
    out = np.empty(len(key), np.int32)
    for i in range(len(key)):
        place = np.int64((np.uint64(key[i]) * _SPREAD) >> shift)
        while table[place] >= 0 and wanted[table[place]] != key[i]:
            place = (place + 1) & mask
        out[i] = table[place]
    return out


@_compiled
def count_blocks(who: I32, block_bits: int, counts: I64) -> None:
    """Add to `counts` the rows of each block of units."""
    for i in range(len(who)):
        unit = who[i] if who[i] >= 0 else -1 - who[i]
        counts[unit >> block_bits] += 1


@_compiled
def scatter_values(
    value: I64,
    who: I32,
    block_bits: int,
    low: int,
    high: int,
    places: I64,
    out_unit: I32,
    out_value: I64,
) -> None:
    """Move (unit, value) of the rows of blocks `low`..`high` - 1 to their places (advanced)."""
    for i in range(len(value)):
        unit = who[i] if who[i] >= 0 else -1 - who[i]
        block = unit >> block_bits
        if low <= block < high:
            place = places[block]
            places[block] = place + 1
            out_unit[place] = unit
            out_value[place] = value[i]


@_compiled
def count_pairs(unit: I32, value: I64, zero: bool) -> tuple[I32, I64, I64]:
    """(unit, value, rows) of the different pairs, in no order; value 0 only if `zero`."""
    room = 256
    units, values = np.empty(room, np.int32), np.empty(room, np.int64)
    rows = np.empty(room, np.int64)
    table = np.full(2 * room, -1, np.int32)
    count = 0
    for i in range(len(unit)):
        if value[i] == 0 and not zero:
            continue
        mask = 2 * room - 1
        place = _slot(unit[i], value[i]) & mask
        found = table[place]
        while found >= 0 and (units[found] != unit[i] or values[found] != value[i]):
            place = (place + 1) & mask
            found = table[place]
        if found >= 0:
            rows[found] += 1
            continue
        if count == room:
            units, values = np.append(units, units), np.append(values, values)
            rows = np.append(rows, rows)
            room *= 2
            mask = 2 * room - 1
            table = np.full(2 * room, -1, np.int32)
            for old in range(count):
                place = _slot(units[old], values[old]) & mask
                while table[place] >= 0:
                    place = (place + 1) & mask
                table[place] = old
            place = _slot(unit[i], value[i]) & mask
            while table[place] >= 0:
                place = (place + 1) & mask
        units[count], values[count], rows[count] = unit[i], value[i], 1
        table[place] = count
        count += 1
    return units[:count].copy(), values[:count].copy(), rows[:count].copy()


@_compiled
def smallest(who: I32, draw: I32, heap_of: I32, heaps: I32, bound: I64) -> None:
    """Put the draws of text rows into their units' heaps, which keep the smallest: `heaps` (n,
    most), the largest first, filled with the largest number to begin with. `heap_of` gives the
    heap of each unit, -1 for none; `bound` (units) the largest draw in its heap.
    """
    most = heaps.shape[1]
    for i in range(len(who)):
        unit = who[i]
        if unit < 0 or draw[i] >= bound[unit]:
            continue
        heap = heaps[heap_of[unit]]
        place = 0
        while True:
            child = 2 * place + 1
            if child >= most:
                break
            if child + 1 < most and heap[child + 1] > heap[child]:
                child += 1
            if heap[child] <= draw[i]:
                break
            heap[place] = heap[child]
            place = child
        heap[place] = draw[i]
        bound[unit] = heap[0]


@_compiled
def up_to(who: I32, draw: I32, bound: I64) -> I64:
    """Places of the text rows whose draw is at most their unit's bound."""
    found = 0
    for i in range(len(who)):
        found += who[i] >= 0 and draw[i] <= bound[who[i]]
    out = np.empty(found, np.int64)
    found = 0
    for i in range(len(who)):
        if who[i] >= 0 and draw[i] <= bound[who[i]]:
            out[found] = i
            found += 1
    return out


@_compiled
def _slot(unit: int, value: int) -> Any:
    word = np.uint64(value) * _SPREAD + np.uint64(unit) * np.uint64(0xD1342543DE82EF95)
    word ^= word >> np.uint64(32)
    word *= _SPREAD
    return np.int64(word >> np.uint64(20))


@_compiled
def _bits(number: int) -> int:
    """Bits of a number."""
    bits = 0
    while number > 0:
        number >>= 1
        bits += 1
    return bits
