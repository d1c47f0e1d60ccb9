"""Persons' decisions: what they do, who may, and that the log, the fold and replay agree."""

from __future__ import annotations

import json
import time

import msgspec
import pytest

from titer.cli import main
from titer.console.decide import Order, decide, waiting
from titer.console.explain import explain
from titer.core.errors import EvidenceError, InputError
from titer.core.nouns import Decision, Dose, Principal, Verification
from titer.detect.calibration import fit
from titer.detect.coverage import Coverage
from titer.detect.frames import Frames
from titer.evidence.note import Signer
from titer.gateway import assembly
from titer.gateway.assembly import enter, feed_sink, keep_calibration
from titer.gateway.replay import replay
from titer.respond import person
from titer.respond.ladder import PENDING, Ladder
from titer.respond.rungs import DAY_S, GROUND, Rung
from titer.testing import population

MADE = fit([Frames(), Coverage()], population.honest(51, 200), seed=1)
WHO = "0123456789abcdef0123"
THIEF = [
    msgspec.structs.replace(x, principal=Principal(WHO, tier="standard"))
    for x in population.harvester(9)
]
SLOW, OUT = Dose("throttle", 0.5), Dose("refuse", 1.0)
RUNGS = (
    Rung(name="slow", at=1.5, give=(SLOW,), shadow=False),
    Rung(name="out", at=2.0, give=(OUT,), shadow=False, needs="person"),
)
LADDER = Ladder(RUNGS)
NOW = THIEF[-1].at + 1
ANN, BOB = Signer.generate("ann"), Signer.generate("bob")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(assembly, "detectors", lambda: (Frames(), Coverage()))
    keep_calibration(tmp_path, MADE)
    fold(tmp_path, THIEF)
    return tmp_path


def fold(data, exchanges=(), ladder=LADDER):
    """The standing decision after feeding some more."""
    with feed_sink(data, ladder) as sink:
        sink.take(exchanges)
        return sink._weigher.decisions[WHO], sink._weigher


def order(verb, what=WHO, **more):
    return Order(verb=verb, what=what, reason="looked at it", by="ann", **more)


def test_approve_gives_the_doses_that_waited(data):
    (case,) = waiting(data, LADDER, NOW)
    assert case.latest.by == PENDING and case.latest.doses == (SLOW,)
    made, entered = decide(data, order("approve", case.latest.id), LADDER, NOW, None)
    assert entered.how == "appended"
    assert (made.rung, made.doses, made.of) == ("out", (OUT,), case.latest.id)
    assert made.until == NOW + DAY_S * 1_000_000
    assert waiting(data, LADDER, NOW) == []
    assert [c.latest.id for c in waiting(data, LADDER, NOW, every=True)] == [made.id]
    assert fold(data)[0] == made
    assert replay(data / "log").persons == 1
    told = "\n".join(explain(data, WHO).lines())
    assert "ann decided to approve (rung 'out', gives: refuse 1;" in told
    assert "looked at it" in told
    with pytest.raises(InputError, match="nothing about .* waits"):
        decide(data, order("approve"), LADDER, NOW, None)


def test_what_is_approved_in_shadow_takes_nothing_back(data):
    ladder = Ladder((RUNGS[0], msgspec.structs.replace(RUNGS[1], shadow=True)))
    made, _ = decide(data, order("approve"), ladder, NOW, None)
    assert (made.rung, made.doses, made.shadow) == ("out", (OUT,), True)
    assert (made.given, made.under) == ((SLOW,), "out")


def test_deny_keeps_what_is_given_below_and_stands(data):
    made, _ = decide(data, order("deny", lasts_s=0), LADDER, NOW, None)
    assert (made.doses, made.until) == ((SLOW,), 0)
    later = [msgspec.structs.replace(x, at=x.at + 10**12, id=f"again-{x.id}") for x in THIEF]
    assert fold(data, later)[0] == made
    assert replay(data / "log").persons == 1


def test_lift_ends_doses_and_the_ladder_gives_again_when_it_is_over(data):
    made, _ = decide(data, order("lift", lasts_s=60), LADDER, NOW, None)
    assert (made.rung, made.doses) == (GROUND, ())
    soon = msgspec.structs.replace(THIEF[0], id="x1", at=NOW + 59_000_000)
    assert fold(data, [soon])[0] == made
    late = msgspec.structs.replace(THIEF[0], id="x2", at=NOW + 60_000_000)
    assert fold(data, [late])[0].by == PENDING
    assert replay(data / "log").persons == 1


def test_impose_a_rung_or_doses_also_on_who_never_called(data):
    rung, _ = decide(data, order("impose", rung="slow"), LADDER, NOW, None)
    assert (rung.rung, rung.doses) == ("slow", (SLOW,))
    other = "f" * 20
    doses = (Dose("logprobs", 1.0), Dose("throttle", 0.9))
    made, _ = decide(data, order("impose", other, doses=doses), LADDER, NOW, None)
    assert [d.mitigation for d in made.doses] == ["throttle", "logprobs"]
    weigher = fold(data)[1]
    assert weigher.decisions[other] == made and weigher.standings[other].exchanges == 0
    replay(data / "log")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"verb": "impose"}, "either --rung"),
        ({"verb": "impose", "rung": "a", "doses": (SLOW,)}, "either --rung"),
        ({"verb": "impose", "rung": "nowhere"}, "has no rung 'nowhere'"),
        ({"verb": "impose", "doses": (SLOW, OUT)}, "cannot share a rung"),
        ({"verb": "impose", "doses": (Dose("hemlock", 1.0),)}, "no mitigation hemlock"),
        ({"verb": "lift", "reason": "  "}, "--reason"),
        ({"verb": "lift", "reason": "x" * 3000}, "--reason"),
        ({"verb": "lift", "by": "an n"}, "--by"),
        ({"verb": "lift", "by": "ann+bob"}, "--by"),
        ({"verb": "lift", "what": "nobody-known"}, "the log knows no"),
        ({"verb": "approve", "what": "d-no-such"}, "the log knows no"),
    ],
)
def test_orders_that_cannot_be(data, more, words):
    wanted = msgspec.structs.replace(order("lift"), **more)
    with pytest.raises(InputError, match=words):
        decide(data, wanted, LADDER, NOW, None)


