"""`titer case`: what people do about subjects and campaigns, each step an entry of the log."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli.common import data_flag, json_flag, keep_private, show, tell
from titer.cli.prove import sealing, sealing_flags
from titer.core.errors import InputError

if TYPE_CHECKING:
    from titer.evidence.case import Case
    from titer.evidence.intake import Entered


def register(verbs: Any) -> None:
    parser = verbs.add_parser("case", help="group evidence into cases, and refer them")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    begin = actions.add_parser("open", help="open a case")
    begin.add_argument("--title", metavar="TEXT", required=True, help="what it is about")
    add = actions.add_parser("add", help="add what belongs to a case")
    for flag, what in (
        ("--subject", "a caller, as for `titer explain`"), ("--campaign", "a campaign's id"),
        ("--decision", "a decision's id"), ("--finding", "a finding's id"),
    ):  # fmt: skip
        add.add_argument(flag, metavar="ID", action="append", default=[], help=what)
    add.add_argument(
        "--dossier", metavar="FILE", type=Path, action="append", default=[],
        help="a dossier; its digest is kept",
    )  # fmt: skip
    note = actions.add_parser("note", help="write something down")
    note.add_argument("--text", metavar="TEXT", required=True, help="what to write down")
    assign = actions.add_parser("assign", help="say who works on a case")
    assign.add_argument("--to", metavar="NAME", required=True, help="who")
    close = actions.add_parser("close", help="close a case for good")
    close.add_argument("--text", metavar="TEXT", required=True, help="how it ended")
    refer = actions.add_parser("refer", help="write a pack for somebody else")
    _refer_flags(refer)
    actions.add_parser("list", help="show the cases of a log")
    actions.add_parser("show", help="show one case with its steps")
    for name, action in actions.choices.items():
        if name not in ("open", "list"):
            action.add_argument("case", metavar="CASE", help="a case's id, or its beginning")
        if name not in ("list", "show"):
            action.add_argument("--by", metavar="NAME", default="", help="who does it (you)")
        data_flag(action)
        json_flag(action)


def _refer_flags(refer: argparse.ArgumentParser) -> None:
    refer.add_argument("--to", metavar="NAME", required=True, help="whom the pack is for")
    refer.add_argument(
        "--out", metavar="PATH", type=Path, required=True,
        help="a new folder, or a file that ends in .zip",
    )  # fmt: skip
    refer.add_argument("--reporter", metavar="NAME", default="", help="for the ATLAS form")
    refer.add_argument(
        "--with-notes", action="store_true", help="put the texts of the steps into the pack"
    )
    sealing_flags(refer)


def run(arguments: argparse.Namespace) -> int:
    from titer.console import cases

    keep_private()
    data, action = arguments.data, arguments.action
    if action == "list":
        _list(list(cases.cases(data).values()), as_json=arguments.json)
        return 0
    if action == "show":
        _show(cases.find(data, arguments.case), as_json=arguments.json)
        return 0
    by = arguments.by or _me()
    if action == "refer":
        return _refer(arguments, by)
    if action == "open":
        name, entered = cases.begin(data, arguments.title, by=by)
    else:
        name, entered = arguments.case, _step(arguments, by)
    if arguments.json:
        show({"case": name, "index": entered.index, "how": entered.how})
    else:
        tell([f"{name}: {entered.line()}"])
    return 0 if entered.index is not None else 1


def _step(arguments: argparse.Namespace, by: str) -> Entered:
    """One of the steps that are nothing but an entry."""
    from titer.console import cases

    data, name = arguments.data, arguments.case
    if arguments.action == "note":
        return cases.note(data, name, arguments.text, by=by)
    if arguments.action == "assign":
        return cases.assign(data, name, arguments.to, by=by)
    if arguments.action == "close":
        return cases.close(data, name, arguments.text, by=by)
    wanted = cases.Wanted(
        arguments.subject, arguments.campaign, arguments.decision, arguments.finding,
        arguments.dossier,
    )  # fmt: skip
    refs, entered = cases.add(data, name, wanted, by=by)
    if not arguments.json:
        tell(f"added {ref.kind} {ref.id}" for ref in refs)
    return entered


def _refer(arguments: argparse.Namespace, by: str) -> int:
    from titer.console.prove import Wanted
    from titer.console.referral import refer

    wanted = Wanted(**sealing(arguments))
    pack = refer(
        arguments.data, arguments.case, arguments.out, to=arguments.to, by=by,
        reporter=arguments.reporter, notes=arguments.with_notes, wanted=wanted,
    )  # fmt: skip
    if arguments.json:
        show({"pack": pack.path, "files": pack.files, "sha256": pack.sha256,
              "index": pack.entered.index, "how": pack.entered.how})  # fmt: skip
    else:
        tell([
            f"{pack.path}: {pack.files} files for {arguments.to}; {pack.entered.line()}",
            f"sha256 of its manifest: {pack.sha256}",
        ])  # fmt: skip
    return 0 if pack.entered.index is not None else 1


def _list(found: list[Case], *, as_json: bool) -> None:
    if as_json:
        show({"cases": [_told(case) for case in found]})
        return
    if not found:
        tell(["no case yet: titer case open --title TEXT --data DIR"])
    for case in found:
        who = f", {case.assigned}" if case.assigned else ""
        tell([f"{case.id}  {case.status}{who}  {len(case.steps)} steps  {case.title}"])


def _show(case: Case, *, as_json: bool) -> None:
    if as_json:
        show({**_told(case), "steps": msgspec.to_builtins(case.steps)})
        return
    tell([f"{case.id}  {case.status}  {case.title}"])
    tell(f"  {ref.kind} {ref.id}" for ref in case.refs)
    for taken in case.steps:
        step = taken.step
        to = f" to {step.to}" if step.to else ""
        tell([f"entry {taken.index}: {step.action}{to}, by {step.by}"])
        if step.text:
            tell([f"  {step.text}"])
    if case.passed_over:
        tell([f"{case.passed_over} entries were passed over: the case could not take them"])


def _told(case: Case) -> dict[str, Any]:
    fields = msgspec.to_builtins(case)
    return {**fields, "steps": len(case.steps)}


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise InputError("say who does it with --by NAME") from None
