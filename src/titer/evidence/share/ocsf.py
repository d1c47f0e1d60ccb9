"""Entries of the log as OCSF 1.8.0 events: Detection Finding, class 2004.

Findings, campaigns, attention and changes of the alert level are findings that are created;
decisions are updates with a remediation. Severity follows bits and nothing else: Informational
without any, Low below 7.5, Medium below 20, High from there on; never Critical or Fatal, as no
number of bits says how bad it is that somebody learnt something.
"""

from __future__ import annotations

from typing import Any

import msgspec

from titer.core.nouns import Campaign, Decision, Finding
from titer.evidence.share import atlas

VERSION = "1.8.0"
CLASS, CATEGORY = 2004, 2
CREATE, UPDATE = 1, 2
#: Kinds of entries that are events.
KINDS = ("finding", "decision", "campaign", "attention", "level")
#: Members named in one event; a SIEM is not the place for 25,000 pseudonyms.
MAX_MEMBERS = 100

_SEVERITY = {1: "Informational", 2: "Low", 3: "Medium", 4: "High"}
_LEVELS = {"green": 1, "amber": 3, "red": 4}
Event = dict[str, Any]


class Attention(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an `attention` entry: what a partner shared, seen at a subject. Worth 0 bits.

    `indicator` is kind and value, `weight` what the operator gives the partner's word (0 to 1).
    """

    id: str
    at: int
    subject: str
    source: str
    indicator: str
    weight: float
    until: int
    tlp: str
    cites: tuple[str, ...] = ()


class LevelChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a `level` entry: from which alert level to which, and why."""

    id: str
    at: int
    level: str
    before: str
    because: str


def event(kind: str, body: bytes, *, index: int, log: str, version: str) -> Event | None:
    """An entry of the log as an event, or None when it is of a kind that is none.

    `index` and `log` (its origin) name the entry, so that it can be proved; `version` is titer's.
    Raises msgspec.MsgspecError on a body that is not of its kind.
    """
    make = _MAKERS.get(kind)
    if make is None:
        return None
    made = make(body)
    made["metadata"] = {
        "product": {"name": "titer", "vendor_name": "titer", "version": version},
        "version": VERSION,
        "uid": f"{log}/{index}",
        "log_name": log,
        "sequence": index,
    }
    return made


def _finding(body: bytes) -> Event:
    found = msgspec.json.decode(body, type=Finding)
    name, _, version = found.detector.partition("@")
    made = _event(
        CREATE, found.at, found.bits, f"{name}: {found.note}",
        uid=found.id, title=f"{name} about {found.subject}", technique=found.technique,
        subjects=(found.subject,),
    )  # fmt: skip
    made["finding_info"]["analytic"] = {
        "name": name, "version": version, "type_id": 1, "type": "Rule", "uid": found.detector,
    }  # fmt: skip
    made["finding_info"]["related_events"] = [
        {"uid": cite, "type": "titer exchange"} for cite in found.cites
    ]
    made["unmapped"] = {
        "bits": found.bits, "score": found.score, "calibration": found.calibration,
    }  # fmt: skip
    return made


def _campaign(body: bytes) -> Event:
    found = msgspec.json.decode(body, type=Campaign)
    made = _event(
        CREATE, found.last_seen, 0.0 if found.review else found.bits,
        f"{len(found.members)} accounts acting as one: {found.note}",
        uid=found.id, title=f"campaign {found.id}", technique=found.technique,
        subjects=found.members[:MAX_MEMBERS],
    )  # fmt: skip
    made["finding_info"]["first_seen_time"] = found.first_seen // 1000
    made["finding_info"]["last_seen_time"] = found.last_seen // 1000
    made["count"] = len(found.members)
    made["unmapped"] = {
        "bits": found.bits, "review": found.review, "formed": list(found.formed),
        "tested": list(found.tested), "null": found.null, "exchanges": found.exchanges,
        "tokens_out": found.tokens_out, "members": len(found.members),
    }  # fmt: skip
    return made


def _decision(body: bytes) -> Event:
    found = msgspec.json.decode(body, type=Decision)
    how = "would give (shadow)" if found.shadow else "gives"
    made = _event(
        UPDATE, found.at, found.bits, f"rung {found.rung} {how} {found.gives}: {found.because}",
        uid=found.id, title=f"rung {found.rung} for {found.subject}", technique="",
        subjects=(found.subject,),
    )  # fmt: skip
    made["remediation"] = {"desc": f"{how} {found.gives}"}
    made["status_id"], made["status"] = 2, "In Progress"
    made["unmapped"] = {
        "rung": found.rung, "by": found.by, "shadow": found.shadow, "bits": found.bits,
        "until": found.until // 1000,
    }  # fmt: skip
    return made


def _attention(body: bytes) -> Event:
    found = msgspec.json.decode(body, type=Attention)
    made = _event(
        CREATE, found.at, 0.0,
        f"attention only, 0 bits: {found.source} shared {found.indicator} (weight "
        f"{found.weight:g})",
        uid=found.id, title=f"a partner's indicator at {found.subject}", technique="",
        subjects=(found.subject,),
    )  # fmt: skip
    made["unmapped"] = {
        "source": found.source, "weight": found.weight, "tlp": found.tlp,
        "until": found.until // 1000,
    }  # fmt: skip
    return made


def _level(body: bytes) -> Event:
    found = msgspec.json.decode(body, type=LevelChange)
    made = _event(
        UPDATE, found.at, 0.0, f"alert level {found.level}, was {found.before}: {found.because}",
        uid=found.id, title=f"alert level {found.level}", technique="", subjects=(),
    )  # fmt: skip
    severity = _LEVELS.get(found.level, 1)
    made["severity_id"], made["severity"] = severity, _SEVERITY[severity]
    made["is_alert"] = severity > 1
    made["unmapped"] = {"level": found.level, "before": found.before}
    return made


_MAKERS = {
    "finding": _finding, "campaign": _campaign, "decision": _decision, "attention": _attention,
    "level": _level,
}  # fmt: skip


def _event(
    activity: int, at: int, bits: float, message: str, *, uid: str, title: str, technique: str,
    subjects: tuple[str, ...],
) -> Event:  # fmt: skip
    severity = 1 if bits <= 0 else 2 if bits < 7.5 else 3 if bits < 20 else 4
    info: Event = {
        "uid": uid, "title": title, "desc": message, "created_time": at // 1000,
        "types": ["model extraction"],
    }  # fmt: skip
    known = atlas.TECHNIQUES.get(technique)
    if technique:
        parent, _, sub = technique.rpartition(".")
        nested = sub.isdigit()
        described = {"uid": technique, "name": known.name if known else technique}
        if known:
            described["src_url"] = known.url
        attack: Event = {"version": atlas.VERSION}
        if nested:
            above = atlas.TECHNIQUES.get(parent)
            attack["technique"] = {"uid": parent, "name": above.name if above else parent}
            attack["sub_technique"] = described
        else:
            attack["technique"] = described
        info["attacks"] = [attack]
    made: Event = {
        "activity_id": activity, "activity_name": "Create" if activity == CREATE else "Update",
        "category_uid": CATEGORY, "category_name": "Findings", "class_uid": CLASS,
        "class_name": "Detection Finding", "type_uid": CLASS * 100 + activity,
        "time": at // 1000, "severity_id": severity, "severity": _SEVERITY[severity],
        "is_alert": bits > 0, "status_id": 1, "status": "New", "message": message,
        "finding_info": info,
    }  # fmt: skip
    if subjects:
        made["evidences"] = [
            {"actor": {"user": {"uid": subject, "type_id": 99, "type": "pseudonym"}}}
            for subject in subjects
        ]
    return made
