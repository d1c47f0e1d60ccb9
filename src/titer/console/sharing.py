"""From the log to what may be shared of one campaign (`titer.evidence.share.material`).

The log is read for the campaign, then for what its members showed and how many others showed the
same. Addresses are keyed tokens in the log; a list of addresses that
the operator has elsewhere (a load balancer's log) turns those that members used back into ranges.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from titer.access.secret import load_or_create
from titer.console.attribution import campaigns_in
from titer.console.campaign import no_campaign
from titer.console.explain import open_view
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.indicators import Indicator, canonical, network_of, shown
from titer.core.nouns import Campaign, Decision, Origin, Principal
from titer.evidence.log import View
from titer.evidence.share.material import LEAST_RATIO, K, Material, alias, select

#: Values that one campaign may have shown; further ones are not counted, and so do not leave.
MAX_VALUES = 200_000
#: (subject, value) pairs of other callers that are remembered, about 300 MB; when there are more,
#: the log is read once more for the members' values alone.
MAX_PAIRS = 4_000_000
#: Addresses in a list that is held against the log.
MAX_ADDRESSES = 5_000_000
#: Bytes of a line in a list of addresses.
MAX_LINE = 256
#: Rows of an infrastructure table.
MAX_ROWS = 100_000


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says about an export."""

    recipient: str = "partner"
    operator: str = "an operator of titer"
    tlp: str = "amber"
    members: bool = False
    k: int = K
    least_ratio: float = LEAST_RATIO


class _Fact(msgspec.Struct):
    """What is read of an exchange."""

    at: int
    principal: Principal
    origin: Origin = Origin()


class _Use(msgspec.Struct):
    """Which members (by number) showed one value, and when."""

    shown: Indicator
    members: set[int]
    first: int
    last: int = 0


class _Seen(msgspec.Struct):
    """The newest entry of one campaign, and when the first came."""

    campaign: Campaign
    began: int
    made: int


def campaigns(data: Path) -> list[Campaign]:
    """The campaigns of a log, each as it was last told, the latest first."""
    found = campaigns_in(open_view(data)).values()
    return sorted(found, key=lambda c: (-c.last_seen, c.id))


