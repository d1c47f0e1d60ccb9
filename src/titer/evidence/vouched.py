"""What others said of a dossier's log: witnesses, and time stamping authorities.

A dossier brings at most `MAX_HEADS` earlier heads that others vouched for, each with the proof
that its own head extends it. Whoever trusts a witness or an authority checks what they said with
`require`; without their keys it is only said that something is there.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from cryptography import x509

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, cosignature, merkle, note, timestamp
from titer.evidence.checkpoint import MAX_CHECKPOINT, Checkpoint
from titer.evidence.contents import Vouched
from titer.evidence.cosignature import Witness
from titer.evidence.heads import MAX_TOKEN, MAX_TOKENS, own

#: The head soonest over the first entry, that soonest over the last one, and the newest.
MAX_HEADS = 3


class Trust(msgspec.Struct, frozen=True):
    """Whom the verifier trusts. At least `quorum` of the witnesses must have cosigned one head,
    and with `roots` at least one time stamp must hold.
    """

    witnesses: tuple[Witness, ...] = ()
    quorum: int = 0
    roots: tuple[x509.Certificate, ...] = ()


class Said(msgspec.Struct, frozen=True):
    """What one trusted party said: that entries below `size` were there at `at` (seconds)."""

    by: str
    how: str
    size: int
    at: int


def check(vouched: Sequence[Vouched], head: Checkpoint, verifier: note.Verifier) -> None:
    """Whether these are heads of the log that `head` extends. Raises EvidenceError."""
    if len(vouched) > MAX_HEADS:
        raise EvidenceError(f"dossier: more than {MAX_HEADS} heads that are vouched for")
    last = 0
    for one in vouched:
        old = _read(one, verifier)
        if not last < old.size <= head.size:
            raise EvidenceError("dossier: the heads that are vouched for are out of order")
        if len(one.extends) > merkle.MAX_CONSISTENCY or len(one.stamps) > MAX_TOKENS:
            raise EvidenceError("dossier: a head that is vouched for has more than it can have")
        merkle.verify_consistency(
            [note.decode_base64(h) for h in one.extends], old=old.size, new=head.size,
            old_root=old.root, new_root=head.root,
        )  # fmt: skip
        for stamp in one.stamps:
            if len(note.decode_base64(stamp.token)) > MAX_TOKEN:
                raise EvidenceError("dossier: a time stamp is larger than one can be")
        last = old.size


def require(
    vouched: Sequence[Vouched], verifier: note.Verifier, trust: Trust, *, now: int
) -> tuple[Said, ...]:
    """What trusted parties said, the strongest statement of each head. Raises EvidenceError when
    there is less than `trust` asks for, or something that claims a trusted party does not hold.
    """
    said: list[Said] = []
    most = 0
    for one in vouched:
        size = _read(one, verifier).size
        cosigned = cosignature.cosignatures(one.checkpoint.encode(), trust.witnesses)
        if any(c.at > now + cosignature.AHEAD for c in cosigned):
            raise EvidenceError("dossier: a cosignature is of the future: compare the clocks")
        most = max(most, cosignature.names(cosigned))
        said += [Said(c.name, "cosigned", size, c.at) for c in cosigned]
        for stamp in one.stamps if trust.roots else ():
            token = note.decode_base64(stamp.token)
            try:
                held = timestamp.verify(token, own(one.checkpoint).encode(), trust.roots, now=now)
            except EvidenceError:
                continue  # an authority of others; whether one of ours is there is asked below
            said.append(Said(held.authority, "stamped", size, held.at))
    if most < trust.quorum:
        raise EvidenceError(f"dossier: {most} cosignatures, and you ask for {trust.quorum}")
    if trust.roots and not any(one.how == "stamped" for one in said):
        raise EvidenceError("dossier: no time stamp holds under the roots that you gave")
    return tuple(said)


def _read(one: Vouched, verifier: note.Verifier) -> Checkpoint:
    if len(one.checkpoint) > MAX_CHECKPOINT:
        raise EvidenceError("dossier: a head that is vouched for is larger than one can be")
    return checkpoint.read(one.checkpoint.encode(), [verifier])
