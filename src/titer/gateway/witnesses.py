"""The log's side of C2SP tlog-witness: ask witnesses to cosign a head.

A witness that has seen more of this log than the log itself holds, or another root for its size,
says something that no retry mends: the log was rolled back, or somebody keeps a second one. That
is an `EvidenceError`; a witness that cannot be reached is an `InputError`: try again later.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from titer.core.errors import EvidenceError, InputError
from titer.evidence import checkpoint, cosignature, heads, witness
from titer.evidence.cosignature import Witness
from titer.evidence.log import View
from titer.gateway.fetch import request
from titer.gateway.vouchers import Known

#: Bytes of a reply: one line a key, and a witness has few.
MAX_REPLY = 64 * 1024
#: Cosignatures of one witness that are kept, by keys that we know or not, and their characters: an
#: ML-DSA-44 one has 3.3 KB.
MAX_LINES, MAX_LINE = 4, 4096
#: Attempts while the witness's own view moves, because another process of ours asks as well.
ATTEMPTS = 3


def ask(log: View, signed: str, known: Known) -> str:
    """One witness's signature lines for a head of the log (with newlines).

    Raises EvidenceError when the witness contradicts the log, or answers with what does not hold;
    `InputError` when it cannot be asked, or refuses.
    """
    head = checkpoint.read(signed.encode(), log.verifiers)
    old = 0
    for _ in range(ATTEMPTS):
        proof = log.consistency(old, head.size) if 0 < old < head.size else []
        body = witness.form(old, proof, signed)
        reply = request(known.peer, "POST", "/add-checkpoint", body=body, limit=MAX_REPLY)
        if reply.status == 200:
            return _lines(reply.body, signed, known.key)
        if reply.status == 422 and old:
            raise EvidenceError(
                f"witness {known.key.name} has cosigned another history of this log: our head of "
                f"{head.size} entries does not extend its head of {old}: a split view"
            )
        if reply.status != 409:
            what = reply.body[:200].decode("utf-8", "replace").strip()
            raise InputError(f"witness {known.key.name} refused ({reply.status}): {what}")
        seen = _size(reply.body, known.key)
        if seen > head.size:
            raise EvidenceError(
                f"witness {known.key.name} has seen {seen} entries of this log, which holds "
                f"{head.size}: it was rolled back, or somebody writes a second one with its key"
            )
        if seen == old:
            raise EvidenceError(
                f"witness {known.key.name} has seen another root for {seen} entries of this log: "
                "a split view"
            )
        old = seen
    raise InputError(f"witness {known.key.name} is being asked by another process; try again")


def gather(log: View, signed: str, known: Sequence[Known]) -> tuple[heads.Vouched, list[str]]:
    """Ask all witnesses about a head, keep it with what they said; what went wrong, in words.

    Raises EvidenceError when one contradicts the log: that must be looked at by a person.
    """
    head = checkpoint.read(signed.encode(), log.verifiers)
    kept = heads.keep(log.directory, head.size, signed)
    failed: list[str] = []
    for one in known:
        if cosignature.cosignatures(kept.signed.encode(), [one.key]):
            continue  # nothing has happened since the last round
        try:
            lines = ask(log, signed, one)
        except InputError as error:
            failed.append(str(error))
            continue
        kept = heads.keep(log.directory, head.size, cosignature.add(signed, lines))
    return kept, failed


def _lines(body: bytes, signed: str, key: Witness) -> str:
    """The lines of this witness, when its cosignature holds and is of about now."""
    whole = signed.encode() + body
    cosignature.require(whole, [key], 1, now=int(time.time()))
    lines = [
        f"{line}\n"
        for line in body.decode("utf-8", "replace").splitlines()
        if line.startswith(f"\u2014 {key.name} ") and len(line) <= MAX_LINE
    ]
    if len(lines) > MAX_LINES:
        raise InputError(f"witness {key.name} answers with more than {MAX_LINES} cosignatures")
    return "".join(lines)


def _size(body: bytes, key: Witness) -> int:
    text = body.decode("ascii", "replace").removesuffix("\n")
    if not text.isdigit() or len(text) > 19:
        raise InputError(f"witness {key.name} said in no readable way which size it has seen")
    return int(text)
