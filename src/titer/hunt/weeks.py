"""Rest days and holidays of a campaign: days on which its members nearly stop and others do not.

A calendar says something only through several breaks. Its breaks are held against the same breaks
moved by whole weeks, so that days of the week and the length of a break explain nothing; a week of
holidays is one break, whatever its days. With one break of one calendar no ratio exceeds 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from titer.evidence import contents
from titer.evidence.contents import Share, Week

#: A quiet day: members below this share of what is usual for them, others above that of theirs.
QUIET, USUAL = 0.2, 0.6
#: Whole days that a week needs: three weeks, so that each day of the week has a median.
FEWEST_DAYS = 21
#: Days that are looked at, the last ones: ten years.
MAX_DAYS = 3_660


class Calendar(msgspec.Struct, frozen=True):
    """An imported calendar: `days` are days since 1970 at the place that keeps it."""

    name: str
    source: str
    dated: str
    sha256: str
    days: frozenset[int]


def week(
    mine: Counter[int], others: Counter[int], zone: int, calendars: Sequence[Calendar] = ()
) -> Week | None:
    """Rest days, and calendars held against quiet days; None when there are too few days.

    `mine` and `others` count exchanges by hour since 1970 (UTC); `zone` is hours ahead of UTC. The
    first and the last day are left out, as they may be parts of days.
    """
    days = _Days(mine, others, zone)
    if len(days.all) < FEWEST_DAYS:
        return None
    found = [(c, *days.kept(c.days)) for c in calendars]
    told = [row for row in found if row[1].of]
    return Week(
        zone=zone,
        members=days.resting(days.mine, days.theirs),
        others=days.resting(days.theirs, None),
        calendars=tuple(
            contents.Calendar(c.name, c.source, c.dated, c.sha256, breaks, shifted, len(told))
            for c, breaks, shifted in told[: contents.MAX_CALENDARS]
        ),
    )


class _Days:
    """Whole days at a place, and what is usual on each day of the week there."""

    def __init__(self, mine: Counter[int], others: Counter[int], zone: int) -> None:
        self.mine, self.theirs = daily(mine, zone), daily(others, zone)
        first, last = min(self.mine, default=0), max(self.mine, default=0)
        self.all = range(max(first + 1, last - MAX_DAYS), last)
        self._usual = [
            [median(counts[d] for d in self.all if _weekday(d) == w) for w in range(7)]
            for counts in (self.mine, self.theirs)
        ]

    def resting(self, counts: Counter[int], beside: Counter[int] | None) -> tuple[Share, ...]:
        """By day of the week: how often it was quiet, of the weeks in which others were not."""
        usual = median(counts[d] for d in self.all)
        told = [d for d in self.all if beside is None or self._others_usual(d)]
        quiet = Counter(_weekday(d) for d in told if counts[d] < QUIET * usual)
        of = Counter(_weekday(d) for d in told)
        return tuple(Share(quiet[w], of[w]) for w in range(7))

    def kept(self, holidays: frozenset[int]) -> tuple[Share, Share]:
        """How many breaks of a calendar were kept, and how many of them moved by whole weeks."""
        kept = breaks = alike = moved = 0
        weeks = len(self.all) // 7
        for run in _runs(d for d in self.all if d in holidays):
            told = [d for d in run if self._told(d)]
            if not told:
                continue
            breaks += 1
            kept += all(map(self._quiet, told))
            for shift in range(-7 * weeks, 7 * weeks + 1, 7):
                other = [d + shift for d in told]
                if any(d not in self.all or d in holidays or not self._told(d) for d in other):
                    continue
                moved += 1
                alike += all(map(self._quiet, other))
        return Share(kept, breaks), Share(alike, moved)

    def _told(self, day: int) -> bool:
        """Whether quiet would mean something: a day of work for members, and usual for others."""
        return self._usual[0][_weekday(day)] > 0 and self._others_usual(day)

    def _others_usual(self, day: int) -> bool:
        return self.theirs[day] > USUAL * self._usual[1][_weekday(day)]

    def _quiet(self, day: int) -> bool:
        return self.mine[day] < QUIET * self._usual[0][_weekday(day)]


def daily(hours: Counter[int], zone: int) -> Counter[int]:
    """Counts by hour since 1970 (UTC) as counts by day, `zone` hours ahead of UTC."""
    out: Counter[int] = Counter()
    for hour, count in hours.items():
        out[(hour + zone) // 24] += count
    return out


def _runs(days: Iterable[int]) -> list[list[int]]:
    """Days in order, cut where one is missing."""
    out: list[list[int]] = []
    for day in days:
        if out and out[-1][-1] == day - 1:
            out[-1].append(day)
        else:
            out.append([day])
    return out


def _weekday(day: int) -> int:
    return (day + 3) % 7  # 1970-01-01 was a Thursday


def median(values: Iterable[int]) -> float:
    """The upper median; 0 of nothing."""
    ranked = sorted(values)
    return float(ranked[len(ranked) // 2]) if ranked else 0.0
