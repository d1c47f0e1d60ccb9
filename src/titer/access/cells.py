"""The file behind budgets: cells that one worker writes and all read, without locks.

    header | row of slot 1 | row of slot 2 | ...          a row has one cell per worker

A cell is fourteen native 64-bit numbers (see `titer.access.quota`), each stored and loaded in one
piece. The file is sparse and grows by `ftruncate` under a lock, never shrinks while it is mapped,
and is replaced in one step when its layout is another. Room on disk is claimed before it is
written.

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

from titer.access import quota
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
#: Room on disk is claimed in pieces of this size: 512 rows of one worker.
_EXTENT = 64 * 1024


class Cells:
    """The counters as one worker sees them. Raises `ConfigError` when there can be no file."""

    def __init__(self, path: Path, *, workers: int, worker: int) -> None:
        if not 0 <= worker < workers <= MAX_WORKERS:
            raise ValueError(f"worker must be below workers, and workers at most {MAX_WORKERS}")
        self._worker = worker
        self._others = [other for other in range(workers) if other != worker]
        self._row_bytes = workers * _CELL_BYTES
        self._claimed: set[int] = set()
        self._rows = 0
        self._map = mmap.mmap(-1, _HEADER_BYTES)
        try:
            self._fd = _open(path, workers)
        except OSError as error:
            raise ConfigError(
                f"{path}: budget counters cannot be kept here ({error.strerror}); "
                "titer needs a writable data directory"
            ) from error

    def close(self) -> None:
        self._map.close()
        os.close(self._fd)

    def mine(self, slot: int, now: int) -> list[int]:
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
            self.write(slot, cell)
        return cell

    def all(self, slot: int, now: int) -> list[list[int]]:
        """The cells of a slot: that of this worker, then those that others have written."""
        cells = [self.mine(slot, now)]
        at = _HEADER_BYTES + slot * self._row_bytes
        for worker in self._others:
            found = _CELL.unpack_from(self._map, at + worker * _CELL_BYTES)
            if found[0]:
                cells.append(_turn(found, now // quota.MINUTE, now // quota.DAY, mine=False))
        return cells

    def write(self, slot: int, cell: list[int]) -> None:
        """Store the cell of this worker. Raises `Refused` (`overloaded`) on a full disk."""
        at = _HEADER_BYTES + slot * self._row_bytes + self._worker * _CELL_BYTES
        if at // _EXTENT not in self._claimed:
            self._claim(at // _EXTENT)
        try:
            _CELL.pack_into(self._map, at, *cell)
        except struct.error:  # a damaged file: counts that no honest sum reaches
            _CELL.pack_into(self._map, at, *(min(max(0, n), _MAX_COUNT) for n in cell))

    def _reach(self, slot: int) -> None:
        """Make sure that the row of `slot` is mapped."""
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
        self._claimed.discard(len(self._map) // _EXTENT)  # it was not all ours to claim
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
