"""Rows moved next to those that they must meet: by ranges of token values, by blocks of units.

A counting sort by the first bits, in two passes over arrays in memory. Each piece of the facts has
its own places in every part, so threads write without meeting, and the order within a part is that
of the rows, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from titer.hunt import kernels
from titer.hunt.reading import Piece
from titer.hunt.source import I32, I64

#: Cells of one part: its table of slots then fits the second-level cache of a core.
PART_ROWS = 1 << 16
#: Parts at most: beyond, writing to so many places at a time costs more than a larger table.
MAX_PART_BITS = 11
#: Bytes of a moved cell: token, unit, hour; and of a moved value: value, unit.
CELL = 16
VALUE = 12

A = TypeVar("A", bound=np.generic)

Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Any]]


class Room:
    """Arrays that one question uses again and again: new memory costs more than filling it."""

    def __init__(self) -> None:
        self._bytes: dict[str, npt.NDArray[np.uint8]] = {}

    def take(self, name: str, size: int, dtype: type[A]) -> npt.NDArray[A]:
        """An array of this name, whose last holder has done with it; filled with anything."""
        needed = size * np.dtype(dtype).itemsize
        held = self._bytes.get(name)
        if held is None or len(held) < needed:
            self._bytes.pop(name, None)
            held = self._bytes[name] = np.empty(needed, np.uint8)
        return held[:needed].view(dtype)


class Shuffle:
    """How many rows each piece gives to each part, and which parts fit into memory together."""

    def __init__(self, pieces: Sequence[Piece], counts: I64, who: I32, fit: int, run: Map) -> None:
        self._pieces = pieces
        self._counts = counts
        self._who = who
        self._fit = max(1, fit)
        self._run = run
        self._shift = 0
        self._keys: I64 = np.empty(0, np.int64)
        self._active: npt.NDArray[np.bool_] = np.empty(0, np.bool_)

    @classmethod
    def of_keys(
        cls,
        pieces: Sequence[Piece],
        keys: I64,
        who: I32,
        *,
        active: npt.NDArray[np.bool_],
        memory: int,
        run: Map,
    ) -> Shuffle:
        """By the first bits of `keys`, of active units' rows with text."""
        bits = min(MAX_PART_BITS, max(1, (len(keys) // PART_ROWS).bit_length()))

        def count(piece: Piece) -> I64:
            counts = np.zeros(1 << bits, np.int64)
            kernels.count_keys(keys[piece.span], who[piece.span], active, 64 - bits, counts)
            return counts

        made = cls(
            pieces, _stacked(run(count, pieces), 1 << bits), who, fit=memory // CELL, run=run
        )
        made._shift, made._keys, made._active = 64 - bits, keys, active
        return made

    @classmethod
    def of_units(
        cls, pieces: Sequence[Piece], who: I32, *, units: int, memory: int, run: Map
    ) -> Shuffle:
        """By blocks of units."""
        bits = min(MAX_PART_BITS, (len(who) // PART_ROWS).bit_length())
        block_bits = max(0, units.bit_length() - bits)
        blocks = (max(0, units - 1) >> block_bits) + 1

        def count(piece: Piece) -> I64:
            counts = np.zeros(blocks, np.int64)
            kernels.count_blocks(who[piece.span], block_bits, counts)
            return counts

        made = cls(pieces, _stacked(run(count, pieces), blocks), who, fit=memory // VALUE, run=run)
        made._shift = block_bits
        return made

    def keys(
        self, when: npt.NDArray[A], room: Room
    ) -> Iterator[list[tuple[I64, I32, npt.NDArray[A]]]]:
        """(key, unit, when) of the parts in the order of their keys, as many lists as need be.

        `when` is anything of each row. A list is done with before the next is asked for.
        """
        for low, high, starts, ends in self._rounds():
            size = int(ends[-1])
            out = (
                room.take("key", size, np.int64),
                room.take("unit", size, np.int32),
                room.take("when", size, when.dtype.type),
            )

            def move(
                job: tuple[Piece, I64],
                low: int = low,
                high: int = high,
                out: tuple[I64, I32, npt.NDArray[A]] = out,
            ) -> None:
                span = job[0].span
                kernels.scatter_keys(
                    self._keys[span], self._who[span], when[span], self._active, self._shift,
                    low, high, job[1], *out,
                )  # fmt: skip

            for _ in self._run(move, list(zip(self._pieces, starts, strict=True))):
                pass
            yield [(out[0][a:b], out[1][a:b], out[2][a:b]) for a, b in pairwise(ends)]

    def values(self, load: Callable[[Piece], I64], room: Room) -> Iterator[list[tuple[I32, I64]]]:
        """(unit, value) of the parts in the order of their units, as many lists as need be.

        A list is done with before the next is asked for.
        """
        for low, high, starts, ends in self._rounds():
            size = int(ends[-1])
            out = room.take("unit", size, np.int32), room.take("value", size, np.int64)

            def move(
                job: tuple[Piece, I64],
                low: int = low,
                high: int = high,
                out: tuple[I32, I64] = out,
            ) -> None:
                kernels.scatter_values(
                    load(job[0]), self._who[job[0].span], self._shift, low, high, job[1], *out
                )

            for _ in self._run(move, list(zip(self._pieces, starts, strict=True))):
                pass
            yield [(out[0][a:b], out[1][a:b]) for a, b in pairwise(ends)]

    def _rounds(self) -> Iterator[tuple[int, int, list[I64], I64]]:
        """(first part, behind the last, each piece's places, the parts' bounds) of each round."""
        per_part = self._counts.sum(axis=0)
        low = 0
        while low < len(per_part):
            high, size = low + 1, int(per_part[low])
            while high < len(per_part) and size + per_part[high] <= self._fit:
                size += int(per_part[high])
                high += 1
            ends = np.concatenate(([0], np.cumsum(per_part[low:high]))).astype(np.int64)
            before = np.cumsum(self._counts, axis=0) - self._counts
            places = np.zeros_like(self._counts)
            places[:, low:high] = before[:, low:high] + ends[:-1]
            yield low, high, list(places), ends
            low = high


def _stacked(counts: Iterator[I64], parts: int) -> I64:
    rows = list(counts)
    return np.stack(rows) if rows else np.zeros((0, parts), np.int64)