def addresses(path: Path) -> Iterator[str]:
    """The addresses of a list, one a line; empty lines and comments do not count."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE + 1):
                number += 1
                text = line.decode("ascii", "replace").split("#", 1)[0].strip()
                if len(line) > MAX_LINE:
                    raise InputError(f"{path}, line {number}: is too long for an address")
                if text:
                    yield text
    except OSError as error:
        raise InputError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from None


def gather(
    data: Path, name: str, options: Options, *, addresses: Iterable[str] = (),
    infrastructure: Iterable[Indicator] = (),
) -> Material:  # fmt: skip
    """What may be shared of a campaign of the log.

    `addresses` are addresses that the operator knows; `infrastructure` is a table of indicators
    that were counted elsewhere, and are held to the same rules. Raises `InputError`.
    """
    log = open_view(data)
    secret = load_or_create(data)
    seen = _find(log, name)
    members = {member: n for n, member in enumerate(seen.campaign.members)}
    networks = _tokens(addresses, Pseudonyms(secret))
    counts = _Counts(members, networks)
    counts.read(log)
    found = counts.indicators()
    found.update((one.key, one) for one in infrastructure)
    kept, withheld = select(
        found.values(), size=len(members), population=counts.population, k=options.k,
        least_ratio=options.least_ratio,
    )  # fmt: skip
    named = alias(secret, options.recipient)
    doubtful = set(seen.campaign.doubtful)
    sure = sorted(named(m) for m in members if m not in doubtful) if options.members else []
    return Material(
        campaign=seen.campaign,
        name=seen.campaign.id,
        size=len(members),
        operator=options.operator,
        salt=log.verifier.name,
        tlp=options.tlp,
        began=seen.began,
        made=seen.made,
        indicators=kept,
        withheld=withheld,
        members=tuple(sure),
        doses=counts.doses,
        population=counts.population,
        k=options.k,
    )


def read_table(rows: Any, where: str) -> list[Indicator]:
    """An infrastructure table: a JSON list of indicators. Raises `InputError`."""
    try:
        told = msgspec.convert(rows, list[Indicator])
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: is no list of indicators ({error})") from None
    if len(told) > MAX_ROWS:
        raise InputError(f"{where}: more than {MAX_ROWS} rows; give those of one campaign")
    return [
        msgspec.structs.replace(
            canonical(one.kind, one.value), members=one.members, others=one.others,
            first=one.first, last=one.last,
        )
        for one in told
    ]  # fmt: skip


def _find(log: View, name: str) -> _Seen:
    """The campaign as it was last told. Raises `InputError`.

    Campaigns are not sealed, so that nothing is decrypted for this.
    """
    seen: _Seen | None = None
    decode = msgspec.json.Decoder(Campaign).decode
    for stored in log.journal.scan(0, log.size, bodies=False):
        if stored.kind == "campaign" and stored.body and name.encode() in stored.body:
            told = decode(stored.body)
            if told.id == name:
                seen = _Seen(told, seen.began if seen is not None else stored.at, stored.at)
    if seen is None:
        raise no_campaign(name)
    return seen


def _tokens(addresses: Iterable[str], pseudonyms: Pseudonyms) -> dict[str, Indicator]:
    """The ranges of some addresses, by the token that the log has for each."""
    ranges: dict[str, Indicator] = {}
    for number, address in enumerate(addresses):
        if number == MAX_ADDRESSES:
            raise InputError(f"more than {MAX_ADDRESSES} addresses; give those of the campaign")
        found = network_of(address)
        if found is not None:
            ranges[found.value] = found
    return {pseudonyms.of("net", value): found for value, found in ranges.items()}


class _Counts:
    """Who showed what, and what members were given: one reading of the log, two when others
    showed more than `MAX_PAIRS` (subject, value) pairs.
    """

    def __init__(self, members: dict[str, int], networks: dict[str, Indicator]) -> None:
        self._members = members
        self._networks = networks
        self._mine: dict[str, _Use] = {}
        self._theirs: dict[str, set[int]] = {}
        self._pairs = 0
        self._strangers: dict[str, int] = {}
        self._latest: dict[str, Decision] = {}

    def read(self, log: View) -> None:
        """Count everything."""
        decision = msgspec.json.Decoder(Decision).decode
        exchange = msgspec.json.Decoder(_Fact).decode
        for stored in log.scan():
            if stored.body is None:
                continue
            if stored.kind == "exchange":
                self._take(exchange(stored.body))
            elif stored.kind == "decision":
                one = decision(stored.body)
                if one.subject in self._members:
                    self._latest[one.subject] = one
        if self._pairs > MAX_PAIRS:
            self._theirs = {key: set() for key in self._mine}
            for stored in log.scan():
                if stored.kind == "exchange" and stored.body is not None:
                    self._again(exchange(stored.body))

    @property
    def population(self) -> int:
        """How many callers are no members."""
        return len(self._strangers)

    @property
    def doses(self) -> tuple[str, ...]:
        """Mitigations in force for members."""
        latest = self._latest.values()
        return tuple(sorted({dose.mitigation for d in latest for dose in d.given}))

    def indicators(self) -> dict[str, Indicator]:
        """What members showed, with its counts, by key."""
        return {
            key: msgspec.structs.replace(
                use.shown, members=len(use.members), others=len(self._theirs.get(key, ())),
                first=use.first, last=use.last,
            )
            for key, use in self._mine.items()
        }  # fmt: skip

    def _member(self, fact: _Fact) -> int | None:
        principal = fact.principal
        return self._members.get(principal.subject, self._members.get(principal.id))

    def _take(self, fact: _Fact) -> None:
        number = self._member(fact)
        if number is None:
            stranger = self._strangers.setdefault(fact.principal.subject, len(self._strangers))
            if self._pairs <= MAX_PAIRS:
                for one in _shown(fact, self._networks):
                    known = self._theirs.setdefault(one.key, set())
                    self._pairs += stranger not in known
                    known.add(stranger)
            return
        for one in _shown(fact, self._networks):
            use = self._mine.get(one.key)
            if use is None:
                if len(self._mine) >= MAX_VALUES:
                    continue
                use = self._mine[one.key] = _Use(one, set(), fact.at)
            use.members.add(number)
            use.first, use.last = min(use.first, fact.at), max(use.last, fact.at)

    def _again(self, fact: _Fact) -> None:
        if self._member(fact) is None:
            for one in _shown(fact, self._networks):
                if one.key in self._theirs:
                    self._theirs[one.key].add(self._strangers[fact.principal.subject])


def _shown(fact: _Fact, networks: dict[str, Indicator]) -> Iterable[Indicator]:
    yield from shown(fact.origin)
    place = networks.get(fact.origin.net)
    if place is not None:
        yield place
