"""When a campaign's members work: rhythm, a range of time zones, and days on which they stop.

Every member counts alike, however much it sends: its direction on the 24-hour clock is the mean of
its exchanges'. The interval of the peak is a bootstrap over members. From a peak follows a range
of offsets from UTC at which it would be the middle of a working day: shifts, other habits and
programs fit just as well, and no nationality follows.
"""

from __future__ import annotations

import cmath
import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from titer.evidence.contents import Clock
from titer.hunt.weeks import QUIET, USUAL, Calendar, daily, median, week

#: The middle of a working day, and how far from it that of a person may lie (hours).
MIDDLE, AROUND = 13.5, 1.5
#: Draws of the bootstrap, and half the width (hours) from which there is no rhythm to speak of.
DRAWS = 400
WIDEST = 4.0
#: Members and exchanges that a time zone needs.
FEWEST_MEMBERS = 5
FEWEST = 100
#: Quiet days listed.
MAX_QUIET = 60
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR


class Hours:
    """Takes in times of members and of others."""

    def __init__(self) -> None:
        self._hours = [0] * 24
        self._weekdays = [0] * 7
        self._vectors: dict[str, complex] = {}
        self._counts: Counter[str] = Counter()
        self._by_hour: tuple[Counter[int], Counter[int]] = (Counter(), Counter())

    def add(self, caller: str, at: int, *, member: bool) -> None:
        """One exchange at `at` (microseconds)."""
        day = at // _DAY
        self._by_hour[not member][at // _HOUR] += 1
        if not member:
            return
        self._hours[at % _DAY // _HOUR] += 1
        self._weekdays[(day + 3) % 7] += 1  # 1970-01-01 was a Thursday
        self._vectors[caller] = self._vectors.get(caller, 0j) + cmath.exp(
            2j * math.pi * (at % _DAY) / _DAY
        )
        self._counts[caller] += 1

    def clock(self, *, seed: int, calendars: Sequence[Calendar] = ()) -> Clock | None:
        """The clock of the members, held against calendars; None when there are no members."""
        if not self._counts:
            return None
        means = [self._vectors[m] / self._counts[m] for m in sorted(self._vectors)]
        mean = sum(means) / len(means)
        peak = cmath.phase(mean) / (2 * math.pi) * 24 % 24
        offset = self._offset(means, peak, random.Random(seed))  # noqa: S311 - a bootstrap
        zone = round(sum(offset) / 2) if offset else 0
        return Clock(
            hours=tuple(self._hours),
            weekdays=tuple(self._weekdays),
            rhythm=round(min(1.0, abs(mean)), 3),
            peak=round(peak, 2) % 24,
            offset=offset,
            quiet=tuple(self._quiet()),
            week=week(*self._by_hour, zone, calendars) or msgspec.UNSET,
        )

    def _offset(self, means: list[complex], peak: float, rng: random.Random) -> tuple[float, ...]:
        """Lower and upper hours ahead of UTC; empty without a rhythm."""
        if len(means) < FEWEST_MEMBERS or sum(self._counts.values()) < FEWEST:
            return ()
        gaps = []
        for _ in range(DRAWS):
            drawn = sum(rng.choices(means, k=len(means)))
            other = cmath.phase(drawn) / (2 * math.pi) * 24
            gaps.append((other - peak + 12) % 24 - 12)
        gaps.sort()
        low, high = gaps[int(0.025 * DRAWS)], gaps[int(0.975 * DRAWS)]
        if (high - low) / 2 > WIDEST:
            return ()
        middle = (MIDDLE - peak + 11) % 24 - 11
        return (
            round(max(-12.0, middle - high - AROUND), 1),
            round(min(14.0, middle - low + AROUND), 1),
        )

    def _quiet(self) -> Iterable[str]:
        mine, others = (daily(hours, 0) for hours in self._by_hour)
        first, last = min(mine), max(mine)
        if last - first < 5 or not others:
            return
        usual, theirs = median(mine.values()), median(others.values())
        found = 0
        for day in range(first + 1, min(last, first + 3_660)):
            if mine[day] < QUIET * usual and others[day] > USUAL * theirs and found < MAX_QUIET:
                found += 1
                yield f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day):%Y-%m-%d}"
