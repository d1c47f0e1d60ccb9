"""Secrets that must not leave, known by keyed hash alone.

A secret is read as the guard reads text (letters and digits, case and look-alikes folded) and kept
as three numbers of each of its three readings (forward, backward, rot13): its length, a keyed hash
of its first six characters, which begins a suspicion, and a keyed hash of all, which ends it. The
key is the operator's own; without it a guess cannot be tested.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.errors import ConfigError, InputError
from titer.respond.leak_guard.fold import SIZE, fold_table
from titer.respond.leak_guard.settings import PREFIX, KnownSecret, Reading

#: Letters and digits of a secret: fewer are words that people write, more do not fit the ring.
MIN_CODES, MAX_CODES = 12, 200
#: Secrets of one operator, and bytes of their file.
MAX_SECRETS = 1024
MAX_FILE = 4 * 1024 * 1024
#: What the key that hashes secrets is derived for (`titer.core.ids.Pseudonyms.key`).
PURPOSE = "leak guard"
_SPREAD = 0x9E37_79B9_7F4A_7C15
_64 = (1 << 64) - 1


class SecretFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `titer secrets` keeps."""

    version: int = 1
    secrets: tuple[KnownSecret, ...] = ()


def codes_of(text: str) -> npt.NDArray[np.uint8]:
    """The codes 1..36 of the letters and digits of a text."""
    points = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    codes = fold_table()[np.minimum(points, SIZE - 1)]
    return codes[codes > 0]


def digest(key: bytes, codes: npt.NDArray[np.uint8]) -> str:
    return hmac.digest(key, b"secret\x00" + codes.tobytes(), hashlib.sha256).hex()


def describe(name: str, secret: str, key: bytes) -> KnownSecret:
    """The record of a secret. Raises `InputError` when it is too short or too long to guard."""
    codes = codes_of(secret)
    if not MIN_CODES <= len(codes) <= MAX_CODES:
        raise InputError(
            f"{name}: a secret must have {MIN_CODES} to {MAX_CODES} letters and digits; guard"
            " longer texts with `texts` under [protect]"
        )
    return KnownSecret(name, tuple(_reading(key, found) for found in _ways(codes)))


def _ways(codes: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
    yield codes
    yield codes[::-1].copy()
    shifted = codes.copy()
    letters = shifted <= 26
    shifted[letters] = (shifted[letters] + 12) % 26 + 1
    yield shifted


def _reading(key: bytes, codes: npt.NDArray[np.uint8]) -> Reading:
    value = 0
    for code in codes[:PREFIX]:
        value = value << 6 | int(code)
    mask = _mask(key, len(codes))
    return Reading(len(codes), f"{(value * _SPREAD & _64) ^ mask:016x}", digest(key, codes))


def _mask(key: bytes, length: int) -> int:
    """Hides a prefix in the file: six characters alone would be guessed in a second."""
    made = hmac.digest(key, b"begins\x00%d" % length, hashlib.sha256)
    return int.from_bytes(made[:8], "big")


class Watched:
    """The readings as the guard needs them."""

    def __init__(self, secrets: Sequence[KnownSecret], key: bytes) -> None:
        readings = [(one, secret.name) for secret in secrets for one in secret.readings]
        begins = [int(r.begins, 16) ^ _mask(key, r.length) for r, _ in readings]
        self.starts = np.array(begins, np.uint64)
        self.lengths = np.array([r.length for r, _ in readings], np.int64)
        #: A bit for the first 16 bits of every beginning: most letters are done with one look.
        self.begins = np.zeros(1 << 13, np.uint8)
        for value in begins:
            self.begins[value >> 51] |= 1 << (value >> 48 & 7)
        self._key = key
        self._names = {r.digest: name for r, name in readings}

    def name(self, codes: npt.NDArray[np.uint8]) -> str:
        """Whose secret these codes are, or empty."""
        return self._names.get(digest(self._key, codes), "")


def read_secrets(path: Path) -> SecretFile:
    """A file of secrets; an empty one when there is none. Raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return SecretFile()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        found = msgspec.json.decode(raw, type=SecretFile)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}; make it with `titer secrets add`") from None
    if len(found.secrets) > MAX_SECRETS:
        raise ConfigError(f"{path}: more than {MAX_SECRETS} secrets")
    return found
