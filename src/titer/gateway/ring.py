"""A bounded ring of records in shared memory, from one worker to the analysis process.

One writer, one reader, no locks and no system calls: the writer never waits. A record that does
not fit is dropped and counted; the count is in the shared header, so that the reader can log the
gap. The reader polls.

Layout: a header of three 64-bit counters (bytes written, bytes read, records dropped), then
`size` bytes. A record is a 32-bit length and its bytes, padded to 8; a length of `WRAP` sends the
reader back to the start. Counters only grow; a position is its counter modulo `size`.

Each counter has a single writer and is stored as one aligned 8-byte word after the bytes that it
covers. Processors that reorder stores (ARM) could show the counter first, so there the reader
consumes only what it already saw at its previous poll.
"""

from __future__ import annotations

import mmap
import platform
import struct

#: Room for the records of one worker: 8 MiB is about 8,000 exchanges of 1 KB, some seconds of
#: full load on one core, which the analysis process may lag behind before anything is dropped.
DEFAULT_SIZE = 8 << 20

#: Share of a ring from which its reader drains on without a pause.
CROWDED = 0.25

HEADER = 64
WRAP = 0xFFFFFFFF

_COUNTER = struct.Struct("=Q")
_LENGTH = struct.Struct("=I")
_ORDERED = platform.machine().lower() in {"x86_64", "amd64"}


class Ring:
    """A ring over anonymous shared memory: make it before forking, use one end per process."""

    def __init__(self, size: int = DEFAULT_SIZE) -> None:
        if size < 1 << 12 or size & 7:
            raise ValueError("a ring needs at least 4096 bytes, in multiples of 8")
        self.size = size
        self._map = mmap.mmap(-1, HEADER + size)
        self._written = 0
        self._read = 0
        self._seen = 0
        self._dropped = 0
        self.resume()

    def resume(self) -> None:
        """Take up the counters from the shared header (a process that replaces a dead one)."""
        self._written = self._counter(0)
        self._read = self._seen = self._counter(8)
        self._dropped = self._counter(16)

    @property
    def dropped(self) -> int:
        """Records that did not fit, since the ring was made."""
        return self._counter(16)

    @property
    def crowded(self) -> bool:
        """Whether so much waits for the reader that it had better not pause."""
        return self._counter(0) - self._read > self.size * CROWDED

    @property
    def room(self) -> int:
        """Bytes that the writer could still push."""
        return self.size - (self._written - self._counter(8))

    def push(self, record: bytes) -> bool:
        """Append a record; False when there is no room (counted in `dropped`)."""
        length = len(record)
        need = (length + 11) & ~7
        at = self._written % self.size
        skip = self.size - at if at + need > self.size else 0
        if self._written + skip + need - self._counter(8) > self.size:
            self._dropped += 1
            _COUNTER.pack_into(self._map, 16, self._dropped)
            return False
        if skip:
            _LENGTH.pack_into(self._map, HEADER + at, WRAP)
            at = 0
        start = HEADER + at
        _LENGTH.pack_into(self._map, start, length)
        self._map[start + 4 : start + 4 + length] = record
        self._written += skip + need
        _COUNTER.pack_into(self._map, 0, self._written)
        return True

    def drain(self, most: int) -> list[bytes]:
        """Up to `most` records, oldest first, and their room given back to the writer."""
        written = self._counter(0)
        limit, self._seen = (written if _ORDERED else self._seen), written
        records: list[bytes] = []
        position = self._read
        while position < limit and len(records) < most:
            at = position % self.size
            (length,) = _LENGTH.unpack_from(self._map, HEADER + at)
            if length == WRAP:
                position += self.size - at
                continue
            start = HEADER + at + 4
            records.append(self._map[start : start + length])
            position += (length + 11) & ~7
        self._read = position
        _COUNTER.pack_into(self._map, 8, position)
        return records

    def _counter(self, offset: int) -> int:
        return int(_COUNTER.unpack_from(self._map, offset)[0])
