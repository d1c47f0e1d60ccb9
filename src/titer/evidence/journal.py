r"""The journal: the bodies and salts of all entries, in the order in which they came.

Segment files `bodies/<index of the first entry, 12 digits>` hold records, back to back:

    offset  bytes  what (numbers big-endian)
    0       4      "TJ1\n"
    4       4      CRC-32 of the rest of the record
    8       4      bytes of the body
    12      8      index
    20      8      at, microseconds
    28      8      index of the first entry of the batch that this record was written with
    36      1      flags: bit 0 = erased (salt is zeros, body is empty)
    37      1      bytes of the kind
    38      32     salt
    70      32     commitment
    102     ...    kind, then body

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
import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from titer.core.errors import EvidenceError
from titer.evidence import entry, files
from titer.evidence.entry import Stored

#: A new segment begins after this many bytes: small enough to copy, large enough to be few.
SEGMENT_BYTES = 64 * 1024 * 1024
#: An offset is remembered for one record in so many; reading one entry walks at most this far.
MARK_EVERY = 64

_MAGIC = b"TJ1\n"
_HEAD = struct.Struct(">4sIIQQQBB")
_REST = struct.Struct(">IQQQBB")
_FIXED = _HEAD.size + 2 * entry.SALT_SIZE
_ERASED = 1


class Journal:
    """The segment files of one log. Not safe for two writers: the log's lock sees to that."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
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

    def scan(self, start: int, stop: int) -> Iterator[Stored]:
        """Entries [start, stop) in order. Raises EvidenceError when one is missing or damaged."""
        at = start
        while at < stop:
            first = self._segment(at)
            following = self._firsts[bisect_right(self._firsts, first) :]
            last = min(stop, following[0]) if following else stop
            with _mapped(self._path(first)) as data:
                offset = self._locate(first, at, data)
                while at < last:
                    stored, _, offset = _record(data, offset, at)
                    yield stored
                    at += 1

    def read(self, index: int) -> Stored:
        """One entry; walks at most MARK_EVERY records. Raises EvidenceError."""
        return next(self.scan(index, index + 1))

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
            offset += _length(data, offset)
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
                    _, _, offset = _record(data, offset, at)
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
                self._end += _length(data, self._end)
            self.offsets.append(self._end)


def encode(
    entries: Sequence[tuple[str, bytes]], *, first: int, at: int, salts: bytes
) -> tuple[bytes, list[bytes]]:
    """The records of one batch, and the lines that go into the tree.

    `salts` holds 32 random bytes per entry. Raises ValueError on an entry that cannot be kept.
    """
    parts: list[bytes] = []
    lines: list[bytes] = []
    frames: dict[str, tuple[bytes, bytes, bytes]] = {}
    pack, crc32 = _REST.pack, zlib.crc32
    index, cursor = first, 0
    for kind, body in entries:
        known = frames.get(kind)
        if known is None:
            known = frames[kind] = (*entry.frame(kind, at), kind.encode())
        head, tail, name = known
        size = len(body)
        if size > entry.MAX_BODY:
            raise ValueError(f"a body has at most {entry.MAX_BODY} bytes")
        salt = salts[cursor : cursor + 32]
        cursor += 32
        commitment = sha256(salt + body).digest()
        rest = b"".join((pack(size, index, at, first, 0, len(name)), salt, commitment, name, body))
        parts.append(_MAGIC + crc32(rest).to_bytes(4, "big"))
        parts.append(rest)
        lines.append(head + commitment.hex().encode() + tail)
        index += 1
    return b"".join(parts), lines


def _record(data: mmap.mmap | bytes, offset: int, index: int) -> tuple[Stored, int, int]:
    """The record at `offset`, its batch, and where the next begins. Raises EvidenceError."""
    if len(data) - offset < _FIXED:
        raise EvidenceError(f"journal: entry {index} is missing")
    magic, crc, size, found, at, batch, flags, name = _HEAD.unpack_from(data, offset)
    end = offset + _FIXED + name + size
    if magic != _MAGIC or size > entry.MAX_BODY or end > len(data):
        raise EvidenceError(f"journal: entry {index} is damaged or cut short")
    raw = data[offset:end]
    if zlib.crc32(memoryview(raw)[8:]) != crc or found != index or flags & ~_ERASED:
        raise EvidenceError(f"journal: entry {index} is damaged or out of order")
    erased = bool(flags & _ERASED)
    stored = Stored(
        index=index,
        kind=raw[_FIXED : _FIXED + name].decode("ascii", "replace"),
        at=at,
        commitment=raw[70:_FIXED],
        body=None if erased else raw[_FIXED + name :],
        salt=None if erased else raw[38:70],
    )
    return stored, batch, end


def _length(data: mmap.mmap | bytes, offset: int) -> int:
    """Bytes of the record at `offset`, by its header alone. Raises EvidenceError."""
    if len(data) - offset < _FIXED:
        raise EvidenceError("journal: a segment ends before an entry that it should hold")
    magic, _, size, _, _, _, _, name = _HEAD.unpack_from(data, offset)
    if magic != _MAGIC:
        raise EvidenceError("journal: a record is damaged; restore the segment from a copy")
    return _FIXED + int(name) + int(size)


def _refuse_lost(data: mmap.mmap | bytes, offset: int, index: int) -> None:
    """Raise EvidenceError when a batch that began after entry `index` follows the damage."""
    at = data.find(_MAGIC, offset + 1)
    while at >= 0:
        if len(data) - at >= _FIXED and _later_batch(data, at, index):
            raise EvidenceError(
                f"journal: entry {index} is damaged although it was acknowledged; "
                "restore the segment from a copy"
            )
        at = data.find(_MAGIC, at + 1)


def _later_batch(data: mmap.mmap | bytes, offset: int, index: int) -> bool:
    try:
        _, batch, _ = _record(data, offset, _HEAD.unpack_from(data, offset)[3])
    except EvidenceError:
        return False
    return batch > index


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
