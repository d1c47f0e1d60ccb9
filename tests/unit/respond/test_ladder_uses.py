"""Rungs that are about something: armed until it is used, and in force from that request on."""

from __future__ import annotations

import msgspec
import pytest

from titer.core.nouns import Decision, Dose, Standing
from titer.respond.ladder import PENDING, Ladder, acts, default_ladder, in_force, met
from titer.respond.rungs import GROUND, Rung

DAY = 86_400_000_000
STRIP, SLOW, OUT = Dose("logprobs", 1.0), Dose("throttle", 0.5), Dose("refuse", 1.0)
WATCH = Rung(name="watch", at=3, shadow=False)
READERS = Rung(
    name="readers", at=6, give=(STRIP,), shadow=False, uses=("logprobs", "logit_bias"),
    ttl_s=3 * 86_400,
)  # fmt: skip
SLOWED = Rung(name="slow", at=9, give=(STRIP, SLOW), shadow=False)
LADDER = Ladder((WATCH, READERS, SLOWED))


def at(bits, *uses, **more):
    return Standing("s", bits, 5000, 10, uses=uses, **more)


def shown(decision):
    return decision and (decision.rung, decision.doses, [one.rung for one in decision.armed])


def test_who_has_not_used_it_is_given_nothing_and_has_it_armed():
    made = LADDER.decide(at(7), 0, None)
    assert shown(made) == ("watch", (), ["readers"])
    assert acts(made)
    assert made.gives == (
        "nothing; from its first use of logprobs or logit_bias on (rung readers): logprobs 1"
    )
    assert shown(LADDER.decide(at(7, "logit_bias"), 0, None)) == ("readers", (STRIP,), [])
    assert shown(LADDER.decide(at(7, "embeddings"), 0, None)) == ("watch", (), ["readers"])
    assert shown(LADDER.decide(at(5), 0, None)) == ("watch", (), [])
    assert shown(LADDER.decide(at(9), 0, None)) == ("slow", (STRIP, SLOW), [])


def test_the_first_request_that_uses_it_has_the_doses_already():
    made = LADDER.decide(at(7), 0, None)
    assert met(made, (), 1) is made
    assert met(made, ("embeddings",), 1) is made
    begun = met(made, ("logprobs",), 1)
    assert shown(begun) == ("readers", (STRIP,), [])
    assert in_force(begun, 2 * DAY)  # as long as its own rung lasts, not the one below
    assert not in_force(made, 2 * DAY)
    assert shown(met(made, ("logprobs",), 3 * DAY)) == shown(made)


def test_then_the_decision_is_made_and_says_what_was_used():
    armed = LADDER.decide(at(7), 0, None)
    made = LADDER.decide(at(7, "logprobs"), 1, armed)
    assert shown(made) == ("readers", (STRIP,), [])
    assert "which used logprobs" in made.because
    assert LADDER.decide(at(7, "logprobs"), 2, made) is None
    assert LADDER.decide(at(5.1, "logprobs"), 2, made) is None  # within the margin
    assert shown(LADDER.decide(at(4.9, "logprobs"), 2, made)) == ("watch", (), [])


def test_what_is_armed_does_not_flicker_and_ends_by_itself():
    armed = LADDER.decide(at(7), 0, None)
    assert LADDER.decide(at(5.1), 1, armed) is None
    assert shown(LADDER.decide(at(4.9), 1, armed)) == ("watch", (), [])
    again = LADDER.decide(at(7), DAY, armed)  # the decision below it ended; both are given again
    assert shown(again) == shown(armed)
    short = Ladder((WATCH, msgspec.structs.replace(READERS, ttl_s=60)))
    first = short.decide(at(7), 0, None)
    assert short.decide(at(7), 59_000_000, first) is None
    assert shown(short.decide(at(7), 61_000_000, first)) == ("watch", (), ["readers"])
    assert short.decide(at(5.5), 61_000_000, first) is None  # not earned again
    assert met(first, ("logprobs",), 61_000_000) is first


def test_without_a_rung_below_it_stands_on_the_ground():
    ladder = Ladder((READERS,))
    armed = ladder.decide(at(7), 0, None)
    assert shown(armed) == (GROUND, (), ["readers"])
    assert armed.until == 3 * DAY
    assert ladder.decide(at(7), 1, armed) is None
    assert shown(ladder.decide(at(2), 1, armed)) == (GROUND, (), [])
    assert ladder.decide(at(2), 1, None) is None
    assert shown(met(armed, ("logit_bias",), 1)) == ("readers", (STRIP,), [])


