"""Durable files: a name shows either the whole content or nothing, also after power is lost."""

from __future__ import annotations

import os
from pathlib import Path

#: Ends the name of a file that is being written; such files are never read.
TEMPORARY = ".tmp"


def replace(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put `data` under `path` at once: temporary file, fsync, rename. Raises OSError.

    The directory is not synced: call `sync_directory` once for all files that went into it.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(temporary, path)  # noqa: PTH105 - beside os.fsync one reads os.replace


def write_all(fd: int, data: bytes, offset: int = 0) -> None:
    """Write all of `data` at `offset`; a short write is carried on. Raises OSError."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest = rest[written:]
        offset += written


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(path: Path) -> None:
    """Create a directory with its parents, each name durable."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        sync_directory(one.parent)


def read(path: Path) -> bytes | None:
    """The content, or None when there is no such file. Raises other OSErrors."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
