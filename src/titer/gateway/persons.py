"""What persons and their services say, as entries of the log: the only input to the fold that is
neither an exchange nor a campaign.
"""

from __future__ import annotations

import msgspec

from titer.core.nouns import Decision, Verification
from titer.engine import Weigher
from titer.respond.person import is_person

_decision = msgspec.json.Decoder(Decision).decode
_verification = msgspec.json.Decoder(Verification).decode


def heed(weigher: Weigher, kind: str, body: bytes) -> str:
    """Fold an entry in if a person, or a verification service, said it and may.

    Returns the subject that it is about; "" when it has no effect: another kind of entry, a
    decision of the policy, one that nobody signed who may decide, or one that cannot be read
    (whoever can write to the data directory can hand in anything).
    """
    try:
        if kind == "decision":
            decision = _decision(body)
            return decision.subject if is_person(decision) and weigher.take(decision) else ""
        if kind == "verification":
            said = _verification(body)
            weigher.verify(said)
            return said.subject
    except msgspec.MsgspecError:
        return ""
    return ""


def of_person(body: bytes) -> bool:
    """Whether a `decision` entry was handed in by somebody, and not made by the policy."""
    try:
        by = _decision(body).by
    except msgspec.MsgspecError:
        return True  # the policy writes none that cannot be read
    return by not in ("policy", "pending")
