"""Durable files: a name shows either the whole content or nothing, also after power is lost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from titer.core.errors import EvidenceError

#: Ends the name of a file that is being written; such files are never read.
TEMPORARY = ".tmp"
#: Files of one `replace_many` that are open together; far below the usual limit of 1024.
OPEN_AT_ONCE = 256
#: Bytes of one file that is read whole: far above a bundle of 256 lines, a head, a key.
MAX_FILE = 16 << 20
#: Syncs in flight; from so many files on, threads are worth their start.
THREADS = 16


def replace(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put `data` under `path` at once: temporary file, fsync, rename. Raises OSError.

    The directory is not synced: call `sync_directory` once for all files that went into it.
    """
    replace_many([(path, data)], mode=mode)


def replace_many(contents: Sequence[tuple[Path, bytes]], *, mode: int = 0o644) -> None:
    """`replace` for many files, synced together. Raises OSError: some may be in place then."""
    for start in range(0, len(contents), OPEN_AT_ONCE):
        group = contents[start : start + OPEN_AT_ONCE]
        fds: list[int] = []
        try:
            for path, data in group:
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
                fds.append(os.open(_temporary(path), flags, mode))
                write_all(fds[-1], data)
            _sync(fds)
        finally:
            for fd in fds:
                os.close(fd)
        for path, _ in group:
            os.replace(_temporary(path), path)  # noqa: PTH105 - reads like os.fsync above


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + TEMPORARY)


def _sync(fds: Sequence[int]) -> None:
    """Sync all. Many at once share the disk's commits: 16 threads are 16 times as fast."""
    if len(fds) < THREADS:
        for fd in fds:
            os.fsync(fd)
        return
    with ThreadPoolExecutor(THREADS, "titer-fsync") as pool:
        for _ in pool.map(os.fsync, fds):
            pass


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
    """The content, or None when there is no such file. Raises EvidenceError when it is larger than
    a file of a log can be (a device, a mount of somebody else's), and other OSErrors.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return None
    if len(data) > MAX_FILE:
        raise EvidenceError(f"{path}: more than {MAX_FILE} bytes, so no file of a log")
    return data
