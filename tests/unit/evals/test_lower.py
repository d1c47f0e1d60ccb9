"""The honest cost: waits follow the log's clock, and a harsher dose never costs less."""

from __future__ import annotations

import pytest

pytest.importorskip("evals.lower.honest")

from evals.lower.honest import Queue, Walk, crowd, mistaken

from titer.core.nouns import Exchange, Finding, Principal, Standing, Usage
from titer.engine import Weigher
from titer.respond.ladder import Ladder, default_ladder


def exchange(second, who="s"):
    return Exchange(
        f"{who}{second}", int(second * 1e6), Principal(who), "/x", usage=Usage(10, 100)
    )


def test_waits_follow_the_clock_of_the_log():
    queue = Queue()
    waits = [queue.ask(exchange(100.0 + n / 10), 0.5, Standing("s")) for n in range(5)]
    assert waits[:3] == [0, 0, 0] and 0 < waits[3] < waits[4]
    assert queue.ask(exchange(1000.0), 0.5, Standing("s")) == 0


def test_a_harsher_dose_costs_more():
    log = crowd(3, 60, 0.2, None)
    rows = [mistaken(log, strength) for strength in (0.1, 0.5, 1.0)]
    refused = [row["requests_refused"]["share"] for row in rows]
    assert refused == sorted(refused) and refused[-1] > refused[0]
    free = [row["never_slowed"]["share"] for row in rows]
    assert free == sorted(free, reverse=True)


def test_only_who_stands_on_a_rung_is_touched(monkeypatch):
    weigher = Weigher((), None, Ladder(()))
    walk = Walk(weigher, default_ladder(shadow=False))
    for second in range(3):
        walk.see(exchange(second, "honest"))
    finding = Finding("f", 0, "hunt@1", "thief", "", 0.0, "")
    weigher.standings["thief"] = Standing("thief", bits=9.0, findings=(finding,), campaign="c1")
    monkeypatch.setattr(weigher.bench, "believe", lambda *_: 9.0)
    for second in range(4):
        walk.see(exchange(10 + second, "thief"))
    assert walk.touched["throttle"] == {"thief"}
    assert walk.reached["throttle"] == {"thief"} and walk.requests == {"throttle": 3}