def test_where_deciders_are_named_nobody_else_decides(data):
    ladder = Ladder(RUNGS, deciders=[str(ANN.verifier)])
    for key, words in ((None, "give your key"), (BOB.to_pem(), "no effect")):
        with pytest.raises(InputError, match=words):
            decide(data, order("lift"), ladder, NOW, key)
    bob = msgspec.structs.replace(order("lift"), by="bob")
    with pytest.raises(InputError, match="no effect"):
        decide(data, bob, ladder, NOW, ANN.to_pem())
    made, _ = decide(data, order("lift"), ladder, NOW, ANN.to_pem())
    assert made.signed_by == str(ANN.verifier)
    assert fold(data, ladder=ladder)[0] == made


def test_what_somebody_else_hands_in_stays_without_effect(data):
    ladder = Ladder(RUNGS, deciders=[str(ANN.verifier)])
    before = fold(data, ladder=ladder)[0]
    forged = Decision("d-x", NOW, WHO, GROUND, (), "trust me", by="person:ann", verb="lift")
    for entry in (
        forged,
        person.sign(forged, BOB),
        msgspec.structs.replace(person.sign(forged, ANN), until=5),
        person.sign(msgspec.structs.replace(forged, by="person:bob"), ANN),
        person.sign(msgspec.structs.replace(forged, verb="obey"), ANN),
    ):
        enter(data, "decision", msgspec.json.encode(entry))
    decision, _ = fold(data, ladder=ladder)
    assert decision == before
    replay(data / "log")
    told = explain(data, WHO)
    assert "without effect" in "\n".join(told.lines())
    with pytest.raises(InputError):
        enter(data, "decision", msgspec.json.encode(msgspec.structs.replace(forged, by="pending")))


def test_a_signature_is_over_every_word():
    signed = person.sign(
        Decision("d", 1, "s", "slow", (SLOW,), "why", by="person:ann", verb="impose"), ANN
    )
    trusted = person.keys([str(ANN.verifier)])
    person.check(signed, trusted)
    for change in ({"because": "other"}, {"doses": (OUT,)}, {"until": 9}, {"subject": "t"}):
        with pytest.raises(EvidenceError):
            person.check(msgspec.structs.replace(signed, **change), trusted)
    with pytest.raises(ValueError, match="deciders"):
        person.keys(["ann"])


def test_a_verification_of_the_log_is_folded(data):
    said = Verification(NOW, WHO, "n", NOW + 10)
    enter(data, "verification", msgspec.json.encode(said))
    assert fold(data)[1].standings[WHO].verified == NOW + 10
    replay(data / "log")
    assert any("vouched" in line for line in explain(data, WHO).lines())


def test_the_verb(data, tmp_path, capsys):
    config = tmp_path / "own.toml"
    key = tmp_path / "ann.key"
    assert main(["decide", "key", "--by", "ann", "-o", str(key), "--json"]) == 0
    decider = json.loads(capsys.readouterr().out)["decider"]
    assert key.stat().st_mode & 0o077 == 0
    assert main(["decide", "key", "--by", "ann", "-o", str(key)]) == 2
    config.write_text(f'[respond]\ndeciders = ["{decider}"]\n')
    common = ["--data", str(data), "--config", str(config)]
    at = time.time_ns() // 1000
    ladder = Ladder(RUNGS, deciders=[decider])
    fold(data, [msgspec.structs.replace(x, at=at, id=f"now-{x.id}") for x in THIEF], ladder)
    assert main(["decide", "list", *common]) == 1
    assert "1 wait for a person" in capsys.readouterr().out
    words = ["--reason", "an appeal", "--by", "ann"]
    assert main(["decide", "lift", WHO, *words, *common]) == 2
    assert "give your key" in capsys.readouterr().err
    assert main(["decide", "lift", WHO, *words, *common, "--for", "soon"]) == 2
    assert main(["decide", "impose", WHO, *words, *common, "--dose", "throttle=2"]) == 2
    done = ["decide", "lift", WHO, *words, *common, "--key", str(key), "--for", "7d", "--json"]
    assert main(done) == 0
    made = json.loads(capsys.readouterr().out.splitlines()[-1])["decision"]
    assert made["verb"] == "lift"
    assert made["until"] - made["at"] == 7 * DAY_S * 1_000_000
    assert abs(made["at"] / 1e6 - time.time()) < 600
    assert main(["decide", "list", *common]) == 0
    assert main(["decide", "list", "--all", *common]) == 0
    assert "by person:ann" in capsys.readouterr().out
