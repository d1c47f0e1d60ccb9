"""What mitigations count by subject, shared by all workers of one machine.

    header | set 0 | set 1 | ...     a set has WAYS rows; a key is in the set that its hash says
    row      digest of the key | when last used | numbers | one number of each worker

A request under a dose locks the set of its subject (`fcntl` record lock, two system calls), reads
and changes the row in the file that all workers have mapped, and lets go; nobody waits longer than
another's few microseconds. Keys are remembered by use: a full set forgets the one that was used
longest ago. Keys are digests, so that the file names nobody.

Without a path the same rows live in this process.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import mmap
import os
import struct
import tempfile
import time
from collections import OrderedDict
from pathlib import Path

from titer.core.errors import ConfigError

#: Subjects and campaigns remembered, 1 MB with two workers; only those under a dose are. Who is
#: forgotten begins with a full bucket.
MAX_ROWS = 16_384
#: Rows of one set: a set is searched and locked as a whole.
WAYS = 8
MAX_WORKERS = 256

_MAGIC = b"titer doses 1\n\0\0"
_HEADER = struct.Struct("=16s16sIII")
_HEADER_BYTES = 4096
_DIGEST = 16
_EMPTY = bytes(_DIGEST)
#: A number that no honest clock or count reaches: what a damaged file holds moves nobody.
_MOST = 1e15


class Rows:
    """Rows of `fields` numbers and, with `own`, one more for each worker; all begin at 0.

    `volatile` rows are of this boot of the machine (monotonic clocks begin anew with it). A worker
    that starts has nothing under way: its own numbers are set to 0. Raises `ConfigError` when the
    file cannot be made.
    """

    def __init__(
        self, path: Path | None = None, *, fields: int, own: bool = False, volatile: bool = False,
        workers: int = 1, worker: int = 0,
    ) -> None:  # fmt: skip
        if not 0 <= worker < workers <= MAX_WORKERS:
            raise ValueError(f"worker must be below workers, and workers at most {MAX_WORKERS}")
        self._fields = fields
        self._own = fields + worker
        self._numbers = fields + (workers if own else 0)
        self._struct = struct.Struct(f"={_DIGEST}sd{self._numbers}d")
        self._here: OrderedDict[str, list[float]] = OrderedDict()
        self._map: mmap.mmap | None = None
        self._fd = -1
        if path is None:
            return
        header = _HEADER.pack(
            _MAGIC, _boot() if volatile else _EMPTY, self._numbers, workers, MAX_ROWS
        )
        size = _HEADER_BYTES + MAX_ROWS * self._struct.size
        try:
            self._fd, fresh = _open(path, header, size)
            self._map = mmap.mmap(self._fd, size)
        except OSError as error:
            raise ConfigError(
                f"{path}: what doses count cannot be kept here ({error.strerror}); titer needs a "
                f"writable data directory with {-(-size >> 20)} MB to spare"
            ) from error
        if own and not fresh:
            self._begin()

    def close(self) -> None:
        """Let the file go; the rows stay in it."""
        if self._map is not None:
            self._map.close()
            os.close(self._fd)
            self._map = None

    def hold(self, key: str) -> Held:
        """The row of a key, to be changed in a `with` block: nobody else changes it meanwhile.

        Blocks must not be nested: a process has one lock on a file.
        """
        return Held(self, key)

    @property
    def own(self) -> int:
        """Where in a row this worker's own number is."""
        return self._own

    def under_way(self, row: list[float]) -> int:
        """The sum of all workers' own numbers."""
        return int(sum(row[self._fields :]))

    def _take(self, key: str) -> tuple[list[float], int]:
        """The numbers of a key, and where they are written (-1: in this process)."""
        if self._map is None:
            row = self._here.get(key)
            if row is None:
                row = self._here[key] = [0.0] * self._numbers
                if len(self._here) > MAX_ROWS:
                    self._here.popitem(last=False)
            else:
                self._here.move_to_end(key)
            return row, -1
        digest = hashlib.blake2b(key.encode(), digest_size=_DIGEST).digest()
        size = self._struct.size
        first = _HEADER_BYTES + int.from_bytes(digest[:8]) % (MAX_ROWS // WAYS) * WAYS * size
        fcntl.lockf(self._fd, fcntl.LOCK_EX, WAYS * size, first)
        oldest, place = math.inf, first
        for at in range(first, first + WAYS * size, size):
            found = self._struct.unpack_from(self._map, at)
            if found[0] == digest:
                return [n if 0.0 <= n <= _MOST else 0.0 for n in found[2:]], at
            used = found[1] if found[0] != _EMPTY else -math.inf
            if used < oldest:
                oldest, place = used, at
        return [0.0] * self._numbers, place

    def _give(self, key: str, row: list[float], place: int) -> None:
        if self._map is None:
            return
        digest = hashlib.blake2b(key.encode(), digest_size=_DIGEST).digest()
        size = self._struct.size
        try:
            self._struct.pack_into(self._map, place, digest, time.time(), *row)
        finally:
            first = place - (place - _HEADER_BYTES) % (WAYS * size)
            fcntl.lockf(self._fd, fcntl.LOCK_UN, WAYS * size, first)

    def _begin(self) -> None:
        """Set this worker's own numbers to 0: the one before it under this number is gone."""
        assert self._map is not None
        size, at = self._struct.size, _HEADER_BYTES + _DIGEST + 8 + 8 * self._own
        nothing = bytes(8)
        for place in range(at, at + MAX_ROWS * size, size):
            if self._map[place : place + 8] != nothing:
                self._map[place : place + 8] = nothing


class Held:
    """One row, locked for the length of a `with` block."""

    __slots__ = ("_key", "_place", "_row", "_rows")

    def __init__(self, rows: Rows, key: str) -> None:
        self._rows, self._key = rows, key
        self._row: list[float] = []
        self._place = -1

    def __enter__(self) -> list[float]:
        self._row, self._place = self._rows._take(self._key)  # noqa: SLF001 - one thing in two
        return self._row

    def __exit__(self, *_: object) -> None:
        self._rows._give(self._key, self._row, self._place)  # noqa: SLF001


def _boot() -> bytes:
    """What names this boot of the machine; where the kernel does not say, this service's start."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        text = b"started by %d" % os.getppid()
    return hashlib.blake2b(text, digest_size=_DIGEST).digest()


def _open(path: Path, header: bytes, size: int) -> tuple[int, bool]:
    """The file of this layout and boot, and whether it is new; one of another is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            fd = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            pass
        else:
            if os.pread(fd, len(header), 0) == header and os.fstat(fd).st_size == size:
                return fd, False
            os.close(fd)
        fd, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            os.posix_fallocate(fd, 0, size)  # writing to a hole of a full disk would kill us
            os.pwrite(fd, header, 0)
            Path(beside).rename(path)
        except OSError:
            os.close(fd)
            Path(beside).unlink(missing_ok=True)
            raise
        return fd, True
    finally:
        os.close(lock)
