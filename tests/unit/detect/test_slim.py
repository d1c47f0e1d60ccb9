"""The small base of detectors that bet on conduct, by a toy that bets on long replies."""

import msgspec
import pytest

from titer.core.nouns import Card, Exchange, Principal, Usage
from titer.detect import slim, strata
from titer.detect.bench import Bench
from titer.detect.slim import FULL, POINT, Slim


class Own(slim.State):
    longest: int = 0


class Toy(Slim):
    card = Card(
        name="toy", version="1", technique="T", measures="m", blind_to="b", benign_causes="c",
        cost="1", lifecycle="draft",
    )  # fmt: skip
    sides = ("long", "longer")
    drafts = (0.25, 0.5)
    shape = Own

    def judge(self, state, exchange, seen):
        out = exchange.usage.tokens_out
        if out == 0:
            return ()
        longer = out > state.longest
        state.longest = max(out, state.longest)
        return ((0, seen.worth), (1, FULL if longer else 0))

    def note(self, state):
        return f"{state.seen} requests"


def exchange(number, out=2000, at=None):
    at = number * 1000 if at is None else at
    return Exchange(f"e{number}", at, Principal("acct"), "/v1/x", usage=Usage(9, out))


def run(log, detector=None):
    detector = detector or Toy()
    state, found = detector.start(), []
    for item in log:
        state, findings = detector.step(state, item)
        found += findings
    return state, found


def test_a_lasting_habit_earns_and_what_bets_on_nothing_is_free():
    state, found = run([exchange(n) for n in range(40)])
    assert found[-1].score > 20
    assert found[-1].score == pytest.approx(state.told / POINT)
    assert len(found[-1].cites) <= slim.CITES
    again, _ = run([exchange(n, out=0) for n in range(40)])
    assert again.trials == [0, 0]
    assert again.fortunes == [0] * 6


def test_the_score_is_what_the_gamblers_have_and_never_falls():
    detector, score = Toy(), 0
    state = detector.start()
    for n in range(200):
        state, _ = detector.step(state, exchange(n, out=2000 if n % 50 < 10 else 1))
        assert state.score >= score
        score = state.score
    assert min(state.fortunes) >= detector.floor * POINT
    assert detector.level(state) <= score + 3 * POINT


def test_fortunes_are_rounded_down():
    for null in (0.05, 0.3, 0.97):
        for gain, moves in enumerate(slim._moves(null)):
            for stake, move in zip(slim.STAKES, moves, strict=True):
                assert 2 ** (move / POINT) <= 1 + stake * (gain / FULL / null - 1) + 1e-12


def test_a_state_is_small_whole_numbers_and_survives_msgpack():
    log = [exchange(n, out=1 + n % 300) for n in range(300)]
    state, found = run(log)
    packed = msgspec.msgpack.encode(state)
    assert len(packed) < 80
    _, plain = run(log[:150])
    half, _ = run(log[:150])
    detector, rest = Toy(), []
    decoded = msgspec.msgpack.decode(msgspec.msgpack.encode(half))
    for item in log[150:]:
        decoded, findings = detector.step(decoded, item)
        rest += findings
    assert plain + rest == found
    assert not any(isinstance(x, float) for x in msgspec.to_builtins(state))


def test_each_horizon_begins_anew_and_life_stays():
    detector = Toy(horizon=1_000_000)
    state, _ = run([exchange(n) for n in range(30)], detector)
    score, trials = state.score, list(state.trials)
    state, _ = detector.step(state, exchange(99, at=1_500_000))
    assert (state.seen, state.longest, state.score) == (1, 2000, score)
    assert state.trials == [n + 1 for n in trials]
    state, _ = detector.step(state, exchange(100, at=3))
    assert state.seen == 2


def test_it_learns_where_bets_are_placed():
    states = [run([exchange(n, out=256 if n < k else 1) for n in range(20)])[0] for k in range(20)]
    learnt = Toy().learn([msgspec.to_builtins(s) for s in states])
    assert learnt["nulls"][0] == pytest.approx(18 / 20)
    fitted = Toy().fitted(learnt, origin=5, horizon=7)
    assert (fitted.origin, fitted.horizon, fitted.nulls[0]) == (5, 7, pytest.approx(0.9))


def test_the_bench_looks_once_for_all(monkeypatch):
    looks = []
    monkeypatch.setattr("titer.detect.bench.glance", lambda e: looks.append(e) or strata.glance(e))
    bench = Bench((Toy(),), None)
    found = [f for n in range(9) for f in bench.weigh(exchange(n))]
    assert len(looks) == 9
    assert [f.score for f in found] == [f.score for f in run([exchange(n) for n in range(9)])[1]]


def test_wrong_parameters_are_refused():
    with pytest.raises(ValueError, match="horizon"):
        Toy(horizon=0)
    with pytest.raises(ValueError, match="2 sides"):
        Toy((0.1,))
