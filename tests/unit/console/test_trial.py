"""A ladder tried on what has happened, and the coins of what was varied."""

from __future__ import annotations

import json
import time

import msgspec
import pytest

from titer.access.secret import load_or_create
from titer.cli import main
from titer.console.coins import coins
from titer.console.decide import Order, decide
from titer.console.trial import ATTENTION, Trial, honest_looking, run
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign, Dose, Principal, RequestFacts, Standing
from titer.core.wire import Request
from titer.detect.calibration import fit
from titer.detect.coverage import Coverage
from titer.detect.frames import Frames
from titer.gateway import assembly
from titer.gateway.assembly import announce, feed_sink, keep_calibration, make_weigher
from titer.gateway.recorded import facts
from titer.respond.ladder import Ladder
from titer.respond.rungs import Rung
from titer.respond.vary import EPOCH_S, Vary, VaryConfig
from titer.testing import population

MADE = fit([Frames(), Coverage()], population.honest(51, 200), seed=1)
WHO = "0123456789abcdef0123"
THIEF = [
    msgspec.structs.replace(x, principal=Principal(WHO, tier="standard"))
    for x in population.harvester(9)
]
CALLERS = 40
HONEST = population.honest(77, CALLERS)
LOG = sorted([*THIEF, *HONEST], key=lambda x: x.at)
SLOW = Dose("throttle", 0.5)


def ladder(at, **more):
    return Ladder((Rung(name="slow", at=at, give=(SLOW,)),), **more)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(assembly, "detectors", lambda: (Frames(), Coverage()))
    keep_calibration(tmp_path, MADE)
    with feed_sink(tmp_path, ladder(2.0)) as sink:
        sink.take(LOG)
    return tmp_path


def trial(entries, *ladders):
    weigher = make_weigher(MADE, Ladder(()))
    trials = [Trial(one) for one in ladders]
    run(weigher, entries, trials)
    return weigher, trials


def test_a_trial_is_what_serving_would_have_done(monkeypatch):
    """The same decisions as the engine's fold, counted from the next request on."""
    monkeypatch.setattr(assembly, "detectors", lambda: (Frames(), Coverage()))
    served = make_weigher(MADE, ladder(2.0))
    requests = tokens = 0
    since = 0
    for exchange in LOG:
        held = served.decisions.get(exchange.principal.subject)
        given = held is not None and held.doses and exchange.at < held.until
        if given and exchange.principal.id == WHO:
            requests, tokens = requests + 1, tokens + exchange.usage.tokens_out
            since = since or exchange.at
        served.weigh(exchange)
    weigher, (tried,) = trial(LOG, ladder(2.0))
    outcome = tried.outcome(weigher.standings, frozenset())
    row = next(r for r in outcome.subjects if r.subject == WHO)
    assert (row.requests, row.tokens, row.since) == (requests, tokens, since)
    assert requests > 0
    assert weigher.standings[WHO].bits == served.standings[WHO].bits


def test_a_lower_rung_touches_more_and_the_honest_are_told_apart(monkeypatch):
    monkeypatch.setattr(assembly, "detectors", lambda: (Frames(), Coverage()))
    weigher, (low, high) = trial(LOG, ladder(0.03), ladder(2.0))
    honest = honest_looking(weigher.standings, labels={WHO: False})
    looked_at = {s.subject for s in weigher.standings.values() if s.bits >= ATTENTION}
    assert len(looked_at - {WHO}) <= CALLERS / 2**ATTENTION  # what its bits promise
    assert honest == weigher.standings.keys() - looked_at - {WHO}
    wide, narrow = (t.outcome(weigher.standings, honest) for t in (low, high))
    assert len(wide.subjects) > len(narrow.subjects)
    (row,) = wide.rungs
    assert row.honest_subjects == sum(one.subject in honest for one in wide.subjects) > 0
    assert 0 < row.honest_requests < row.requests
    assert Trial(ladder(99)).outcome(weigher.standings, honest).rungs == []


def test_a_rung_that_nobody_used_what_it_is_about_is_armed_and_doses_nobody(monkeypatch):
    monkeypatch.setattr(assembly, "detectors", lambda: (Frames(), Coverage()))
    about = Ladder((Rung(name="readers", at=2.0, give=(SLOW,), uses=("logprobs",)),))
    plain = ladder(2.0)
    asking = [
        msgspec.structs.replace(x, request=RequestFacts(params={"logprobs": True}))
        if x.principal.id == WHO else x for x in LOG
    ]  # fmt: skip
    weigher, (armed, given) = trial(LOG, about, plain)
    none, some = (t.outcome(weigher.standings, frozenset()) for t in (armed, given))
    assert (none.subjects, none.armed) == ([], len(some.subjects))
    weigher, (armed, given) = trial(asking, about, plain)
    same, some = (t.outcome(weigher.standings, frozenset()) for t in (armed, given))
    assert [r for r in same.subjects if r.subject == WHO]
    assert {r.subject for r in same.subjects} == {WHO}
    assert same.armed == len(some.subjects) - 1


