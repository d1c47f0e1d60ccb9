"""Files that their owner alone may read: secrets and keys. Whole and durable, or not there."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from titer.core.errors import ConfigError


def read(path: Path, *, limit: int, what: str) -> bytes:
    """At most `limit` bytes of a file. Raises OSError, and `ConfigError` when others may read it:
    `what` it holds is then no secret.
    """
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        data = file.read(limit)
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: other users may read {what}; run chmod 600 on it")
    return data


def create(path: Path, data: bytes) -> None:
    """Put a file where there is none. Raises OSError, FileExistsError when there is one."""
    _write(path, data, path.hardlink_to)  # a link never replaces


def replace(path: Path, data: bytes) -> None:
    """Put a file in place of what is there. Raises OSError."""
    _write(path, data, lambda beside: beside.replace(path))


def _write(path: Path, data: bytes, put: Callable[[Path], object]) -> None:
    """Beside, durably, then in place; the name is durable as well."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        put(beside)
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
