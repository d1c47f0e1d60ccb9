"""C2SP tlog-checkpoint: the signed head of a log.

    <origin>
    <size, decimal>
    <base64 of the root hash>

and nothing more: extension lines are refused, since titer neither makes nor understands any.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from titer.core.errors import EvidenceError
from titer.evidence import merkle, note

#: A head is three short lines; cosignatures of many witnesses still fit.
MAX_CHECKPOINT = 64 * 1024


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a log: `size` entries under `root` (32 bytes), for the log named `origin`."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def sign(self, *signers: note.Signer) -> str:
        """The checkpoint as a signed note."""
        return note.sign(self.body(), *signers)


def parse(text: str) -> Checkpoint:
    """Read an unsigned checkpoint body. Raises EvidenceError unless it is canonical."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise EvidenceError("checkpoint: expected exactly origin, size and root")
    origin, digits, encoded = lines[:3]
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        raise EvidenceError("checkpoint: the size is not a decimal number")
    size = int(digits)
    if str(size) != digits or size > merkle.MAX_SIZE:
        raise EvidenceError("checkpoint: the size is not in canonical form")
    root = note.decode_base64(encoded)
    if not origin or len(root) != merkle.HASH_SIZE:
        raise EvidenceError("checkpoint: no origin, or a root that is not 32 bytes")
    if size == 0 and root != merkle.EMPTY_ROOT:
        raise EvidenceError("checkpoint: size 0 with a root that is not the empty tree's")
    return Checkpoint(origin=origin, size=size, root=root)


def read(data: bytes, verifiers: Sequence[note.Verifier]) -> Checkpoint:
    """Verify a signed checkpoint; the origin must be the name of a key that signed it.

    Raises EvidenceError.
    """
    if len(data) > MAX_CHECKPOINT:
        raise EvidenceError(f"checkpoint: larger than {MAX_CHECKPOINT} bytes")
    signed = note.read(data, verifiers)
    found = parse(signed.text)
    if found.origin not in signed.signed_by:
        raise EvidenceError("checkpoint: not signed under the name of its own log")
    return found
