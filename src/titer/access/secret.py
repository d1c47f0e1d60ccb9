"""The operator's secret: 32 random bytes that pseudonyms, sketches and stored keys depend on.

It lies in the data directory as 64 hex digits, readable by its owner alone. Whoever has it can
test guesses of names against pseudonyms; whoever loses it must issue every key again.
"""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from titer import secret_files
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
            with contextlib.suppress(FileExistsError):  # somebody else was first: theirs is used
                secret_files.create(path, secrets.token_hex(SECRET_BYTES).encode() + b"\n")
        return _load(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read or created ({error.strerror}); "
            "give the user that runs titer its own data directory"
        ) from error


def _load(path: Path) -> bytes:
    text = secret_files.read(path, limit=MAX_FILE, what="this secret")
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
