"""Cases: what people did about subjects, campaigns and dossiers, step by step, in the log.

A case is nothing but its `case` entries, folded in the order of the log; a step that its case
cannot take (a note on a closed case) is passed over and counted, so that whoever reads a log that
was written by hand sees the same case. Texts of steps are bodies: committed to, sealed, erasable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from titer.evidence.entry import Stored

KIND = "case"
Action = Literal["open", "add", "note", "assign", "refer", "close"]
#: Characters of a title or a name, and of a note: what people write, and a screenful to read.
MAX_LINE = 200
MAX_TEXT = 20_000
#: Things that one step adds.
MAX_REFS = 1_000
_ID = re.compile(r"case-[0-9a-f]{8}")


class Ref(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that belongs to a case, by its id; a dossier or a pack by its digest too."""

    kind: Literal["subject", "campaign", "dossier", "decision", "finding", "pack"]
    id: str
    sha256: str = ""


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step: the body of a `case` entry. `to` is whom it is assigned or referred to."""

    id: str
    case: str
    at: int
    action: Action
    by: str
    title: str = ""
    text: str = ""
    to: str = ""
    refs: tuple[Ref, ...] = ()


class Taken(msgspec.Struct, frozen=True):
    """A step as the log has it."""

    index: int
    at: int
    step: Step


class Case(msgspec.Struct):
    """A case as its steps left it. `passed_over` counts steps that it could not take."""

    id: str
    title: str = ""
    status: Literal["open", "closed"] = "open"
    assigned: str = ""
    referred: list[str] = []
    refs: list[Ref] = []
    steps: list[Taken] = []
    passed_over: int = 0

    def take(self, taken: Taken) -> None:
        """Fold one step in."""
        step = taken.step
        fits = self.status == "open" and (step.action == "open") == (not self.steps)
        if not fits:
            self.passed_over += 1
            return
        self.steps.append(taken)
        self.title = self.title or step.title
        known = set(self.refs)
        self.refs += [ref for ref in step.refs if ref not in known]
        if step.action == "assign":
            self.assigned = step.to
        elif step.action == "refer":
            self.referred.append(step.to)
        elif step.action == "close":
            self.status = "closed"

    def named(self, kind: str) -> list[str]:
        """The ids of one kind that belong to it."""
        return [ref.id for ref in self.refs if ref.kind == kind]


def is_case(name: str) -> bool:
    """Whether this is spelt as a case's id; its steps are sealed under it."""
    return _ID.fullmatch(name) is not None


def fold(entries: Iterable[Stored]) -> dict[str, Case]:
    """Every case of a log, by id, in the order in which they were opened."""
    cases: dict[str, Case] = {}
    decode = msgspec.json.Decoder(Step).decode
    for stored in entries:
        if stored.kind != KIND or stored.body is None:
            continue
        try:
            step = decode(stored.body)
        except msgspec.MsgspecError:  # another tool's entry of the same name
            continue
        if step.case not in cases and step.action != "open":
            continue
        case = cases.setdefault(step.case, Case(step.case))
        case.take(Taken(stored.index, stored.at, step))
    return cases
