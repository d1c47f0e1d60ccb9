"""What `titer marks recognise` and `trace` say: how far each key marked the texts, and what the
log holds about that key.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

from titer.audit.commitments import Commitments, check
from titer.cli.common import counted, show, tell
from titer.console.names import Names
from titer.core.errors import InputError
from titer.evidence.log import View
from titer.marks import keystore
from titer.marks.contract import Scheme
from titer.marks.keys import MarkKey
from titer.marks.recognise import Recognition

_NOTHING = (
    "Nothing found is no proof of absence: paraphrase, translation and short or predictable text "
    "leave no mark."
)


def report(
    arguments: argparse.Namespace,
    marks: Scheme,
    found: list[tuple[MarkKey, Recognition]],
    tried: int,
    forms: int,
) -> int:
    """Print the results; 1 when a mark was found. What normalisation was tried is paid for."""
    extra = math.log10(forms)
    names = Names(arguments.data) if arguments.data is not None else None
    rows = []
    for key, r in found:
        adjusted = min(0.0, r.holm_log10_p + extra)
        rows.append({
            "account": key.account, "name": names.of(key.account) if names else "",
            "epoch": key.epoch, "id": key.id, "tokens": r.tokens, "scored": r.scored,
            "total": r.total, "expected": r.expected, "log10_p": r.log10_p,
            "adjusted_log10_p": adjusted, "found": adjusted <= math.log10(arguments.level),
            "least_log10_p": r.least_log10_p,
        })  # fmt: skip
    hit = any(row["found"] for row in rows)
    if names is not None:
        _note_commitments(arguments.data, rows)
    if arguments.json:
        show({
            "scheme": marks.name, "parameters": marks.parameters, "keys": tried, "forms": forms,
            "level": arguments.level, "results": rows,
        })  # fmt: skip
        return int(hit)
    for row in rows:
        tell([_said(row, tried)])
    if not hit:
        short = _too_short(rows, math.log10(arguments.level / tried) - extra) if tried else ""
        tell([short or _NOTHING])
    return int(hit)


def _note_commitments(data: Path, rows: list[dict[str, Any]]) -> None:
    """Put into each row what the log says about its key: `committed`, the index and time
    (microseconds) of the entry that commits to it or None; `issued`, whether that is to this
    account's own key; `leaked`, since when others may know it (microseconds, 0 for never).

    Raises EvidenceError when the key here is not the one that was committed to.
    """
    try:
        held = Commitments(View.open(data / "log"))
    except FileNotFoundError:
        return
    ring = keystore.load(data)
    for row in rows:
        account, epoch = row["account"], row["epoch"]
        row["leaked"] = held.leaked(account, epoch)
        row["issued"] = account in held.accounts(epoch)
        try:
            found = held.of(account, epoch)
        except InputError:
            row["committed"] = None
            continue
        check(ring, account, epoch, found)
        row["committed"] = {"entry": found.entry, "at": found.at}


def _too_short(rows: list[dict[str, Any]], needed: float) -> str:
    """What to say where not even a text that is all mark could reach log10 p `needed`."""
    least = [row["least_log10_p"] for row in rows]
    if not least or any(p is None or p <= needed for p in least):
        return ""
    return (
        "TOO LITTLE TEXT to find anything: were every token marked, p would be "
        f"10^{min(least):.1f}, and 10^{needed:.1f} is asked for. Give more texts of the same "
        "origin at once."
    )


def _said(row: dict[str, Any], tried: int) -> str:
    notes = ""
    if row["found"] and row.get("leaked"):
        notes += (
            f"; others may know this key since {_day(row['leaked'])}: text that is not older may "
            "be theirs"
        )
    if row["found"] and "committed" in row:
        notes += (
            f"; committed to on {_day(row['committed']['at'])}, entry {row['committed']['entry']}"
            if row["committed"]
            else "; THE LOG HOLDS NO COMMITMENT to this key: this proves nothing to others"
        )
    if not row["found"] and row.get("issued") is False:
        notes += "; the log has issued this account no key, so that no reply to it was marked"
    return (
        f"{row['name'] or row['account'] or row['id']}, epoch {row['epoch']}: "
        f"{'MARKED' if row['found'] else 'no mark found'}; p = 10^{row['log10_p']:.1f}, "
        f"adjusted for {counted(tried, 'key')} 10^{row['adjusted_log10_p']:.1f} "
        f"({counted(row['scored'], 'distinct context')} of {counted(row['tokens'], 'token')})"
        f"{notes}"
    )


def _day(at: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at / 1e6))
