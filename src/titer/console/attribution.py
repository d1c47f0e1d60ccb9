"""Attribution of a campaign (or one caller) out of a data directory: one reading of its log."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign, Exchange, Origin, Principal, Sketch, Transfer
from titer.evidence.contents import Infrastructure, Snapshot
from titer.evidence.log import View
from titer.gateway.networks import Store, Used
from titer.gateway.networks.places import ORIGIN_KINDS, told_by
from titer.hunt import infrastructure as hunting
from titer.hunt.hours import Hours

#: Seed of the bootstrap of hours: the same log gives the same dossier.
SEED = 1
#: Bytes of a file of indicators, and indicators in it.
MAX_FILE = 16 << 20
MAX_INDICATORS = 100_000
#: Aspects that an indicator of somebody else can be about; tokens of ours mean nothing to others.
OPEN = frozenset(("provider", "ja4", "software", "headers", "network", "address"))


class Indicator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a partner's indicators; `expires` is a day (YYYY-MM-DD), empty for never."""

    aspect: str
    value: str
    source: str
    name: str = ""
    expires: str = ""


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
    for stored in log.scan():
        if stored.kind == "campaign" and stored.body is not None:
            campaign = decode(stored.body)
            found[campaign.id] = campaign
    return found


def attribute(
    data: Path,
    log: View,
    members: Collection[str],
    *,
    campaign: str = "",
    indicators: Iterable[hunting.Group] = (),
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
    transfers = []
    begun = False
    for stored in log.scan():
        if stored.body is None:
            continue
        if stored.kind == "exchange":
            fact = decode(stored.body)
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
            moved = msgspec.json.decode(stored.body, type=Transfer)
            transfers.append((moved.repository, moved.principal, moved.origin))
    others = sorted(set(usage.by_caller) - inside - apart)
    used = {u for some in lists for u in some}
    groups = [
        hunting.Group(
            "campaign", c.id, "this log",
            hunting.group_of(usage, set(c.members) - inside, [t for t, _ in c.frames]),
            frozenset(c.members),
        )
        for c in sorted(earlier, key=lambda c: -c.last_seen)
    ]  # fmt: skip
    groups += hunting.elsewhere(transfers, "repository events of this log")
    groups += indicators
    return Infrastructure(
        others=len(others),
        ties=hunting.ties(usage, inside, others, _operators(data)),
        snapshots=tuple(
            Snapshot(u.name, u.kind, u.source, u.dated, u.sha256)
            for u in sorted(used, key=lambda u: (u.name, u.dated, u.sha256))
        ),
        unknown=hunting.unknown(usage, inside, told_by(used), ORIGIN_KINDS),
        clock=hours.clock(seed=SEED),
        links=hunting.links(usage, inside, others, groups),
    )


def read_indicators(path: Path, pseudonyms: Pseudonyms, today: str) -> list[hunting.Group]:
    """Indicators as JSON lines; ranges and addresses become this operator's tokens.

    Expired ones are left out. Raises `InputError`, naming the line.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    lines = raw.splitlines()
    if len(raw) > MAX_FILE or len(lines) > MAX_INDICATORS:
        raise InputError(f"{path}: more than {MAX_FILE} bytes or {MAX_INDICATORS} indicators")
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            one = msgspec.json.decode(line, type=Indicator)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise InputError(f"{path}:{number}: no indicator: {error}") from None
        if one.aspect not in OPEN:
            raise InputError(f"{path}:{number}: aspect is one of {', '.join(sorted(OPEN))}")
        if one.expires and one.expires < today:
            continue
        kinds = {"network": "net", "address": "ip"}
        kind = kinds.get(one.aspect)
        value = pseudonyms.of(kind, one.value) if kind else one.value
        key = (one.name or one.source, one.source)
        found.setdefault(key, {}).setdefault(one.aspect, set()).add(value)
    return [
        hunting.Group("indicators", name, source, {a: frozenset(v) for a, v in values.items()})
        for (name, source), values in sorted(found.items())
    ]


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