def test_the_highest_rung_that_a_request_is_about_begins():
    deeper = Rung(name="deeper", at=8, give=(SLOW,), shadow=False, uses=("logit_bias",))
    ladder = Ladder((WATCH, READERS, deeper))
    armed = ladder.decide(at(8), 0, None)
    assert shown(armed) == ("watch", (), ["readers", "deeper"])
    assert met(armed, ("logprobs",), 1).rung == "readers"
    assert met(armed, ("logprobs", "logit_bias"), 1).rung == "deeper"
    assert shown(ladder.decide(at(8, "logprobs"), 1, armed)) == ("readers", (STRIP,), ["deeper"])


def test_shadow_goes_along():
    ladder = Ladder((WATCH, msgspec.structs.replace(READERS, shadow=True)))
    begun = met(ladder.decide(at(7), 0, None), ("logprobs",), 1)
    assert begun.shadow and begun.doses == (STRIP,)
    assert "shadow" in ladder.decide(at(7), 0, None).gives


def test_what_is_in_force_goes_on_when_a_rung_in_shadow_begins():
    slow = Rung(name="slow", at=4, give=(SLOW,), shadow=False)
    ladder = Ladder((slow, msgspec.structs.replace(READERS, shadow=True)))
    armed = ladder.decide(at(7), 0, None)
    begun = met(armed, ("logprobs",), 1)
    assert (begun.rung, begun.shadow, begun.under, begun.given) == (
        "readers",
        True,
        "slow",
        (SLOW,),
    )
    after = ladder.decide(at(7, "logprobs"), 1, armed)
    assert (after.rung, after.shadow, after.under, after.given) == (
        "readers",
        True,
        "slow",
        (SLOW,),
    )
    assert met(armed, ("logprobs",), DAY + 1).given == ()  # the decision below has ended


def test_below_a_rung_in_shadow_one_in_force_is_armed_as_well():
    """The built-in ladder half way into force: the throttle is still in shadow."""
    rungs = [
        msgspec.structs.replace(rung, shadow=rung.name in ("throttle", "refuse"))
        for rung in default_ladder().rungs
    ]
    armed = Ladder(rungs).decide(at(8, campaign="c1"), 0, None)
    assert (armed.rung, armed.shadow, armed.given) == ("throttle", True, ())
    assert [(one.rung, one.below) for one in armed.armed] == [("logprobs", True)]
    begun = met(armed, ("logprobs",), 1)
    assert (begun.rung, begun.shadow, begun.under, begun.given) == (
        "throttle", True, "logprobs", (STRIP,)
    )  # fmt: skip
    after = Ladder(rungs).decide(at(8, "logprobs", campaign="c1"), 1, armed)
    assert (after.rung, after.under, after.given) == (begun.rung, begun.under, begun.given)
    later = met(armed, ("logprobs",), 2 * DAY)  # the decision has ended, what is armed has not
    assert (later.rung, later.shadow, later.doses) == ("logprobs", False, (STRIP,))


def test_a_rung_that_needs_a_person_is_never_armed():
    out = Rung(name="out", at=12, give=(OUT,), shadow=False, needs="person", uses=("logprobs",))
    ladder = Ladder((WATCH, READERS, out))
    assert shown(ladder.decide(at(20), 0, None)) == ("watch", (), ["readers"])
    pending = ladder.decide(at(20, "logprobs"), 0, None)
    assert (pending.by, shown(pending)) == (PENDING, ("out", (STRIP,), []))


def test_while_a_person_is_awaited_what_is_below_may_be_armed():
    out = Rung(name="out", at=12, give=(OUT,), shadow=False, needs="person")
    pending = Ladder((WATCH, READERS, out)).decide(at(20), 0, None)
    assert (pending.by, shown(pending)) == (PENDING, ("out", (), ["readers"]))
    begun = met(pending, ("logprobs",), 1)
    assert (begun.rung, begun.doses) == ("readers", (STRIP,))


def test_a_lift_leaves_nothing_armed():
    lift = Decision("d", 0, "s", GROUND, (), "appealed", until=9, by="person:ann", verb="lift")
    assert LADDER.decide(at(7), 1, lift) is None
    assert not acts(lift)


def test_a_use_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="rung 'x': uses may name logprobs, logit_bias, emb"):
        Ladder((Rung(name="x", at=1, uses=("logits",)),))


def test_the_built_in_rung_doses_only_whom_it_can_touch():
    ladder = default_ladder(shadow=False)
    assert shown(ladder.decide(at(8), 0, None)) == ("attention", (), ["logprobs"])
    assert shown(ladder.decide(at(8, "logit_bias"), 0, None)) == ("logprobs", (STRIP,), [])
    member = at(6.8, campaign="c1")
    assert shown(ladder.decide(member, 0, None)) == ("attention", (), ["logprobs"])
    assert ladder.decide(at(7, campaign="c1"), 0, None).rung == "throttle"
