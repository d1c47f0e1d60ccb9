"""Days of rest and holidays: told only through several weeks and breaks, and never by one."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from titer.evidence.contents import Share
from titer.hunt.weeks import Calendar, week

START = 20_454  # Thursday 1 January 2026
#: A year of breaks: one to three days each, six weeks apart, on different days of the week.
BREAKS = [[START + 20 + 43 * n + d for d in range(1 + n % 3)] for n in range(7)]


def calendar(days, name="kept"):
    return Calendar(name, "a list", "2026-01-01", "0" * 64, frozenset(days))


def hours(days, works, *, zone=0, each=40):
    """Exchanges by hour (UTC) of somebody who works from 9 to 17, `zone` hours ahead of UTC."""
    found = Counter()
    for day in days:
        if works(day):
            for hour in range(9, 17):
                found[day * 24 + hour - zone] += each
    return found


def weekday(day):
    return (day + 3) % 7


def told(works, *calendars, days=250, zone=0, others=None):
    span = range(START, START + days)
    mine = hours(span, works, zone=zone)
    theirs = hours(span, others or (lambda day: True), zone=zone)
    return week(mine, theirs, zone, calendars)


def test_days_of_rest_are_told_where_they_are():
    """Friday and Saturday off at UTC+9: with hours of UTC alone work would begin a day early."""
    found = told(lambda day: weekday(day) not in (4, 5), zone=9)
    assert found.zone == 9
    assert [n for n in range(7) if found.ratio(n)[1] > 1] == [4, 5]
    assert {s.hits for s in found.others} == {0}
    assert all(s.hits == s.of for s in found.members[4:6])


def test_whoever_rests_on_no_day_rests_on_none():
    found = told(lambda day: True)
    assert not any(found.ratio(n)[1] > 1 for n in range(7))


def test_four_weeks_are_too_few_for_a_day_of_rest_and_two_for_anything():
    found = told(lambda day: weekday(day) < 5, days=28)
    assert not any(found.ratio(n)[1] > 1 for n in range(7))
    assert told(lambda day: weekday(day) < 5, days=15) is None
    assert week(Counter(), Counter(), 0) is None


def test_a_calendar_that_was_kept_stands_out_and_another_does_not():
    off = {day for run in BREAKS for day in run}
    other = {day + 10 for run in BREAKS for day in run}
    found = told(
        lambda day: weekday(day) < 5 and day not in off, calendar(off), calendar(other, "other"),
        days=330,
    )  # fmt: skip
    kept, apart = found.calendars
    assert (kept.compared, apart.compared) == (2, 2)
    assert kept.breaks.hits == kept.breaks.of > 4
    assert kept.ratio()[1] > 1
    assert apart.breaks.hits == 0
    assert apart.ratio()[1] <= 1


@pytest.mark.parametrize("length", [1, 9])
def test_one_break_says_nothing_however_long(length):
    off = set(range(START + 100, START + 100 + length))
    (found,) = told(lambda day: day not in off, calendar(off)).calendars
    assert found.breaks == Share(1, 1)
    assert found.ratio()[1] <= 1


def test_days_on_which_everybody_stopped_are_not_counted():
    off = {day for run in BREAKS for day in run}
    found = told(
        lambda day: day not in off, calendar(off), others=lambda day: day not in off, days=330
    )
    assert found.calendars == ()


def test_days_of_rest_are_no_holidays():
    """A calendar of Sundays is kept every week by whoever never works on Sundays."""
    sundays = {day for day in range(START, START + 330) if weekday(day) == 6}
    found = told(lambda day: weekday(day) < 6, calendar(sundays), days=330)
    assert found.calendars == ()


def test_calendars_of_strangers_are_told_as_often_as_they_may():
    """Twenty made-up calendars beside crews that pause by themselves: at most 5 % may have one."""
    wrong = 0
    for seed in range(40):
        rng = random.Random(seed)
        span = range(START, START + 300)
        pauses = {day + n for day in rng.sample(span, 8) for n in range(rng.randrange(1, 4))}
        some = [
            calendar(
                {d + n for d in rng.sample(span, 10) for n in range(rng.randrange(1, 3))}, f"c{k}"
            )
            for k in range(20)
        ]
        found = told(lambda day, off=pauses: weekday(day) < 5 and day not in off, *some, days=300)
        wrong += any(one.ratio()[1] > 1 for one in found.calendars)
    assert wrong <= 5  # P(more | 5 %) < 2 % of 40
