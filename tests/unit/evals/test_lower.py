"""What lowering costs honest callers and attackers: clocks, bills, and who is dosed."""

from __future__ import annotations

import pytest

pytest.importorskip("evals.lower.honest")

from evals.lower.attacker_cost import Oracle, bare, bill, curve_runs
from evals.lower.campaign import Attacker, Defence, Plan, Run, live
from evals.lower.campaign import crowd as crowd_of
from evals.lower.honest import Queue, Walk, crowd, mistaken

from titer.core.nouns import Exchange, Finding, Principal, Standing, Usage
from titer.engine import Weigher
from titer.lab.world.make import Made
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


def test_an_attacker_that_buys_replaces_what_is_dosed_and_one_that_stays_drops_its_cover():
    buys, stays = (Attacker([1, 2, 3], 2, buys=b, react=10) for b in (True, False))
    for one in (buys, stays):
        assert one.sends(1, 0, own=False)
        assert not one.sends(3, 0, own=True)
        one.dosed(1, 5)
        assert not one.sends(1, 6, own=False)
    assert stays.sends(1, 6, own=True) and not buys.sends(1, 6, own=True)
    assert not buys.sends(3, 14, own=True) and buys.sends(3, 15, own=True)
    assert buys.bought == [15] and not buys.sold_out
    buys.dosed(3, 20)
    assert buys.sends(2, 40, own=True) and buys.sold_out


def test_a_bill_counts_accounts_and_goes_on_at_the_last_rate():
    pairs, bought = [10 * h for h in range(1, 101)], [h // 10 for h in range(100)]
    row = {
        "scale": 100.0, "accounts": 10, "tokens_a_pair": 1000.0, "pairs": pairs, "bought": bought
    }  # fmt: skip
    soon, late = bill(row, 50_000), bill(row, 200_000)
    assert soon.days == pytest.approx(50 / 24) and not soon.extrapolated
    assert soon.accounts == pytest.approx(100 * (10 + 4))
    assert late.days == pytest.approx(200 / 24) and late.extrapolated
    assert late.accounts == pytest.approx(100 * (10 + 9 + 100 * 4 / 48))
    assert soon.dollars["paid"] == pytest.approx(soon.accounts * 25 + 50_000 * 1000 / 1e6 * 10)


def test_no_recall_costs_nothing_and_full_recall_a_lot():
    plan = Plan(seed=3, days=1.5, honest=20, accounts=60, on_sale=600)
    made = Made(plan.world())
    runs = {run.name: run for run in curve_runs(plan, crowd_of(made)[1])}
    some = [
        runs[n] for n in ("off", "ladder, buys, 0", "person, stays, 0.99", "ladder, buys, 0.99")
    ]
    live(made, some, every_h=3, source=bare)
    off, none, out, buys = some
    assert off.pairs == none.pairs and not none.attacker.bought
    assert len(out.pairs) < 0.5 * len(off.pairs)
    assert len(buys.attacker.bought) > 60 and len(buys.pairs) > len(out.pairs)
    assert out.defence.dosed and not none.defence.dosed


def test_in_shadow_all_is_seen_and_nothing_costs_more():
    plan = Plan(seed=5, days=0.5, honest=40, accounts=40, on_sale=40)
    made = Made(plan.world())
    members = crowd_of(made)[1]

    def run(answer):
        defence = Defence(answer, Oracle(1.0, 1), scale=plan.scale) if answer else None
        return Run(answer, Attacker(members, 40, buys=True, react=0), defence)

    off, shadow, ladder = (run(answer) for answer in ("", "shadow", "ladder"))
    live(made, [off, shadow, ladder], every_h=3)
    assert shadow.pairs == off.pairs and not shadow.attacker.bought
    theirs = {s for s, campaign in shadow.subjects.items() if campaign}
    assert theirs & shadow.defence.dosed and theirs & ladder.defence.dosed
    assert ladder.attacker.bought
