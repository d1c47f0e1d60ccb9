"""What a person decides about a subject: found in the log, checked, signed, and handed in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from titer.console.explain import open_view
from titer.console.names import Names
from titer.core.errors import EvidenceError, InputError
from titer.core.nouns import Decision, Dose, Exchange
from titer.evidence import note
from titer.evidence.intake import Entered
from titer.gateway.assembly import enter, signer
from titer.respond import person
from titer.respond.compose import ordered
from titer.respond.ladder import PENDING, Ladder, in_force
from titer.respond.plugins import mitigations
from titer.respond.rungs import DAY_S, GROUND, Rung

#: Seconds for which a lift stands unless the person says otherwise.
LIFT_S = 30 * DAY_S

#: What a decision is called whose doses are on no rung.
IMPOSED = "imposed"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants. `what` is a subject (as for `titer explain`) or a decision's id,
    `lasts_s` seconds (None: what is usual, 0: until somebody decides otherwise); `rung` or
    `doses` are for `impose`.
    """

    verb: str
    what: str
    reason: str
    by: str
    lasts_s: int | None = None
    rung: str = ""
    doses: tuple[Dose, ...] = ()


class Case(msgspec.Struct, frozen=True):
    """What the log says about one subject: its latest decision and tier, if any."""

    subject: str
    name: str
    latest: Decision | None
    tier: str


def waiting(data: Path, ladder: Ladder, now: int, *, every: bool = False) -> list[Case]:
    """Subjects whose latest decision waits for a person; with `every`, persons' decisions that
    are in force as well. Longest waiting first.

    A person's decision that does not count under this ladder is passed over, as `serve` does.
    """
    names = Names(data)
    decode = msgspec.json.Decoder(Decision).decode
    latest: dict[str, Decision] = {}
    for stored in open_view(data).scan(kinds=("decision",)):
        if stored.body is not None:
            decision = decode(stored.body)
            if not person.is_person(decision) or ladder.honours(decision):
                latest[decision.subject] = decision
    found = [
        Case(subject, names.of(subject), decision, "")
        for subject, decision in latest.items()
        if in_force(decision, now)
        and (decision.by == PENDING or (every and person.is_person(decision)))
    ]
    return sorted(found, key=lambda case: case.latest.at if case.latest else 0)


def decide(
    data: Path, order: Order, ladder: Ladder, now: int, key: bytes | None
) -> tuple[Decision, Entered]:
    """Make a decision, sign it, and hand it to whoever holds the log.

    `key` is the person's private key (PEM); without one the log's own key signs, which says that
    somebody with access to the data directory decided. Raises `InputError` when there is nothing
    to decide, the order contradicts itself, or that person may not decide.
    """
    check(order)
    case = _find(data, order, ladder)
    (signed,) = sign(data, order, ladder, [make(order, case, ladder, now)], key)
    return signed, enter(data, "decision", msgspec.json.encode(signed))


def sign(
    data: Path, order: Order, ladder: Ladder, made: Sequence[Decision], key: bytes | None
) -> list[Decision]:
    """Sign decisions as `decide` does. Raises `InputError` when that person may not decide."""
    trusted = person.keys(ladder.deciders)
    try:
        by = note.Signer.from_pem(order.by, key) if key is not None else signer(data)
        signed = [person.sign(decision, by) for decision in made]
        for decision in signed:
            person.check(decision, trusted)
    except EvidenceError as error:
        if key is None and ladder.deciders:
            raise InputError(
                "the configuration names who may decide: give your key with --key"
            ) from None
        raise InputError(
            f"this decision would have no effect: {error}; `deciders` under [respond] names who "
            "may decide"
        ) from None
    except ValueError as error:
        raise InputError(f"--by: {error}") from None
    return signed


def check(order: Order) -> None:
    """Raise `InputError` for an order that no subject could make a decision of."""
    if not order.reason.strip() or len(order.reason) > person.MAX_REASON:
        raise InputError(
            f"--reason: say why, in 1 to {person.MAX_REASON} characters: it is what the log, and "
            "whoever asks later, will have"
        )
    if not order.by.isprintable() or not order.by or any(c in " +" for c in order.by):
        raise InputError("--by: give a name without spaces and '+'")
    if order.verb == "impose" and bool(order.rung) == bool(order.doses):
        raise InputError("impose: give either --rung NAME or --dose MITIGATION[=STRENGTH]")


