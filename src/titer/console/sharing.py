"""From the log to what may be shared of one campaign (`titer.evidence.share.material`).

Two passes over the log: the first reads the campaign and what its members showed, the second how
many other callers showed the same. Addresses are keyed tokens in the log; a list of addresses that
the operator has elsewhere (a load balancer's log) turns those that members used back into ranges.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from titer.access.secret import load_or_create
from titer.console.attribution import campaigns_in
from titer.console.explain import open_view
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.indicators import Indicator, canonical, network_of, shown
from titer.core.nouns import Campaign, Decision, Exchange
from titer.evidence.log import View
from titer.evidence.share.material import LEAST_RATIO, K, Material, alias, select

#: Values that one campaign may have shown; beyond, the rarest are dropped as they come.
MAX_VALUES = 200_000
#: Addresses in a list that is held against the log.
MAX_ADDRESSES = 5_000_000
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


class _Use(msgspec.Struct):
    """Who showed one value: numbers of subjects, and when members did."""

    members: set[int]
    others: set[int]
    first: int = 0
    last: int = 0


class _Seen(msgspec.Struct):
    """The newest entry of one campaign, when the first came, and the doses of its members."""

    campaign: Campaign
    began: int
    made: int
    doses: set[str]


def campaigns(data: Path) -> list[Campaign]:
    """The campaigns of a log, each as it was last told, the latest first."""
    found = campaigns_in(open_view(data)).values()
    return sorted(found, key=lambda c: (-c.last_seen, c.id))


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
    found, population = _count(log, members, networks)
    found.update((one.key, one) for one in infrastructure)
    kept, withheld = select(
        found.values(), size=len(members), population=population, k=options.k,
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
        doses=tuple(sorted(seen.doses)),
        population=population,
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
    """The campaign as it was last told, and what its members were given. Raises `InputError`."""
    seen: _Seen | None = None
    decisions: dict[str, Decision] = {}
    campaign = msgspec.json.Decoder(Campaign)
    decision = msgspec.json.Decoder(Decision)
    for stored in log.scan():
        if stored.body is None:
            continue
        if stored.kind == "decision":
            one = decision.decode(stored.body)
            decisions[one.subject] = one
        elif stored.kind == "campaign" and name.encode() in stored.body:
            told = campaign.decode(stored.body)
            if told.id == name:
                began = seen.began if seen is not None else stored.at
                seen = _Seen(told, began, stored.at, set())
    if seen is None:
        raise InputError(f"the log has no campaign {name!r}; `titer share list` lists them")
    for member in seen.campaign.members:
        given = decisions.get(member)
        if given is not None and not given.shadow:
            seen.doses.update(dose.mitigation for dose in given.doses)
    return seen


def _tokens(addresses: Iterable[str], pseudonyms: Pseudonyms) -> dict[str, Indicator]:
    """The ranges of some addresses, by the token that the log has for each."""
    ranges: dict[str, Indicator] = {}
    for number, address in enumerate(addresses):
        if number == MAX_ADDRESSES:
            raise InputError(f"more than {MAX_ADDRESSES} addresses; give those of the campaign")
        found = network_of(address)
        ranges[found.value] = found
    return {pseudonyms.of("net", value): found for value, found in ranges.items()}


def _count(
    log: View, members: dict[str, int], networks: dict[str, Indicator]
) -> tuple[dict[str, Indicator], int]:
    """Who showed what: indicators with their counts, by key, and how many other callers are."""
    uses: dict[str, _Use] = {}
    kinds: dict[str, Indicator] = {}
    decode = msgspec.json.Decoder(Exchange).decode
    strangers: dict[str, int] = {}
    for stored in log.scan():
        if stored.kind != "exchange" or stored.body is None:
            continue
        fact = decode(stored.body)
        number = members.get(fact.principal.subject, members.get(fact.principal.id))
        if number is None:
            strangers.setdefault(fact.principal.subject, len(strangers))
            continue
        for one in _shown(fact, networks):
            use = uses.get(one.key)
            if use is None:
                if len(uses) >= MAX_VALUES:
                    continue
                use = uses[one.key] = _Use(set(), set(), fact.at)
                kinds[one.key] = one
            use.members.add(number)
            use.first, use.last = min(use.first, fact.at), max(use.last, fact.at)
    for stored in log.scan() if strangers else ():
        if stored.kind != "exchange" or stored.body is None:
            continue
        fact = decode(stored.body)
        stranger = strangers.get(fact.principal.subject)
        if stranger is not None and fact.principal.id not in members:
            for one in _shown(fact, networks):
                if one.key in uses:
                    uses[one.key].others.add(stranger)
    return {
        key: msgspec.structs.replace(
            kinds[key], members=len(use.members), others=len(use.others), first=use.first,
            last=use.last,
        )
        for key, use in uses.items()
    }, len(strangers)  # fmt: skip


def _shown(fact: Exchange, networks: dict[str, Indicator]) -> Iterable[Indicator]:
    yield from shown(fact.origin)
    place = networks.get(fact.origin.net)
    if place is not None:
        yield place
