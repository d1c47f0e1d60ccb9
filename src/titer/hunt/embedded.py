"""The answers of `hunt.source` from Parquet facts on one machine: pyarrow reads, numba counts.

Every count works the same way: rows are moved next to those that they must meet (by ranges of
token values, by blocks of units), in memory, and each part is then counted within the processor's
caches. So a row costs the same in a small log and a large one. Nothing is held but one column, the
parts of it that fit `memory`, and the answer; what is counted goes to `work` (hunt.stages).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from titer.core.errors import InputError
from titer.hunt import facts, kernels, reading
from titer.hunt.sampling import sample_rows
from titer.hunt.shuffle import Room, Shuffle
from titer.hunt.source import (
    BANDS,
    EVER,
    HOUR,
    HOUR_BINS,
    I32,
    I64,
    MAX_SPANS,
    MAX_VALUES,
    SPAN_BINS,
    VALUES,
    Callers,
    Rows,
    Span,
    Tokens,
    Totals,
    Uses,
    Values,
)
from titer.hunt.stages import LAYOUT, Stages, fingerprint
from titer.hunt.tally import Pairs, count_users, pairs_of, uses_of

#: Bytes for what is moved at a time, at most, and as a share of the machine's: 200 million rows at
#: once, where a log that needs several rounds is read in each. The rest of a hunt (one column, the
#: index of rows, answers) needs about 24 bytes a row beside it.
MEMORY, OF_MACHINE = 3 << 30, 4
#: Threads; more do not help once the disk is the limit, and a hunt is no reason to stop the rest.
THREADS = 2
#: Units from which each thread no longer has its own counts: 192 bytes a unit and thread.
MANY_UNITS = 4_000_000

T = TypeVar("T")
U = TypeVar("U")
Watch = Callable[[str, float], None]


class EmbeddedSource:
    """A `Source` over a folder of facts. A context manager: `close` removes what is temporary.

    `work` keeps what was counted, so that the same questions over the same facts are answered at
    once; None keeps nothing. `watch` is told what is being done and how far it is (0..1).
    Raises `InputError` for a folder that is no finished facts.
    """

    def __init__(
        self,
        folder: Path,
        *,
        work: Path | None = None,
        memory: int | None = None,
        threads: int | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._folder = folder
        self._about = facts.about(folder)
        self._pieces = reading.pieces(folder)
        self._rows = self._about.rows
        self._memory = memory or min(MEMORY, _machine() // OF_MACHINE)
        self._threads = threads or min(THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads, "titer-hunt")
        self._watch = watch
        self._stages = Stages(work)
        self._print = fingerprint(LAYOUT, facts.FORMAT, reading.stamp(folder))
        self._hashes, self._callers = facts.read_callers(folder)
        self._count = len(self._callers.subjects)
        self._unit_bits = max(1, (self._count - 1).bit_length())
        self._everybody = np.ones(self._count, np.bool_)
        self._by_unit: Shuffle | None = None

    def close(self) -> None:
        """Stop the threads and remove what is temporary."""
        self._pool.shutdown(cancel_futures=True)
        self._stages.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def callers(self) -> Callers:
        """Accounts, units and subjects."""
        return self._callers

    def totals(self) -> Totals:
        """Counts and times per unit."""
        index = self._index()
        found = self._stages.arrays_of(
            f"endpoint-{self._print}", lambda: self._values("endpoint", most=1, zero=True)
        )
        endpoint = np.zeros(self._count, np.int64)
        endpoint[found["unit"]] = found["value"]
        rows, texts, first, last, out = np.ascontiguousarray(index["totals"].T[:5])
        return Totals(
            rows=rows, texts=texts, first=first, last=last, tokens_out=out, endpoint=endpoint,
            begin=self._about.begin, end=self._about.end,
        )  # fmt: skip

    def clock(self) -> I64:
        """Rows by hour of day and by part of the span."""
        return self._index()["clock"].astype(np.int64)

    def values(self, name: str) -> Values:
        """The most used values of one column by unit. Raises ValueError for another name."""
        if name not in VALUES:
            raise ValueError(f"no values of {name}; there are {', '.join(VALUES)}")
        found = self._stages.arrays_of(
            f"{name}-{self._print}", lambda: self._values(name, most=MAX_VALUES, zero=False)
        )
        return Values(found["unit"], found["value"], found["rows"])

    def tokens(
        self, *, least: int, most: int, active: npt.NDArray[np.bool_], without: I64
    ) -> Tokens:
        """Shared frame tokens with their users."""
        bands = []
        active = np.ascontiguousarray(active, np.bool_)
        key, room = fingerprint(self._print, least, most, active, without), Room()
        for band in range(BANDS):
            name = f"tokens-{key}-{band}"
            bands.append(
                self._stages.folder_of(
                    name, lambda draft, band=band: self._band(  # type: ignore[misc]
                        draft, band, room, least=least, most=most, active=active, without=without
                    )
                )
            )  # fmt: skip
        return _merged(bands, self._count)

    def users(self, tokens: I64, spans: Sequence[Span] = (EVER,)) -> I64:
        """How many units use each of these tokens in each span."""
        spans = tuple(spans)
        key = fingerprint(self._print, tokens, spans)
        return self._stages.arrays_of(
            f"users-{key}", lambda: {"users": self._users(tokens, spans)}
        )["users"]

    def uses(self, spans: Sequence[Span], *, least: int) -> Uses:
        """How many units use each shared token in each span."""
        spans = tuple(spans)
        key, bits = fingerprint(self._print, spans, least), cache(lambda: self._bits(spans))
        room = Room()
        bands = [
            self._stages.arrays_of(
                f"uses-{key}-{band}",
                lambda band=band: self._uses(  # type: ignore[misc]
                    band, bits(), room, spans=len(spans), least=least
                ),
            )
            for band in range(BANDS)
        ]
        value = np.concatenate([band["value"] for band in bands])
        order = np.argsort(value)
        users = np.concatenate([band["users"] for band in bands], axis=1)
        return Uses(value[order], users[:, order])

    def sample(self, units: I64, *, most: int) -> Rows:
        """Some text rows of some units in full."""
        texts = np.ascontiguousarray(self._index()["totals"][:, 1])
        return sample_rows(
            self._pieces, self._who(), units, texts=texts, most=most, threads=self._threads,
            run=lambda take, pieces: self._map("rows", take, pieces),
        )  # fmt: skip

    def _index(self) -> dict[str, npt.NDArray[Any]]:
        """Who and when each row is, on disk; and what is counted on the way."""
        name = f"index-{self._print}"
        folder = self._stages.folder_of(name, self._make_index)
        return {
            "totals": np.load(folder / "totals.npy", allow_pickle=False),
            "clock": np.load(folder / "clock.npy", allow_pickle=False),
        }

    def _who(self) -> I32:
        self._index()
        return _mapped(self._stages.folder / f"index-{self._print}" / "who.npy", self._rows)

    def _hour(self) -> I32:
        self._index()
        return _mapped(self._stages.folder / f"index-{self._print}" / "hour.npy", self._rows)

    def _make_index(self, draft: Path) -> None:
        count, width = self._count, HOUR_BINS + SPAN_BINS
        table_key, table_value = _table(self._hashes, self._callers.unit)
        who = _created(draft / "who.npy", self._rows)
        hour = _created(draft / "hour.npy", self._rows)
        several = self._threads if count < MANY_UNITS else 1
        totals = np.zeros((several, count, 8), np.int64)
        totals[:, :, 2], totals[:, :, 3] = np.iinfo(np.int64).max, np.iinfo(np.int64).min
        clock = np.zeros((several, count, width), np.int32)

        def one(worker: int) -> int:
            strange = 0
            for piece in self._pieces[worker::several]:
                account, at, status, chars, out = reading.read(
                    piece, ("account", "at", "status", "chars", "tokens_out")
                )
                strange += kernels.index_rows(
                    account, at, status, chars, out, table_key, table_value,
                    self._about.begin, self._about.end,
                    who[piece.span], hour[piece.span], totals[worker], clock[worker],
                    HOUR_BINS, SPAN_BINS,
                )  # fmt: skip
            return strange

        if sum(self._map("rows", one, range(several))):
            raise InputError(
                f"{self._folder}: rows of unknown accounts or times; write the facts again"
            )
        sums = totals.sum(axis=0)
        sums[:, 2], sums[:, 3] = totals[:, :, 2].min(axis=0), totals[:, :, 3].max(axis=0)
        np.save(draft / "totals.npy", sums)
        np.save(draft / "clock.npy", clock.sum(axis=0, dtype=np.int32))
        for array in (who, hour):
            if isinstance(array, np.memmap):
                array.flush()

    def _values(self, column: str, *, most: int, zero: bool) -> dict[str, npt.NDArray[Any]]:
        """(unit, value, rows) of one column, `most` a unit."""
        if self._by_unit is None:
            self._by_unit = Shuffle.of_units(
                self._pieces, self._who(), units=self._count, memory=self._memory,
                run=self._map_quietly,
            )  # fmt: skip

        def load(piece: reading.Piece) -> I64:
            (values,) = reading.read(piece, (column,))
            return values

        def tally(unit: I32, value: I64) -> tuple[I32, I64, I64]:
            units, values, rows = kernels.count_pairs(unit, value, zero)
            order = np.lexsort((values, -rows, units))
            units, values, rows = units[order], values[order], rows[order]
            new = np.ones(len(units), np.bool_)
            new[1:] = units[1:] != units[:-1]
            start = np.flatnonzero(new)
            rank = np.arange(len(units)) - np.repeat(start, np.diff(start, append=len(units)))
            kept = rank < most
            return units[kept], values[kept], rows[kept]

        parts = [
            found
            for parts in self._by_unit.values(load, Room())
            for found in self._map(column, lambda part: tally(*part), parts)
        ]
        empty = (np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64))
        unit, value, rows = (np.concatenate(c) for c in zip(empty, *parts, strict=True))
        return {"unit": unit, "value": value, "rows": rows}

    def _band(
        self,
        draft: Path,
        band: int,
        room: Room,
        *,
        least: int,
        most: int,
        active: npt.NDArray[np.bool_],
        without: I64,
    ) -> None:
        """Write the shared tokens of one band, sorted by value."""
        hour_bits = max(1, ((self._about.end - self._about.begin) // HOUR).bit_length())
        hidden = np.zeros(self._count, np.int64)
        common = 0

        def tally(part: tuple[I64, I32, I32]) -> Pairs:
            return pairs_of(
                *part, least=least, most=most, without=without,
                unit_bits=self._unit_bits, hour_bits=hour_bits,
            )  # fmt: skip

        shuffle = self._shuffled(band, self._who(), active, room)
        with (
            (draft / "value").open("wb") as value, (draft / "users").open("wb") as users,
            (draft / "unit").open("wb") as unit, (draft / "rows").open("wb") as rows,
            (draft / "first").open("wb") as first,
        ):  # fmt: skip
            for parts in shuffle.keys(self._hour(), room):
                for found in self._map(f"tokens {band + 1}/{BANDS}", tally, parts):
                    common += found.common
                    np.add.at(hidden, found.hidden_unit, found.hidden_rows)
                    found.value.tofile(value)
                    found.users.tofile(users)
                    found.unit.tofile(unit)
                    found.rows.tofile(rows)
                    found.first.tofile(first)
        np.save(draft / "hidden.npy", hidden)
        np.save(draft / "common.npy", np.array(common))

    def _users(self, tokens: I64, spans: Sequence[Span]) -> I64:
        total = np.zeros((len(spans), len(tokens)), np.int64)
        if not len(tokens):
            return total
        bits, room = self._bits(spans), Room()
        who = self._who()
        if not bits.all():  # rows of no span are of no use
            who = np.where(bits > 0, who, np.int32(-1))
        for band in range(BANDS):
            shuffle = self._shuffled(band, who, self._everybody, room)
            for parts in shuffle.keys(bits, room):
                counted = self._map(
                    f"history {band + 1}/{BANDS}",
                    lambda part: count_users(
                        *part, tokens, spans=len(spans), unit_bits=self._unit_bits
                    ),
                    parts,
                )
                for low, found in counted:
                    total[:, low : low + found.shape[1]] += found
        return total

    def _uses(
        self, band: int, bits: npt.NDArray[np.uint8], room: Room, *, spans: int, least: int
    ) -> dict[str, npt.NDArray[Any]]:
        """Tokens of one band, sorted, and their users by span."""
        values, users = [np.empty(0, np.int64)], [np.empty((spans, 0), np.int64)]
        for parts in self._shuffled(band, self._who(), self._everybody, room).keys(bits, room):
            counted = self._map(
                f"past {band + 1}/{BANDS}",
                lambda part: uses_of(*part, least=least, spans=spans, unit_bits=self._unit_bits),
                parts,
            )
            for value, used in counted:
                values.append(value)
                users.append(used)
        return {"value": np.concatenate(values), "users": np.concatenate(users, axis=1)}

    def _shuffled(self, band: int, who: I32, active: npt.NDArray[np.bool_], room: Room) -> Shuffle:
        keys = room.take("column", self._rows, np.int64)

        def load(piece: reading.Piece) -> None:
            (keys[piece.span],) = reading.read(piece, (f"f{band}",))

        for _ in self._map_quietly(load, self._pieces):
            pass
        return Shuffle.of_keys(
            self._pieces, keys, who, active=active, memory=self._memory, run=self._map_quietly
        )

    def _bits(self, spans: Sequence[Span]) -> npt.NDArray[np.uint8]:
        """Of every row, in which of some spans it lies. Raises ValueError for too many."""
        if len(spans) > MAX_SPANS:
            raise ValueError(f"{len(spans)} spans of time: one question has {MAX_SPANS} at most")
        out = np.empty(self._rows, np.uint8)
        since = np.array([span[0] for span in spans], np.int64)
        until = np.array([span[1] or np.iinfo(np.int64).max for span in spans], np.int64)

        def one(piece: reading.Piece) -> None:
            (at,) = reading.read(piece, ("at",))
            kernels.span_bits(at, since, until, out[piece.span])

        for _ in self._map_quietly(one, self._pieces):
            pass
        return out

    def _map_quietly(self, work: Callable[[T], U], jobs: Sequence[T]) -> Iterator[U]:
        return self._pool.map(work, jobs)

    def _map(self, what: str, work: Callable[[T], U], jobs: Sequence[T]) -> Iterator[U]:
        """`work` over `jobs` by the threads, in order, telling how far it is."""
        for done, result in enumerate(self._pool.map(work, jobs), 1):
            if self._watch is not None:
                self._watch(what, done / len(jobs))
            yield result


def _machine() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _table(hashes: I64, unit: I32) -> tuple[I64, I32]:
    """A lookup from accounts' hashes to units."""
    size = 1 << max(4, (2 * len(hashes)).bit_length())
    table_key, table_value = np.zeros(size, np.int64), np.full(size, -1, np.int32)
    kernels.fill_table(hashes, unit, table_key, table_value)
    return table_key, table_value


