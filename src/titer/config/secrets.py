"""Secrets by reference: the configuration says where a secret is, never what it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from titer.core.errors import ConfigError

#: No credential is longer.
MAX_SECRET = 64 * 1024


class SecretRef(msgspec.Struct, frozen=True):
    """Where a secret is: a file (relative to the configuration's folder), or an environment
    variable.

    file: the file whose content is the secret; a newline at its end does not count. Other users
        must not be able to read it.
    env: the name of the environment variable.
    """

    file: str | None = None
    env: str | None = None

    def __post_init__(self) -> None:
        if (self.file is None) == (self.env is None):
            raise ValueError('give either { file = "PATH" } or { env = "NAME" }')

    def read(self, *, name: str, base: Path) -> str:
        """The secret. `name` is the key that refers to it, `base` the folder of relative paths.

        Raises `ConfigError` when it is missing, empty, not one line of text, or when its file
        can be read by every user of this machine.
        """
        if self.env is not None:
            value = os.environ.get(self.env, "")
            if not value:
                raise ConfigError(f"{name}: the environment variable {self.env} is not set")
            where = f"the environment variable {self.env}"
        else:
            path = base / (self.file or "")
            value = _read(path, name)
            where = str(path)
        if not value or not value.isascii() or not value.isprintable():
            raise ConfigError(f"{name}: {where} must hold one line of printable ASCII")
        return value


def _read(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MAX_SECRET + 1)
    except OSError as error:
        raise ConfigError(f"{name}: {path} cannot be read ({error.strerror})") from None
    if stat.S_IMODE(mode) & stat.S_IROTH:
        raise ConfigError(f"{name}: every user may read {path}; run chmod o-r on it")
    if len(raw) > MAX_SECRET:
        raise ConfigError(f"{name}: {path} is too large for a secret")
    return raw.decode("ascii", "replace").rstrip("\r\n")
