"""What is folded into counts answers as the rows themselves would."""

import numpy as np
import pytest

from titer.core.nouns import Exchange, Origin, Principal, Sketch, Usage
from titer.hunt.memory import MemorySource
from titer.hunt.past import Past, PastAndRows
from titer.hunt.source import HOUR, VALUES
from titer.hunt.table import TableBuilder


def rows(seed, n, start):
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        who = int(rng.integers(30))
        # Every token has many users in every part, so that folding drops none.
        frames = tuple(int(band * 100 + rng.integers(1, 4)) for band in range(8))
        at = start + int(rng.integers(0, 40)) * HOUR + int(rng.integers(HOUR))
        out.append(
            Exchange(
                f"e{seed}-{i}", at, Principal(f"a{who}", f"o{who // 2}" if who < 10 else ""),
                "/v1/x", f"m{rng.integers(3)}",
                origin=Origin(net=f"n{who % 7}", ip=f"i{who}", payment=f"p{who % 4}", agent="s"),
                sketch=Sketch(frames=frames, cells=(1, 2, 3, 4), exact=i + 1, chars=40),
                usage=Usage(5, int(rng.integers(200))),
                status=200 if rng.random() < 0.9 else 429,
            )
        )  # fmt: skip
    return sorted(out, key=lambda e: e.at)


def table(exchanges):
    builder = TableBuilder()
    builder.add(exchanges)
    return builder.build()


@pytest.fixture(scope="module")
def both():
    begin = 20_000 * 24 * HOUR
    parts = [rows(seed, 600, begin + seed * 40 * HOUR) for seed in range(4)]
    past = Past()
    for part in parts[:3]:
        past.fold(table(part))
    everything = [e for part in parts for e in part]
    return PastAndRows(past, table(parts[3])), MemorySource(table(everything))


def test_callers_and_sums_are_the_same(both):
    live, whole = both
    assert live.callers().subjects == whole.callers().subjects
    assert [p.id for p in live.callers().accounts] == [p.id for p in whole.callers().accounts]
    one, other = live.totals(), whole.totals()
    for name in ("rows", "texts", "tokens_out", "endpoint"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(one.first // HOUR, other.first // HOUR)
    assert np.array_equal(one.last // HOUR, other.last // HOUR)


@pytest.mark.parametrize("name", VALUES)
def test_values_are_the_same(both, name):
    one, other = (source.values(name) for source in both)
    assert np.array_equal(one.unit, other.unit)
    assert np.array_equal(one.value, other.value)
    assert np.array_equal(one.rows, other.rows)


def test_tokens_and_their_users_are_the_same(both):
    live, whole = both
    active = np.ones(len(live.callers().subjects), np.bool_)
    active[3] = False
    nothing = np.empty(0, np.int64)
    for most in (18, 100):
        one, other = (s.tokens(least=2, most=most, active=active, without=nothing) for s in both)
        for name in ("value", "start", "unit", "rows", "common", "common_rows"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        begin = live.totals().begin
        hours = (other.first.astype(np.int64) * HOUR + begin) // HOUR - begin // HOUR
        assert np.abs(one.first - hours).max(initial=0) <= 1
    values = whole.tokens(least=2, most=100, active=active, without=nothing).value
    assert np.array_equal(live.users(values), whole.users(values))


def test_hours_of_the_day_are_the_same(both):
    live, whole = both
    assert np.array_equal(live.clock()[:, :12], whole.clock()[:, :12])
    assert live.clock()[:, 12:].sum() == whole.clock()[:, 12:].sum()


def test_silent_callers_and_old_pairs_are_forgotten(monkeypatch):
    monkeypatch.setattr("titer.hunt.past.MAX_PAIRS", 200)
    past = Past()
    begin = 20_000 * 24 * HOUR
    past.fold(table(rows(1, 300, begin)))
    assert len(past.tokens.one) <= 200
    gone = set(past.number)
    late = [
        Exchange("z", begin + 60 * 24 * HOUR, Principal("new"), "/v1/x",
                 sketch=Sketch(frames=(1,) * 8, chars=3))
    ]  # fmt: skip
    past.fold(table(late))
    assert gone and set(past.number) == {"new"}
    assert set(past.accounts) == {"new"}


def test_an_erased_subject_leaves_rows_and_counts_as_if_it_had_never_been():
    begin = 20_000 * 24 * HOUR
    parts = [rows(seed, 400, begin + seed * 40 * HOUR) for seed in (5, 6)]
    for subject in ("o2", "a20", "nobody"):
        past, builder = Past(), TableBuilder()
        past.fold(table(parts[0]))
        builder.add(parts[1])
        past.forget(subject)
        builder.forget(subject)
        without = [[e for e in part if e.principal.subject != subject] for part in parts]
        other = Past()
        other.fold(table(without[0]))
        assert builder.rows == len(without[1])
        found, expected = (
            PastAndRows(past, builder.build()),
            PastAndRows(other, table(without[1])),
        )
        assert subject not in found.callers().subjects
        order = np.argsort(found.callers().subjects)
        again = np.argsort(expected.callers().subjects)
        assert sorted(found.callers().subjects) == sorted(expected.callers().subjects)
        for name in ("rows", "texts", "tokens_out"):
            one, two = getattr(found.totals(), name), getattr(expected.totals(), name)
            assert np.array_equal(one[order], two[again]), (subject, name)
