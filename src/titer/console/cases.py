"""Case work over a data directory: every step is an entry of its log."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from titer.console.attribution import campaigns_in
from titer.console.campaign import no_campaign
from titer.console.explain import open_view
from titer.console.names import Names
from titer.core.errors import EvidenceError, InputError
from titer.core.nouns import Exchange
from titer.evidence.case import KIND, MAX_LINE, MAX_REFS, MAX_TEXT, Case, Ref, Step, fold
from titer.evidence.form import MAX_DOSSIER
from titer.evidence.intake import Entered
from titer.evidence.log import View
from titer.evidence.verify import verify
from titer.gateway.assembly import enter


class Wanted(NamedTuple):
    """What is to be added to a case, as people name it."""

    subjects: Sequence[str] = ()
    campaigns: Sequence[str] = ()
    decisions: Sequence[str] = ()
    findings: Sequence[str] = ()
    dossiers: Sequence[Path] = ()


def cases(data: Path) -> dict[str, Case]:
    """Every case of the log. Raises `InputError` when there is no log."""
    return fold(open_view(data).scan(kinds=(KIND,)))


def find(data: Path, name: str) -> Case:
    """A case by its id, or the beginning of it. Raises `InputError`."""
    known = cases(data)
    found = [c for c in known.values() if c.id == name] or [
        c for c in known.values() if len(name) > 4 and c.id.startswith(name)
    ]
    if len(found) != 1:
        what = "no case" if not found else "several cases"
        raise InputError(f"{what} of the name {name!r}: see `titer case list`")
    return found[0]


def begin(data: Path, title: str, *, by: str) -> tuple[str, Entered]:
    """Open a case; returns its id."""
    open_view(data)
    case = f"case-{secrets.token_hex(4)}"
    step = _step(case, "open", by=by, title=_line(title, "a title"))
    return case, _enter(data, step)


def add(data: Path, case: str, wanted: Wanted, *, by: str) -> tuple[tuple[Ref, ...], Entered]:
    """Add subjects, campaigns, decisions, findings and dossiers, all of which must be there."""
    held = _open(data, case)
    refs = _refs(data, wanted)
    if not refs or len(refs) > MAX_REFS:
        raise InputError(f"name 1 to {MAX_REFS} things to add, with --campaign or --subject say")
    step = _step(held.id, "add", by=by)
    return refs, _enter(data, msgspec.structs.replace(step, refs=refs))


def note(data: Path, case: str, text: str, *, by: str) -> Entered:
    """Write something down."""
    held = _open(data, case)
    if not text.strip() or len(text) > MAX_TEXT:
        raise InputError(f"a note has 1 to {MAX_TEXT} characters")
    return _enter(data, msgspec.structs.replace(_step(held.id, "note", by=by), text=text))


def assign(data: Path, case: str, to: str, *, by: str) -> Entered:
    """Say who works on it."""
    held = _open(data, case)
    step = _step(held.id, "assign", by=by)
    return _enter(data, msgspec.structs.replace(step, to=_line(to, "a person's name")))


def close(data: Path, case: str, text: str, *, by: str) -> Entered:
    """Close it, with the reason. A closed case takes no further step."""
    held = _open(data, case)
    if not text.strip() or len(text) > MAX_TEXT:
        raise InputError("say with --text how it ended: that is what is read later")
    return _enter(data, msgspec.structs.replace(_step(held.id, "close", by=by), text=text))


def referred(data: Path, case: str, to: str, pack: Ref, *, by: str) -> Entered:
    """Log that a pack was made for somebody."""
    held = _open(data, case)
    step = msgspec.structs.replace(_step(held.id, "refer", by=by), to=_line(to, "who it goes to"))
    return _enter(data, msgspec.structs.replace(step, refs=(pack,)))


def _open(data: Path, name: str) -> Case:
    held = find(data, name)
    if held.status == "closed":
        raise InputError(f"{held.id} is closed and takes no further step: open another case")
    return held


def _step(case: str, action: str, *, by: str, title: str = "") -> Step:
    made = {
        "id": f"{case}-{secrets.token_hex(6)}", "case": case, "at": time.time_ns() // 1000,
        "action": action, "by": _line(by, "who does it"), "title": title,
    }  # fmt: skip
    return msgspec.convert(made, Step)


def _enter(data: Path, step: Step) -> Entered:
    return enter(data, KIND, msgspec.json.encode(step))


def _line(text: str, what: str) -> str:
    clean = text.strip()
    if not clean or len(clean) > MAX_LINE or not clean.isprintable():
        raise InputError(f"{what} is one line of 1 to {MAX_LINE} characters that print")
    return clean


def _refs(data: Path, wanted: Wanted) -> tuple[Ref, ...]:
    log = open_view(data)
    refs = [_campaign(log, name) for name in wanted.campaigns]
    refs += [_subject(data, log, name) for name in wanted.subjects]
    if wanted.decisions or wanted.findings:
        known = _ids(log)
        for kind, names in (("decision", wanted.decisions), ("finding", wanted.findings)):
            for name in names:
                if (kind, name) not in known:
                    raise InputError(f"the log has no {kind} {name!r}: see `titer explain --json`")
                refs.append(msgspec.convert({"kind": kind, "id": name}, Ref))
    refs += [_dossier(path) for path in wanted.dossiers]
    return tuple(dict.fromkeys(refs))


def _campaign(log: View, name: str) -> Ref:
    if name not in campaigns_in(log):
        raise no_campaign(name)
    return Ref("campaign", name)


def _subject(data: Path, log: View, name: str) -> Ref:
    candidates = set(Names(data).candidates(name))
    decode = msgspec.json.Decoder(Exchange).decode
    needles = [c.encode() for c in candidates]
    for stored in log.scan():
        if stored.kind != "exchange" or stored.body is None:
            continue
        if any(needle in stored.body for needle in needles):
            principal = decode(stored.body).principal
            if principal.subject in candidates or principal.id in candidates:
                return Ref("subject", principal.subject)
    raise InputError(f"the log has no entry about {name!r}; see `titer standings`")


def _ids(log: View) -> set[tuple[str, str]]:
    found = set()
    for stored in log.scan(kinds=("decision", "finding")):
        if stored.body is not None:
            found.add((stored.kind, str(msgspec.json.decode(stored.body).get("id", ""))))
    return found


def _dossier(path: Path) -> Ref:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOSSIER + 1)
        found = verify(data)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except EvidenceError as error:
        raise InputError(f"{path} is no dossier that holds: {error}") from None
    return Ref("dossier", found.subject, hashlib.sha256(data).hexdigest())
