"""Dossiers: what the log holds about a subject or campaign, in a file that strangers can verify.

`build` reads the log two or three times (about 3 s per million entries each) and keeps no index: a
dossier is made rarely, an index would have to be trusted or rebuilt. It ends by verifying its own
work.
"""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from securesystemslib.dsse import Envelope as DsseEnvelope

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, contents, form, merkle
from titer.evidence.contents import Contents
from titer.evidence.entry import Stored
from titer.evidence.gather import AboutSubject, Gathered, heads_for
from titer.evidence.gather_campaign import AboutCampaign
from titer.evidence.log import View
from titer.evidence.verify import key_id, leaves_digest, verify


def build(
    log: View,
    *,
    subject: str,
    summary: Mapping[str, Any],
    campaign: bool = False,
    told: Contents | None = None,
    where: str = "",
    names: Mapping[str, str] | None = None,
    exchange_cap: int | None = None,
    at: int | None = None,
    as_read: bool = False,
) -> bytes:
    """The dossier on `subject` (a campaign's id with `campaign`), signed with the log's key, over
    the newest head; with `as_read` over the one that `log` has read, so that what was worked out
    from it before still agrees.

    `summary` is the operator's plain statement (bits, exposure, decisions, technique, detector
    versions, calibrations, n); ids in its `cites`, `findings` and `decisions` are looked up.
    `told` is what else is said: infrastructure, alternatives, marks, sealed names. `where` says
    where the log is served, `names` which pseudonyms the operator discloses. Of a subject all
    findings and decisions are included, every exchange that they cite, and of the other exchanges
    the oldest and newest up to `exchange_cap` in all; of a campaign as many as the caps allow.
    `at` is the time stated in it (microseconds; now, when None).

    Raises LookupError when the log holds nothing about the subject, ValueError when the result
    would be too large to verify, EvidenceError when the log is damaged or `told` contradicts it.
    """
    signed = log.signed_head if as_read and log.signed_head else log.publish()
    head = checkpoint.read(signed.encode(), log.verifiers)
    plain = msgspec.json.decode(msgspec.json.encode(dict(summary)))
    usual = contents.CAMPAIGN_CAP if campaign else form.EXCHANGE_CAP
    cap = usual if exchange_cap is None else exchange_cap
    if not isinstance(plain, dict) or cap < 0 or not subject:
        raise ValueError("give a subject, a mapping as summary, and a cap that is not negative")
    told = told or Contents()
    lists = {s.sha256 for s in told.infrastructure.snapshots}
    reading = (AboutCampaign if campaign else AboutSubject)(subject, set(form.cited(plain)), cap)
    found = reading.read(log, head.size, lists)
    if not found.entries:
        raise LookupError(
            f"the log holds nothing about {subject}: give the pseudonym as `titer explain` shows, "
            "or a campaign's id"
        )
    entries = [found.entries[index] for index in sorted(found.entries)]
    if len(entries) > form.MAX_ENTRIES:
        raise ValueError(f"more than {form.MAX_ENTRIES} entries: lower the exchange cap")
    nodes = log.tiles.nodes(head.size)
    predicate = contents.Predicate(
        made_at=time.time_ns() // 1000 if at is None else at,
        kind="campaign" if campaign else "subject",
        summary=plain,
        names=dict(names or {}),
        log=form.LogHead(key=str(log.verifier), checkpoint=signed, where=where),
        vouched=heads_for(log, head, entries[0].index, entries[-1].index),
        counts=_counts(found, Counter(stored.kind for stored in entries)),
        exposure=found.tally.exposure(),
        timeline=found.tally.days(),
        contents=told,
        entries=tuple(_item(stored, head.size, nodes) for stored in entries),
        omitted=tuple(form.Omitted(name, found.omitted[name]) for name in sorted(found.omitted)),
        limits=form.LIMITS + contents.LIMITS,
    )
    digest = form.Digest(leaves_digest([stored.leaf for stored in entries]))
    statement = contents.StatementOfTwo(
        type_=form.STATEMENT_TYPE,
        subject=(form.About(subject, digest),),
        predicateType=contents.PREDICATE_TYPE,
        predicate=predicate,
    )
    data = _sealed(log, form.encode(statement))
    if len(data) > form.MAX_DOSSIER:
        raise ValueError(f"larger than {form.MAX_DOSSIER} bytes: lower the exchange cap")
    verify(data, key=str(log.verifier))
    return data


def _counts(found: Gathered, kinds: Counter[str]) -> contents.Counts:
    return contents.Counts(
        exchanges_in_log=found.tally.exchanges,
        exchange_cap=found.caps["exchange"],
        exchanges=kinds["exchange"],
        findings_in_log=found.in_log["finding"],
        finding_cap=found.caps["finding"],
        findings=kinds["finding"],
        decisions_in_log=found.in_log["decision"],
        decision_cap=found.caps["decision"],
        decisions=kinds["decision"],
        campaigns=kinds["campaign"],
        calibrations=kinds["calibration"],
        networks=kinds["networks"],
    )


def _item(stored: Stored, size: int, nodes: merkle.Nodes) -> form.Item:
    if stored.body is None or stored.salt is None:
        raise EvidenceError(f"log: entry {stored.index} was erased while the dossier was made")
    proof = merkle.inclusion_proof(stored.index, size, nodes)
    return form.Item(
        index=stored.index,
        kind=stored.kind,
        at=stored.at,
        salt=base64.b64encode(stored.salt).decode(),
        body=stored.body.decode(),
        proof=tuple(base64.b64encode(h).decode() for h in proof),
    )


def _sealed(log: View, payload: bytes) -> bytes:
    signature = log.signer().sign(DsseEnvelope(payload, form.PAYLOAD_TYPE, {}).pae())
    envelope = form.Envelope(
        payload=base64.b64encode(payload).decode(),
        payloadType=form.PAYLOAD_TYPE,
        signatures=(form.Signature(key_id(log.verifier), base64.b64encode(signature).decode()),),
    )
    return form.encode(envelope) + b"\n"
