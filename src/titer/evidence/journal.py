"""The journal: the bodies and salts of all entries, in the order in which they came.

Segment files `bodies/<index of the first entry, 12 digits>` hold records (`record`), back to back.

A batch is one write and one fdatasync; when `append` returns, it is on the disk. A batch that
was cut short by a crash is a torn tail and is cut off on opening: nobody was told that it was
kept. Damage *before* a later batch is no torn tail: that batch began only after the damaged
one was acknowledged, so opening refuses.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator
from pathlib import Path

from titer.core.errors import EvidenceError
from titer.evidence import files, record
from titer.evidence.entry import SALT_SIZE, Stored
from titer.evidence.record import Record
from titer.evidence.subject_keys import SubjectKeys

#: A new segment begins after this many bytes: small enough to copy, large enough to be few.
SEGMENT_BYTES = 64 * 1024 * 1024
#: An offset is remembered for one record in so many; reading one entry walks at most this far.
MARK_EVERY = 64


class Journal:
    """The segment files of one log. Not safe for two writers: the log's lock sees to that."""

    def __init__(self, directory: Path, keys: SubjectKeys | None = None) -> None:
        self._directory = directory
        self._keys = keys
        self._marks: dict[int, _Marks] = {}
        self._fd = -1
        self._end = 0  # bytes of the last segment that hold acknowledged records
        self._dirty = False  # the last write failed: cut back to _end before the next
        self.size = 0
        self.refresh()

    def refresh(self) -> None:
        """Look which segments exist now."""
        names = self._directory.iterdir() if self._directory.is_dir() else ()
        self._firsts = sorted(int(p.name) for p in names if p.name.isdigit())
        if self._firsts and self._firsts[0] != 0:
            raise EvidenceError("journal: the first segment is missing; restore it from a copy")

    # -- reading ------------------------------------------------------------------------

    def scan(
        self, start: int, stop: int, *, bodies: bool = True, kinds: Collection[str] = ()
    ) -> Iterator[Stored]:
        """Entries [start, stop) in order. Raises EvidenceError when one is missing or damaged.

        Without `bodies` sealed ones stay closed (None): what the tree needs is there all the same.
        With `kinds` the others are passed over, unread but for where they end.
        """
        wanted = {kind.encode() for kind in kinds}
        at = start
        while at < stop:
            first = self._segment(at)
            following = self._firsts[bisect_right(self._firsts, first) :]
            last = min(stop, following[0]) if following else stop
            with _mapped(self._path(first)) as data:
                offset = self._locate(first, at, data)
                while at < last:
                    if wanted and (end := record.passed(data, offset, at, wanted)):
                        offset = end
                        at += 1
                        continue
                    one = record.read(data, offset, at)
                    yield self._opened(one) if bodies else one.stored
                    offset = one.end
                    at += 1

    def read(self, index: int) -> Stored:
        """One entry; walks at most MARK_EVERY records. Raises EvidenceError."""
        return next(self.scan(index, index + 1))

    def _opened(self, one: Record) -> Stored:
        """The entry with its body, when it is sealed and its key lives."""
        stored = one.stored
        if one.sealed is None:
            return stored
        if self._keys is None:
            raise EvidenceError(
                f"journal: entry {stored.index} is sealed and the keys are not here: restore "
                "log/keys, or read the log as the user that writes it"
            )
        slot, nonce = one.slot, one.nonce
        plain = self._keys.open(slot, nonce, one.sealed, record.about(stored))
        if plain is None:
            return stored
        return Stored(
            index=stored.index, kind=stored.kind, at=stored.at, commitment=stored.commitment,
            body=plain[SALT_SIZE:], salt=plain[:SALT_SIZE],
        )  # fmt: skip

    def _segment(self, index: int) -> int:
        at = bisect_right(self._firsts, index)
        if at == 0:
            raise EvidenceError(f"journal: entry {index} is missing")
        return self._firsts[at - 1]

    def _locate(self, first: int, index: int, data: mmap.mmap | bytes) -> int:
        """Where a record begins. Walks the headers that no earlier call has walked."""
        marks = self._marks.setdefault(first, _Marks())
        marks.walk(data, index - first)
        offset = marks.offsets[(index - first) // MARK_EVERY]
        for _ in range((index - first) % MARK_EVERY):
            offset += record.length(data, offset)
        return offset

    def _path(self, first: int) -> Path:
        return self._directory / f"{first:012d}"

    # -- writing ------------------------------------------------------------------------

    def recover(self) -> int:
        """Prepare for appending: cut off a torn tail. Returns how many bytes were cut.

        Raises EvidenceError when the damage is not a torn tail.
        """
        if not self._firsts:
            files.make_directory(self._directory)
            self._start_segment(0)
            return 0
        first = self._firsts[-1]
        path = self._path(first)
        with _mapped(path) as data:
            at, offset = first, 0
            while offset < len(data):
                try:
                    offset = record.read(data, offset, at).end
                except EvidenceError:
                    _refuse_lost(data, offset, at)
                    break
                at += 1
            torn = len(data) - offset
        self.size, self._end = at, offset
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        if torn:
            self._cut()
        return torn

    def use(self, keys: SubjectKeys) -> None:
        """Open sealed bodies with these keys from now on."""
        if self._keys is not None:
            self._keys.close()
        self._keys = keys

    def seal(self) -> int:
        """Write every segment again with its bodies sealed; returns how many were open. OSError.

        Each segment is replaced at once, so that a stop in between leaves a whole journal.
        """
        if self._keys is None:
            raise ValueError("give the journal its keys first")
        done = 0
        for number, first in enumerate(self._firsts):
            last = self._firsts[number + 1] if number + 1 < len(self._firsts) else self.size
            done += self._seal_segment(first, last)
        fd = os.open(self._path(self._firsts[-1]), os.O_RDWR | os.O_CLOEXEC)
        self.close()
        self._fd = fd
        self._end = os.fstat(fd).st_size
        return done

    def _seal_segment(self, first: int, last: int) -> int:
        keys = self._keys
        assert keys is not None
        parts: list[bytes] = []
        done, offset = 0, 0
        with _mapped(self._path(first)) as data:
            for index in range(first, last):
                one = record.read(data, offset, index)
                whole = record.closed(one, keys)
                done += whole is not None
                parts.append(data[offset : one.end] if whole is None else whole)
                offset = one.end
        if done:
            keys.sync()
            files.replace(self._path(first), b"".join(parts), mode=0o600)
            files.sync_directory(self._directory)
            self._marks.pop(first, None)
        return done

    def append(self, batch: bytes, count: int) -> None:
        """Write `count` encoded records, durably. On OSError nothing of them is kept."""
        if self._dirty:
            self._cut()
        if self._end and self._end + len(batch) > SEGMENT_BYTES:
            self._start_segment(self.size)
        self._dirty = True
        try:
            files.write_all(self._fd, batch, self._end)
            os.fdatasync(self._fd)
        except OSError as error:
            with contextlib.suppress(OSError):  # else the next append tries again
                self._cut()
            raise _explained(error) from error
        self._dirty = False
        self._end += len(batch)
        self.size += count

    def close(self) -> None:
        """Let go of the open segment. Closing twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _cut(self) -> None:
        """Drop what stands behind the last acknowledged record."""
        try:
            os.ftruncate(self._fd, self._end)
            os.fdatasync(self._fd)
        except OSError as error:
            raise _explained(error) from error
        self._dirty = False

    def _start_segment(self, first: int) -> None:
        path = self._path(first)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                files.sync_directory(self._directory)
            except OSError:
                os.close(fd)
                raise
        except OSError as error:
            raise _explained(error) from error
        self.close()
        self._fd, self._end = fd, 0
        if first not in self._firsts:
            self._firsts.append(first)


class _Marks:
    """Offsets of every MARK_EVERY-th record of one segment, as far as was walked."""

    __slots__ = ("_end", "offsets")

    def __init__(self) -> None:
        self.offsets = array("Q", [0])
        self._end = 0

    def walk(self, data: mmap.mmap | bytes, upto: int) -> None:
        """Know the offset of record number `upto` of the segment, or of its mark."""
        while len(self.offsets) <= upto // MARK_EVERY:
            for _ in range(MARK_EVERY):
                self._end += record.length(data, self._end)
            self.offsets.append(self._end)


def _refuse_lost(data: mmap.mmap | bytes, offset: int, index: int) -> None:
    """Raise EvidenceError when a batch that began after entry `index` follows the damage."""
    at = data.find(record.MAGIC, offset + 1)
    while at >= 0:
        if len(data) - at >= record.FIXED and _later_batch(data, at, index):
            raise EvidenceError(
                f"journal: entry {index} is damaged although it was acknowledged; "
                "restore the segment from a copy"
            )
        at = data.find(record.MAGIC, at + 1)


def _later_batch(data: mmap.mmap | bytes, offset: int, index: int) -> bool:
    try:
        found = record.read(data, offset, record.HEAD.unpack_from(data, offset)[3])
    except EvidenceError:
        return False
    return found.batch > index


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """A segment as bytes. Only acknowledged records may be touched: they are never cut off."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise EvidenceError(f"journal: segment {path.name} is missing") from None
    try:
        if os.fstat(fd).st_size == 0:
            yield b""
            return
        with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
            yield data
    finally:
        os.close(fd)


def _explained(error: OSError) -> OSError:
    """The same errno with a message that says what to do next."""
    remedy = {
        errno.ENOSPC: "the disk is full: free space, then append again",
        errno.EDQUOT: "the quota is used up: raise it, then append again",
        errno.EFBIG: "the file size limit is reached: raise it, then append again",
        errno.EROFS: "the disk is read-only: make it writable, then append again",
    }.get(error.errno or 0, "look at the disk, then append again")
    return OSError(error.errno, f"the evidence log kept nothing of this batch; {remedy}")
