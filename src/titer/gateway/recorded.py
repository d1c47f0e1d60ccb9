"""What a data directory has recorded, as exchanges again: traffic to calibrate on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from titer.core.errors import InputError
from titer.core.nouns import Campaign, Decision, Exchange
from titer.evidence.log import View
from titer.gateway.networks.places import Used, told_by
from titer.respond.ladder import acts


def _view(data: Path) -> View:
    try:
        return View.open(data / "log")
    except FileNotFoundError:
        raise InputError(
            f"{data} has recorded nothing yet; name log files, or run `titer serve` first"
        ) from None


def recorded(data: Path) -> Iterator[Exchange]:
    """Every exchange of the published log, in order. Raises `InputError` when there is no log."""
    decode = msgspec.json.Decoder(Exchange).decode
    for stored in _view(data).scan():
        if stored.kind == "exchange" and stored.body is not None:
            yield decode(stored.body)


def facts(data: Path) -> Iterator[Exchange | Campaign | Decision]:
    """What the fold takes, in order, and the policy's decisions. Raises `InputError`."""
    kinds: dict[str, Callable[[bytes], Exchange | Campaign | Decision]] = {
        "exchange": msgspec.json.Decoder(Exchange).decode,
        "campaign": msgspec.json.Decoder(Campaign).decode,
        "decision": msgspec.json.Decoder(Decision).decode,
    }
    for stored in _view(data).scan():
        if stored.kind in kinds and stored.body is not None:
            yield kinds[stored.kind](stored.body)


def erased(data: Path) -> int:
    """How many exchanges of the published log were erased, and are no traffic to calibrate on."""
    return sum(s.kind == "exchange" and s.body is None for s in _view(data).scan())


def listed(data: Path) -> frozenset[str]:
    """Kinds of network that could be told at every time that was recorded."""
    found: list[frozenset[str]] = []
    for stored in _view(data).scan():
        if stored.kind == "networks" and stored.body is not None:
            found.append(told_by(msgspec.json.decode(stored.body, type=tuple[Used, ...])))
        elif stored.kind == "start" and not found:
            found.append(frozenset())  # of a version that did not say
    return frozenset.intersection(*found) if found else frozenset()


def suspects(data: Path) -> frozenset[str]:
    """Subjects that were ever given a dose, armed or in shadow as well, or stand in a campaign: no
    example of honest conduct, for a baseline must not learn from whom it suspects.
    """
    found: set[str] = set()
    decision, campaign = msgspec.json.Decoder(Decision), msgspec.json.Decoder(Campaign)
    for stored in _view(data).scan():
        if stored.body is None:
            continue
        if stored.kind == "decision":
            made = decision.decode(stored.body)
            if acts(made):
                found.add(made.subject)
        elif stored.kind == "campaign":
            found.update(campaign.decode(stored.body).members)
    return frozenset(found)
