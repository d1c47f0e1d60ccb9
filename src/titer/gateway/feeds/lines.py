"""From a file of strangers to blocks of lines: plain or zstd, bounded in every direction.

Rules:
1. A block of lines is read at a time; nothing is held beyond a block and one unfinished line.
2. A line over `MAX_LINE` is dropped up to its newline and reported as too long, never held.
3. zstd is read as a stream with a bounded window; a file that unpacks to absurdly more than it
   is ends with `InputError`, so that a bomb costs a minute at most and no memory.
4. Offsets count unpacked bytes, and only whole lines: what follows the last newline is handed
   out as the `tail`, to be taken only if it reads as a complete line.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from titer.core.errors import InputError

#: Bytes read at a time: a few thousand ordinary lines, so that sketches are made in bulk.
BLOCK = 4 << 20
#: Longest line taken: a prompt of a million tokens is about 4 MB.
MAX_LINE = 16 << 20
#: Largest zstd window accepted (`zstd --long=27` writes 128 MiB): the memory a file may ask for.
MAX_WINDOW = 128 << 20
#: Most unpacked bytes per packed byte, once `RATIO_GRACE` are out; real logs pack 5 to 200 times.
MAX_RATIO = 2_000
#: Unpacked bytes before the ratio is judged: short files of one repeated line pack very well.
RATIO_GRACE = 256 << 20

_ZSTD = b"\x28\xb5\x2f\xfd"
_OTHERS = {
    b"\x1f\x8b": "gzip",
    b"PK": "zip",
    b"PAR1": "Parquet",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}


class Block(msgspec.Struct):
    """Some lines in order. `first` is the number of the first (from 1), `end` the offset behind
    the last. `too_long` are numbers and lengths of lines that were dropped; their place in
    `lines` is empty.
    """

    first: int
    lines: list[bytes]
    end: int
    too_long: list[tuple[int, int]] = []
    last: bool = False


def opened(path: Path) -> tuple[BinaryIO, int, bool]:
    """(binary stream, size in bytes, packed) of a log file. Raises `InputError`."""
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise InputError(
                f"{path}: not a regular file; give log files, or - for standard input"
            )
        raw = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from error
    head = raw.read(5)
    raw.seek(0)
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            raw.close()
            raise InputError(f"{path}: looks like {name}; feed takes JSON Lines, plain or .zst")
    return raw, info.st_size, head.startswith(_ZSTD)


class Reader:
    """Reads one stream of lines as blocks. `read` and `consumed` are for the progress bar."""

    def __init__(self, raw: BinaryIO, *, packed: bool, name: str) -> None:
        self.name = name
        self._raw = raw
        self._packed = packed
        self._stream: BinaryIO = raw
        if packed:
            unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
            self._stream = unpacker.stream_reader(raw, read_across_frames=True, closefd=False)
        self._out = 0

    def consumed(self) -> int:
        """Bytes of the file (packed, if it is) read so far; 0 when the stream cannot say."""
        try:
            return self._raw.tell()
        except (OSError, ValueError):
            return 0

    def skip(self, offset: int) -> None:
        """Go to `offset` unpacked bytes from the start."""
        if not self._packed:
            self._raw.seek(offset, os.SEEK_SET)
            return
        left = offset
        while left > 0:
            part = self._read(min(left, BLOCK))
            if not part:
                raise InputError(f"{self.name}: shorter than when it was last fed; use --again")
            left -= len(part)

    def blocks(self, *, offset: int = 0, line: int = 1) -> Iterator[Block]:
        """The lines from here on; `offset` and `line` say where here is.

        The last block has `last` set; its final line may be unfinished (no newline follows).
        """
        carry = b""
        dropping = 0  # bytes so far of a line that is too long
        while True:
            part = self._read(BLOCK)
            if not part:
                if dropping:
                    offset += dropping
                    yield Block(line, [b""], offset, [(line, dropping)], last=True)
                else:
                    yield Block(line, [carry] if carry else [], offset + len(carry), last=True)
                return
            long: list[tuple[int, int]] = []
            if dropping:
                cut = part.find(b"\n")
                if cut < 0:
                    dropping += len(part)
                    continue
                long.append((line, dropping + cut))
                offset += dropping + cut
                dropping = 0
                part = part[cut:]
            lines = (carry + part).split(b"\n")
            carry = lines.pop()
            for place, text in enumerate(lines):
                if len(text) > MAX_LINE:
                    long.append((line + place, len(text)))
                    lines[place] = b""
                    offset += len(text)
            if lines:
                offset += sum(map(len, lines)) + len(lines)
                yield Block(line, lines, offset, long)
                line += len(lines)
            if len(carry) > MAX_LINE:
                dropping, carry = len(carry), b""

    def _read(self, size: int) -> bytes:
        try:
            part = self._stream.read(size)
        except zstandard.ZstdError as error:
            raise InputError(
                f"{self.name}: damaged, or packed with a window over {MAX_WINDOW >> 20} MiB; "
                "unpack it with zstd -d first"
            ) from error
        except OSError as error:
            raise InputError(f"{self.name}: cannot be read ({error.strerror})") from error
        self._out += len(part)
        if self._packed and self._out > RATIO_GRACE:
            packed = self.consumed()
            if packed and self._out > MAX_RATIO * packed:
                raise InputError(
                    f"{self.name}: unpacks to more than {MAX_RATIO} times its size; "
                    "not a log that titer will read packed"
                )
        return part
