"""A person's decision: what it does, who signed it, and whether that person may decide.

    approve   the doses of the rung that waits are given
    deny      the rung that waits is not given; the doses below it go on
    lift      nothing is given
    impose    a rung or doses are given that the evidence alone would not give

What is signed (Ed25519) is the decision's own JSON, keys sorted, without the signature, behind a
line that no other signed thing of titer begins with. A decision that nobody signed, or whose
signature does not hold, is an entry of the log and has no effect.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from titer.core.errors import EvidenceError
from titer.core.nouns import Decision
from titer.evidence import note

#: The first line of what is signed.
FORMAT = "titer decision v1"

#: What begins the `by` of a person's decision.
PERSON = "person:"

#: What a person can do.
VERBS = ("approve", "deny", "lift", "impose")

#: Characters of a reason: a paragraph, not a file.
MAX_REASON = 2000


def is_person(decision: Decision) -> bool:
    """Whether somebody, and not the policy, decided."""
    return decision.by.startswith(PERSON)


def keys(deciders: Sequence[str]) -> frozenset[note.Verifier]:
    """The verifier keys of those who may decide. Raises ValueError for what is no such key."""
    try:
        return frozenset(note.Verifier.parse(text) for text in deciders)
    except EvidenceError as error:
        raise ValueError(
            f"deciders: {error}; give what `titer decide key` printed, as NAME+ID+KEY"
        ) from None


def sign(decision: Decision, signer: note.Signer) -> Decision:
    """The same decision under this key's signature."""
    named = msgspec.structs.replace(decision, signed_by=str(signer.verifier), signature="")
    signature = base64.b64encode(signer.sign(_message(named))).decode()
    return msgspec.structs.replace(named, signature=signature)


def check(decision: Decision, trusted: frozenset[note.Verifier]) -> None:
    """Raise `EvidenceError` unless the signature holds, by a trusted key if there are any."""
    if not decision.signed_by or not decision.signature:
        raise EvidenceError("the decision is not signed")
    by = note.Verifier.parse(decision.signed_by)
    if trusted and by not in trusted:
        raise EvidenceError(f"{by.name} is not among the deciders of the configuration")
    if trusted and decision.by != f"{PERSON}{by.name}":
        raise EvidenceError(f"the decision is by {decision.by}, and {by.name} signed it")
    by.verify(
        _message(msgspec.structs.replace(decision, signature="")),
        note.decode_base64(decision.signature),
    )


def counts(decision: Decision, trusted: frozenset[note.Verifier]) -> bool:
    """Whether a decision of the log has effect: what does not hold is passed over, not fatal.

    Whoever can write to the data directory can put entries into the log; this is where they stay
    without effect.
    """
    try:
        check(decision, trusted)
    except EvidenceError:
        return False
    return is_person(decision) and decision.verb in VERBS


def _message(decision: Decision) -> bytes:
    return f"{FORMAT}\n".encode() + msgspec.json.encode(decision, order="sorted")
