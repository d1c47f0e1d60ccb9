r"""C2SP signed notes: a text and the signatures under it, as Go's sumdb/note reads them.

    <text, ends in a newline>
    <empty line>
    U+2014 SP <key name> SP base64(key id || signature)

    key id        first 4 bytes of SHA-256(name || "\n" || type || public key)
    verifier key  name+hex(key id)+base64(type || public key)

Type 1 is Ed25519 over the text, the only one that `read` understands; `evidence.cosignature` makes
those of witnesses (types 4 and 6). A signature by a key that the reader does not know is ignored;
one that claims a known key and is wrong refuses the note. A note that no known key signed is
refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from titer.core.errors import EvidenceError

#: Go's reader refuses notes above 1 MB; so do we, before anything is parsed.
MAX_NOTE = 1_000_000
#: Go's reader refuses more; each unknown line costs us only its parsing.
MAX_SIGNATURES = 100
#: A key name is an origin; longer ones are no use to a person who compares keys.
MAX_NAME = 255
#: The type byte of an Ed25519 signature over the text.
ED25519 = 1

_MARK = "\u2014 "
_SIGNATURE = 64
_ID = 4
_VERIFIER_KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", re.ASCII)


class Note(msgspec.Struct, frozen=True):
    """A note after verification: its text, and the names of the known keys that signed it."""

    text: str
    signed_by: tuple[str, ...]


class Verifier:
    """One Ed25519 public key under a name. Equal when name and key are equal."""

    __slots__ = ("key_id", "name", "public", "raw")

    def __init__(self, name: str, public: Ed25519PublicKey) -> None:
        self.name = checked_name(name)
        self.public = public
        self.raw = public.public_bytes_raw()
        self.key_id = key_id(name, self.raw, ED25519)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key string. Raises EvidenceError when it is not exactly one."""
        name, raw = parse_key(text, ED25519)
        return cls(name, Ed25519PublicKey.from_public_bytes(raw))

    def __str__(self) -> str:
        return format_key(self.name, self.raw, ED25519)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verifier) and (self.name, self.raw) == (other.name, other.raw)

    def __hash__(self) -> int:
        return hash((self.name, self.raw))

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a bare signature. Raises EvidenceError."""
        try:
            self.public.verify(signature, message)
        except InvalidSignature:
            raise EvidenceError(f"the signature by {self.name} does not hold") from None


class Signer:
    """One Ed25519 private key under a name."""

    __slots__ = ("_private", "verifier")

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.verifier = Verifier(name, private.public_key())

    @classmethod
    def generate(cls, name: str) -> Self:
        """A fresh key from the operating system's randomness."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, name: str, pem: bytes) -> Self:
        """Read an unencrypted PKCS 8 key. Raises EvidenceError when it is not Ed25519."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise EvidenceError("log key: not an unencrypted PKCS 8 PEM file") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise EvidenceError("log key: not an Ed25519 key")
        return cls(name, key)

    def to_pem(self) -> bytes:
        """The private key as unencrypted PKCS 8 PEM; keep it at mode 0600."""
        return self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def sign(self, message: bytes) -> bytes:
        """A bare signature of 64 bytes."""
        return self._private.sign(message)


def sign(text: str, *signers: Signer) -> str:
    """The note: `text` signed by every signer, in their order. Raises ValueError on bad text."""
    if not signers:
        raise ValueError("a note needs at least one signer")
    _check_text(text)
    lines = [line(s.verifier.name, s.verifier.key_id + s.sign(text.encode())) for s in signers]
    return f"{text}\n{''.join(lines)}"


def read(data: bytes, verifiers: Sequence[Verifier]) -> Note:
    """Verify a note against the keys that the reader knows. Raises EvidenceError.

    1. Size, text and form, as in `split`.
    2. A known key's signature must hold; at least one known key must have signed.
    """
    text, lines = split(data)
    known = {(v.name, v.key_id): v for v in verifiers}
    if len(known) != len(set(verifiers)):
        raise EvidenceError("note: two known keys share a name and key id; trust only one")
    signed: list[str] = []
    seen: set[tuple[str, bytes]] = set()
    for name, claimed, signature in lines:
        verifier = known.get((name, claimed))
        if verifier is None or (name, claimed) in seen:
            continue
        verifier.verify(text.encode(), signature)
        seen.add((name, claimed))
        signed.append(name)
    if not signed:
        raise EvidenceError("note: no signature by a known key")
    return Note(text, tuple(signed))


def split(data: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Text and (name, key id, signature) lines of a note; no signature is checked.

    1. Size: a note that cannot be one is not parsed.
    2. Text: valid UTF-8 without control characters, so that what is shown is what was signed.
    3. Signatures: each line exact, base64 canonical (no second spelling of one note).

    Raises EvidenceError.
    """
    if len(data) > MAX_NOTE:
        raise EvidenceError(f"note: larger than {MAX_NOTE} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise EvidenceError("note: not UTF-8") from None
    cut = whole.rfind("\n\n")
    if cut < 0:
        raise EvidenceError("note: no empty line before the signatures")
    text, block = whole[: cut + 1], whole[cut + 2 :]
    try:
        _check_text(text)
    except ValueError as error:
        raise EvidenceError(f"note: {error}") from None
    return text, _signatures(block)


def line(name: str, blob: bytes) -> str:
    """A signature line, with its newline."""
    return f"{_MARK}{name} {base64.b64encode(blob).decode()}\n"


def parse_key(text: str, kind: int) -> tuple[str, bytes]:
    """Name and 32 raw bytes of an Ed25519 key string of a type. Raises EvidenceError."""
    name, _, raw = parse_any_key(text, {kind: 32})
    try:
        Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as error:
        raise EvidenceError(f"verifier key: {error}") from error
    return name, raw


def parse_any_key(text: str, sizes: Mapping[int, int]) -> tuple[str, int, bytes]:
    """Name, type and raw bytes of a key string; `sizes` is the bytes of each type that is taken.

    Raises EvidenceError.
    """
    if len(text) > 2 * MAX_NAME + 2 * max(sizes.values()):
        raise EvidenceError("verifier key: too long")
    match = _VERIFIER_KEY.fullmatch(text)
    if match is None:
        raise EvidenceError(
            "verifier key: expected name+hex id+base64 key, which is the one line of a log's "
            "log.pub or what a witness shows"
        )
    name, claimed, encoded = match.groups()
    blob = decode_base64(encoded)
    kind, raw = (blob[0], blob[1:]) if blob else (0, b"")
    if sizes.get(kind) != len(raw):
        known = " or ".join(f"type {k} of {n} bytes" for k, n in sizes.items())
        raise EvidenceError(f"verifier key: not a key of {known}")
    try:
        checked_name(name)
    except ValueError as error:
        raise EvidenceError(f"verifier key: {error}") from error
    if key_id(name, raw, kind).hex() != claimed:
        raise EvidenceError("verifier key: the key id does not belong to this name and key")
    return name, kind, raw


def format_key(name: str, raw: bytes, kind: int) -> str:
    """The key string of a name, a raw public key and a type."""
    encoded = base64.b64encode(bytes([kind]) + raw).decode()
    return f"{name}+{key_id(name, raw, kind).hex()}+{encoded}"


def key_id(name: str, raw: bytes, kind: int) -> bytes:
    """The 4 bytes that name a key in a signature line."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + raw).digest()[:_ID]


def decode_base64(text: str) -> bytes:
    """Decode standard base64 in its one canonical spelling. Raises EvidenceError."""
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EvidenceError("base64: malformed") from None
    if base64.b64encode(blob).decode() != text:
        raise EvidenceError("base64: not in canonical form")
    return blob


def _signatures(block: str) -> list[tuple[str, bytes, bytes]]:
    if not block.endswith("\n"):
        raise EvidenceError("note: the last signature line has no newline")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise EvidenceError(f"note: more than {MAX_SIGNATURES} signatures")
    found = []
    for one in lines:
        name, space, encoded = one.removeprefix(_MARK).partition(" ")
        if not one.startswith(_MARK) or not space:
            raise EvidenceError("note: malformed signature line")
        try:
            checked_name(name)
        except ValueError as error:
            raise EvidenceError(f"note: {error}") from None
        blob = decode_base64(encoded)
        if len(blob) <= _ID:
            raise EvidenceError("note: a signature is too short")
        found.append((name, blob[:_ID], blob[_ID:]))
    return found


def checked_name(name: str) -> str:
    """The name, when it can name a key. Raises ValueError."""
    if not name or len(name) > MAX_NAME or "+" in name or not name.isprintable():
        raise ValueError("a key name is 1 to 255 printable characters without '+'")
    if any(c.isspace() for c in name):
        raise ValueError("a key name has no spaces")
    return name


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise ValueError("the text does not end in a newline")
    if any((c < " " and c != "\n") or c == "\ufffd" for c in text):
        raise ValueError("the text has control characters")
    if len(text.encode()) > MAX_NOTE // 2:
        raise ValueError("the text is too long for a note")
