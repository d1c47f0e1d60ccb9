"""When everybody calls, one day at a time, as arrays.

A day's plan depends on the seed and the day alone, so days can be made in any order and by
several processes. Sessions do not cross midnight (UTC).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from titer.lab.arrivals import DAY, HOURS
from titer.lab.world.people import BURSTY, PEOPLE, RUNS, STEADY, Account

#: Ten-minute windows of a day, as production traces count them.
WINDOWS = 144
#: Longest conversation, in turns; and longest run of a benchmark.
MAX_TURNS, MAX_RUN = 15, 2000
#: Share of people's sessions that follow another one within minutes.
FOLLOWS = 0.55
#: Coefficients of variation of ten-minute rates, as measured for a production service's clients.
BURSTINESS = (1.0, 1.2, 1.3, 1.4, 2.1, 2.5, 2.9, 8.5)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_INT = np.int64


class Day(NamedTuple):
    """One day's exchanges in order of time; columns of equal length.

    at: microseconds; who: index of the account; session: number within the day; turn and turns:
    position in the session and its length; own: whether it is a campaign's own exchange.
    """

    at: Ints
    who: npt.NDArray[np.int32]
    session: npt.NDArray[np.int32]
    turn: npt.NDArray[np.int16]
    turns: npt.NDArray[np.int16]
    own: npt.NDArray[np.bool_]

    def part(self, first: int, last: int) -> Day:
        """The exchanges of positions `first` to `last`."""
        return Day(
            self.at[first:last],
            self.who[first:last],
            self.session[first:last],
            self.turn[first:last],
            self.turns[first:last],
            self.own[first:last],
        )


class Timetable:
    """Rates and habits of all accounts, and the days made from them."""

    def __init__(
        self,
        accounts: Sequence[Account],
        *,
        seed: int,
        start: int,
        pace: float,
        bursts: dict[str, list[float]],
        timings: dict[str, str],
        rows: Sequence[Floats] = (),
    ) -> None:
        self._seed, self._start = seed, start
        self._rate = np.array([a.rate * (1.0 if a.campaign else pace) for a in accounts])
        self._own = np.array([a.own_rate for a in accounts])
        self._shape = np.array([a.shape for a in accounts], dtype=np.int8)
        self._zone = np.array([a.zone for a in accounts], dtype=_INT)
        self._stay = np.array([a.stay for a in accounts])
        self._talk = np.array([1.0 if a.agent is not None else a.chatty for a in accounts])
        self._since = np.array([a.since for a in accounts], dtype=_INT)
        self._begun = np.array([a.own_since for a in accounts], dtype=_INT)
        self._until = np.array([a.until for a in accounts], dtype=_INT)
        names = sorted(bursts)
        index = {name: n for n, name in enumerate(names)}
        self._crew = np.array([index.get(a.campaign, -1) for a in accounts], dtype=_INT)
        self._bursts = [np.array(bursts[name]) for name in names]
        self._timing = [timings[name] for name in names]
        self._rows = list(rows)
        hours = np.repeat(np.array(HOURS, dtype=np.float64), 6)
        self._clock = np.cumsum(hours) / hours.sum()
        self._hours = hours / hours.mean()

    def day(self, number: int) -> Day:
        """The plan of day `number`; day 0 begins at the world's start, history lies before."""
        rng = np.random.default_rng([self._seed & 0xFFFFFFFF, 77, number + 100_000])
        begin = self._start + number * DAY
        parts = [self._sessions(rng, number, begin), self._runs(rng, begin)]
        parts += [self._harvest(rng, crew, number, begin) for crew in range(len(self._bursts))]
        offset, columns = 0, []
        for at, who, session, turn, turns, own in parts:
            columns.append((at, who, session + offset, turn, turns, own))
            offset += int(session.max()) + 1 if len(session) else 0
        at, who, session, turn, turns, own = (
            np.concatenate([part[n] for part in columns]) for n in range(6)
        )
        kept = (at >= self._since[who]) & (at < self._until[who]) & (at < begin + DAY)
        kept &= ~own.astype(np.bool_) | (at >= self._begun[who])
        order = np.flatnonzero(kept)
        order = order[np.argsort(at[order], kind="stable")]
        return Day(
            at[order],
            who[order].astype(np.int32),
            session[order].astype(np.int32),
            turn[order].astype(np.int16),
            turns[order].astype(np.int16),
            own[order].astype(np.bool_),
        )

    def _sessions(self, rng: np.random.Generator, number: int, begin: int) -> tuple[Ints, ...]:
        mood = rng.gamma(1.5, 1 / 1.5, len(self._rate))
        rate = self._rate * np.where(self._shape == PEOPLE, mood * _of_week(number), 1.0)
        rate[self._shape == RUNS] = 0.0
        counts = rng.poisson(rate)
        who = np.repeat(np.arange(len(counts), dtype=_INT), counts)
        at = np.zeros(len(who), dtype=np.float64)
        shape = self._shape[who]
        people = shape == PEOPLE
        at[people] = self._sittings(rng, who[people], self._by_hours(rng, who[people]))
        steady = np.flatnonzero(shape == STEADY)
        position = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
        at[steady] = (position[steady] + rng.random(len(steady))) / counts[who[steady]]
        for index in np.flatnonzero((self._shape == BURSTY) & (counts > 0)):
            rows = slice(*np.searchsorted(who, [index, index + 1]))
            at[rows] = self._windows(rng, int(counts[index]))
        talk = rng.random(len(who)) < self._talk[who]
        turns = np.where(talk, np.minimum(rng.geometric(1 - self._stay[who]), MAX_TURNS), 1)
        return self._unfold(rng, begin + (at * DAY).astype(_INT), who, turns, own=False)

    def _by_hours(self, rng: np.random.Generator, who: Ints) -> Floats:
        """Times of a day, as shares of it, by people's hours in their zones."""
        slot = np.searchsorted(self._clock, rng.random(len(who)))
        local = (slot + rng.random(len(who))) / WINDOWS
        shifted: Floats = (local - self._zone[who] / 24.0) % 1.0
        return shifted

    def _sittings(self, rng: np.random.Generator, who: Ints, at: Floats) -> Floats:
        """People do several things in a row: many sessions follow the one before."""
        if not len(who):
            return at
        index = np.arange(len(who))
        follows = rng.random(len(who)) < FOLLOWS
        follows[0] = False
        follows[1:] &= who[1:] == who[:-1]
        first = np.maximum.accumulate(np.where(follows, 0, index))
        pause = np.minimum(rng.lognormal(4.8, 1.0, len(who)), 3000.0) / 86_400.0
        since = np.cumsum(np.where(follows, pause, 0.0))
        together: Floats = at[first] + since - since[first]
        return together

    def _windows(self, rng: np.random.Generator, count: int) -> Floats:
        """Times in bursts: ten-minute windows with a real client's unevenness."""
        if self._rows:
            weights = self._rows[int(rng.integers(len(self._rows)))]
        else:
            spread = BURSTINESS[int(rng.integers(len(BURSTINESS)))]
            weights = rng.gamma(1.0 / spread**2, size=WINDOWS) * self._hours + 1e-9
        chosen = rng.choice(WINDOWS, size=count, p=weights / weights.sum())
        times: Floats = (chosen + rng.random(count)) / WINDOWS
        return times

    def _unfold(
        self, rng: np.random.Generator, at: Ints, who: Ints, turns: Ints, *, own: bool
    ) -> tuple[Ints, ...]:
        """Sessions into exchanges: each turn follows after a pause."""
        session = np.arange(len(who), dtype=_INT)
        parts = [(at, who, session, np.zeros(len(who), dtype=_INT), turns)]
        left = np.flatnonzero(turns > 1)
        now = at.copy()
        turn = 1
        while len(left):
            pause = np.minimum(rng.lognormal(4.0, 0.9, len(left)), 1500.0) + 1.0
            now[left] += (pause * 1e6).astype(_INT)
            parts.append(
                (now[left], who[left], session[left], np.full(len(left), turn), turns[left])
            )
            turn += 1
            left = left[turns[left] > turn]
        columns = [np.concatenate([part[n] for part in parts]) for n in range(5)]
        return (*columns, np.full(len(columns[0]), own))

    def _runs(self, rng: np.random.Generator, begin: int) -> tuple[Ints, ...]:
        """Benchmarks: hundreds of items, a second or few apart. The item is the turn."""
        index = np.flatnonzero((self._shape == RUNS) & (rng.random(len(self._rate)) < self._rate))
        times, whos, sessions, turns = [], [], [], []
        for number, who in enumerate(index):
            count = int(min(MAX_RUN, 150 * (rng.pareto(1.2) + 1)))
            gap = rng.uniform(0.3, 6.0)
            at = begin + rng.random() * DAY * 0.8 + np.cumsum(rng.exponential(gap, count)) * 1e6
            times.append(at.astype(_INT))
            whos.append(np.full(count, who))
            sessions.append(np.full(count, number))
            turns.append(np.arange(count))
        empty = np.zeros(0, dtype=_INT)
        columns = [np.concatenate(c) if c else empty for c in (times, whos, sessions, turns)]
        return (*columns, np.ones(len(columns[0]), dtype=_INT), np.zeros(len(columns[0]), bool))

    def _harvest(
        self, rng: np.random.Generator, crew: int, number: int, begin: int
    ) -> tuple[Ints, ...]:
        """A campaign's own exchanges."""
        members = np.flatnonzero(self._crew == crew)
        timing = self._timing[crew]
        sitting = 2.5 if timing == "copied" else 1.0
        rate = self._own[members] / sitting
        if timing == "copied":
            mood = rng.gamma(1.5, 1 / 1.5, len(rate)) * _of_week(number)
            rate = np.where(self._shape[members] == PEOPLE, rate * mood, rate)
        counts = rng.poisson(rate)
        who = np.repeat(members, counts)
        turns = np.ones(len(who), dtype=_INT)
        position = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
        at = (position + rng.random(len(who))) / np.maximum(np.repeat(counts, counts), 1)
        if timing == "copied":  # each at the hours of what it pretends to be
            people = self._shape[who] == PEOPLE
            at[people] = self._by_hours(rng, who[people])
            turns[people] = np.minimum(rng.geometric(1 / sitting, people.sum()), MAX_TURNS)
            turns[~people] = 1 + rng.poisson(sitting - 1.0, (~people).sum())
        elif timing == "burst":
            windows = self._bursts[crew]
            chosen = windows[rng.integers(len(windows), size=len(who))]
            at = chosen + rng.exponential(0.008, len(who))
        at = np.minimum(at, 0.999999)
        return self._unfold(rng, begin + (at * DAY).astype(_INT), who, turns, own=True)


def _of_week(number: int) -> float:
    """How much people do on a day, against their mean; day 0 is a Friday."""
    return 0.67 if (number + 4) % 7 in (5, 6) else 1.13
