"""Positive and negative vectors for `release`."""

import random

import pytest

from titer.core.nouns import Principal
from titer.detect.release import NEVER, OWN, RELEASED, Release

START = 1_777_593_600_000_000
HOUR = 3_600_000_000
#: The model `new` comes out after ten days.
RELEASE = START + 240 * HOUR


def traffic(exchange, hours, share, *, moves=RELEASE, count=400, seed=1):
    """`count` requests over `hours`; from `moves` on a share of them goes to the model `new`."""
    rng = random.Random(seed)
    log = []
    for n in range(count):
        at = START + hours * HOUR * n // count
        model = "new" if at >= moves and rng.random() < share else "old"
        log.append(exchange(n, at, model=model))
    return log


def test_half_of_the_traffic_on_the_day_of_the_release(exchange, run):
    detector = Release((0.1, 0.97), origin=START, releases={"new": RELEASE})
    state, found = run(detector, traffic(exchange, 20 * 24, 0.5, count=1000))
    assert found[-1].score > 10
    assert state.trials[RELEASED] >= 45
    assert "in the day after a release" in found[-1].note
    assert int(found[0].cites[-1][1:]) < 560


@pytest.mark.parametrize(
    ("share", "moves"),
    [(0.03, RELEASE), (1.0, RELEASE + 30 * HOUR), (0.0, RELEASE)],
    ids=["tries it", "moves later", "stays"],
)
def test_others_are_quiet(exchange, run, share, moves):
    detector = Release((0.15, 0.97), origin=START, releases={"new": RELEASE})
    log = traffic(exchange, 20 * 24, share, moves=moves, count=1000)
    assert not run(detector, log)[1]


def test_a_new_account_that_only_knows_the_new_model_is_quiet(exchange, run):
    detector = Release(origin=START, releases={"new": RELEASE})
    log = [exchange(n, RELEASE + n * HOUR // 10, model="new") for n in range(200)]
    state, found = run(detector, log)
    assert not found
    assert state.trials == [0, 0]


def test_without_release_times_the_own_first_use_counts(exchange, run):
    log = traffic(exchange, 20 * 24, 1.0, count=1000)
    state, found = run(Release((0.5, 0.3)), log)
    assert found
    assert state.trials[RELEASED] == 0
    assert state.trials[OWN] > 40


def crowd(exchange, movers, others=30):
    """Honest states: some follow the release at once, the rest stay or come later."""
    detector, states = Release(origin=START), []
    for who in range(movers + others):
        share, moves = (0.9, RELEASE) if who < movers else (0.5, RELEASE + (30 + 5 * who) * HOUR)
        state = detector.start()
        for item in traffic(exchange, 20 * 24, share, moves=moves, seed=who):
            state, _ = detector.step(state, item)
        states.append(state)
    return states


def test_calibration_tells_when_models_came_out_and_how_the_honest_move(exchange):
    learnt = Release(origin=START).learn(crowd(exchange, 1))
    assert learnt["since"] == [START, pytest.approx(RELEASE, abs=2 * HOUR)]
    assert learnt["nulls"][RELEASED] < 0.1
    assert learnt["nulls"][OWN] > 0.5
    many = Release(origin=START).learn(crowd(exchange, 6))
    assert many["nulls"][RELEASED] > 0.6
    fitted = Release(releases={"x": 5}).fitted(learnt, origin=START, horizon=1000 * HOUR)
    assert len(fitted._released) == 3
    assert fitted.releases == {"x": 5}


def test_where_nobody_moved_nothing_is_bet(exchange, run):
    detector, states = Release(origin=START), []
    for who in range(30):
        state = detector.start()
        for item in traffic(exchange, 20 * 24, 0.0, seed=who):
            state, _ = detector.step(state, item)
        states.append(state)
    learnt = detector.learn(states)
    assert learnt["nulls"] == [NEVER, NEVER]
    fitted = detector.fitted(learnt, origin=START, horizon=1000 * HOUR)
    state, found = run(fitted, traffic(exchange, 20 * 24, 1.0, count=1000))
    assert not found
    assert state.trials[OWN] > 40


def test_an_own_model_is_no_release(exchange):
    detector = Release(origin=START)
    state = detector.start()
    for n in range(40):
        item = exchange(n, START + n * HOUR, model="old" if n < 30 else "private")
        state, _ = detector.step(state, item)
    assert Principal("acct").subject == "acct"
    assert detector.learn([state])["models"] == []
