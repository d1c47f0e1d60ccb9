"""Attribution of a campaign (or one caller) out of a data directory: one reading of its log."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from titer.access.secret import load_or_create
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.indicators import canonical, tokens
from titer.core.nouns import Campaign, Exchange, Origin, Principal, Sketch, Transfer
from titer.evidence.contents import Infrastructure, Snapshot
from titer.evidence.log import View
from titer.evidence.share import partners
from titer.evidence.share.attention import heaviest
from titer.gateway.calendars import Calendars
from titer.gateway.networks import Store, Used
from titer.gateway.networks.places import ORIGIN_KINDS, told_by
from titer.hunt import infrastructure as hunting
from titer.hunt.hours import Hours

#: Seed of the bootstrap of hours: the same log gives the same dossier.
SEED = 1
#: How freely an indicator may travel (TLP) for what it links to be told in a dossier.
TELLABLE = frozenset(("clear", "green"))
#: What a word of an origin (`core.indicators.words`) is called in a table of ties.
_ASPECTS = {
    "net": "network",
    "ip": "address",
    "asn": "provider",
    "ja4": "ja4",
    "headers": "headers",
}


class _Fact(msgspec.Struct, frozen=True):
    """What attribution reads of an exchange."""

    id: str
    at: int
    principal: Principal
    origin: Origin = Origin()
    sketch: Sketch = Sketch()

    def exchange(self) -> Exchange:
        """The same as the noun."""
        return Exchange(
            self.id, self.at, self.principal, "", origin=self.origin, sketch=self.sketch
        )


def campaigns_in(log: View) -> dict[str, Campaign]:
    """The newest version of every campaign of a log, by id."""
    found: dict[str, Campaign] = {}
    decode = msgspec.json.Decoder(Campaign).decode
    for stored in log.scan(kinds=("campaign",)):
        if stored.body is not None:
            campaign = decode(stored.body)
            found[campaign.id] = campaign
    return found


def attribute(
    data: Path,
    log: View,
    members: Collection[str],
    *,
    campaign: str = "",
    groups: Iterable[hunting.Group] = (),
) -> Infrastructure:
    """Where the members come from, beside everybody who is in no campaign."""
    known = campaigns_in(log)
    stem = campaign.partition(".")[0]
    earlier = [c for c in known.values() if campaign and c.id.partition(".")[0] != stem]
    texts = {token for c in known.values() for token, _ in c.frames}
    usage, hours = hunting.Usage(texts), Hours()
    inside, apart = set(members), {m for c in known.values() for m in c.members}
    decode = msgspec.json.Decoder(_Fact).decode
    lists: list[tuple[Used, ...]] = []
    repositories = hunting.Repositories()
    begun = False
    for stored in log.scan():
        if stored.body is None:
            continue
        if stored.kind == "exchange":
            try:
                fact = decode(stored.body)
            except msgspec.MsgspecError:  # an entry that says nobody's name
                continue
            subject = fact.principal.subject
            usage.add(fact.exchange())
            if subject in inside or subject not in apart:
                hours.add(subject, fact.at, member=subject in inside)
            begun = begun or subject in inside
        elif stored.kind == "networks":
            if not begun:
                lists.clear()
            lists.append(msgspec.json.decode(stored.body, type=tuple[Used, ...]))
        elif stored.kind == "transfer":
            repositories.add(msgspec.json.decode(stored.body, type=Transfer))
    others = hunting.sampled(set(usage.by_caller) - inside - apart)
    used = {u for some in lists for u in some}
    seen = [
        hunting.Group(
            "campaign", c.id, "this log",
            hunting.group_of(usage, set(c.members) - inside, [t for t, _ in c.frames]),
            frozenset(c.members),
        )
        for c in sorted(earlier, key=lambda c: -c.last_seen)
    ]  # fmt: skip
    seen += repositories.groups("repository events of this log")
    seen += groups
    return Infrastructure(
        others=len(others),
        ties=hunting.ties(usage, inside, others, _operators(data)),
        snapshots=tuple(
            Snapshot(u.name, u.kind, u.source, u.dated, u.sha256)
            for u in sorted(used, key=lambda u: (u.name, u.dated, u.sha256))
        ),
        unknown=hunting.unknown(usage, inside, told_by(used), ORIGIN_KINDS),
        clock=hours.clock(seed=SEED, calendars=[one.calendar() for one in Calendars(data).load()]),
        links=hunting.links(usage, inside, others, seen),
    )


def partner_groups(
    data: Path, names: Collection[str] | None, now: int, *, least: float = 0.0
) -> list[hunting.Group]:
    """What the named partners' indicators say (None: every partner's) that are held, have not
    expired at `now` (microseconds), may be told (`TELLABLE`) and weigh `least` or more here; the
    heaviest partner first. Raises `InputError` when there is nothing.
    """
    pseudonyms = Pseudonyms(load_or_create(data))
    held = {one.name: one for one in partners.load(data)}
    groups: list[tuple[float, hunting.Group]] = []
    for name in held if names is None else dict.fromkeys(names):
        values: dict[str, set[str]] = {}
        weights: set[float] = set()
        for one in heaviest(held[name].held) if name in held else ():
            if one.until <= now or one.tlp not in TELLABLE or one.weight < least:
                continue
            weights.add(one.weight)
            kind, _, value = one.indicator.partition(":")
            for word in tokens(canonical(kind, value), pseudonyms):
                aspect, _, token = word.partition(":")
                token = f"AS{token}" if aspect == "asn" else token
                values.setdefault(_ASPECTS[aspect], set()).add(token)
        if values:
            kept = {aspect: frozenset(v) for aspect, v in values.items()}
            source = f"a partner (weight {_span(weights)} of 1)"
            groups.append((max(weights), hunting.Group("indicators", name, source, kept)))
        elif names is not None:
            raise InputError(
                f"no indicator of {name!r} is held that may be told (TLP clear or green, not "
                f"expired, weight {least:g} or more): see `titer share import`"
            )
    if names is None and not groups:
        raise InputError(
            "no partner's indicator is held that may be told (TLP clear or green, not expired, "
            f"weight {least:g} or more): see `titer share import`, or leave --indicators out"
        )
    return [group for _, group in sorted(groups, key=lambda g: -g[0])]


def _span(weights: set[float]) -> str:
    low, high = min(weights), max(weights)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _operators(data: Path) -> dict[str, str]:
    """The operator of each AS number, as imported lists name it; the newest list wins."""
    names: dict[str, str] = {}
    for snapshot in sorted(Store(data).load(), key=lambda s: s.manifest.dated):
        if snapshot.manifest.kind != "asn":
            continue
        table = snapshot.table
        for owner, number in enumerate(table.asns):
            if name := table.name(owner):
                names[f"AS{number}"] = name
    return names
