"""How far each file was fed, so that an interrupted feed goes on and a repeated one adds nothing.

A file is known again by its contents, not its name: the hash of its head, and of the bytes before
the place where reading stopped. A rotated, renamed or copied log is therefore the same file;
a log that was appended to goes on where it ended; another file under an old name starts anew.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import msgspec

from titer.core.errors import InputError

#: Bytes of the head that identify a file: past any common banner, several lines long.
HEAD = 64 << 10
#: Bytes before the stopping place that must still be the same.
TAIL = 4 << 10
#: Files remembered; the oldest go first. A year of hourly logs is 8,760.
MAX_FILES = 20_000


class Seen(msgspec.Struct, omit_defaults=True):
    """One file: its head, how far it was read (`offset` unpacked bytes, `mark` bytes on disk)."""

    path: str
    inode: int
    size: int
    head: str
    head_bytes: int
    offset: int = 0
    lines: int = 0
    mark: int = 0
    tail: str = ""


class _Book(msgspec.Struct):
    files: list[Seen] = []
    version: int = 1


class Progress:
    """DIR/feed/progress.json. Written whole and renamed, so it is never half a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._book = _Book()
        try:
            self._book = msgspec.json.decode(path.read_bytes(), type=_Book)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(
                f"{path}: cannot be read; mend or remove it (files will be fed again)"
            ) from error

    def find(self, raw: BinaryIO, *, packed: bool) -> Seen | None:
        """The record of this file if it was fed before and has only grown since."""
        size = os.fstat(raw.fileno()).st_size
        for seen in reversed(self._book.files):
            if not seen.head_bytes or size < max(seen.mark, seen.head_bytes):
                continue
            if _hash(raw, 0, seen.head_bytes) != seen.head:
                continue
            start = max(0, seen.mark - TAIL)
            if _hash(raw, start, seen.mark - start) == seen.tail:
                if packed and 0 < seen.mark < size:
                    continue  # a packed file that changed its length is another file
                return seen
        return None

    def begin(self, path: Path, raw: BinaryIO) -> Seen:
        """A fresh record of this file."""
        info = os.fstat(raw.fileno())
        head_bytes = min(HEAD, info.st_size)
        seen = Seen(str(path), info.st_ino, info.st_size, _hash(raw, 0, head_bytes), head_bytes)
        seen.tail = _hash(raw, 0, 0)
        self._book.files.append(seen)
        del self._book.files[:-MAX_FILES]
        return seen

    def advance(self, seen: Seen, raw: BinaryIO, *, mark: int) -> None:
        """Note that a file was read to `mark` bytes on disk, and write the book."""
        start = max(0, mark - TAIL)
        seen.mark, seen.tail = mark, _hash(raw, start, mark - start)
        seen.size = os.fstat(raw.fileno()).st_size
        self.save()

    def save(self) -> None:
        """Write the book durably."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_suffix(".tmp")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(self._book))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


def _hash(raw: BinaryIO, start: int, size: int) -> str:
    """Hash of a stretch of an open file, without moving its position."""
    return hashlib.blake2b(os.pread(raw.fileno(), size, start), digest_size=16).hexdigest()
