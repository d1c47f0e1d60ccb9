"""Where a campaign comes from, and how much that says: shares beside everybody else's.

1. Of every caller, the values of each aspect that it used (`Usage`): networks, programs, cards.
2. A value is chosen on one half of the members and counted on the other, so that what was picked
   because it stands out is not also the measure of how far (`ties`).
3. The same values among other callers are the base rate. A likelihood ratio with an interval
   that holds for the whole table (Bonferroni) is worked out from the counts by who reads them.
4. The same for infrastructure seen elsewhere (`links`): never a bare match.

Other callers are those of no campaign; they are not known to be honest. Addresses are keyed
tokens. What is not known is said (`unknown`), residential proxies above all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from titer.core.nouns import Exchange, Origin, Principal, Transfer
from titer.evidence.contents import MAX_COUNT, MAX_LINKS, Link, Share, Tie, Unknown

#: What callers are compared by, in the order of the table.
ASPECTS = (
    "provider", "kind", "network", "address", "payment", "signup", "ja4", "software", "headers",
)  # fmt: skip
#: What each is called, and what stands behind its values.
WORDS = {
    "provider": "network operator (AS number)",
    "kind": "kind of network, by imported lists",
    "network": "range of addresses (/24 or /48), as a keyed token",
    "address": "address, as a keyed token",
    "payment": "payment token",
    "signup": "week in which the account was made",
    "ja4": "TLS client fingerprint (JA4), as seen where TLS ended",
    "software": "client program, as it names itself",
    "headers": "digest of header names in their order",
    "text": "text token of a template",
    "member": "the same caller",
}
#: Values of one aspect remembered for one caller; a caller of rotating proxies has thousands.
MAX_VALUES = 256
#: Members that must share a value before it is looked at.
SHARERS = 2
#: Single values shown of one aspect.
SHOWN = 4
#: Share of members that must have an aspect before anything is said about it.
KNOWN = 0.5
#: Groups elsewhere that are compared with.
MAX_GROUPS = 200
#: Values of one aspect that are remembered of one repository, some 100 kB: the places of a large
#: company's people.
MAX_MOVERS = 1_024


class Usage:
    """Which values each caller used. Memory: about 2 kB a caller."""

    def __init__(self, texts: Iterable[int] = ()) -> None:
        self._texts = frozenset(texts)
        self.by_caller: dict[str, dict[str, set[str]]] = {}

    def add(self, exchange: Exchange) -> None:
        """Take one exchange in."""
        seen = self.by_caller.setdefault(exchange.principal.subject, {})
        for aspect, value in values_of(exchange.principal, exchange.origin):
            held = seen.setdefault(aspect, set())
            if len(held) < MAX_VALUES:
                held.add(value)
        if self._texts:
            known = self._texts.intersection(exchange.sketch.frames)
            if known:
                seen.setdefault("text", set()).update(str(t) for t in known)

    def having(self, callers: Iterable[str], aspect: str) -> list[set[str]]:
        """The values of each of the callers of which the aspect is known; texts are of all."""
        rows = (self.by_caller[c].get(aspect, set()) for c in callers if c in self.by_caller)
        return [row for row in rows if row or aspect == "text"]


class Group(msgspec.Struct, frozen=True):
    """Infrastructure seen elsewhere: `values` by aspect; `callers` when they are of this log."""

    kind: Literal["campaign", "indicators", "repository"]
    name: str
    source: str
    values: dict[str, frozenset[str]]
    callers: frozenset[str] = frozenset()


def values_of(principal: Principal, origin: Origin) -> Iterable[tuple[str, str]]:
    """(aspect, value) of one exchange; unknown ones are left out."""
    if origin.asn:
        yield "provider", f"AS{origin.asn}"
    if principal.created > 0:
        made = datetime.fromtimestamp(principal.created / 1e6, UTC).isocalendar()
        yield "signup", f"{made.year}-W{made.week:02d}"
    for aspect, value in (
        ("kind", origin.kind), ("network", origin.net), ("address", origin.ip),
        ("payment", origin.payment), ("ja4", origin.ja4), ("software", origin.agent),
        ("headers", origin.headers),
    ):  # fmt: skip
        if value:
            yield aspect, value


def ties(
    usage: Usage, members: Collection[str], others: Sequence[str], names: Mapping[str, str]
) -> tuple[Tie, ...]:
    """What members have in common, the rows with the highest lower bounds first.

    `names` says what values mean (the operator of an AS number).
    """
    choosing = {m for m in members if _half(m)}
    rows: list[Tie] = []
    for aspect in ASPECTS:
        chosen_on = usage.having(sorted(choosing), aspect)
        everyone = usage.having(sorted(members), aspect)
        if len(everyone) < KNOWN * len(members) or not chosen_on:
            continue
        tested = usage.having(sorted(set(members) - choosing), aspect)
        base = usage.having(others, aspect)
        rates = Counter(value for row in base for value in row)
        counts = Counter(value for row in chosen_on for value in row)
        over = {
            value: n / len(chosen_on) - rates[value] / max(1, len(base))
            for value, n in counts.items()
            if n >= SHARERS
        }
        shared = sorted((v for v in over if over[v] > 0), key=over.__getitem__, reverse=True)
        picks = [(v, {v}) for v in shared[:SHOWN]]
        if len(shared) > 1:
            picks.append(("", set(shared)))
        for value, values in picks:
            rows.append(
                Tie(
                    aspect=aspect,
                    value=value,
                    about=names.get(value, ""),
                    values=len(values),
                    members=_on(everyone, values),
                    tested=_on(tested, values),
                    others=_on(base, values),
                    compared=0,
                )
            )
    made = [msgspec.structs.replace(row, compared=len(rows)) for row in rows]
    made.sort(key=lambda row: (-row.ratio()[1], ASPECTS.index(row.aspect), row.value))
    return tuple(made)


def sampled(callers: Iterable[str]) -> list[str]:
    """The callers in order; of more than a dossier may count, those with the smallest hashes."""
    every = sorted(callers)
    if len(every) <= MAX_COUNT:
        return every
    every.sort(key=lambda c: hashlib.blake2b(c.encode(), digest_size=8).digest())
    return sorted(every[:MAX_COUNT])


def links(
    usage: Usage, members: Collection[str], others: Sequence[str], groups: Sequence[Group]
) -> tuple[Link, ...]:
    """Infrastructure of `groups` among the members, where the interval of the likelihood ratio
    lies above 1 in the light of all comparisons made.
    """
    rows: list[Link] = []
    for group in groups[:MAX_GROUPS]:
        own = [m for m in sorted(members) if m not in group.callers]
        both = len(members) - len(own)
        if both:
            rows.append(
                Link(
                    kind=group.kind,
                    name=group.name,
                    source=group.source,
                    aspect="member",
                    values=len(group.callers),
                    members=Share(both, len(members)),
                    others=Share(0, len(others)),
                    compared=0,
                )
            )
        for aspect, values in sorted(group.values.items()):
            if not values:
                continue
            here = usage.having(own, aspect)
            base = usage.having(others, aspect)
            if here:
                rows.append(
                    Link(
                        kind=group.kind,
                        name=group.name,
                        source=group.source,
                        aspect=aspect,
                        values=len(values),
                        members=_on(here, values),
                        others=_on(base, values),
                        compared=0,
                    )
                )
    made = [msgspec.structs.replace(row, compared=len(rows)) for row in rows]
    strong = [(row.ratio()[1], row) for row in made if row.others.of]
    strong = [(low, row) for low, row in strong if low > 1.0]
    strong.sort(key=lambda s: (-s[0], s[1].name, s[1].aspect))
    return tuple(row for _, row in strong[:MAX_LINKS])


def group_of(
    usage: Usage, callers: Collection[str], texts: Iterable[int]
) -> dict[str, frozenset[str]]:
    """What the callers of another campaign share among themselves, by aspect."""
    found: dict[str, frozenset[str]] = {}
    for aspect in ASPECTS:
        counts = Counter(v for row in usage.having(sorted(callers), aspect) for v in row)
        found[aspect] = frozenset(v for v, n in counts.items() if n >= SHARERS)
    found["text"] = frozenset(str(t) for t in texts)
    return found


def unknown(
    usage: Usage, members: Collection[str], told: Collection[str], kinds: Collection[str]
) -> tuple[Unknown, ...]:
    """What cannot be said. `told` are the kinds of network that imported lists can tell, of
    `kinds` that there are.
    """
    rows = [
        Unknown(f"{kind} networks", "no list of them was imported, so that none was recognised")
        for kind in sorted(set(kinds) - set(told))
    ]
    for aspect in ASPECTS:
        have = len(usage.having(members, aspect))
        if aspect != "kind" and have < KNOWN * len(members):
            why = f"known of {have} of {len(members)} members: too few to compare"
            rows.append(Unknown(WORDS[aspect], why))
    return tuple(rows)


class Repositories:
    """From where each repository's content was moved. Of more than `MAX_GROUPS` repositories those
    that were moved last: no others would be compared.
    """

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, set[str]]] = {}

    def add(self, transfer: Transfer) -> None:
        """Take one event in."""
        values = self._seen.pop(transfer.repository, {})
        self._seen[transfer.repository] = values
        if len(self._seen) > MAX_GROUPS:
            del self._seen[next(iter(self._seen))]
        for aspect, value in values_of(transfer.principal, transfer.origin):
            held = values.setdefault(aspect, set())
            if len(held) < MAX_MOVERS:
                held.add(value)

    def groups(self, source: str) -> list[Group]:
        """A group of each repository, the one moved last first."""
        return [
            Group("repository", name, source, {a: frozenset(v) for a, v in sorted(values.items())})
            for name, values in reversed(self._seen.items())
        ]


def _on(rows: Sequence[set[str]], values: Collection[str]) -> Share:
    wanted = frozenset(values)
    return Share(sum(not wanted.isdisjoint(row) for row in rows), len(rows))


def _half(member: str) -> bool:
    return hashlib.blake2b(member.encode(), digest_size=1).digest()[0] & 1 == 1
