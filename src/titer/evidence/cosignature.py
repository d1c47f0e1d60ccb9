r"""C2SP tlog-cosignature: a witness says that, at a time, this was the newest head that it saw.

    Ed25519      type 0x04; signed: "cosignature/v1\n" || "time <seconds>\n" || checkpoint body
    ML-DSA-44    type 0x06, FIPS 204; signed: "subtree/v1\n\0" || name || u64 seconds || origin ||
                 u64 0 || u64 size || root
    signature    8 bytes of seconds, big-endian || signature of 64 or 2,420 bytes
    key id       first 4 bytes of SHA-256(name || "\n" || type || public key)
    key          name+hex(key id)+base64(type || public key of 32 or 1,312 bytes)

In the second form name and origin have a byte of length before them, u64 are big-endian, and the
context of FIPS 204 is empty. It binds the witness's name, and holds against a quantum computer.

A cosignature stands among the signature lines of the checkpoint; whoever does not know the witness
ignores it. A reader asks for so many of the witnesses that it knows (a quorum); a witness with two
keys under one name counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, note

#: The type bytes of timestamped cosignatures.
COSIGNATURE, ML_DSA_44 = 4, 6
#: Bytes of their public keys, and of their signatures without the time.
KEYS = {COSIGNATURE: 32, ML_DSA_44: 1312}
SIGNATURES = {COSIGNATURE: 64, ML_DSA_44: 2420}
#: Seconds that a witness's clock may be ahead of ours.
AHEAD = 300
_TIME = 8
_MAX_TIME = (1 << 63) - 1
#: Bytes of a name in what ML-DSA-44 signs: its length is one byte.
_MAX_NAME = 255


class Cosigned(msgspec.Struct, frozen=True):
    """One cosignature that holds: the witness's name, its key, and when (seconds since 1970)."""

    name: str
    key: str
    at: int


PublicKey = Ed25519PublicKey | MLDSA44PublicKey
PrivateKey = Ed25519PrivateKey | MLDSA44PrivateKey


class Witness:
    """One witness's public key under a name. Equal when name and key are equal."""

    __slots__ = ("key_id", "kind", "name", "public", "raw")

    def __init__(self, name: str, public: PublicKey) -> None:
        self.name = note.checked_name(name)
        self.public = public
        self.raw = public.public_bytes_raw()
        self.kind = COSIGNATURE if isinstance(public, Ed25519PublicKey) else ML_DSA_44
        self.key_id = note.key_id(name, self.raw, self.kind)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a witness key of either type. Raises EvidenceError when it is not exactly one."""
        name, kind, raw = note.parse_any_key(text.strip(), KEYS)
        try:
            if kind == COSIGNATURE:
                return cls(name, Ed25519PublicKey.from_public_bytes(raw))
            return cls(name, MLDSA44PublicKey.from_public_bytes(raw))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise EvidenceError(f"verifier key: {error}") from error

    def __str__(self) -> str:
        return note.format_key(self.name, self.raw, self.kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Witness) and (self.name, self.raw) == (other.name, other.raw)

    def __hash__(self) -> int:
        return hash((self.name, self.raw))

    def verify(self, body: str, signature: bytes) -> int:
        """Check a cosignature of a checkpoint's body; returns its time. Raises EvidenceError."""
        if len(signature) != _TIME + SIGNATURES[self.kind]:
            raise EvidenceError(f"the cosignature by {self.name} has the wrong length")
        at = int.from_bytes(signature[:_TIME], "big")
        if at > _MAX_TIME or (at == 0 and self.kind == ML_DSA_44):
            raise EvidenceError(f"the cosignature by {self.name} is of no possible time")
        try:
            self.public.verify(signature[_TIME:], message(self, body, at))
        except InvalidSignature:
            raise EvidenceError(f"the cosignature by {self.name} does not hold") from None
        return at


class Cosigner:
    """A witness's private key."""

    __slots__ = ("_private", "witness")

    def __init__(self, name: str, private: PrivateKey) -> None:
        self._private = private
        self.witness = Witness(name, private.public_key())

    def line(self, body: str, at: int) -> str:
        """The signature line, with its newline, for a checkpoint's body at a time (seconds)."""
        if not 0 <= at <= _MAX_TIME:
            raise ValueError("a time is seconds since 1970, not negative, in 63 bits")
        signature = self._private.sign(message(self.witness, body, at))
        blob = self.witness.key_id + at.to_bytes(_TIME, "big") + signature
        return note.line(self.witness.name, blob)


def message(witness: Witness, body: str, at: int) -> bytes:
    """What a witness signs of a checkpoint's body at a time (seconds).

    Raises EvidenceError where ML-DSA-44 has no way to say it: a body that is no checkpoint, names
    of more than 255 bytes.
    """
    if witness.kind == COSIGNATURE:
        return f"cosignature/v1\ntime {at}\n{body}".encode()
    head = checkpoint.parse(body)
    name, origin = witness.name.encode(), head.origin.encode()
    if max(len(name), len(origin)) > _MAX_NAME:
        raise EvidenceError(f"cosignature: names have at most {_MAX_NAME} bytes for ML-DSA-44")
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(name)]), name, at.to_bytes(8, "big"),
            bytes([len(origin)]), origin, bytes(8), head.size.to_bytes(8, "big"), head.root,
        )
    )  # fmt: skip


def names(found: Sequence[Cosigned]) -> int:
    """How many witnesses there are among cosignatures: two keys under one name are one."""
    return len({one.name for one in found})


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
    if names(fresh) >= quorum:
        return tuple(fresh)
    if names(found) >= quorum:
        oldest = min(one.at for one in found)
        raise EvidenceError(
            f"witness: stale; {names(fresh)} of the {quorum} cosignatures that you ask for are "
            f"younger than {stale} s (the oldest is {now - oldest} s old)"
        )
    raise EvidenceError(f"witness: {names(found)} cosignatures, and you ask for {quorum}")


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
