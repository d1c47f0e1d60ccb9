"""Scenarios: a name, a seed, and a stream of events that is made while it is read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from titer.lab import attackers, crowd
from titer.lab.arrivals import DAY
from titer.lab.events import Account, Event, Member, merge
from titer.lab.prompts import BuiltIn, Prompts
from titer.lab.published import Published, Split, arrival_windows

#: Longest scenario: ten years, well within the range of dates.
MAX_DAYS = 3650
#: Scenarios begin here; nothing depends on the real clock.
START = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp()) * 1_000_000


class Scenario(msgspec.Struct, frozen=True):
    """Who takes part. `events()` starts again on every call and gives the same stream."""

    name: str
    seed: int
    days: float
    prompts: str
    members: tuple[Member, ...]

    @property
    def accounts(self) -> tuple[Account, ...]:
        return tuple(member.account for member in self.members)

    def events(self) -> Iterator[Event]:
        """Every event in order of time, cut at the scenario's end."""
        end = START + int(self.days * DAY)
        for event in merge(self.members):
            if event.at >= end:
                return
            yield event


class Recipe(msgspec.Struct, frozen=True):
    """How a scenario is made, with its default size, in words for `titer lab list`."""

    about: str
    accounts: int
    days: float
    make: Callable[[random.Random, Prompts, crowd.Span, int], list[Member]]


def _honest(rng: random.Random, prompts: Prompts, span: crowd.Span, accounts: int) -> list[Member]:
    return crowd.honest(rng, prompts, span, accounts=accounts)


def _distiller(
    rng: random.Random, prompts: Prompts, span: crowd.Span, accounts: int
) -> list[Member]:
    thief = attackers.distiller(rng, prompts, span, name="d0000", per_day=600)
    return [*crowd.honest(rng, prompts, span, accounts=accounts), thief]


def _logits(rng: random.Random, prompts: Prompts, span: crowd.Span, accounts: int) -> list[Member]:
    thief = attackers.logits(rng, span, name="l0000", per_day=2000)
    return [*crowd.honest(rng, prompts, span, accounts=accounts), thief]


def _hydra(rng: random.Random, prompts: Prompts, span: crowd.Span, accounts: int) -> list[Member]:
    heads = attackers.hydra(rng, prompts, span, accounts=30, per_day=26, cover=0.5)
    return [*crowd.honest(rng, prompts, span, accounts=accounts), *heads]


def _mixed(rng: random.Random, prompts: Prompts, span: crowd.Span, accounts: int) -> list[Member]:
    return [
        *crowd.honest(rng, prompts, span, accounts=accounts),
        attackers.distiller(rng, prompts, span, name="d0000", per_day=240),
        attackers.logits(rng, span, name="l0000", per_day=200),
        *attackers.hydra(rng, prompts, span, accounts=30, per_day=12, cover=0.5),
    ]


def _small(rng: random.Random, prompts: Prompts, span: crowd.Span, accounts: int) -> list[Member]:
    return [
        *crowd.honest(rng, prompts, span, accounts=accounts),
        attackers.logits(rng, span, name="l0000", per_day=600),
    ]


RECIPES = {
    "honest": Recipe("an honest crowd of every kind, for calibration", 2000, 1.0, _honest),
    "distiller": Recipe("an honest crowd and one key that distils", 1000, 3.0, _distiller),
    "logits": Recipe("an honest crowd and one key that extracts logits", 1000, 1.0, _logits),
    "hydra": Recipe("an honest crowd and 30 light accounts on one list", 1000, 7.0, _hydra),
    "mixed": Recipe("the demo: a small crowd and all three attackers", 70, 1.0, _mixed),
    "small": Recipe(
        "what a small real model can answer: an honest few, and logits", 30, 0.1, _small
    ),
}


def make(
    name: str,
    *,
    seed: int,
    accounts: int = 0,
    days: float = 0.0,
    pace: float = 1.0,
    data: Path | None = None,
    split: Split = "all",
) -> Scenario:
    """The scenario `name`; 0 takes the recipe's own size. `data` uses published prompts.

    `accounts` counts the honest ones. Raises ValueError for an unknown name or a bad size.
    """
    recipe = RECIPES.get(name)
    if recipe is None:
        raise ValueError(f"no scenario {name!r}: choose one of {', '.join(RECIPES)}")
    if accounts < 0 or not 0 <= days <= MAX_DAYS or pace <= 0:
        raise ValueError(
            f"accounts must not be negative, days lie in 0 to {MAX_DAYS}, and pace be above 0"
        )
    prompts: Prompts = Published(data, split=split) if data else BuiltIn()
    length = days or recipe.days
    windows = arrival_windows(data) if data else ()
    span = crowd.Span(start=START, days=length, pace=pace, windows=windows)
    rng = random.Random(f"titer-lab/{name}/{seed}")
    members = recipe.make(rng, prompts, span, accounts or recipe.accounts)
    return Scenario(name, seed, length, prompts.name, tuple(members))
