"""Who takes what is not its own: reach, its null, and what bounds it."""

from __future__ import annotations

import random

from titer.detect import repositories
from titer.detect.repositories import DAY, LEARNING, SPAN, Takers

HOUR = DAY // 24


def house(*, days=80, people=120, seed=1, more=()):
    """People who take their team's five repositories and now and then another; `more` beside."""
    rng = random.Random(seed)
    events = list(more)
    for day in range(days):
        for person in range(people):
            took = {f"r{person % 12}-{rng.randrange(5)}" for _ in range(3)}
            if rng.random() < 0.03:
                took.add(f"r{rng.randrange(12)}-{rng.randrange(5)}")
            events += [(day * DAY + 9 * HOUR + n, f"p{person}", r) for n, r in enumerate(took)]
    return sorted(events)


def told(events, level=1e-3):
    takers = Takers(level)
    for event in events:
        takers.add(*event)
    return takers.told()


def test_an_honest_house_has_at_most_as_many_alarms_as_asked_for():
    for seed in range(3):
        result = told(house(seed=seed))
        assert result.past == 120 * (80 - LEARNING)
        assert len(result.alarms) <= 1e-3 * result.past + 3 * (1e-3 * result.past) ** 0.5


def test_who_takes_everything_is_told_before_long():
    theft = [(60 * DAY + 20 * HOUR + n, "p3", f"r{n % 12}-{n // 12}") for n in range(60)]
    result = told(house(more=theft))
    (alarm,) = [a for a in result.alarms if a.actor == "p3" and a.at >= 60 * DAY]
    assert alarm.days == 1
    assert alarm.at - (60 * DAY + 20 * HOUR) < 30
    assert alarm.p <= 5e-4
    assert alarm.past == 120 * (60 - LEARNING)
    assert result.actors == 120


def test_a_little_every_day_adds_up():
    drip = [((50 + n) * DAY + HOUR, "p7", f"secret-{n}") for n in range(25)]
    found = [a for a in told(house(more=drip), 0.02).alarms if a.actor == "p7"]
    assert SPAN in {a.days for a in found} or len(found) == 1
    assert all(b.at - a.at >= SPAN * DAY for a, b in zip(found, found[1:], strict=False))


def test_nothing_is_judged_before_there_is_a_past():
    early = [(n * DAY + k, "thief", f"x{n}-{k}") for n in range(LEARNING) for k in range(50)]
    assert told(house(days=LEARNING, more=early)).alarms == []
    few = told(house(days=LEARNING + 2, people=3, more=[(15 * DAY, "thief", "x")] * 9))
    assert few.alarms == []
    assert few.least > 5e-4


def test_a_clock_that_is_wrong_shortens_no_learning():
    result = told([(1, "a", "x"), *((at + 9_000 * DAY, who, r) for at, who, r in house(days=14))])
    assert (result.days, result.past) == (15, 120)


def test_what_everybody_has_is_worth_nothing():
    takers = Takers()
    for person in range(50):
        takers.add(person, f"p{person}", "handbook")
    takers.add(60, "p0", "handbook")
    assert takers._today["p0"].taken == 1
    assert takers._today["p49"].reach < 0.1
    takers.add(61, "p49", "weights")
    assert takers._today["p49"].reach > 5


def test_an_event_out_of_order_counts_for_the_day_that_is_open():
    events = [(20 * DAY, "a", "x"), (3 * DAY, "a", "y"), (21 * DAY, "a", "x")]
    result = told(events)
    assert (result.days, result.events, result.repositories) == (2, 3, 2)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(repositories, "MAX_ACTORS", 3)
    monkeypatch.setattr(repositories, "MAX_REPOSITORIES", 4)
    result = told([(n, f"p{n}", f"r{n % 5}") for n in range(9)])
    assert (result.actors, result.skipped) == (3, 6)
    result = told([(n, "p", f"r{n}") for n in range(9)])
    assert (result.repositories, result.skipped) == (4, 5)


def test_nothing_comes_of_nothing():
    result = Takers().told()
    assert (result.days, result.past, result.alarms) == (0, 0, [])
