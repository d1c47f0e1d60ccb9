"""C2SP tlog-proof: one entry's inclusion as a file that is verified offline.

    c2sp.org/tlog-proof@v1
    extra <base64 of the entry>      (titer puts the entry's line here, to be hashed)
    index <decimal>
    <base64 of a hash>               one per line, from the leaf's sibling up
    <empty line>
    <checkpoint with its signatures>

Nothing in the file is believed: the entry is hashed, the hashes must lead to the root, and the
root must be signed by a key that the reader brings along.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

import msgspec

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, cosignature, merkle, note
from titer.evidence.checkpoint import MAX_CHECKPOINT, Checkpoint
from titer.evidence.cosignature import Cosigned, Witness
from titer.evidence.tiles import MAX_ENTRY

HEADER = "c2sp.org/tlog-proof@v1"
#: A checkpoint, a path of the tallest tree, and the largest entry as base64.
MAX_PROOF = MAX_CHECKPOINT + 64 * 48 + 4 * (MAX_ENTRY // 3 + 1) + 256
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


class Proof(msgspec.Struct, frozen=True):
    """A proof as it was read; nothing of it was checked."""

    index: int
    hashes: tuple[bytes, ...]
    signed: str
    extra: bytes = b""


class Proven(msgspec.Struct, frozen=True):
    """What a proof shows: this entry stands at this index under this head."""

    index: int
    entry: bytes
    head: Checkpoint
    cosigned: tuple[Cosigned, ...]


def write(proof: Proof) -> str:
    """The file. Raises ValueError on an entry that is too long."""
    if len(proof.extra) > MAX_ENTRY:
        raise ValueError(f"an entry has at most {MAX_ENTRY} bytes")
    lines = [HEADER]
    if proof.extra:
        lines.append(f"extra {base64.b64encode(proof.extra).decode()}")
    lines.append(f"index {proof.index}")
    lines += [base64.b64encode(one).decode() for one in proof.hashes]
    return "\n".join(lines) + "\n\n" + proof.signed


def read(data: bytes) -> Proof:
    """Read a file. Raises EvidenceError unless it has exactly this form."""
    if len(data) > MAX_PROOF:
        raise EvidenceError(f"proof: larger than {MAX_PROOF} bytes")
    try:
        head, empty, signed = data.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise EvidenceError("proof: not UTF-8") from None
    lines = head.split("\n")
    if not empty or lines[0] != HEADER:
        raise EvidenceError(f"proof: does not begin with {HEADER}")
    extra = b""
    if len(lines) > 1 and lines[1].startswith("extra "):
        extra = note.decode_base64(lines.pop(1).removeprefix("extra "))
    match = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
    if match is None or int(match[1]) > merkle.MAX_SIZE:
        raise EvidenceError("proof: no line with the entry's index")
    hashes = tuple(note.decode_base64(line) for line in lines[2:])
    if len(hashes) > merkle.MAX_PATH or any(len(h) != merkle.HASH_SIZE for h in hashes):
        raise EvidenceError("proof: a line is no hash, or there are too many")
    return Proof(int(match[1]), hashes, signed, extra)


def verify(
    data: bytes,
    verifiers: Sequence[note.Verifier],
    *,
    entry: bytes | None = None,
    witnesses: Sequence[Witness] = (),
    quorum: int = 0,
    now: int = 0,
    stale: int | None = None,
) -> Proven:
    """Verify a proof file against the log's keys that the reader knows.

    `entry` is what must have been logged; without it the file's own is taken, and returned. With
    a `quorum`, so many of the `witnesses` must have cosigned (`cosignature.require`; `now` and
    `stale` in seconds). Raises EvidenceError.
    """
    proof = read(data)
    what = proof.extra if entry is None else entry
    if not what:
        raise EvidenceError("proof: it holds no entry; give the entry that it is about")
    signed = proof.signed.encode()
    head = checkpoint.read(signed, verifiers)
    cosigned: tuple[Cosigned, ...] = ()
    if quorum or witnesses:
        cosigned = cosignature.require(signed, witnesses, quorum, now=now, stale=stale)
    merkle.verify_inclusion(
        merkle.leaf_hash(what), proof.hashes, index=proof.index, size=head.size, root=head.root
    )
    return Proven(proof.index, what, head, cosigned)
