"""Some rows of some units in full, out of facts: those of the smallest draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
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

    def find(piece: reading.Piece) -> I64:
        (draw,) = reading.read(piece, ("draw",))
        found: I64 = kernels.up_to(who[piece.span], draw, bound)
        return found

    places = list(run(find, pieces)) if len(units) and most > 0 else []
    ends = np.cumsum([0, *map(len, places)])
    # One line of memory a row: rows are chosen and put in order, columns only read.
    rows = np.empty((int(ends[-1]), len(_COLUMNS)), np.int64)

    def take(job: tuple[reading.Piece, I64, I64]) -> None:
        piece, here, into = job
        if len(here):
            into[:, 0] = who[piece.span][here]
            for place, column in enumerate(reading.read(piece, _COLUMNS[1:]), 1):
                into[:, place] = column[here]

    parts = [rows[low:high] for low, high in pairwise(ends)]
    for _ in run(take, list(zip(pieces[: len(parts)], places, parts, strict=True))):
        pass
    order = _ordered(rows, _kept(rows, texts, most))
    wide: Callable[[str], I64] = lambda name: rows[order, _COLUMNS.index(name)]  # noqa: E731
    cell, band = _COLUMNS.index("m0"), _COLUMNS.index("f0")
    return Rows(
        unit=wide("unit").astype(np.int32),
        at=wide("at"),
        draw=wide("draw").astype(np.int32),
        endpoint=wide("endpoint"),
        model=wide("model"),
        parameters=wide("parameters"),
        software=wide("software"),
        exact=wide("exact"),
        meaning=np.take(rows[:, cell : cell + CELLS], order, axis=0),
        frames=np.take(rows[:, band : band + BANDS], order, axis=0),
        chars=wide("chars").astype(np.int32),
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


def _kept(rows: I64, texts: I64, most: int) -> I64:
    """Places of the rows, without those that tie with the last one wanted of their unit and come
    after it by the other columns.
    """
    there = np.bincount(rows[:, 0], minlength=len(texts))
    over = there > np.minimum(texts, most)
    keep = np.ones(len(rows), np.bool_)
    if over.any():
        few = np.flatnonzero(over[rows[:, 0]])
        few = few[np.lexsort([rows[few, place] for place in reversed(_BY_DRAW)])]
        unit = rows[few, 0]
        keep[few[np.arange(len(few)) - np.searchsorted(unit, unit) >= most]] = False
    return np.flatnonzero(keep)


def _ordered(rows: I64, kept: I64) -> I64:
    """Those places by unit, time, draw, and where those tie by the other columns."""
    if not len(kept):
        return kept
    unit, at = rows[kept, 0], rows[kept, 2]
    begin = int(at.min())
    bits = (int(at.max()) - begin).bit_length()
    if bits + int(unit.max()).bit_length() <= WORD:
        word = (unit << bits) | (at - begin)
        order = np.argsort(word)
        word = word[order]
        if not (word[1:] == word[:-1]).any():
            return kept[order]
    return kept[np.lexsort([rows[kept, place] for place in reversed(_BY_TIME)])]
