"""A world from its plan: who lives in it, and what each day's lines are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np

from titer.lab.arrivals import DAY
from titer.lab.published import Split, arrival_windows
from titer.lab.scenario import START
from titer.lab.world import campaign, nets, settle
from titer.lab.world.campaign import Crew
from titer.lab.world.people import BURSTY, RUNS, Account, Place
from titer.lab.world.plan import World
from titer.lab.world.render import Renderer
from titer.lab.world.schedule import WINDOWS, Day, Floats, Timetable
from titer.lab.world.source import BuiltIn, FromPublished, Source


class Made:
    """A world that can be read, a day at a time."""

    def __init__(self, plan: World, *, replies: bool = False) -> None:
        plan.check()
        self.plan = plan
        rng = random.Random(f"titer-world/{plan.seed}/{plan.name}")
        folder = None if plan.prompts == "built-in" else Path(plan.prompts)
        self.source: Source = (
            FromPublished(rng, folder, cast("Split", plan.split)) if folder else BuiltIn(rng)
        )
        self.place = Place(
            rng,
            self.source,
            start=START,
            days=plan.days,
            history=plan.history_days,
            people=plan.honest,
        )
        accounts = settle.population(rng, self.place, plan.honest)
        if plan.whale:
            accounts.append(_whale(rng, self.place, accounts, plan))
        self.crews: dict[str, Crew] = {}
        for number, one in enumerate(plan.campaigns):
            name = one.name or f"c{number + 1}"
            own = random.Random(f"titer-world/{plan.seed}/{plan.name}/{number}")
            crew = Crew(own, self.place, one, name)
            self.crews[name] = crew
            hired = campaign.members(own, self.place, crew)
            campaign.poison(own, self.place, hired, share=plan.poison)
            accounts += hired
        rng.shuffle(accounts)
        self.accounts = accounts
        self.timetable = Timetable(
            accounts,
            seed=plan.seed,
            start=START,
            pace=plan.pace,
            bursts={name: crew.bursts for name, crew in self.crews.items()},
            timings={name: crew.plan.timing for name, crew in self.crews.items()},
            rows=_rows(folder) if folder else (),
        )
        self._renderer = Renderer(
            self.place, accounts, self.crews, seed=plan.seed, replies=replies
        )

    @property
    def span(self) -> range:
        """Its days; negative ones are history."""
        return range(-int(self.plan.history_days), int(np.ceil(self.plan.days)))

    def day(self, number: int) -> Day:
        """The plan of one day, cut at the world's end."""
        day = self.timetable.day(number)
        if (number + 1) > self.plan.days:
            day = day.part(0, int(np.searchsorted(day.at, self.place.end)))
        return day

    def lines(self, number: int) -> Iterator[str]:
        """The lines of one day."""
        return self.rendered(number, self.day(number))

    def rendered(self, number: int, day: Day) -> Iterator[str]:
        """The lines of one day that is planned already."""
        return self._renderer.lines(number, day)

    def banned(self) -> list[str]:
        """Who was banned inside the log: members to be replaced, and some for other reasons."""
        return [
            account.name
            for number, account in enumerate(self.accounts)
            if self.place.start < account.until < self.place.end
            and (account.campaign or (not account.team and number % 3 == 0))
        ]

    def about(self) -> dict[str, Any]:
        """Sizes and roles, for people and for evaluation."""
        return {
            "accounts": len(self.accounts),
            "roles": dict(
                Counter(f"cover:{a.role}" if a.campaign else a.role for a in self.accounts)
            ),
            "teams": len({a.team for a in self.accounts if a.team}),
            "prompts": self.source.name,
        }


def _whale(rng: random.Random, place: Place, others: list[Account], plan: World) -> Account:
    """One client with `plan.whale` of all honest traffic."""
    account = settle.lone(rng, place, "batch")
    account.role, account.shape = "whale", BURSTY
    account.created = place.start - 700 * DAY
    account.since, account.until = -(1 << 62), 1 << 62
    account.jobs = (
        (0.6, [(place.source.batch(rng), -1e9) for _ in range(3)]),
        (1.0, [(place.source.support(rng), -1e9)]),
    )
    network = place.networks.some(rng, "hosting")
    account.places = tuple(nets.place(rng, network) for _ in range(8))
    settle.dress(account, org=f"org-{rng.getrandbits(40):010x}", tier="enterprise")
    rest = sum(expected(other) for other in others)
    account.rate = rest * plan.whale / (1.0 - plan.whale)
    return account


def expected(account: Account) -> float:
    """Exchanges a day that an account makes while it is active, about."""
    if account.shape == RUNS:
        return account.rate * 500.0
    return account.rate * campaign.turns(account)


def _rows(folder: Path) -> list[Floats]:
    """Real clients' days as weights of ten-minute windows; days with little traffic left out."""
    rows: list[Floats] = []
    for windows in arrival_windows(folder):
        days: dict[int, Floats] = {}
        for at, share in windows:
            day, slot = divmod(int(at) // 600, WINDOWS)
            days.setdefault(day, np.full(WINDOWS, 1e-9))[slot] += share
        rows += [row for row in days.values() if np.count_nonzero(row > 1e-8) >= WINDOWS // 4]
    return rows
