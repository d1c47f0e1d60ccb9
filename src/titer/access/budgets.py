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
from collections import deque
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
_CELL = _CELL_BYTES // 8
#: Rows added at a time; 1,024 rows are 128 KiB of addresses a worker, and no room on disk.
_GROW = 1024
#: Largest slot: a file of 2^24 rows has 2 GiB of addresses per worker.
MAX_SLOT = 2**24 - 1
MAX_WORKERS = 256
#: Reservations remembered per caller: more than can be in flight for one caller in one worker.
MAX_HELD = 4096
_PAGE = mmap.PAGESIZE


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
        self._held: dict[int, deque[int]] = {}
        self._claimed: set[int] = set()
        try:
            self._fd = _open(path, workers)
        except OSError as error:
            raise ConfigError(
                f"{path}: budget counters cannot be kept here ({error.strerror}); "
                "titer needs a writable data directory"
            ) from error
        self._rows = 0
        self._map: mmap.mmap | None = None
        self._cells: memoryview = memoryview(b"")

    def close(self) -> None:
        self._unmap()
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
        Every `take` that returned needs one `settle`. Kind `overloaded` when the disk is full.
        """
        if not caller.budgets:
            return
        for scope, slot, limits in caller.budgets:
            spent = quota.find_spent(limits, self._use(slot, now), tokens_in)
            if spent is not None:
                raise Refused(quota.problem(scope, spent))
        for _, slot, _ in caller.budgets:
            self._book(slot, now, (1, tokens_in, 0))
        held = self._held.get(caller.slot)
        if held is None:
            held = self._held[caller.slot] = deque(maxlen=MAX_HELD)
        held.append(tokens_in)

    def settle(self, caller: Caller, now: int, *, tokens_in: int, tokens_out: int) -> None:
        """Book what a request really took; its estimate, booked by `take`, is given back.

        Which of a caller's parallel estimates is given back does not matter: in the end the
        sum is right.
        """
        if not caller.budgets:
            return
        held = self._held.get(caller.slot)
        reserved = 0
        if held:
            reserved = held.popleft()
            if not held:
                del self._held[caller.slot]
        for _, slot, _ in caller.budgets:
            with contextlib.suppress(Refused):  # the disk is full: `take` refuses, not `settle`
                self._book(slot, now, (0, tokens_in - reserved, tokens_out))

    def headers(self, caller: Caller, now: int, family: str) -> tuple[tuple[str, str], ...]:
        """Rate-limit headers in the words of a family (`openai` or `anthropic`); empty when
        the caller has no limits. Lower-case names.
        """
        if not caller.budgets:
            return ()
        uses = [(limits, self._use(slot, now)) for _, slot, limits in caller.budgets]
        return quota.headers(uses, now, family)

    # -- cells

    def _use(self, slot: int, now: int) -> quota.Use:
        """What all workers together have booked for a slot."""
        self._reach(slot)
        cells = self._cells
        start = (_HEADER_BYTES + slot * self._row_bytes) // 8
        mine = start + self._worker * _CELL
        counts = [0] * 12
        windows = (now // quota.MINUTE, now // quota.DAY)
        for at in range(start, start + self._workers * _CELL, _CELL):
            for w in (0, 1):
                age = windows[w] - cells[at + w]
                if age > 1 or (age < -1 and at != mine):
                    continue
                if age < -1:
                    cells[at + w] = windows[w]
                base, to = at + 2 + w * 6, w * 6
                if age == 1:  # what was the current window there is the previous one here
                    for i in (0, 1, 2):
                        counts[to + 3 + i] += cells[base + i]
                else:
                    for i in range(6):
                        counts[to + i] += cells[base + i]
        return quota.Use(counts, now)

    def _book(self, slot: int, now: int, amounts: tuple[int, int, int]) -> None:
        """Add to this worker's cell, turning its windows first."""
        self._reach(slot)
        cells = self._cells
        at = (_HEADER_BYTES + slot * self._row_bytes + self._worker * _CELL_BYTES) // 8
        page = at * 8 // _PAGE
        if page not in self._claimed:
            self._claim(page)
        for w, window in ((0, now // quota.MINUTE), (1, now // quota.DAY)):
            base = at + 2 + w * 6
            age = window - cells[at + w]
            if age < -1:  # the clock went back: the counts stay, dated to the present
                cells[at + w] = window
            elif age > 0:
                for i in (base, base + 1, base + 2):
                    cells[i + 3] = cells[i] if age == 1 else 0
                    cells[i] = 0
                cells[at + w] = window
            for i, amount in enumerate(amounts, base):
                if amount:
                    cells[i] = max(0, cells[i] + amount)

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
        self._unmap()
        self._map = mmap.mmap(self._fd, size)
        self._cells = memoryview(self._map).cast("q")
        self._rows = rows

    def _claim(self, page: int) -> None:
        """Claim room on disk for one page; writing to a hole of a full disk would kill us."""
        try:
            os.posix_fallocate(self._fd, page * _PAGE, 1)
        except OSError as error:
            raise Refused(
                Problem(
                    kind="overloaded",
                    message="Budgets cannot be counted at the moment; try again later.",
                    code="budgets_unavailable",
                    retry_after=60.0,
                )
            ) from error
        self._claimed.add(page)

    def _unmap(self) -> None:
        self._cells.release()
        if self._map is not None:
            self._map.close()
            self._map = None


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
