"""Files of a folder that is one user's own, by its descriptor.

No link is followed, and what others could have written is not read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from titer.core.errors import InputError
from titer.evidence import files


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[int]:
    """The folder's descriptor, after a look at whose it is. Raises `InputError`, OSError."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(directory, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise InputError(f"{directory} is no folder: remove it") from None
        raise
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise InputError(
                f"{directory} is open to other users, or is another user's: run titer as "
                "the user of its data directory, and chmod 700 the folder"
            )
        yield fd
    finally:
        os.close(fd)


def names(fd: int, most: int) -> list[str]:
    """Names in the folder, at most `most` of them."""
    found: list[str] = []
    with os.scandir(fd) as entries:
        for one in entries:
            found.append(one.name)
            if len(found) >= most:
                break
    return found


def get(fd: int, name: str, limit: int) -> bytes | None:
    """The bytes of a plain file of our own, closed to others; None for anything else."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(name, flags, dir_fd=fd)
    except OSError:
        return None
    with os.fdopen(file, "rb") as opened:
        found = os.fstat(opened.fileno())
        if (
            not stat.S_ISREG(found.st_mode)
            or found.st_uid != os.geteuid()
            or found.st_nlink != 1
            or stat.S_IMODE(found.st_mode) & 0o077
            or found.st_size > limit
        ):
            return None
        return opened.read(limit)


def put(fd: int, name: str, data: bytes) -> None:
    """Write a file of mode 0600, durably, by rename. Raises OSError."""
    beside = f".{name}.{secrets.token_hex(4)}{files.TEMPORARY}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(beside, flags, 0o600, dir_fd=fd)
    try:
        try:
            files.write_all(file, data)
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(beside, name, src_dir_fd=fd, dst_dir_fd=fd)
    except OSError:
        drop(fd, beside)
        raise
    os.fsync(fd)


def drop(fd: int, name: str) -> None:
    """Remove a file, if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=fd)


def exists(fd: int, name: str) -> bool:
    """Whether there is something of that name; links are not followed."""
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return False
    return True
