"""A case as a MITRE ATLAS case study, in the shape of AML.CS0056 (ATLAS 5.6): a form to complete.

Only steps that the dossiers hold evidence for are filled in. Who did it, what became of the
replies and what harm came of it is not in any log: those lines are left for people.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from titer.evidence.contents import Tie
from titer.evidence.verify import Verified

#: The tactic that ATLAS files a technique under; of a sub-technique, its parent's.
TACTICS = {
    "AML.T0021": "AML.TA0003",
    "AML.T0008": "AML.TA0003",
    "AML.T0065": "AML.TA0003",
    "AML.T0040": "AML.TA0000",
    "AML.T0024": "AML.TA0010",
    "AML.T0056": "AML.TA0010",
    "AML.T0057": "AML.TA0010",
    "AML.T0063": "AML.TA0008",
    "AML.T0034": "AML.TA0011",
}
#: Kinds of network that are somebody's service for going unseen.
SERVICES = ("vpn", "proxy", "tor", "residential")
#: What people must fill in.
OPEN = "TO BE COMPLETED"


def case_study(title: str, found: Sequence[Verified], *, reporter: str) -> str:
    """The form as YAML with one case study. Strings are JSON strings, which are YAML as well."""
    campaigns = [one for one in found if one.kind == "campaign"]
    exchanges = sum(one.exposure.exchanges for one in found)
    tokens = sum(one.exposure.tokens_out for one in found)
    callers = sum(int(one.summary.get("members", 1)) for one in found)
    summary = (
        f"{callers:,} callers ({len(campaigns)} campaign(s), {len(found) - len(campaigns)} alone) "
        f"sent {exchanges:,} exchanges and were given {tokens:,} tokens of replies. Evidence "
        "is in the dossiers of this pack, which also say what they do not show."
    )
    lines = [
        f"- id: {_text(OPEN + ' (assigned by MITRE)')}",
        f"  name: {_text(title)}",
        "  object-type: case-study",
        f"  summary: {_text(summary)}",
        f"  incident-date: {_date(found)}",
        "  incident-date-granularity: DATE",
        "  procedure:",
    ]
    for tactic, technique, description in _procedure(found, callers, exchanges, tokens):
        lines += [
            f"  - tactic: {tactic}",
            f"    technique: {technique}",
            f"    description: {_text(description)}",
        ]
    lines += [
        f"  reporter: {_text(reporter or OPEN)}",
        f"  target: {_text(OPEN)}",
        f"  actor: {_text('Unknown: the log shows pseudonyms, and nobody behind them')}",
        "  case-study-type: incident",
        "  references: []",
    ]
    return "\n".join(lines) + "\n"


def _procedure(
    found: Sequence[Verified], callers: int, exchanges: int, tokens: int
) -> list[tuple[str, str, str]]:
    rows = []
    ties = [tie for one in found for tie in one.contents.infrastructure.ties]
    signup = [t for t in ties if t.aspect == "signup" and t.ratio()[1] > 1]
    if signup:
        best = max(signup, key=lambda t: t.members.hits)
        rows.append(("AML.TA0003", "AML.T0021", _accounts(best)))
    services = [t for t in ties if t.aspect == "kind" and t.value in SERVICES]
    if services:
        best = max(services, key=lambda t: t.members.hits)
        rows.append((
            "AML.TA0003", "AML.T0008.005",
            (f"{best.members.hits} of {best.members.of} members called through networks that an "
            f"imported list calls {best.value}."),
        ))  # fmt: skip
    rows.append((
        "AML.TA0000", "AML.T0040", f"{callers:,} callers used the model's inference API.",
    ))  # fmt: skip
    techniques = sorted({t for one in found for t in _techniques(one)} - {"AML.T0040"})
    for technique in techniques:
        tactic = TACTICS.get(technique[:9])
        if tactic is not None:
            rows.append((
                tactic, technique,
                (f"{exchanges:,} exchanges with {tokens:,} tokens of replies, by findings of this "
                "technique in the dossiers."),
            ))  # fmt: skip
    return rows


def _accounts(tie: Tie) -> str:
    when = f"in week {tie.value}" if tie.value else f"in {tie.values} weeks"
    return (
        f"{tie.members.hits} of {tie.members.of} accounts were made {when}, beside "
        f"{tie.others.hits} of {tie.others.of} other callers."
    )


def _techniques(one: Verified) -> list[str]:
    told = one.summary.get("techniques") or [one.summary.get("technique", "")]
    return [t for t in told if isinstance(t, str) and t.startswith("AML.T")]


def _date(found: Sequence[Verified]) -> str:
    """The first day on which anything was seen."""
    days = [one.timeline[0].at for one in found if one.timeline]
    if not days:
        return _text(OPEN)
    return f"{datetime.fromtimestamp(min(days) // 1_000_000, UTC):%Y-%m-%d}"


def _text(text: str) -> str:
    return json.dumps(text)
