"""Rows that stand in the facts more than once: lines that a log repeats, files given twice.

Two rows are one exchange when account, time, text and the exchange's name (by its draw) agree.
The first in the order of the files stays. Rows are compared by two hashes of 64 bits; a first pass
that sorts one of them alone finds out whether there is anything to do: there seldom is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from titer.hunt import facts

#: Rows whose hashes are held at a time: 8 bytes each to look, 24 to find.
ROWS = 200_000_000
_KEY = ("at", "account", "exact", "draw")
_ODD = (0x9E37_79B9_7F4A_7C15, 0xD134_2543_DE82_EF95, 0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB)
_SHIFT = np.uint64(29)

U64 = npt.NDArray[np.uint64]


def remove_repeats(folder: Path, *, most: int = ROWS) -> int:
    """Rewrite the parts that hold repeated rows; returns how many rows went. May be run again."""
    files = facts.rows_files(folder)
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    rounds = max(1, -(-rows // most))
    dropped: list[npt.NDArray[np.int64]] = []
    for number in range(rounds):
        if _any_twice(files, number, rounds, rows):
            dropped += [_twice(files, 4 * number + part, 4 * rounds) for part in range(4)]
    gone = np.sort(np.concatenate(dropped)) if dropped else np.empty(0, np.int64)
    if len(gone):
        _rewrite(files, gone)
    return len(gone)


def _hashes(files: list[Path], salt: int) -> Iterator[U64]:
    """One hash of every row, a file at a time."""
    for path in files:
        table = pq.read_table(path, columns=list(_KEY))
        state = np.full(len(table), salt, np.uint64)
        for name, odd in zip(_KEY, _ODD, strict=True):
            state ^= table.column(name).to_numpy().astype(np.int64).view(np.uint64)
            state *= np.uint64(odd)
            state ^= state >> _SHIFT
        yield state


def _inside(hashes: U64, number: int, rounds: int) -> npt.NDArray[np.bool_]:
    """Rows of the round: a range of the hash's upper half."""
    inside: npt.NDArray[np.bool_] = (hashes >> np.uint64(40)) * np.uint64(rounds) >> np.uint64(
        24
    ) == np.uint64(number)
    return inside


def _any_twice(files: list[Path], number: int, rounds: int, rows: int) -> bool:
    found = np.empty(rows if rounds == 1 else 2 * ROWS, np.uint64)
    end = 0
    for hashes in _hashes(files, 1):
        some = hashes if rounds == 1 else hashes[_inside(hashes, number, rounds)]
        found[end : end + len(some)] = some
        end += len(some)
    found = found[:end]
    found.sort()
    return bool((found[1:] == found[:-1]).any())


def _twice(files: list[Path], number: int, rounds: int) -> npt.NDArray[np.int64]:
    """Places, among all rows, of those that an earlier row repeats."""
    one, two, place = [], [], []
    base = 0
    for first, second in zip(_hashes(files, 1), _hashes(files, 2), strict=True):
        inside = np.flatnonzero(_inside(first, number, rounds))
        one.append(first[inside])
        two.append(second[inside])
        place.append(inside + base)
        base += len(first)
    if not one:
        return np.empty(0, np.int64)
    a, b, at = np.concatenate(one), np.concatenate(two), np.concatenate(place)
    order = np.lexsort((b, a))  # stable: rows of one kind stay in the order of the log
    a, b, at = a[order], b[order], at[order]
    again = np.zeros(len(a), np.bool_)
    again[1:] = (a[1:] == a[:-1]) & (b[1:] == b[:-1])
    return at[again].astype(np.int64)


def _rewrite(files: list[Path], gone: npt.NDArray[np.int64]) -> None:
    base = 0
    for path in files:
        rows = pq.read_metadata(path).num_rows
        low, high = np.searchsorted(gone, (base, base + rows))
        if high > low:
            keep = np.ones(rows, np.bool_)
            keep[gone[low:high] - base] = False
            table: Any = pq.read_table(path).filter(pa.array(keep))
            facts.write_rows(path, {n: table.column(n).to_numpy() for n in facts.COLUMNS})
        base += rows
