"""Ask witnesses which head of a log they have seen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from titer.core.errors import EvidenceError, InputError
from titer.evidence import cosignature, monitor, note
from titer.evidence.checkpoint import MAX_CHECKPOINT
from titer.evidence.cosignature import Witness
from titer.gateway.fetch import request


def witnessed(
    key: str, url: str, origin: str, verifiers: Sequence[note.Verifier]
) -> list[monitor.Known]:
    """The head that a witness of titer has seen last, cosigned by it; none when it has seen none.

    Raises `InputError` when it cannot be asked, EvidenceError when what it says does not hold.
    """
    witness = Witness.parse(key)
    digest = hashlib.sha256(origin.encode()).hexdigest()
    reply = request(url, path=f"/{digest}/checkpoint", limit=MAX_CHECKPOINT)
    if reply.status == 404:
        return []
    if reply.status != 200:
        raise InputError(f"witness {witness.name} answered with status {reply.status}")
    if not cosignature.cosignatures(reply.body, [witness]):
        raise EvidenceError(f"witness {witness.name} shows a head that it has not cosigned")
    return [monitor.known(f"witness {witness.name}", reply.body, verifiers)]
