"""Positive and negative vectors for `cadence`."""

import random

import msgspec
import pytest

from titer.detect.cadence import CLOCK, GAPS, TURNS, Cadence

DAY = 86_400


def test_a_pipeline_that_sleeps_between_requests(exchange, run):
    rng = random.Random(1)
    log, now = [], 0.0
    for n in range(120):
        now += 2 + rng.uniform(2, 4)
        log.append(exchange(n, seconds=now))
    state, found = run(Cadence(), log)
    assert found[-1].score > 30
    assert found[-1].note.startswith("119 requests; 9")
    assert state.gains[GAPS] > 0.9 * 16 * state.trials[GAPS]


def people(exchange, rng, n, **facts):
    """Sessions: pauses while reading, hours in between, nights."""
    log, now = [], 9 * 3600.0
    for number in range(n):
        now += rng.lognormvariate(4.0, 1.3) if rng.random() < 0.85 else rng.uniform(1, 6) * 3600
        if now % DAY < 8 * 3600:
            now += 8 * 3600
        log.append(exchange(number, seconds=now, **facts))
    return log


@pytest.mark.parametrize("seed", range(3))
def test_people_are_quiet(exchange, run, seed):
    assert not run(Cadence(), people(exchange, random.Random(seed), 400))[1]


def test_a_monitor_that_asks_the_same_or_gets_labels_is_quiet(exchange, run):
    detector = Cadence()
    assert not run(detector, [exchange(n, seconds=61 * n, exact=1, cells=()) for n in range(90)])[
        1
    ]
    assert not run(detector, [exchange(n, seconds=61 * n, out=3) for n in range(90)])[1]


def test_traffic_at_random_has_no_usual_gap(exchange, run):
    rng = random.Random(3)
    log, now = [], 0.0
    for n in range(200):
        now += rng.expovariate(1 / 30)
        log.append(exchange(n, seconds=now))
    state, found = run(Cadence((0.6, 0.9, 0.6)), log)
    assert not found
    assert 0.3 < state.gains[GAPS] / 16 / state.trials[GAPS] < 0.6


def test_a_day_without_a_night(exchange, run):
    rng = random.Random(4)
    log = sorted(
        (exchange(n, seconds=rng.uniform(0, 40 * DAY), out=5) for n in range(1600)),
        key=lambda e: e.at,
    )
    state, found = run(Cadence((0.9, 0.5, 0.9)), log)
    assert found[-1].score > 8
    assert state.gains[CLOCK] > 0.85 * 16 * state.trials[CLOCK]
    state, found = run(Cadence((0.9, 0.5, 0.9)), people(exchange, rng, 800, out=5))
    assert not found
    assert state.trials[CLOCK] > 5


def test_accounts_of_an_organisation_take_turns(exchange, run):
    log = [
        exchange(n, seconds=n * n % 977 + 1000 * n, org="o", account=f"a{n % 5}", out=9)
        for n in range(150)
    ]
    state, found = run(Cadence(), log)
    assert found[-1].score > 20
    assert "in turn" in found[-1].note
    assert state.gains[TURNS] == 16 * (state.trials[TURNS] - 2)


def test_a_team_does_not_take_turns(exchange, run):
    rng = random.Random(5)
    names = [f"a{n}" for n in range(6) for _ in range(2 ** (6 - n))]
    who, log = "a0", []
    for n in range(600):
        if rng.random() < 0.3:
            who = rng.choice(names)
        log.append(exchange(n, seconds=1000 * n + rng.random() * 900, org="o", account=who, out=9))
    state, found = run(Cadence(), log)
    assert not found
    assert state.trials[TURNS] > 30


def test_two_accounts_say_nothing_and_clocks_may_go_back(exchange, run):
    log = [exchange(n, seconds=(n * 7919) % 5000, org="o", account=f"a{n % 2}") for n in range(99)]
    state, _ = run(Cadence(), log)
    assert state.trials[TURNS] == 0


def test_the_state_is_small(exchange, run):
    log = [exchange(n, seconds=1e5 * n, org="o", account=f"a{n % 9}") for n in range(400)]
    state, _ = run(Cadence(), log)
    assert len(msgspec.msgpack.encode(state)) < 150
