"""Budgets: requests and tokens per minute and per day, for a key and for its organisation.

One file, shared by all workers of one `titer serve` through memory:

    header | row of slot 1 | row of slot 2 | ...          a row has one cell per worker

A cell is written by its worker alone and read by all, so there are no locks; what a caller has
used is the sum over its row. Another worker's cell may lag by the request that is in flight
there, and a reader that meets a cell in the middle of a change of window errs by that cell for
that one decision. The file survives a restart; one of another layout is replaced. It is sparse:
only the pages of callers that have limits take room, and room is claimed before it is written,
so that a full disk is a refusal and not a crash.

The count is the sliding-window counter: this window's count plus the previous window's, weighted
by the part of it that the sliding window still covers.

A clock that steps back by at most one window is waited for: the later window goes on counting.
When it steps back further, a worker dates its cells back to the present with their counts, and
leaves cells of other workers that lie further ahead out of the sum until those do the same: so
no caller is locked out for ever, and none gains more than the other workers' share of a window.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from titer.access import quota
from titer.access.limits import Caller
from titer.core.errors import ConfigError, Refused
from titer.core.wire import Problem

_MAGIC = b"titer budgets 1\n"
_HEADER = struct.Struct("=16sII")
_HEADER_BYTES = 4096
#: Sixteen 64-bit numbers: two windows' numbers, twelve counts, two spare.
_CELL_BYTES = 128
#: Native order and alignment: each number is then stored and loaded in one piece.
_CELL = struct.Struct("@14q")
_NOTHING = (0, 0, 0)
#: A count that no honest sum reaches: what a damaged file holds cannot overflow a number.
_MAX_COUNT = 2**60
#: Rows added at a time; 1,024 rows are 128 KiB of addresses a worker, and no room on disk.
_GROW = 1024
#: Largest slot: a file of 2^24 rows has 2 GiB of addresses per worker.
MAX_SLOT = 2**24 - 1
MAX_WORKERS = 256
#: Estimates remembered until they are settled: more than can be in flight in one worker.
MAX_HELD = 65_536
#: Room on disk is claimed in pieces of this size: 512 rows of one worker.
_EXTENT = 64 * 1024


class Budgets:
    """The budget counters as one worker (0 <= worker < workers) sees them.

    Raises `ConfigError` when the file cannot be made.
    """

    def __init__(self, path: Path, *, workers: int, worker: int) -> None:
        if not 0 <= worker < workers <= MAX_WORKERS:
            raise ValueError(f"worker must be below workers, and workers at most {MAX_WORKERS}")
        self._path = path
        self._workers = workers
        self._worker = worker
        self._row_bytes = workers * _CELL_BYTES
        self._others = [other for other in range(workers) if other != worker]
        self._held: dict[tuple[int, int], list[int]] = {}
        self._latest = 0
        self._claimed: set[int] = set()
        try:
            self._fd = _open(path, workers)
        except OSError as error:
            raise ConfigError(
                f"{path}: budget counters cannot be kept here ({error.strerror}); "
                "titer needs a writable data directory"
            ) from error
        self._rows = 0
        self._map = mmap.mmap(-1, _HEADER_BYTES)

    def close(self) -> None:
        self._map.close()
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the hot path

    def take(self, caller: Caller, now: int, tokens_in: int) -> None:
        """Let one request in, or raise `Refused` (kind `rate_limit`) naming the spent budget.

        `now` in microseconds, `tokens_in` the estimated tokens of the prompt: they are booked
        at once, so that parallel requests cannot pass one by one, and corrected by `settle`.
        Every `take` that returned needs one `settle` with the same `now`. Kind `overloaded` when the disk is full.
        """
        if not caller.budgets:
            return
        self._latest = now
        taken = []
        for scope, slot, limits in caller.budgets:
            cells = self._cells(slot, now)
            spent = quota.find_spent(limits, quota.Use(cells, now), tokens_in)
            if spent is not None:
                raise Refused(quota.problem(scope, spent))
            taken.append((slot, cells[0]))
        for slot, cell in taken:
            self._write(slot, cell, requests=1, tokens_in=tokens_in)
        held = self._held
        held.setdefault((caller.slot, now), []).append(tokens_in)
        if len(held) > MAX_HELD:  # somebody forgets to settle
            del held[next(iter(held))]

    def settle(self, caller: Caller, now: int, *, tokens_in: int, tokens_out: int) -> None:
        """Book what a request really took; its estimate, booked by `take`, is given back.

        `now` is that of the `take` it belongs to, which identifies it: a request that was
        refused may be settled, and nothing happens. The tokens are dated to the latest `take`,
        or a long reply would date the counts back.
        """
        if not caller.budgets:
            return
        held = self._held.get((caller.slot, now))
        if held is None:
            return
        reserved = held.pop()
        if not held:
            del self._held[caller.slot, now]
        now = max(now, self._latest)
        for _, slot, _ in caller.budgets:
            with contextlib.suppress(Refused):  # the disk is full: `take` refuses, not `settle`
                cell = self._mine(slot, now)
                correction = tokens_in - reserved
                self._write(slot, cell, tokens_in=correction, tokens_out=tokens_out)

    def headers(self, caller: Caller, now: int, family: str) -> tuple[tuple[str, str], ...]:
        """Rate-limit headers in the words of a family (`openai` or `anthropic`); empty when
        the caller has no limits. Lower-case names.
        """
        if not caller.budgets:
            return ()
        uses = [
            (limits, quota.Use(self._cells(slot, now), now)) for _, slot, limits in caller.budgets
        ]
        return quota.headers(uses, family)

    # -- cells

    def _mine(self, slot: int, now: int) -> list[int]:
        """The cell of this worker for a slot, its windows turned to the present."""
        if not 0 < slot < self._rows:
            self._reach(slot)
        at = _HEADER_BYTES + slot * self._row_bytes + self._worker * _CELL_BYTES
        found = _CELL.unpack_from(self._map, at)
        minute, day = now // quota.MINUTE, now // quota.DAY
        if found[0] == minute and found[1] == day:
            return list(found)
        cell = _turn(found, minute, day, mine=True)
        if found[0] > minute + 1 or found[1] > day + 1:  # even if nothing is booked now
            self._write(slot, cell)
        return cell

    def _cells(self, slot: int, now: int) -> list[list[int]]:
        """The cells of a slot: that of this worker, then those that others have written."""
        cells = [self._mine(slot, now)]
        at = _HEADER_BYTES + slot * self._row_bytes
        for worker in self._others:
            found = _CELL.unpack_from(self._map, at + worker * _CELL_BYTES)
            if found[0]:
                cells.append(_turn(found, now // quota.MINUTE, now // quota.DAY, mine=False))
        return cells

    def _write(
        self,
        slot: int,
        cell: list[int],
        *,
        requests: int = 0,
        tokens_in: int = 0,
        tokens_out: int = 0,
    ) -> None:
        """Write this worker's cell with something added. A correction never ends below 0."""
        at = _HEADER_BYTES + slot * self._row_bytes + self._worker * _CELL_BYTES
        if at // _EXTENT not in self._claimed:
            self._claim(at // _EXTENT)
        if requests:
            cell[2] += requests
            cell[8] += requests
        if tokens_in:
            cell[3] = max(0, cell[3] + tokens_in)
            cell[9] = max(0, cell[9] + tokens_in)
        if tokens_out:
            cell[4] += tokens_out
            cell[10] += tokens_out
        try:
            _CELL.pack_into(self._map, at, *cell)
        except struct.error:  # a damaged file: counts that no honest sum reaches
            _CELL.pack_into(self._map, at, *(min(max(0, n), _MAX_COUNT) for n in cell))

    def _reach(self, slot: int) -> None:
        """Make sure that the row of `slot` is mapped."""
        if 0 < slot < self._rows:
            return
        if not 0 < slot <= MAX_SLOT:
            raise ValueError("the slot of a caller must be positive and dense")
        rows = (slot // _GROW + 1) * _GROW
        size = _HEADER_BYTES + rows * self._row_bytes
        with _locked(self._fd):
            there = os.fstat(self._fd).st_size
            if there < size:  # never smaller: others have it mapped
                os.ftruncate(self._fd, size)
            else:
                rows = (there - _HEADER_BYTES) // self._row_bytes
                size = _HEADER_BYTES + rows * self._row_bytes
        self._map.close()
        self._map = mmap.mmap(self._fd, size)
        self._rows = rows

    def _claim(self, extent: int) -> None:
        """Claim room on disk; writing to a hole of a full disk would kill us."""
        try:
            size = min(_EXTENT, len(self._map) - extent * _EXTENT)
            os.posix_fallocate(self._fd, extent * _EXTENT, size)
        except OSError as error:
            raise Refused(
                Problem(
                    kind="overloaded",
                    message="Budgets cannot be counted at the moment; try again later.",
                    code="budgets_unavailable",
                    retry_after=60.0,
                )
            ) from error
        if size == _EXTENT:
            self._claimed.add(extent)


def _turn(cell: tuple[int, ...], minute: int, day: int, *, mine: bool) -> list[int]:
    """A cell with its windows turned to the present.

    A window that ends up as one ahead goes on counting; one further ahead keeps its counts
    when it is `mine` (a clock that went back) and has none when it is another worker's.
    """
    if cell[0] == minute and cell[1] == day:
        return list(cell)
    turned = [minute, day, *cell[2:]]
    for w, window in ((0, minute), (1, day)):
        age, base = window - cell[w], 2 + w * 6
        if age == -1:
            turned[w] = cell[w]
        elif age == 1:
            turned[base + 3 : base + 6] = cell[base : base + 3]
            turned[base : base + 3] = _NOTHING
        elif age > 1 or (age < -1 and not mine):
            turned[base : base + 6] = _NOTHING * 2
    return turned


@contextlib.contextmanager
def _locked(fd: int) -> Iterator[None]:
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _open(path: Path, workers: int) -> int:
    """The file of this layout; one of another layout is replaced in one step."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    header = _HEADER.pack(_MAGIC, workers, _CELL_BYTES)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _locked(lock):
            with contextlib.suppress(FileNotFoundError):
                fd = os.open(path, os.O_RDWR)
                if os.pread(fd, len(header), 0) == header and _whole(fd, workers):
                    return fd
                os.close(fd)
            fd, beside = tempfile.mkstemp(prefix=".budgets-", dir=path.parent)
            os.pwrite(fd, header, 0)
            os.ftruncate(fd, _HEADER_BYTES)
            Path(beside).rename(path)
            return fd
    finally:
        os.close(lock)


def _whole(fd: int, workers: int) -> bool:
    rest = os.fstat(fd).st_size - _HEADER_BYTES
    return rest >= 0 and rest % (workers * _CELL_BYTES) == 0
