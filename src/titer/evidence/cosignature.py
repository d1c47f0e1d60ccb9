r"""C2SP tlog-cosignature: a witness says that, at a time, this was the newest head that it saw.

    signed       "cosignature/v1\n" || "time <seconds>\n" || checkpoint body
    signature    8 bytes of seconds, big-endian || Ed25519 signature
    key id       first 4 bytes of SHA-256(name || "\n" || 0x04 || public key)
    key          name+hex(key id)+base64(0x04 || public key)

A cosignature stands among the signature lines of the checkpoint; whoever does not know the witness
ignores it. A reader asks for so many of the witnesses that it knows (a quorum).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from titer.core.errors import EvidenceError
from titer.evidence import note

#: The type byte of a timestamped Ed25519 cosignature.
COSIGNATURE = 4
#: Seconds that a witness's clock may be ahead of ours.
AHEAD = 300
_TIME, _SIGNATURE = 8, 64
_MAX_TIME = (1 << 63) - 1


class Cosigned(msgspec.Struct, frozen=True):
    """One cosignature that holds: the witness's name, its key, and when (seconds since 1970)."""

    name: str
    key: str
    at: int


class Witness:
    """One witness's public key under a name. Equal when name and key are equal."""

    __slots__ = ("key_id", "name", "public", "raw")

    def __init__(self, name: str, public: Ed25519PublicKey) -> None:
        self.name = note.checked_name(name)
        self.public = public
        self.raw = public.public_bytes_raw()
        self.key_id = note.key_id(name, self.raw, COSIGNATURE)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a witness key. Raises EvidenceError when it is not exactly one."""
        name, raw = note.parse_key(text.strip(), COSIGNATURE)
        return cls(name, Ed25519PublicKey.from_public_bytes(raw))

    def __str__(self) -> str:
        return note.format_key(self.name, self.raw, COSIGNATURE)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Witness) and (self.name, self.raw) == (other.name, other.raw)

    def __hash__(self) -> int:
        return hash((self.name, self.raw))

    def verify(self, body: str, signature: bytes) -> int:
        """Check a cosignature of a checkpoint's body; returns its time. Raises EvidenceError."""
        if len(signature) != _TIME + _SIGNATURE:
            raise EvidenceError(f"the cosignature by {self.name} has the wrong length")
        at = int.from_bytes(signature[:_TIME], "big")
        if at > _MAX_TIME:
            raise EvidenceError(f"the cosignature by {self.name} is of no possible time")
        try:
            self.public.verify(signature[_TIME:], _message(body, at))
        except InvalidSignature:
            raise EvidenceError(f"the cosignature by {self.name} does not hold") from None
        return at


class Cosigner:
    """A witness's private key."""

    __slots__ = ("_private", "witness")

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.witness = Witness(name, private.public_key())

    def line(self, body: str, at: int) -> str:
        """The signature line, with its newline, for a checkpoint's body at a time (seconds)."""
        if not 0 <= at <= _MAX_TIME:
            raise ValueError("a time is seconds since 1970, not negative, in 63 bits")
        signature = self._private.sign(_message(body, at))
        blob = self.witness.key_id + at.to_bytes(_TIME, "big") + signature
        return note.line(self.witness.name, blob)


def cosignatures(data: bytes, witnesses: Sequence[Witness]) -> tuple[Cosigned, ...]:
    """The cosignatures of known witnesses on a checkpoint; those of others are ignored.

    The log's own signature is not looked at. Raises EvidenceError when one that claims a known
    witness does not hold, or the note cannot be one.
    """
    text, lines = note.split(data)
    known = {(w.name, w.key_id): w for w in witnesses}
    if len(known) != len(set(witnesses)):
        raise EvidenceError("two known witnesses share a name and key id; trust only one")
    found: dict[Witness, Cosigned] = {}
    for name, key_id, signature in lines:
        witness = known.get((name, key_id))
        if witness is not None and witness not in found:
            at = witness.verify(text, signature)
            found[witness] = Cosigned(name, str(witness), at)
    return tuple(found.values())


def require(
    data: bytes,
    witnesses: Sequence[Witness],
    quorum: int,
    *,
    now: int,
    stale: int | None = None,
) -> tuple[Cosigned, ...]:
    """The cosignatures, when there are enough. Raises EvidenceError.

    `quorum` of the `witnesses` must have signed; with `stale` (seconds) none of those counted is
    older than that before `now`; none may lie in the future.
    """
    found = cosignatures(data, witnesses)
    for one in found:
        if one.at > now + AHEAD:
            raise EvidenceError(f"the cosignature by {one.name} is of the future: compare clocks")
    fresh = [one for one in found if stale is None or one.at >= now - stale]
    if len(fresh) >= quorum:
        return tuple(fresh)
    if len(found) >= quorum:
        oldest = min(one.at for one in found)
        raise EvidenceError(
            f"witness: stale; {len(fresh)} of the {quorum} cosignatures that you ask for are "
            f"younger than {stale} s (the oldest is {now - oldest} s old)"
        )
    raise EvidenceError(f"witness: {len(found)} cosignatures, and you ask for {quorum}")


def add(signed: str, lines: str) -> str:
    """A checkpoint with more signature lines. Of each key the first stays: a witness that is asked
    again about the same head says it at another time, and the earlier one shows more.
    """
    _, old = note.split(signed.encode())
    have = {(name, key_id) for name, key_id, _ in old}
    for line in lines.splitlines():
        _, ((name, key_id, _),) = note.split(f"x\n\n{line}\n".encode())
        if (name, key_id) not in have:
            have.add((name, key_id))
            signed += f"{line}\n"
    return signed


def _message(body: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{body}".encode()
