"""Some rows of some units in full, out of facts: those of the smallest draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from titer.hunt import kernels, reading
from titer.hunt.source import BANDS, I32, I64, WORD, Rows

#: Columns of a sample, those that order its ties first.
TIES = ("endpoint", "model", "parameters", "software", "exact")
CELLS = 4
_COLUMNS = (
    "unit", "draw", "at", *TIES, *(f"m{i}" for i in range(CELLS)),
    *(f"f{i}" for i in range(BANDS)), "chars", "tokens_out",
)  # fmt: skip
#: The order of rows when some are chosen, and that of an answer, as places in `_COLUMNS`.
_BY_DRAW = range(len(_COLUMNS))
_BY_TIME = (0, 2, 1, *_BY_DRAW[3:])
_LAST = np.iinfo(np.int32).max

Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Any]]


def sample_rows(
    pieces: Sequence[reading.Piece],
    who: I32,
    units: I64,
    *,
    texts: I64,
    most: int,
    threads: int,
    run: Map,
) -> Rows:
    """The text rows of `units` (sorted), at most `most` of each; `texts` counts all units'."""
    bound = _bounds(pieces, who, units, texts=texts, most=most, threads=threads, run=run)

    def take(piece: reading.Piece) -> I64:
        (draw,) = reading.read(piece, ("draw",))
        unit = who[piece.span]
        here = kernels.up_to(unit, draw, bound)
        rows = np.empty((len(here), len(_COLUMNS)), np.int64)
        if len(here):
            rows[:, 0], rows[:, 1] = unit[here], draw[here]
            for place, column in enumerate(reading.read(piece, _COLUMNS[2:]), 2):
                rows[:, place] = column[here]
        return rows

    taken = list(run(take, pieces)) if len(units) and most > 0 else []
    rows = np.concatenate([np.empty((0, len(_COLUMNS)), np.int64), *taken])
    taken.clear()
    rows = _ordered(_cut(rows, texts, most))
    return _rows({name: rows[:, place] for place, name in enumerate(_COLUMNS)})


def _rows(columns: dict[str, I64]) -> Rows:
    """Columns, which lie apart in memory, each in one piece."""
    wide: Callable[[str], I64] = lambda name: np.ascontiguousarray(columns[name])  # noqa: E731
    narrow: Callable[[str], I32] = lambda name: columns[name].astype(np.int32)  # noqa: E731
    return Rows(
        unit=narrow("unit"),
        at=wide("at"),
        draw=narrow("draw"),
        endpoint=wide("endpoint"),
        model=wide("model"),
        parameters=wide("parameters"),
        software=wide("software"),
        exact=wide("exact"),
        meaning=np.column_stack([columns[f"m{i}"] for i in range(CELLS)]),
        frames=np.column_stack([columns[f"f{i}"] for i in range(BANDS)]),
        chars=narrow("chars"),
        tokens_out=wide("tokens_out"),
    )


def _bounds(
    pieces: Sequence[reading.Piece],
    who: I32,
    units: I64,
    *,
    texts: I64,
    most: int,
    threads: int,
    run: Map,
) -> I64:
    """Per unit, the largest draw of those that are wanted; below every draw for other units."""
    bound = np.full(len(texts), np.iinfo(np.int64).min)
    bound[units] = _LAST
    many = units[texts[units] > most]
    if not len(many) or most < 1:
        return bound
    heap_of = np.full(len(texts), -1, np.int32)
    heap_of[many] = np.arange(len(many), dtype=np.int32)

    def work(worker: int) -> tuple[I32, I64]:
        heaps, mine = np.full((len(many), most), _LAST, np.int32), np.full(len(texts), -1)
        mine[many] = _LAST
        for piece in pieces[worker::threads]:
            (draw,) = reading.read(piece, ("draw",))
            kernels.smallest(who[piece.span], draw, heap_of, heaps, mine)
        return heaps, mine

    (heaps, least), *others = list(run(work, range(threads)))
    for more, _ in others:
        kernels.smallest(
            np.repeat(many.astype(np.int32), most), more.ravel(), heap_of, heaps, least
        )
    bound[many] = least[many]
    return bound


def _cut(rows: I64, texts: I64, most: int) -> I64:
    """Without the rows that tie with the last one wanted of their unit, by the other columns."""
    there = np.bincount(rows[:, 0], minlength=len(texts))
    over = there > np.minimum(texts, most)
    if not over.any():
        return rows
    few = np.flatnonzero(over[rows[:, 0]])
    few = few[np.lexsort([rows[few, place] for place in reversed(_BY_DRAW)])]
    unit = rows[few, 0]
    keep = np.ones(len(rows), np.bool_)
    keep[few[np.arange(len(few)) - np.searchsorted(unit, unit) >= most]] = False
    return rows[keep]


def _ordered(rows: I64) -> I64:
    """By unit, time, draw, and where those tie by the other columns."""
    if not len(rows):
        return rows
    unit, at = rows[:, 0], rows[:, 2]
    begin = int(at.min())
    bits = (int(at.max()) - begin).bit_length()
    if bits + int(unit.max()).bit_length() <= WORD:
        word = (unit << bits) | (at - begin)
        order = np.argsort(word)
        word = word[order]
        if not (word[1:] == word[:-1]).any():
            return rows[order]
    return rows[np.lexsort([rows[:, place] for place in reversed(_BY_TIME)])]
