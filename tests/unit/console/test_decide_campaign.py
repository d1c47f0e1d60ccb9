"""A person decides about a campaign: who is decided about, who is left alone, and undoing it."""

from __future__ import annotations

import json

import msgspec
import pytest

from titer.cli import main
from titer.console.decide import Order, decide
from titer.console.decide_campaign import (
    DECIDED,
    GRANT,
    NOT_OURS,
    NOT_WAITING,
    ORGANISATION,
    carry_out,
    plan,
)
from titer.core.errors import InputError
from titer.core.nouns import Campaign, Dose, Principal
from titer.evidence import intake
from titer.evidence.intake import Intake, enter_many
from titer.evidence.note import Signer
from titer.gateway.assembly import feed_sink, open_log
from titer.respond.ladder import Ladder
from titer.respond.rungs import GROUND, Rung
from titer.testing import population

OUT = Dose("refuse", 1.0)
LADDER = Ladder((Rung(name="out", at=90.0, give=(OUT,), shadow=False, needs="person"),))
MEMBERS = tuple(f"{place:020x}" for place in range(1, 9))
GRANTED, DECLARED, LOOKED_AT = MEMBERS[5:]
NOW = population.harvester(9)[-1].at + 1


@pytest.fixture
def data(tmp_path):
    who = {
        GRANTED: Principal(GRANTED, grants=("distillation",)),
        DECLARED: Principal("a", DECLARED),
    }
    exchanges = [
        msgspec.structs.replace(x, id=f"x-{member}", principal=who.get(member, Principal(member)))
        for member, x in zip(MEMBERS[:-1], population.harvester(9), strict=False)
    ]
    exchanges += [
        msgspec.structs.replace(
            exchanges[0], id=f"x-{account}", principal=Principal(account, DECLARED)
        )
        for account in ("a", "b")
    ]
    with feed_sink(tmp_path, LADDER) as sink:
        sink.take(exchanges)
        for campaign in (
            Campaign("c-1", MEMBERS, ("frames",), ("timing",), 31.5, "T", 1, 2),
            Campaign("c-2", MEMBERS[:1], ("frames",), ("timing",), 20.0, "T", 1, 2, review=True),
        ):
            sink._log.append([("campaign", msgspec.json.encode(campaign))])
    seen = order("impose", LOOKED_AT, doses=(Dose("throttle", 0.5),), lasts_s=0)
    decide(tmp_path, seen, LADDER, NOW, None)
    return tmp_path


def order(verb, what="c-1", **more):
    return Order(verb=verb, what=what, reason="acts as one", by="ann", **more)


def do(data, verb, *, at=NOW, force=False, what="c-1", **more):
    made = plan(data, order(verb, what, **more), LADDER, at, None, force=force)
    told = []
    return made, carry_out(data, made, told.append)


def doses(data):
    """Who is given what, by the fold."""
    with feed_sink(data, LADDER) as sink:
        held = sink._weigher.decisions
        return {s for s in MEMBERS if s in held and OUT in held[s].doses}


def test_members_are_decided_about_and_the_permitted_are_left_alone(data):
    size = plan(data, order("impose", rung="out"), LADDER, NOW, None)
    assert doses(data) == set()  # a plan does nothing
    made, entered = do(data, "impose", rung="out")
    assert made.left == {GRANT: 1, ORGANISATION: 1, DECIDED: 1} == size.left
    assert [d.subject for d in made.decisions] == list(MEMBERS[:5])
    assert {d.because for d in made.decisions} == {"acts as one"}
    assert {d.cites[0] for d in made.decisions} == {"c-1"}
    assert [e.index for e in entered] == list(range(entered[0].index, entered[0].index + 5))
    assert doses(data) == set(MEMBERS[:5])
    again, _ = do(data, "impose", rung="out", at=NOW + 1)  # nothing is decided twice
    assert again.decisions == [] and again.left[DECIDED] == 6


def test_force_leaves_nobody_alone_and_lift_undoes_what_was_imposed(data):
    made, _ = do(data, "impose", rung="out", force=True)
    assert len(made.decisions) == 8 and doses(data) == set(MEMBERS)
    # What somebody decided since about one of them is not undone with the others.
    decide(data, order("impose", MEMBERS[0], doses=(OUT,)), LADDER, NOW + 1, None)
    undone, _ = do(data, "lift", at=NOW + 2)
    assert undone.left == {NOT_OURS: 1}
    assert {(d.rung, d.doses) for d in undone.decisions} == {(GROUND, ())}
    assert doses(data) == {MEMBERS[0]}


def test_of_another_campaign_nothing_is_lifted(data):
    do(data, "impose", rung="out")
    other, _ = do(data, "lift", what="c-2", at=NOW + 1)
    assert other.review and other.decisions == [] and other.left == {NOT_OURS: 1}
    assert do(data, "approve", at=NOW + 1)[0].left == {NOT_WAITING: 8}


def test_a_person_who_may_not_decide_is_told_before_anything_is_done(data):
    ladder = Ladder(LADDER.rungs, deciders=[str(Signer.generate("ann").verifier)])
    with pytest.raises(InputError, match="give your key"):
        plan(data, order("impose", rung="out"), ladder, NOW, None)
    with pytest.raises(InputError, match="the latest are c-1, c-2"):
        plan(data, order("impose", "c-9", rung="out"), LADDER, NOW, None)
    with pytest.raises(InputError, match="has no rung"):
        plan(data, order("impose", rung="nowhere"), LADDER, NOW, None)


def test_the_verb_shows_before_it_does(data, capsys):
    words = ["decide", "impose", "--campaign", "c-1", "--dose", "refuse", "--reason", "r"]
    words += ["--by", "ann", "--data", str(data)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "campaign c-1, 8 members, 31.5 bits" in said
    assert "impose: 5" in said and "left alone, a grant: 1" in said
    assert "nothing was decided" in said and doses(data) == set()
    assert main([*words, "--yes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["decisions"], found["done"], len(found["members"])) == (5, True, 8)
    assert found["entries"][1] - found["entries"][0] == 4
    assert doses(data) == set(MEMBERS[:5])
    for wrong in (["x", "--campaign", "c-1"], ["x", "--yes"], []):
        assert main(["decide", "lift", *wrong, "--reason", "r", "--by", "a", "--data", "d"]) == 2


def test_many_entries_pass_through_the_intake_of_a_held_log(data, monkeypatch):
    monkeypatch.setattr(intake, "TAKE_AT_ONCE", 3)
    made = plan(data, order("impose", rung="out"), LADDER, NOW, None)
    holder = Intake(data)
    with open_log(data) as log:
        before, told = log.size, []
        hand_over = Intake.hand_over

        def handed(self, kind, body):
            name = hand_over(self, kind, body)
            holder.take(log)
            return name

        monkeypatch.setattr(Intake, "hand_over", handed)
        entered = carry_out(data, made, told.append)
        assert [e.how for e in entered] == ["handed over"] * 5
        assert told == [3, 5] and log.size == before + 5
        monkeypatch.setattr(Intake, "hand_over", hand_over)
        with pytest.raises(InputError, match="taken 0 of 5"):
            enter_many(data, [("note", b"{}")] * 5, timeout=0.0)
    with pytest.raises(ValueError, match="alone"):
        enter_many(data, [("rotation", b'{"overlap":1}')])
