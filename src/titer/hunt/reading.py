"""Columns of facts as numpy arrays, a piece of a file at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from titer.core.errors import InputError
from titer.hunt import facts

#: Rows read at a time by one thread: a few megabytes a column.
PIECE_ROWS = 1 << 20


class Piece(msgspec.Struct, frozen=True):
    """Some row groups of one file. `base` is the place of its first row among all rows."""

    path: Path
    groups: tuple[int, ...]
    base: int
    rows: int

    @property
    def span(self) -> slice:
        """Its rows among all rows."""
        return slice(self.base, self.base + self.rows)


def pieces(folder: Path) -> list[Piece]:
    """All rows of a finished folder, in order. Raises `InputError` when some are not there."""
    known = facts.about(folder)
    out: list[Piece] = []
    base = 0
    for path in facts.rows_files(folder):
        try:
            metadata = pq.read_metadata(path)
        except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
            raise InputError(f"{path}: is no Parquet file; write the facts again") from error
        missing = set(facts.COLUMNS) - set(metadata.schema.names)
        if missing:
            raise InputError(f"{path}: lacks {', '.join(sorted(missing))}; write the facts again")
        groups: list[int] = []
        rows = 0
        for group in range(metadata.num_row_groups):
            groups.append(group)
            rows += metadata.row_group(group).num_rows
            if rows >= PIECE_ROWS or group == metadata.num_row_groups - 1:
                out.append(Piece(path, tuple(groups), base, rows))
                base += rows
                groups, rows = [], 0
    if base != known.rows:
        raise InputError(
            f"{folder}: {base} rows where about.json counts {known.rows}; write the facts again"
        )
    return out


def read(piece: Piece, columns: Iterable[str]) -> list[npt.NDArray[Any]]:
    """The columns of a piece. Raises `InputError` for values that are no integers."""
    names = list(columns)
    with pq.ParquetFile(piece.path) as file:
        table = file.read_row_groups(list(piece.groups), columns=names, use_threads=False)
    out = []
    for name in names:
        column = table.column(name)
        width = np.int32 if name in facts.NARROW else np.int64
        array = column.to_numpy()
        if array.dtype != width:
            if column.null_count or array.dtype.kind not in "iu":
                raise InputError(f"{piece.path}: {name} is no column of integers")
            array = array.astype(width)
        out.append(array)
    return out


def stamp(folder: Path) -> list[tuple[str, int, int]]:
    """What tells these facts from others: names, sizes and times of the files."""
    return [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in (*_all(folder), folder / "about.json")
    ]


def _all(folder: Path) -> Sequence[Path]:
    return sorted((*folder.glob("accounts-*.parquet"), *facts.rows_files(folder)))
