"""The score: what was found, against what the lab knows. Independent of what made either.

Accounts are scored, not exchanges. Of a hunt's campaigns those marked for review are no
accusation and do not count; `doses` (names of accounts under an enforced dose) may come from
the standings instead. Every proportion carries its exact 95 % interval and its n.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from titer.core.errors import InputError
from titer.core.interval import clopper_pearson


class Label(msgspec.Struct, frozen=True):
    """One line of labels.jsonl."""

    principal: str
    campaign: str | None = None
    team: str | None = None


class Share(msgspec.Struct, frozen=True):
    """A proportion with its exact 95 % interval. `value` is None when n is 0."""

    hits: int
    n: int
    value: float | None
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, n: int) -> Share:
        low, high = clopper_pearson(hits, n)
        return cls(hits, n, hits / n if n else None, low, high)

    def __str__(self) -> str:
        if self.value is None:
            return "none to judge (n = 0)"
        spread = f"95 % interval {100 * self.low:.3g} to {100 * self.high:.3g} %"
        return f"{100 * self.value:.4g} % ({self.hits} of {self.n}; {spread})"


class Score(msgspec.Struct, frozen=True):
    """Precision and recall over accounts, false alarms over honest accounts, by campaign."""

    precision: Share
    recall: Share
    honest_accused: Share
    campaigns: dict[str, Share]
    unknown: int


#: Largest file of labels: some hundred thousand accounts.
MAX_LABELS = 64 << 20


def read_labels(path: Path) -> dict[str, Label]:
    """The labels by principal. Raises `InputError` naming the first bad line."""
    labels: dict[str, Label] = {}
    decoder = msgspec.json.Decoder(Label)
    with path.open("rb") as file:
        data = file.read(MAX_LABELS + 1)
    if len(data) > MAX_LABELS:
        raise InputError(f"{path}: more than {MAX_LABELS} bytes; these are no labels")
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            found = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{number}: not a label line: {error}") from None
        labels[found.principal] = found
    if not labels:
        raise InputError(f"{path}: no labels; a score needs at least one account")
    return labels


def accused(
    report: Mapping[str, Any], *, bits: float | None = None, review: bool = False
) -> set[str]:
    """Whom a `titer hunt --json` report accuses: members of campaigns not under review.

    With `bits`, also every account that stands at that many bits or more; with `review`, also
    the members of campaigns that are for a person to look at.
    """
    try:
        names = {
            str(member)
            for campaign in report["campaigns"]
            if review or not campaign.get("review")
            for member in campaign["members"]
        }
        if bits is not None:
            names |= {
                str(account["principal"])
                for account in report.get("accounts", ())
                if account["bits"] >= bits
            }
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"this is not the output of `titer hunt --json`: {error!r}") from None
    return names


def score(labels: Mapping[str, Label], names: Collection[str]) -> Score:
    """Judge `names` (accused accounts) by the labels."""
    chosen = set(names)
    attackers = {name for name, label in labels.items() if label.campaign}
    known = chosen & set(labels)
    hit = known & attackers
    by_campaign: dict[str, list[str]] = {}
    for name in sorted(attackers):
        by_campaign.setdefault(str(labels[name].campaign), []).append(name)
    return Score(
        precision=Share.of(len(hit), len(known)),
        recall=Share.of(len(hit), len(attackers)),
        honest_accused=Share.of(len(known - attackers), len(labels) - len(attackers)),
        campaigns={
            campaign: Share.of(len(chosen & set(members)), len(members))
            for campaign, members in sorted(by_campaign.items())
        },
        unknown=len(chosen) - len(known),
    )


def lines(result: Score) -> Iterable[str]:
    """The score in words, one statement a line."""
    yield f"precision        {result.precision}"
    yield f"recall           {result.recall}"
    yield f"honest accused   {result.honest_accused}"
    for campaign, share in result.campaigns.items():
        yield f"  {campaign:<15}{share}"
    if result.unknown:
        yield f"names without a label: {result.unknown} (not judged)"
