"""Some rows of some units in full, out of facts: those of the smallest draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from titer.hunt import kernels, reading
from titer.hunt.source import BANDS, I32, I64, Rows, Source

#: Columns of a sample, those that order its ties first.
TIES = ("endpoint", "model", "parameters", "software", "exact")
CELLS = 4
#: Rows asked for at once: 200 bytes each.
AT_ONCE = 2_000_000
_COLUMNS = (
    "at", "draw", *TIES, *(f"m{i}" for i in range(CELLS)), *(f"f{i}" for i in range(BANDS)),
    "chars", "tokens_out",
)  # fmt: skip

Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Any]]


def sample_rows(
    pieces: Sequence[reading.Piece],
    who: I32,
    units: I64,
    *,
    texts: I64,
    most: int,
    run: Map,
) -> Rows:
    """The text rows of `units` (sorted), at most `most` of each; `texts` counts all units'."""
    chosen = _chosen(pieces, who, units, texts, most)

    def take(piece: reading.Piece) -> list[npt.NDArray[Any]]:
        low, high = np.searchsorted(chosen, (piece.base, piece.base + piece.rows))
        here = chosen[low:high] - piece.base
        if not len(here):
            return []
        return [column[here] for column in reading.read(piece, _COLUMNS)]

    parts = [part for part in run(take, pieces) if part]
    empty = [np.empty(0, np.int32 if c in ("draw", "chars") else np.int64) for c in _COLUMNS]
    columns = dict(
        zip(_COLUMNS, (np.concatenate(c) for c in zip(empty, *parts, strict=True)), strict=True)
    )
    unit = who[chosen].astype(np.int32) if len(who) else np.empty(0, np.int32)
    order = _ordered(columns, unit, "draw", "at")
    unit = unit[order]
    first = np.searchsorted(unit, unit)
    order = order[np.arange(len(unit)) - first < most]
    unit = (who[chosen] if len(who) else unit)[order].astype(np.int32)
    columns = {name: column[order] for name, column in columns.items()}
    order = _ordered(columns, unit, "at", "draw")
    columns = {name: column[order] for name, column in columns.items()}
    return Rows(
        unit=unit[order],
        at=columns["at"],
        draw=columns["draw"],
        endpoint=columns["endpoint"],
        model=columns["model"],
        parameters=columns["parameters"],
        software=columns["software"],
        exact=columns["exact"],
        meaning=np.column_stack([columns[f"m{i}"] for i in range(CELLS)]),
        frames=np.column_stack([columns[f"f{i}"] for i in range(BANDS)]),
        chars=columns["chars"],
        tokens_out=columns["tokens_out"],
    )


def _chosen(pieces: Sequence[reading.Piece], who: I32, units: I64, texts: I64, most: int) -> I64:
    """Places, sorted, of the rows of the smallest draws and all that tie with the last of them."""
    wanted = np.full(len(texts), -1, np.int32)
    wanted[units] = np.arange(len(units), dtype=np.int32)
    starts = np.concatenate(([0], np.cumsum(texts[units]))).astype(np.int64)
    places = starts[:-1].copy()
    draws, rows = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.int64)
    for piece in pieces if starts[-1] else ():
        (draw,) = reading.read(piece, ("draw",))
        kernels.collect(who[piece.span], draw, wanted, places, piece.base, draws, rows)
    keep = np.zeros(len(draws), np.bool_)
    kernels.choose(draws, starts, most, keep)
    return np.sort(rows[keep])


def _ordered(
    columns: dict[str, npt.NDArray[Any]], unit: I32, first: str, second: str
) -> npt.NDArray[np.intp]:
    """The order by unit, `first`, `second`, and where those tie by all other columns."""
    order = np.lexsort((columns[second], columns[first], unit))
    a, b, u = columns[first][order], columns[second][order], unit[order]
    if not ((a[1:] == a[:-1]) & (b[1:] == b[:-1]) & (u[1:] == u[:-1])).any():
        return order
    rest = [columns[name] for name in _COLUMNS if name not in (first, second)]
    return np.lexsort((*reversed(rest), columns[second], columns[first], unit))


def sample_groups(source: Source, groups: Sequence[I64], *, most: int) -> Iterator[Rows]:
    """`source.sample` of each of several groups of units (sorted), which may overlap.

    Asks for many at once: on files each question reads the whole log. The rows of a unit do not
    depend on which other units are asked for, so the answers are the same.
    """
    place = 0
    while place < len(groups):
        end, units = place + 1, groups[place]
        while end < len(groups):
            more = np.union1d(units, groups[end])
            if len(more) * most > AT_ONCE:
                break
            end, units = end + 1, more
        rows = source.sample(units, most=most)
        for group in groups[place:end]:
            low = np.searchsorted(rows.unit, group, side="left")
            high = np.searchsorted(rows.unit, group, side="right")
            counts = high - low
            at = np.repeat(low - (np.cumsum(counts) - counts), counts)
            at += np.arange(len(at))
            yield Rows(*(getattr(rows, name)[at] for name in Rows.__struct_fields__))
        place = end