def _find(data: Path, order: Order, ladder: Ladder) -> Case:
    """The subject that is meant, and where it stands. Raises `InputError` for one unknown."""
    names = Names(data)
    wanted = {order.what} if order.what.startswith("d-") else set(names.candidates(order.what))
    needles = [name.encode() for name in wanted]
    decision_of = msgspec.json.Decoder(Decision).decode
    exchange_of = msgspec.json.Decoder(Exchange).decode
    subject, tier, latest = "", "", None
    for stored in open_view(data).scan():
        body = stored.body
        if body is None or not any(needle in body for needle in needles):
            continue
        if stored.kind == "decision":
            decided = decision_of(body)
            if decided.id in wanted:  # from here on it is its subject that is meant
                wanted = {decided.subject}
                needles = [decided.subject.encode()]
            if decided.subject in wanted:
                subject = decided.subject
                if not person.is_person(decided) or ladder.honours(decided):
                    latest = decided
        elif stored.kind == "exchange":
            who = exchange_of(body).principal
            if who.subject in wanted or who.id in wanted:
                if who.subject not in wanted:  # an account of an organisation, which is weighed
                    wanted.add(who.subject)
                    needles.append(who.subject.encode())
                subject, tier = who.subject, who.tier
    if not subject and order.verb == "impose" and len(wanted) == 1:
        subject = wanted.pop()  # a pseudonym that has not called yet
    if not subject:
        raise InputError(
            f"the log knows no {order.what!r}; `titer decide list` shows what waits, `titer "
            "standings` lists callers"
        )
    return Case(subject, names.of(subject), latest, tier)


def make(order: Order, case: Case, ladder: Ladder, now: int) -> Decision:
    """The decision about one subject, not signed yet. Raises `InputError`."""
    latest = case.latest
    active = latest if latest is not None and in_force(latest, now) else None
    base = Decision(
        id=f"d-{case.subject}-{now}-{order.verb}",
        at=now,
        subject=case.subject,
        rung=GROUND,
        doses=(),
        because=order.reason.strip(),
        bits=active.bits if active is not None else 0.0,
        by=f"{person.PERSON}{order.by}",
        cites=active.cites if active is not None else (),
        segment=active.segment if active is not None else "",
        verb=order.verb,
        of=active.id if active is not None else "",
    )
    change = msgspec.structs.replace
    if order.verb == "lift":
        return change(base, until=_until(now, order, LIFT_S))
    if order.verb == "impose":
        return _imposed(order, case, ladder, base)
    if active is None or active.by != PENDING:
        what = f"its latest decision is {active.id} by {active.by}" if active else "none is there"
        raise InputError(
            f"nothing about {case.name or case.subject} waits for a person ({what}); use `titer "
            "decide impose` or `lift`"
        )
    rung = _rung(active.rung, case, ladder, active.segment)
    until = _until(now, order, rung.ttl_s)
    if order.verb == "deny":  # what is given meanwhile goes on
        return change(
            base, rung=active.rung, doses=active.doses, until=until, shadow=active.shadow,
            meanwhile=active.meanwhile, under=active.under,
            armed=tuple(msgspec.structs.replace(one, until=until) for one in active.armed),
        )  # fmt: skip
    approved = change(base, rung=rung.name, doses=rung.give, until=until, shadow=rung.shadow)
    if rung.shadow and active.given:  # it changes nothing yet: what is given goes on
        return change(approved, meanwhile=active.given, under=active.under or active.rung)
    return approved


def _imposed(order: Order, case: Case, ladder: Ladder, base: Decision) -> Decision:
    if order.rung:
        rung = _rung(order.rung, case, ladder, base.segment)
        until = _until(base.at, order, rung.ttl_s)
        return msgspec.structs.replace(base, rung=rung.name, doses=rung.give, until=until)
    try:
        doses = ordered(order.doses, mitigations())
    except ValueError as error:
        raise InputError(f"--dose: {error}") from None
    until = _until(base.at, order, DAY_S)
    return msgspec.structs.replace(base, rung=IMPOSED, doses=doses, until=until)


def _until(now: int, order: Order, usual_s: int) -> int:
    lasts = usual_s if order.lasts_s is None else order.lasts_s
    return now + lasts * 1_000_000 if lasts else 0


def _rung(name: str, case: Case, ladder: Ladder, segment: str) -> Rung:
    """The rung of that name that this subject would stand on. Raises `InputError`."""
    for rungs in (ladder.rungs_of(case.tier, segment), ladder.rungs):
        for rung in rungs:
            if rung.name == name:
                return rung
    known = ", ".join(rung.name for rung in ladder.rungs_of(case.tier, segment))
    raise InputError(f"the ladder has no rung {name!r} for this subject; it has {known or 'none'}")
