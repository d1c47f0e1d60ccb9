r"""Records of the journal: one entry with its body and salt, open or sealed.

    offset  bytes  what (numbers big-endian)
    0       4      "TJ1\n"
    4       4      CRC-32 of the rest of the record
    8       4      bytes of the body
    12      8      index
    20      8      at, microseconds
    28      8      index of the first entry of the batch that this record was written with
    36      1      flags: bit 0 = erased (salt is zeros, body is empty), bit 1 = sealed
    37      1      bytes of the kind
    38      32     salt; when sealed: slot of the subject's key (8), nonce (12), zeros (12)
    70      32     commitment
    102     ...    kind, then body; when sealed: AES-256-GCM of salt and body

A sealed body is bound to its place: the 32 bytes of commitment and the index and time of the
record are authenticated with it. Once the subject's key is destroyed (`subject_keys`), the record
reads as erased.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Collection, Sequence
from hashlib import sha256

import msgspec

from titer.core.errors import EvidenceError
from titer.evidence import entry
from titer.evidence.entry import SALT_SIZE, Stored
from titer.evidence.owner import owner
from titer.evidence.subject_keys import NONCE, TAG, SubjectKeys

MAGIC = b"TJ1\n"
HEAD = struct.Struct(">4sIIQQQBB")
_REST = struct.Struct(">IQQQBB")
FIXED = HEAD.size + 2 * SALT_SIZE
_ERASED, _SEALED = 1, 2
_MAX_STORED = entry.MAX_BODY + SALT_SIZE + TAG
_SLOT = struct.Struct(f">Q{NONCE}s{SALT_SIZE - 8 - NONCE}x")
_PLACE = struct.Struct(">QQ")


def encode(
    entries: Sequence[tuple[str, bytes]],
    *,
    first: int,
    at: int,
    salts: bytes,
    keys: SubjectKeys | None = None,
) -> tuple[bytes, list[bytes]]:
    """The records of one batch, and the lines that go into the tree.

    `salts` holds 32 random bytes per entry. With `keys`, bodies that belong to a subject are
    sealed; call `keys.sync` before the batch is written. Raises ValueError on an entry that cannot
    be kept.
    """
    parts: list[bytes] = []
    lines: list[bytes] = []
    frames: dict[str, tuple[bytes, bytes, bytes]] = {}
    nonces = os.urandom(NONCE * len(entries)) if keys is not None else b""
    index, cursor = first, 0
    for number, (kind, body) in enumerate(entries):
        known = frames.get(kind)
        if known is None:
            known = frames[kind] = (*entry.frame(kind, at), kind.encode())
        head, tail, name = known
        if len(body) > entry.MAX_BODY:
            raise ValueError(f"a body has at most {entry.MAX_BODY} bytes")
        salt = salts[cursor : cursor + 32]
        cursor += 32
        commitment = sha256(salt + body).digest()
        subject = owner(kind, body) if keys is not None else ""
        if keys is None or not subject:
            fixed = _REST.pack(len(body), index, at, first, 0, len(name))
            parts.append(_packed(fixed, salt, commitment, name, body))
        else:
            nonce = nonces[number * NONCE : (number + 1) * NONCE]
            about = _bound(index, at, commitment)
            place, sealed = _sealed(keys, subject, nonce, salt + body, about)
            fixed = _REST.pack(len(sealed), index, at, first, _SEALED, len(name))
            parts.append(_packed(fixed, place, commitment, name, sealed))
        lines.append(head + commitment.hex().encode() + tail)
        index += 1
    return b"".join(parts), lines


def closed(one: Record, keys: SubjectKeys) -> bytes | None:
    """An open record of a subject's, sealed under its key; None where it stays as it is."""
    stored = one.stored
    if stored.body is None or stored.salt is None:
        return None
    subject = owner(stored.kind, stored.body)
    if not subject:
        return None
    plain = stored.salt + stored.body
    place, body = _sealed(keys, subject, os.urandom(NONCE), plain, about(stored))
    name = stored.kind.encode()
    fixed = _REST.pack(len(body), stored.index, stored.at, one.batch, _SEALED, len(name))
    return _packed(fixed, place, stored.commitment, name, body)


def _packed(head: bytes, *parts: bytes) -> bytes:
    """One record: its head, then salt, commitment, kind and body."""
    rest = b"".join((head, *parts))
    return MAGIC + zlib.crc32(rest).to_bytes(4, "big") + rest


def _sealed(
    keys: SubjectKeys, subject: str, nonce: bytes, plain: bytes, about: bytes
) -> tuple[bytes, bytes]:
    """What stands in the salt's place, and the sealed body."""
    slot = keys.slot_of(subject)
    return _SLOT.pack(slot, nonce), keys.seal(slot, nonce, plain, about)


def _bound(index: int, at: int, commitment: bytes) -> bytes:
    """What a sealed body is bound to."""
    return _PLACE.pack(index, at) + commitment


def about(stored: Stored) -> bytes:
    """What the sealed body of an entry is bound to."""
    return _bound(stored.index, stored.at, stored.commitment)


class Record(msgspec.Struct):
    """A record as it stands on the disk; `sealed` is None when its body is not closed."""

    stored: Stored
    batch: int
    end: int
    sealed: bytes | None = None
    slot: int = 0
    nonce: bytes = b""


def read(data: mmap.mmap | bytes, offset: int, index: int) -> Record:
    """The record at `offset`. Raises EvidenceError."""
    if len(data) - offset < FIXED:
        raise EvidenceError(f"journal: entry {index} is missing")
    magic, crc, size, found, at, batch, flags, name = HEAD.unpack_from(data, offset)
    end = offset + FIXED + name + size
    if magic != MAGIC or size > _MAX_STORED or end > len(data):
        raise EvidenceError(f"journal: entry {index} is damaged or cut short")
    raw = data[offset:end]
    if zlib.crc32(memoryview(raw)[8:]) != crc or found != index or flags not in (0, 1, 2):
        raise EvidenceError(f"journal: entry {index} is damaged or out of order")
    body = raw[FIXED + name :]
    stored = Stored(
        index=index,
        kind=raw[FIXED : FIXED + name].decode("ascii", "replace"),
        at=at,
        commitment=raw[70:FIXED],
        body=None if flags else body,
        salt=None if flags else raw[38:70],
    )
    if flags != _SEALED:
        return Record(stored, batch, end)
    slot, nonce = _SLOT.unpack_from(raw, 38)
    return Record(stored, batch, end, body, slot, nonce)


def passed(data: mmap.mmap | bytes, offset: int, index: int, kinds: Collection[bytes]) -> int:
    """Where the record at `offset` ends, when it is of none of these kinds; 0 when it is of one.

    Only its header and its kind are looked at. Raises EvidenceError.
    """
    end = offset + length(data, offset)
    if end > len(data):
        raise EvidenceError(f"journal: entry {index} is damaged or cut short")
    name = offset + FIXED
    return 0 if data[name : name + data[offset + HEAD.size - 1]] in kinds else end


def length(data: mmap.mmap | bytes, offset: int) -> int:
    """Bytes of the record at `offset`, by its header alone. Raises EvidenceError."""
    if len(data) - offset < FIXED:
        raise EvidenceError("journal: a segment ends before an entry that it should hold")
    magic, _, size, _, _, _, _, name = HEAD.unpack_from(data, offset)
    if magic != MAGIC:
        raise EvidenceError("journal: a record is damaged; restore the segment from a copy")
    return FIXED + int(name) + int(size)
