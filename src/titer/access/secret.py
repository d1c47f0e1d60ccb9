"""The operator's secret: 32 random bytes that pseudonyms, sketches and stored keys depend on.

It lies in the data directory as 64 hex digits, readable by its owner alone. Whoever has it can
test guesses of names against pseudonyms; whoever loses it must issue every key again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from titer.core.errors import ConfigError

#: Bytes of the secret: 256 bits, the security level of the HMAC-SHA-256 that uses it.
SECRET_BYTES = 32
#: Most bytes read of the file: the hex digits and a newline, with room for a careless editor.
MAX_FILE = 256


def load_or_create(data: Path) -> bytes:
    """The 32-byte secret of a data directory; made, durably and once, when there is none.

    Two processes that start together get the same secret: the file appears complete or not
    at all. Raises `ConfigError` when the file is damaged, or readable by others.
    """
    path = data / "secret"
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        return _load(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read or created ({error.strerror}); "
            "give the user that runs titer its own data directory"
        ) from error


def _load(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        text = file.read(MAX_FILE)
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: other users may read this secret; run chmod 600 on it")
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise ConfigError(
            f"{path}: this is not a secret of {SECRET_BYTES} bytes in hex; restore it from a "
            "backup. A new one would make every stored key and pseudonym meaningless"
        )
    return secret


def _create(path: Path) -> None:
    """Write beside, make durable, then link: a link never replaces an existing secret."""
    beside = path.with_name(f".secret-{secrets.token_hex(8)}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(secrets.token_hex(SECRET_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # somebody else was first: theirs is used
            path.hardlink_to(beside)
    finally:
        beside.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
