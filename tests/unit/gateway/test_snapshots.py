"""Snapshots: what the weigher knows survives a crash, and neither file takes much of the time."""

import json

import msgspec
import pytest

from titer.core.nouns import Exchange, Principal, Sketch, Usage
from titer.detect import BUILTIN
from titer.engine import Weigher
from titer.gateway import snapshots
from titer.gateway.snapshots import MAX_VIEW, SAVE_EVERY, SHARE, Snapshots
from titer.respond.ladder import default_ladder


def weigher():
    return Weigher(BUILTIN, None, default_ladder())


def exchange(number, who="a"):
    return Exchange(
        f"x{number}", 1_000_000 * number, Principal(who), "/v1/chat/completions",
        sketch=Sketch(frames=(1, 2, number), cells=(3, number), exact=number, chars=9),
        usage=Usage(5, 100),
    )  # fmt: skip


class Clock:
    """Every look costs `cost` seconds: a view or a snapshot begins with one and ends with one."""

    def __init__(self):
        self.now, self.cost = 1000.0, 0.0

    def __call__(self):
        self.now += self.cost
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def kept(tmp_path, clock):
    return Snapshots(tmp_path, clock=clock)


def view(tmp_path):
    return json.loads((tmp_path / "standings.json").read_bytes())


def test_a_view_that_took_long_is_made_less_often(tmp_path, clock, kept):
    held = weigher()
    held.weigh(exchange(1))
    clock.cost = 1.0
    kept.standings(held, {"n": 1})
    clock.now += 0.9 / SHARE
    kept.standings(held, {"n": 2})
    assert view(tmp_path)["status"] == {"n": 1}
    clock.now += 0.2 / SHARE
    kept.standings(held, {"n": 3})
    assert view(tmp_path)["status"] == {"n": 3}
    kept.standings(held, {"n": 4}, last=True)
    assert view(tmp_path)["status"] == {"n": 4}


def test_a_view_shows_those_who_took_most(tmp_path, kept):
    held = weigher()
    for number in range(MAX_VIEW + 5):
        held.weigh(msgspec.structs.replace(exchange(1, f"s{number}"), usage=Usage(1, number + 1)))
    kept.standings(held, {"n": 1})
    rows = [row["standing"]["exposure"] for row in view(tmp_path)["rows"]]
    assert rows == list(range(MAX_VIEW + 5, 5, -1))


def test_the_state_is_kept_now_and_then(tmp_path, clock, kept):
    held, size = weigher(), 0
    for size in range(1, 8):
        held.weigh(exchange(size))
    kept.keep(held, size)
    assert not (tmp_path / "weigher.msgpack").exists()
    clock.now += SAVE_EVERY
    kept.keep(held, size)
    other = weigher()
    assert Snapshots(tmp_path).load(other, size) == size
    for number in range(8, 20):
        assert other.weigh(exchange(number)) == held.weigh(exchange(number))
    assert other.standings == held.standings
    encode = msgspec.msgpack.encode
    assert encode(other.bench.states) == encode(held.bench.states)


def test_many_subjects_are_kept_at_the_stop_only(tmp_path, clock, kept, monkeypatch):
    monkeypatch.setattr(snapshots, "MAX_RUNNING", 1)
    held = weigher()
    held.weigh(exchange(1, "a"))
    held.weigh(exchange(2, "b"))
    clock.now += SAVE_EVERY
    kept.keep(held, 2)
    assert not (tmp_path / "weigher.msgpack").exists()


def test_a_snapshot_of_another_shape_is_not_used(tmp_path, kept, monkeypatch):
    held = weigher()
    held.weigh(exchange(1))
    kept.save(held, 1)
    monkeypatch.setattr(snapshots, "FORMAT", snapshots.FORMAT + 1)
    assert Snapshots(tmp_path).load(weigher(), 1) == 0
