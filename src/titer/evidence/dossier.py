"""Dossiers: what the log holds about one subject, in a file that a stranger can verify.

`build` reads the log twice (about 3 s per million entries) and keeps no index: a dossier is
made rarely, an index would have to be trusted or rebuilt. It ends by verifying its own work.
"""

from __future__ import annotations

import base64
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import msgspec
from securesystemslib.dsse import Envelope as DsseEnvelope

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, form, merkle
from titer.evidence.entry import Stored
from titer.evidence.log import View
from titer.evidence.verify import key_id, leaves_digest, verify


def build(
    log: View,
    *,
    subject: str,
    summary: Mapping[str, Any],
    where: str = "",
    names: Mapping[str, str] | None = None,
    exchange_cap: int = form.EXCHANGE_CAP,
    at: int | None = None,
) -> bytes:
    """The dossier on `subject`, signed with the log's key, over the newest head.

    `summary` is the operator's plain statement (bits, exposure, decisions, technique, detector
    versions, calibrations, n); ids in its `cites`, `findings` and `decisions` are looked up.
    `where` says where the log is served, `names` which pseudonyms the operator discloses.
    All findings and decisions are included, every exchange that they cite, and of the other
    exchanges the oldest and newest up to `exchange_cap` in all. `at` is the time stated in it
    (microseconds; now, when None).

    Raises LookupError when the log holds nothing about the subject, ValueError when the result
    would be too large to verify, EvidenceError when the log is damaged.
    """
    signed = log.publish()
    head = checkpoint.read(signed.encode(), [log.verifier])
    plain = msgspec.json.decode(msgspec.json.encode(dict(summary)))
    if not isinstance(plain, dict) or exchange_cap < 0 or not subject:
        raise ValueError("give a subject, a mapping as summary, and a cap that is not negative")
    reading = _Reading(subject, set(form.cited(plain)), exchange_cap)
    for stored in log.scan(0, head.size):
        reading.conclusions(stored)
    for stored in log.scan(0, head.size):
        reading.material(stored)
    picked = reading.finish()
    if not picked.entries:
        raise LookupError(
            f"the log holds nothing about {subject}: give the pseudonym as `titer explain` shows"
        )
    entries = [picked.entries[index] for index in sorted(picked.entries)]
    if len(entries) > form.MAX_ENTRIES:
        raise ValueError(f"more than {form.MAX_ENTRIES} entries: lower the exchange cap")
    nodes = log.tiles.nodes(head.size)
    kinds = Counter(stored.kind for stored in entries)
    predicate = form.Predicate(
        made_at=time.time_ns() // 1000 if at is None else at,
        summary=plain,
        names=dict(names or {}),
        log=form.LogHead(key=str(log.verifier), checkpoint=signed, where=where),
        counts=form.Counts(
            exchanges_in_log=picked.exchanges,
            exchange_cap=exchange_cap,
            exchanges=kinds["exchange"],
            findings=kinds["finding"],
            decisions=kinds["decision"],
            campaigns=kinds["campaign"],
            calibrations=kinds["calibration"],
        ),
        entries=tuple(_item(stored, head.size, nodes) for stored in entries),
        omitted=tuple(form.Omitted(name, picked.omitted[name]) for name in sorted(picked.omitted)),
        limits=form.LIMITS,
    )
    digest = form.Digest(leaves_digest([stored.leaf for stored in entries]))
    statement = form.Statement(
        type_=form.STATEMENT_TYPE,
        subject=(form.About(subject, digest),),
        predicateType=form.PREDICATE_TYPE,
        predicate=predicate,
    )
    data = _sealed(log, form.encode(statement))
    if len(data) > form.MAX_DOSSIER:
        raise ValueError(f"larger than {form.MAX_DOSSIER} bytes: lower the exchange cap")
    verify(data, key=str(log.verifier))
    return data


class _Picked(msgspec.Struct):
    """What `build` takes out of the log."""

    entries: dict[int, Stored]
    omitted: dict[str, str]
    exchanges: int = 0


class _Id(msgspec.Struct):
    """The one member that every body has."""

    id: str = ""


class _Reading:
    """Two readings of the log, and what is kept of them."""

    def __init__(self, subject: str, cites: set[str], cap: int) -> None:
        self._subject = subject
        self._token = msgspec.json.encode(subject)
        self._cap = cap
        self._cites = cites
        self._seen: set[str] = set()
        self._others: set[str] = set()
        self._calibrations: set[str] = set()
        self._id = msgspec.json.Decoder(_Id)
        self._oldest: list[Stored] = []
        self._newest: deque[Stored] = deque(maxlen=cap)
        self.picked = _Picked(entries={}, omitted={})

    def conclusions(self, stored: Stored) -> None:
        """First reading: what was concluded about the subject, and what it leans on."""
        facts = self._about(stored)
        if stored.kind == "exchange" or facts is None:
            return
        self.picked.entries[stored.index] = stored
        self._seen.add(str(facts.get("id", "")))
        if stored.kind != "campaign":
            self._cites.update(form.cited(facts))
        if stored.kind == "finding":
            self._calibrations.add(str(facts.get("calibration", "")))

    def material(self, stored: Stored) -> None:
        """Second reading: exchanges and calibrations, and whose the rest of the cited is."""
        if stored.body is None or stored.index in self.picked.entries:
            return
        facts = self._about(stored) if stored.kind == "exchange" else None
        if facts is None and not self._cites and stored.kind != "calibration":
            return
        name = self._name(stored.body)
        if stored.kind == "calibration" and name in self._calibrations:
            self.picked.entries[stored.index] = stored
            self._seen.add(name)
        elif facts is None:
            if name in self._cites:
                self._others.add(name)
        else:
            self._exchange(stored, name)

    def finish(self) -> _Picked:
        """Fill up with uncited exchanges, and say what is missing and why."""
        entries = self.picked.entries
        cited = sum(stored.kind == "exchange" for stored in entries.values())
        room = max(0, self._cap - cited)
        if self.picked.exchanges - cited <= room:
            chosen = self._oldest
        else:
            half = room // 2
            newest = list(self._newest)
            chosen = self._oldest[:half] + newest[len(newest) - (room - half) :]
        entries.update((stored.index, stored) for stored in chosen)
        for name in self._cites - self._seen:
            self.picked.omitted[name] = form.OTHER if name in self._others else form.ABSENT
        return self.picked

    def _exchange(self, stored: Stored, name: str) -> None:
        self.picked.exchanges += 1
        self._seen.add(name)
        if name in self._cites:
            self.picked.entries[stored.index] = stored
            return
        self._newest.append(stored)
        if len(self._oldest) < self._cap:
            self._oldest.append(stored)

    def _name(self, body: bytes) -> str:
        try:
            return self._id.decode(body).id
        except msgspec.MsgspecError:  # an entry of another kind, with a body of its own
            return ""

    def _about(self, stored: Stored) -> dict[str, Any] | None:
        """The body's facts when the entry is about the subject."""
        if stored.body is None or self._token not in stored.body:
            return None
        facts = form.body_facts(stored.body)
        return facts if form.concerns(stored.kind, facts, self._subject) else None


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
