"""What a person decides about a whole campaign: one decision a member, planned before it is made.

Who is left alone, unless the person insists:

    a grant              the operator has permitted it something that looks like this
    an organisation      of several accounts: they act as one because they are one
    a person's decision  somebody has looked at this subject already, and it stands

Each decision cites the campaign and ends its id with it, by which `lift` finds what it undoes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from titer.console.decide import Case, Order, check, make, sign
from titer.console.explain import open_view
from titer.console.names import Names
from titer.core.errors import InputError
from titer.core.nouns import Campaign, Decision, Principal
from titer.evidence.intake import Entered
from titer.gateway.assembly import enter_many
from titer.respond import person
from titer.respond.ladder import PENDING, Ladder, in_force

#: Why a member is left alone.
GRANT, DECIDED = "a grant", "a person's decision"
ORGANISATION = "an organisation of several accounts"
NOT_WAITING, NOT_OURS = "nothing waits for a person", "nothing was imposed for this campaign"

#: Those that a person can insist on.
FORCED = frozenset({GRANT, ORGANISATION, DECIDED})


class Member(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member, and either its decision (signed) or why it is left alone."""

    subject: str
    name: str = ""
    decision: Decision | None = None
    left: str = ""


class Plan(msgspec.Struct, frozen=True):
    """What an order amounts to, member by member in the campaign's order. Nothing was done yet."""

    campaign: str
    bits: float
    review: bool
    verb: str
    members: tuple[Member, ...]

    @property
    def decisions(self) -> list[Decision]:
        """The decisions that it makes."""
        return [m.decision for m in self.members if m.decision is not None]

    @property
    def left(self) -> dict[str, int]:
        """How many members are left alone, by reason."""
        counts: dict[str, int] = {}
        for member in self.members:
            if member.left:
                counts[member.left] = counts.get(member.left, 0) + 1
        return counts


class _Asked(msgspec.Struct):
    """The part of an exchange that says who asked."""

    principal: Principal


class _Known(msgspec.Struct):
    """What the log says about one member so far."""

    latest: Decision | None = None
    principal: Principal | None = None
    several: bool = False


def plan(
    data: Path, order: Order, ladder: Ladder, now: int, key: bytes | None, *, force: bool = False
) -> Plan:
    """What `order` would do to the members of the campaign whose id is `order.what`.

    `key` as for `titer.console.decide.decide`; with `force` nobody is left alone for a reason of
    `FORCED`. Raises `InputError` for a campaign that the log does not know, an order that
    contradicts itself, and a person who may not decide.
    """
    check(order)
    campaign = _campaign(data, order.what)
    known = _known(data, campaign, ladder)
    names = Names(data)
    members = []
    for subject, one in known.items():
        left = _left(order, campaign, one, now)
        if left and not (force and left in FORCED):
            members.append(Member(subject, names.of(subject), left=left))
            continue
        tier = one.principal.tier if one.principal is not None else ""
        case = Case(subject, names.of(subject), one.latest, tier)
        decision = _marked(campaign.id, make(order, case, ladder, now))
        members.append(Member(subject, case.name, decision))
    signed = iter(sign(data, order, ladder, [m.decision for m in members if m.decision], key))
    return Plan(
        campaign.id, campaign.bits, campaign.review, order.verb,
        tuple(
            member if member.decision is None
            else msgspec.structs.replace(member, decision=next(signed))
            for member in members
        ),
    )  # fmt: skip


def carry_out(data: Path, made: Plan, done: Callable[[int], None]) -> list[Entered]:
    """Hand the decisions of a plan to whoever holds the log; `done` is told how many it took.

    Given again after an interruption it makes a new plan of what is left. Raises as
    `titer.evidence.intake.enter_many`.
    """
    return enter_many(data, "decision", list(map(msgspec.json.encode, made.decisions)), done)


def _campaign(data: Path, name: str) -> Campaign:
    found: Campaign | None = None
    ids: dict[str, None] = {}
    for stored in open_view(data).scan(kinds=("campaign",)):
        if stored.body is not None:
            campaign = msgspec.json.decode(stored.body, type=Campaign)
            ids[campaign.id] = None
            if campaign.id == name:
                found = campaign
    if found is None:
        some = ", ".join(list(ids)[-5:])
        raise InputError(
            f"the log knows no campaign {name!r}; "
            + (f"the latest are {some}" if ids else "it has none: `serve` and `feed --hunt` hunt")
        )
    return found


def _known(data: Path, campaign: Campaign, ladder: Ladder) -> dict[str, _Known]:
    """Each member's latest decision that counts, who it was at its latest exchange, and whether it
    is an organisation that more than one account asks for.
    """
    known = {subject: _Known() for subject in campaign.members}
    decision_of = msgspec.json.Decoder(Decision).decode
    asked_of = msgspec.json.Decoder(_Asked).decode
    for stored in open_view(data).scan():
        if stored.body is None:
            continue
        if stored.kind == "exchange":
            principal = asked_of(stored.body).principal
            if (one := known.get(principal.subject)) is not None:
                one.several |= one.principal is not None and one.principal.id != principal.id
                one.principal = principal
        elif stored.kind == "decision":
            decision = decision_of(stored.body)
            one = known.get(decision.subject)
            if one is not None and (not person.is_person(decision) or ladder.honours(decision)):
                one.latest = decision
    return known


def _marked(campaign: str, made: Decision) -> Decision:
    """The decision as one about a campaign: by its id, as what it cites is handed down."""
    cites = (campaign, *(cite for cite in made.cites if cite != campaign))
    return msgspec.structs.replace(made, id=f"{made.id}-{campaign}", cites=cites)


def _left(order: Order, campaign: Campaign, known: _Known, now: int) -> str:
    """Why a member is left alone, "" when it is not."""
    latest, principal = known.latest, known.principal
    if latest is not None and not in_force(latest, now):
        latest = None
    if order.verb == "lift":
        ours = latest is not None and latest.id.endswith(f"-impose-{campaign.id}")
        return "" if ours else NOT_OURS
    if order.verb != "impose":
        return "" if latest is not None and latest.by == PENDING else NOT_WAITING
    if principal is not None and principal.grants:
        return GRANT
    if known.several:
        return ORGANISATION
    return DECIDED if latest is not None and person.is_person(latest) else ""
