"""One entry of the log: a salted commitment in the tree, its body and salt beside the tree.

    commitment  SHA-256(salt || body), salt of 32 random bytes
    line        {"v":1,"kind":"exchange","at":1763789016000000,"commitment":"<64 hex digits>"}
    leaf        SHA-256(0x00 || line)

The line is what the tree holds and what anybody may see: it tells a kind and a time, nothing of
the body. Whoever is given body and salt can check that they are what was committed to; when
both are destroyed, the line and every proof over it stay valid. Exact bytes: docs/spec/log.md.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from titer.core.errors import EvidenceError
from titer.evidence import merkle

#: Version of the line's format; the first member of every line.
VERSION = 1
#: Bytes of a salt: as long as the hash, so that a body cannot be guessed through it.
SALT_SIZE = 32
#: Bytes of one body. Facts are some hundred bytes and a calibration some hundred thousand.
MAX_BODY = 4 * 1024 * 1024
#: Microseconds since 1970 in a signed 64-bit number.
MAX_AT = (1 << 63) - 1

_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,31}", re.ASCII)


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as the log keeps it. `body` and `salt` are None once they were erased."""

    index: int
    kind: str
    at: int
    commitment: bytes
    body: bytes | None = None
    salt: bytes | None = None

    @property
    def line(self) -> bytes:
        """The bytes that the tree holds for this entry."""
        return line(self.kind, self.at, self.commitment)

    @property
    def leaf(self) -> bytes:
        """The leaf hash (32 bytes)."""
        return merkle.leaf_hash(self.line)


def commit(salt: bytes, body: bytes) -> bytes:
    """The commitment to a body (32 bytes)."""
    return hashlib.sha256(salt + body).digest()


def line(kind: str, at: int, commitment: bytes) -> bytes:
    """The line of an entry. Raises ValueError on a kind or time that has no line."""
    head, tail = frame(kind, at)
    return head + commitment.hex().encode() + tail


def frame(kind: str, at: int) -> tuple[bytes, bytes]:
    """What stands before and after the commitment's hex digits in a line."""
    if _KIND.fullmatch(kind) is None:
        raise ValueError("a kind is 1 to 32 of a-z, 0-9, '_', '.', '-', beginning with a letter")
    if not 0 <= at <= MAX_AT:
        raise ValueError("a time is microseconds since 1970, not negative, in 63 bits")
    return f'{{"v":{VERSION},"kind":"{kind}","at":{at},"commitment":"'.encode(), b'"}'


def check(stored: Stored) -> None:
    """That body and salt, if they are there, are what was committed to. Raises EvidenceError."""
    if stored.body is None or stored.salt is None:
        return
    if commit(stored.salt, stored.body) != stored.commitment:
        raise EvidenceError(f"log: entry {stored.index} is not what was committed to")
