"""What persons and their services say, as entries of the log: the only input to the fold that is
neither an exchange nor a campaign.
"""

from __future__ import annotations

import msgspec

from titer.core.nouns import Decision, Standing, Verification
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
            _kept(decision)
            return _decided(weigher, decision)
        if kind == "verification":
            said = _verification(body)
            _kept(said)
            return _verified(weigher, said)
    except (msgspec.MsgspecError, OverflowError):
        return ""
    return ""


def _kept(said: Decision | Verification) -> None:
    """Raise OverflowError for a number that JSON has and neither table nor snapshot can hold."""
    msgspec.msgpack.encode(said)


def _decided(weigher: Weigher, decision: Decision) -> str:
    if not is_person(decision) or not weigher.ladder.honours(decision):
        return ""
    subject = decision.subject
    weigher.standings.setdefault(subject, Standing(subject, since=decision.at))
    weigher.decisions[subject] = decision
    return subject


def _verified(weigher: Weigher, said: Verification) -> str:
    old = weigher.standings.get(said.subject, Standing(said.subject, since=said.at))
    until = max(old.verified, said.until)
    weigher.standings[said.subject] = msgspec.structs.replace(old, verified=until)
    return said.subject


def of_person(body: bytes) -> bool:
    """Whether a `decision` entry was handed in by somebody, and not made by the policy."""
    try:
        by = _decision(body).by
    except msgspec.MsgspecError:
        return True  # the policy writes none that cannot be read
    return by not in ("policy", "pending")
