"""Positive and negative vectors for `drift`."""

import random

import msgspec

from titer.detect.drift import FADE, Drift


def owner(exchange, rng, numbers, *, spread=12, **facts):
    """A caller with `spread` favourite subjects and a client of its own."""
    topics = [[rng.getrandbits(60) for _ in range(4)] for _ in range(spread)]
    own = {"agent": "app", "params": {}, "out": 200, "chars": 500} | facts
    return [
        exchange(n, cells=tuple(rng.choice(topics)), frames=(1, 2, *range(n, n + 6)), **own)
        for n in numbers
    ]


def test_an_account_that_was_taken_over(exchange, run):
    rng = random.Random(1)
    before = owner(exchange, rng, range(300), spread=2)
    after = [
        exchange(n, agent="harvest", out=1500, chars=3000, model="n", frames=(8, 9, 10))
        for n in range(300, 360)
    ]
    assert not run(Drift(), before)[1]
    _, found = run(Drift(), before + after)
    assert found[-1].score > 8
    assert int(found[0].cites[-1][1:]) < 325


def test_the_baseline_does_not_learn_the_new_owner_but_has_no_infinite_patience(exchange, run):
    rng = random.Random(2)
    log = owner(exchange, rng, range(200), spread=1)
    log += owner(exchange, rng, range(200, 260), spread=1, agent="other", lang="cyrl", out=2000)
    state, found = run(Drift(), log)
    assert state.frozen > 20
    score = found[-1].score
    log += owner(exchange, rng, range(260, 900), spread=1, agent="new", lang="hani", out=2000)
    state, found = run(Drift(), log)
    assert state.frozen == 0
    assert max(state.fortunes) < 3 * 256
    assert found[-1].score >= score


def test_people_who_always_ask_something_else_are_no_change(exchange, run):
    assert not run(Drift(), [exchange(n, out=30 + n % 900) for n in range(600)])[1]


def test_a_slow_change_and_a_short_past_are_quiet(exchange, run):
    rng = random.Random(3)
    log = []
    for part in range(12):
        log += owner(exchange, rng, range(80 * part, 80 * part + 80), out=100 + 20 * part)
    assert not run(Drift(), log)[1]
    assert not run(Drift(), owner(exchange, rng, range(20)) + [exchange(30)] * 3)[1]


def test_counts_fade_and_stay_bytes(exchange, run):
    log = [exchange(n, cells=(1 << 7,) * 4, frames=(1 << 7,) * 8) for n in range(700)]
    state, _ = run(Drift(), log)
    assert state.total <= FADE
    assert max(state.base) <= 255
    assert len(msgspec.msgpack.encode(state)) < 170


def test_names_are_hashed_alike_in_every_process(exchange):
    detector = Drift()
    detector.step(detector.start(), exchange(1, agent="app"))
    assert detector._calls == {("/v1/chat/completions", "m", "latn", True): (10, 41, 35, 40)}
