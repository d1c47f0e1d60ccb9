"""Positive and negative vectors for `limits`."""

import random

import msgspec

from titer.detect.limits import EDGES, PLATEAU, RESUMED, Limits


def test_minutes_filled_to_the_ceiling(exchange, run):
    rng = random.Random(1)
    log = []
    for minute in range(60):
        count = 40 if minute % 5 else rng.randint(5, 39)
        log += [exchange(len(log), seconds=60 * minute + 50 * k / count) for k in range(count)]
    state, found = run(Limits(), log)
    assert found[-1].score > 20
    assert state.gains[PLATEAU] > 0.7 * 16 * state.trials[PLATEAU]
    assert "within 5 %" in found[-1].note


def test_days_filled_to_the_ceiling_by_a_light_caller(exchange, run):
    log = [
        exchange(25 * day + k, seconds=86_400 * day + 3_000 * k) for day in range(45)
        for k in range(25)
    ]  # fmt: skip
    assert run(Limits(horizon=10**14), log)[1][-1].score > 10


def test_refused_every_hour_and_on_at_once(exchange, run):
    rng = random.Random(2)
    log, n = [], 0
    for hour in range(60):
        for _ in range(rng.randint(5, 60)):
            n += 1
            log.append(exchange(n, seconds=3600 * hour + len(log) % 97))
        log.append(exchange(n + 10_000, seconds=3600 * hour + 100, status=429))
        log.append(exchange(n + 20_000, seconds=3600 * hour + 103))
    state, found = run(Limits(), log)
    assert found[-1].score > 15
    assert state.gains[RESUMED] > 0.9 * 16 * state.trials[RESUMED]


def test_bursts_that_wait_for_the_full_minute(exchange, run):
    log = [exchange(n, seconds=300 * (n // 3) + n % 3 + 0.5) for n in range(180)]
    state, found = run(Limits(), log)
    assert found[-1].score > 20
    assert state.gains[EDGES] == 16 * state.trials[EDGES]


def test_a_product_with_days_and_nights_is_quiet(exchange, run):
    rng = random.Random(3)
    log, now = [], 0.0
    while len(log) < 4000:
        busy = 0.3 + (now % 86_400 / 86_400 - 0.5) ** 2
        now += rng.expovariate(busy / 60)
        log.append(exchange(len(log), seconds=now))
    assert not run(Limits(), log)[1]


def test_an_sdk_that_backs_off_now_and_then_is_quiet(exchange, run):
    rng = random.Random(4)
    log, now = [], 0.0
    for n in range(1500):
        now += rng.expovariate(1 / 200)
        log.append(exchange(n, seconds=now))
        if n % 250 == 0:
            log.append(exchange(n + 10_000, seconds=now + 1, status=429))
            log.append(exchange(n + 20_000, seconds=now + 3))
    state, found = run(Limits(), log)
    assert not found
    assert state.gains[RESUMED] > 0


def test_refused_requests_are_weighed_and_other_failures_are_not(exchange, run):
    detector = Limits()
    assert detector.subject(exchange(1, status=429)) == "acct"
    state, _ = run(detector, [exchange(n, status=500) for n in range(9)])
    assert state.index == []
    state, _ = run(detector, [exchange(n, seconds=3000 * n) for n in range(400)])
    assert len(msgspec.msgpack.encode(state)) < 150
