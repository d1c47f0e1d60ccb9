"""Several doses on one rung: in which order they act, and which may not meet.

Every mitigation says on its card at which stage it acts. Doses are applied by stage, whatever the
order in which a ladder names them:

    gate      turns away                    refuse, step_up
    pace      delays, or spends a budget    quota, throttle
    request   edits the request             antidistill, harden, vary
    reply     transforms the reply          logprobs

Applying doses one after the other is associative by itself; what could differ is the order. So two
of one stage may share a rung only if both are `apart`: each touches what the other does not, and
either order gives the same. Anything else is refused before a service starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from titer.core.contracts import Mitigation
from titer.core.nouns import Card, Dose

#: The order in which doses act.
STAGES = ("gate", "pace", "request", "reply")


def ordered(doses: Iterable[Dose], known: Mapping[str, Mitigation]) -> tuple[Dose, ...]:
    """The doses in the order in which they act; of one stage, by name.

    Raises ValueError for doses that cannot be given together, saying which and what to do.
    """
    given = tuple(doses)
    cards: list[Card] = []
    for dose in given:
        card = _card(dose.mitigation, known)
        if any(card.name == other.name for other in cards):
            raise ValueError(f"{card.name} is given twice; give it once, with one strength")
        for other in cards:
            _check_pair(other, card)
        if dose.otherwise:
            _check_otherwise(dose, given, known)
        cards.append(card)
    return tuple(sorted(given, key=lambda d: (_place(known[d.mitigation].card), d.mitigation)))


def _check_pair(one: Card, two: Card) -> None:
    if {"*", two.name} & {*one.clashes} or {"*", one.name} & {*two.clashes}:
        raise ValueError(
            f"{one.name} and {two.name} cannot share a rung: after one of them nothing is left"
            " for the other to do; keep one"
        )
    if one.stage == two.stage and not (one.apart and two.apart):
        raise ValueError(
            f"{one.name} and {two.name} both act at the stage `{one.stage}` and their cards do not"
            " say that they touch different things, so their order would matter; keep one, or put"
            " them on different rungs"
        )


def _check_otherwise(dose: Dose, given: tuple[Dose, ...], known: Mapping[str, Mitigation]) -> None:
    """What is given instead must exist, must not be given anyway, and must not clash."""
    instead = _card(dose.otherwise, known)
    for other in given:
        if other.mitigation == dose.mitigation:
            continue
        card = _card(other.mitigation, known)
        if card.name == instead.name:
            raise ValueError(
                f'{dose.mitigation}: otherwise = "{instead.name}", which the rung gives anyway;'
                " leave otherwise out"
            )
        _check_pair(card, instead)
    if instead.name == dose.mitigation:
        raise ValueError(f"{dose.mitigation} cannot stand in for itself; name another mitigation")


def _card(name: str, known: Mapping[str, Mitigation]) -> Card:
    found = known.get(name)
    if found is None:
        raise ValueError(f"there is no mitigation {name}; known are {', '.join(sorted(known))}")
    return found.card


def _place(card: Card) -> int:
    return STAGES.index(card.stage)
