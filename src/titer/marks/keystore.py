"""Where the key ring lies: `marks/keys.json` of a data directory, for its user alone (0600).

Escrow seals the whole ring to a second person's public key (HPKE, RFC 9180: X25519,
HKDF-SHA-256, ChaCha20-Poly1305), so that a lost disk does not lose what old texts were marked
with, and so that somebody else can attest that a key existed.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from titer import secret_files
from titer.core.errors import ConfigError, InputError
from titer.marks.keys import Epoch, KeyRing

#: Bytes of a ring or of a sealed one: 3,650 epochs have a third of that.
MAX_FILE = 1 << 20
_INFO = b"titer mark keys escrow v1"
_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    epochs: tuple[Epoch, ...]


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ring in escrow. `epochs` are named in the clear, their masters are not."""

    v: int
    suite: str
    epochs: tuple[int, ...]
    sealed: bytes


def where(data: Path) -> Path:
    """The file of a data directory."""
    return data / "marks" / "keys.json"


def load(data: Path) -> KeyRing:
    """The ring of a data directory. Raises `ConfigError` when there is none, when it is damaged,
    or when others may read it.
    """
    path = where(data)
    try:
        text = secret_files.read(path, limit=MAX_FILE + 1, what="these keys")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there are no mark keys yet; `titer marks keys create` makes the first"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return decode(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; restore it from a backup or from escrow") from None


def create(data: Path, ring: KeyRing) -> None:
    """Put a ring where there is none: a new one, or one from escrow. Raises `InputError` when
    there is one.
    """
    path = where(data)
    try:
        secret_files.create(path, encode(ring))
    except FileExistsError:
        raise InputError(
            f"{path} exists; rotate it instead: a new ring would orphan every mark planted so far"
        ) from None


def save(data: Path, ring: KeyRing) -> None:
    """Replace the ring, whole or not at all. Raises OSError."""
    secret_files.replace(where(data), encode(ring))


def encode(ring: KeyRing) -> bytes:
    """The file's bytes."""
    return msgspec.json.encode(_Stored(1, ring.epochs)) + b"\n"


def decode(text: bytes) -> KeyRing:
    """The ring in a file's bytes. Raises ValueError."""
    try:
        found = msgspec.json.decode(text, type=_Stored)
    except msgspec.MsgspecError:
        raise ValueError("this is no key ring") from None
    if found.v != 1:
        raise ValueError("this key ring is of another version of titer")
    return KeyRing(found.epochs)


def seal(ring: KeyRing, recipient: bytes) -> bytes:
    """The ring, sealed to an X25519 public key in PEM. Raises `InputError`.

    `openssl genpkey -algorithm X25519` makes a pair; the second person keeps the private half.
    """
    public: object = None
    with contextlib.suppress(ValueError):
        public = serialization.load_pem_public_key(recipient)
    if not isinstance(public, X25519PublicKey):
        raise InputError("the recipient is no X25519 public key in PEM; make one with openssl")
    sealed = _SUITE.encrypt(encode(ring), public, _INFO)
    numbers = tuple(epoch.number for epoch in ring.epochs)
    name = "HPKE X25519 HKDF-SHA256 ChaCha20Poly1305"
    return msgspec.json.encode(Sealed(1, name, numbers, sealed)) + b"\n"


def unseal(text: bytes, private: bytes) -> KeyRing:
    """What was sealed, with the private key in PEM (not encrypted). Raises `InputError`."""
    key: object = None
    with contextlib.suppress(ValueError, TypeError):
        key = serialization.load_pem_private_key(private, None)
    if not isinstance(key, X25519PrivateKey):
        raise InputError("this is no X25519 private key in PEM, or it has a passphrase")
    try:
        found = msgspec.json.decode(text, type=Sealed)
        return decode(_SUITE.decrypt(found.sealed, key, _INFO))
    except (msgspec.MsgspecError, InvalidTag, ValueError):
        raise InputError(
            "the sealed ring cannot be opened: it is damaged, or sealed to another key"
        ) from None