def _created(path: Path, rows: int) -> I32:
    if not rows:
        return np.empty(0, np.int32)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.int32, shape=(rows,))


def _mapped(path: Path, rows: int) -> I32:
    if not rows:
        return np.empty(0, np.int32)
    mapped: I32 = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _column(path: Path, dtype: type) -> npt.NDArray[Any]:
    if not path.stat().st_size:
        return np.empty(0, dtype)
    return np.memmap(path, dtype, mode="r")


def _merged(bands: Sequence[Path], count: int) -> Tokens:
    """The tokens of all bands in the order of their values."""
    values = [_column(band / "value", np.int64) for band in bands]
    users = [_column(band / "users", np.int64) for band in bands]
    value, user = np.concatenate(values), np.concatenate(users)
    order = np.argsort(value, kind="stable")
    start = np.zeros(len(value) + 1, np.int64)
    np.cumsum(user[order], out=start[1:])
    place = np.empty(len(value), np.int64)
    place[order] = start[:-1]
    pairs = int(start[-1])
    unit, rows, first = (np.empty(pairs, np.int32) for _ in range(3))
    done = 0
    for band, used in zip(bands, users, strict=True):
        ends = np.concatenate(([0], np.cumsum(used)))
        kernels.gather(
            ends, np.arange(len(used)), place[done : done + len(used)],
            _column(band / "unit", np.int32), _column(band / "rows", np.int32),
            _column(band / "first", np.int32), unit, rows, first,
        )  # fmt: skip
        done += len(used)
    hidden = np.zeros(count, np.int64)
    for band in bands:
        hidden += np.load(band / "hidden.npy", allow_pickle=False)
    return Tokens(
        value=value[order], start=start, unit=unit, rows=rows, first=first,
        common=sum(int(np.load(band / "common.npy", allow_pickle=False)) for band in bands),
        common_rows=hidden,
    )  # fmt: skip