def test_who_looks_honest():
    standings = {name: Standing(name, bits=b) for name, b in (("a", 0.0), ("b", 9.0), ("c", 9.0))}
    assert honest_looking(standings) == {"a"}
    assert honest_looking(standings, granted=["b"]) == {"a", "b"}
    assert honest_looking(standings, labels={"a": False, "c": True}) == {"c"}


def test_campaigns_and_permitted_uses():
    permitted = msgspec.structs.replace(
        THIEF[0], principal=Principal("p", grants=("distillation",)), id="x"
    )
    campaign = Campaign("c", ("m1", "m2"), ("text",), ("origin",), 30.0, "", 1, 2)
    later = msgspec.structs.replace(THIEF[0], principal=Principal("m1"), id="y", at=10)
    weigher, (tried,) = trial([permitted, permitted, campaign, later], ladder(5.0))
    outcome = tried.outcome(weigher.standings, frozenset())
    assert [r.subject for r in outcome.subjects] == ["m1"]


def test_a_lifted_subject_is_not_dosed_by_either(data):
    order = Order(verb="lift", what=WHO, reason="ours", by="ann", lasts_s=0)
    decide(data, order, ladder(2.0), THIEF[0].at, None)
    again = [msgspec.structs.replace(x, id=f"2{x.id}", at=x.at + 10**9) for x in THIEF]
    before = len(trial(facts(data), ladder(2.0))[1][0]._touched)
    with feed_sink(data, ladder(2.0)) as sink:
        sink.take(again)
    weigher, (tried,) = trial(facts(data), ladder(2.0))
    outcome = tried.outcome(weigher.standings, frozenset())
    row = next(r for r in outcome.subjects if r.subject == WHO)
    assert row.requests < len(THIEF) and len(tried._touched) == before


def test_the_verb(data, tmp_path, capsys):
    new = tmp_path / "new.toml"
    new.write_text('[[ladder]]\nname = "slow"\nat = 0.3\ngive = [{ mitigation = "throttle" }]\n')
    assert main(["ladder", "try", str(new), "--data", str(data), "--json"]) == 1
    out = json.loads(capsys.readouterr().out)
    (row,) = out["new"]["rungs"]
    assert row["rung"] == "slow" and row["requests"] > 0 and row["since"] >= LOG[0].at
    assert out["in_force"]["subjects"] == []  # no rung of the built-in ladder is reached here
    assert main(["ladder", "try", str(new), "--data", str(data), "--top", "1"]) == 1
    text = capsys.readouterr().out
    assert "nobody would have been dosed" in text
    assert f"  {WHO}" in text and ", new" in text
    new.write_text(f"{new.read_text()}uses = ['logprobs']\n")
    assert main(["ladder", "try", str(new), "--data", str(data)]) == 0
    assert "armed for " in capsys.readouterr().out
    new.write_text('[[ladder]]\nname = "slow"\nat = 0.3\ngive = [{ mitigation = "hemlock" }]\n')
    assert main(["ladder", "try", str(new), "--data", str(data)]) == 2
    assert "no such mitigation" in capsys.readouterr().err


def test_coins_can_be_thrown_again(tmp_path, monkeypatch):
    monkeypatch.setattr(assembly, "detectors", lambda: (Frames(), Coverage()))
    names = Pseudonyms(load_or_create(tmp_path))
    giving = Ladder((Rung(name="vary", at=1.0, give=(Dose("vary", 1.0),)),))
    vary = Vary(VaryConfig(n_best=3), keys=names.key)
    asked = Request(
        dialect="openai.chat", endpoint="/x", body={}, raw=b"{}", model="m", id=THIEF[0].id
    )
    varied = vary.request(asked, 1.0, Standing("s")).varied
    facts_of = msgspec.structs.replace(THIEF[0].request, varied=varied)
    made = msgspec.structs.replace(THIEF[0], request=facts_of)
    with feed_sink(tmp_path, giving) as sink:
        announce(sink._log, sink._weigher, (), names)
        sink.take([made, THIEF[1]])
    now = time.time()
    thrown, plain = coins(tmp_path, [made.id, THIEF[1].id], now)
    assert thrown.follows and thrown.committed >= 0 and thrown.key == ""
    assert plain.varied == ()
    (later,) = coins(tmp_path, [made.id], now + 2 * EPOCH_S)
    assert bytes.fromhex(later.key) == names.key(f"vary {thrown.epoch}")
    wrong = msgspec.structs.replace(
        made, id="other", request=msgspec.structs.replace(facts_of, varied=varied)
    )
    with feed_sink(tmp_path, giving) as sink:
        sink.take([wrong])
    assert not coins(tmp_path, ["other"], now)[0].follows
    with pytest.raises(InputError, match="holds no exchange"):
        coins(tmp_path, ["nothing"], now)
    assert main(["ladder", "coins", made.id, "--data", str(tmp_path)]) == 0
    assert main(["ladder", "coins", "other", "--data", str(tmp_path)]) == 1
