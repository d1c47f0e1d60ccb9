"""Repositories: an actor takes many that it never took and that few others take.

1. An actor's *reach* on a day is the sum, over repositories whose content it takes for the first
   time, of log2((1 + actors) / (1 + actors that took it before)): a repository that everybody
   has is worth nothing, one that nobody else ever took the most. The same over the last `SPAN`
   days sees who takes a little every day.
2. Its null are the reaches of all actors' days that ended before this day began: p is the share
   of those that reached as far, the day itself counted in (a conformal p-value; over one day and
   over `SPAN` days each has a null of its own and half of the level). The worst days of honest
   people (the first day at work, a move of teams, a build service) are in there, and what was an
   alarm stays in it: that costs power, not validity. After an alarm its actor has no other for
   `SPAN` days.
3. The first `LEARNING` days with events are neither judged nor counted: everything is new to
   everybody then; nor is the longer reach until `SPAN` more have passed.

Attention, not evidence: days of one actor depend on each other, and a house that grows is not the
house of last month. Nothing is dosed for it, and no finding comes of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate

import msgspec

#: First days with events on which nothing is judged, and days of the longer reach.
LEARNING, SPAN = 14, 28
#: Verbs that take content.
TAKING = frozenset(("clone", "fetch", "archive"))
#: Share of actors' days that may be alarms: one a day among a thousand actors.
LEVEL = 1e-3
#: Reaches are counted in steps of a quarter of a bit up to this many; beyond, the last step.
STEPS = 40_000
#: Actors, repositories, and pairs of both that are remembered; beyond, the rest is not judged.
MAX_ACTORS, MAX_REPOSITORIES, MAX_PAIRS = 200_000, 200_000, 5_000_000
DAY = 86_400_000_000


class Alarm(msgspec.Struct, frozen=True):
    """One actor whose reach became rare at `at` (microseconds), over 1 or `SPAN` `days`: `taken`
    repositories were new to it in that time; `past` actors' days are what the p-value stands on.
    """

    actor: str
    at: int
    p: float
    past: int
    days: int
    reach: float
    taken: int


class Told(msgspec.Struct):
    """What a log's events came to. `days` had some; `skipped` were beyond what is remembered."""

    events: int = 0
    actors: int = 0
    repositories: int = 0
    days: int = 0
    past: int = 0
    skipped: int = 0
    alarms: list[Alarm] = []

    @property
    def least(self) -> float:
        """The smallest p-value that so many past days support."""
        return 1 / (1 + self.past)


class _Past:
    """Reaches that were, in steps, and how many reached each step or beyond."""

    def __init__(self) -> None:
        self._steps = [0] * (STEPS + 1)
        self._beyond = [0] * (STEPS + 1)
        self.count = 0

    def add(self, reaches: Iterable[float]) -> None:
        for reach in reaches:
            self._steps[min(STEPS, int(reach * 4))] += 1
        self._beyond = list(accumulate(reversed(self._steps)))[::-1]
        self.count = self._beyond[0]

    def p(self, reach: float) -> float:
        return (1 + self._beyond[min(STEPS, int(reach * 4))]) / (1 + self.count)


class _Today(msgspec.Struct):
    """An actor's day: its reach, and what the `SPAN` - 1 days before had."""

    reach: float = 0.0
    taken: int = 0
    before: float = 0.0
    taken_before: int = 0


class Takers:
    """A fold over what was taken, in the order of time."""

    def __init__(self, level: float = LEVEL) -> None:
        self._level = level
        self._day = -1
        self._days = 0
        self._today: dict[str, _Today] = {}
        self._had: dict[str, set[str]] = {}
        self._takers: dict[str, int] = {}
        self._pairs = 0
        self._short, self._long = _Past(), _Past()
        self._recent: dict[str, list[tuple[int, float, int]]] = {}
        self._silent: dict[str, int] = {}
        self._told = Told()

    def add(self, at: int, actor: str, repository: str) -> None:
        """Take in that `actor` took a repository's content at `at` (microseconds). One of a day
        before the last counts as that day's.
        """
        day = at // DAY
        if day > self._day:
            self._close()
            self._day = day
            self._days += 1
        self._told.events += 1
        had = self._had.get(actor)
        if had is None:
            if len(self._had) >= MAX_ACTORS:
                self._told.skipped += 1
                return
            had = self._had[actor] = set()
        today = self._today.get(actor)
        if today is None:
            today = self._today[actor] = self._began(actor)
        if repository in had:
            return
        takers = self._takers.get(repository, 0)
        if self._pairs >= MAX_PAIRS or (not takers and len(self._takers) >= MAX_REPOSITORIES):
            self._told.skipped += 1
            return
        had.add(repository)
        self._pairs += 1
        self._takers[repository] = takers + 1
        today.reach += math.log2((1 + len(self._had)) / (1 + takers))
        today.taken += 1
        if self._days > LEARNING and self._silent.get(actor, -1) < self._day:
            self._judge(actor, at, today)

    def told(self) -> Told:
        """What all events so far come to; the last day is taken as ended."""
        self._close()
        told = self._told
        told.actors, told.repositories = len(self._had), len(self._takers)
        told.days = self._days
        told.past = self._short.count
        return told

    def _began(self, actor: str) -> _Today:
        """A new day of an actor's; what is older than `SPAN` days is forgotten."""
        kept = [row for row in self._recent.get(actor, ()) if row[0] > self._day - SPAN]
        if kept:
            self._recent[actor] = kept
        return _Today(before=sum(r for _, r, _ in kept), taken_before=sum(n for _, _, n in kept))

    def _judge(self, actor: str, at: int, today: _Today) -> None:
        every = [(self._short, 1, today.reach, today.taken)]
        if self._days > LEARNING + SPAN:
            reach, taken = today.before + today.reach, today.taken_before + today.taken
            every.append((self._long, SPAN, reach, taken))
        for past, days, reach, taken in every:
            p = past.p(reach)
            if p <= self._level / 2:
                self._silent[actor] = self._day + SPAN
                alarm = Alarm(actor, at, p, past.count, days, round(reach, 1), taken)
                self._told.alarms.append(alarm)
                return

    def _close(self) -> None:
        """Put the day's reaches to the past ones."""
        if self._days > LEARNING:
            every = self._today.values()
            self._short.add(today.reach for today in every)
            if self._days > LEARNING + SPAN:
                self._long.add(today.before + today.reach for today in every)
            for actor, today in self._today.items():
                if today.taken:
                    row = self._day, today.reach, today.taken
                    self._recent.setdefault(actor, []).append(row)
        self._today = {}
