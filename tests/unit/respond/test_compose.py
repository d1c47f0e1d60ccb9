from __future__ import annotations

import itertools

import msgspec
import pytest

from titer.core.nouns import Dose, Standing
from titer.respond import builtin
from titer.respond.compose import STAGES, ordered
from titer.testing.vectors import REQUESTS

KNOWN = builtin()
TOGETHER = ("harden", "logprobs", "quota", "step_up", "throttle", "vary")


class Other:
    """A mitigation of somebody else's, at a stage that another one has."""

    def __init__(self, name: str, stage: str = "reply", *, apart: bool = False) -> None:
        self.card = msgspec.structs.replace(
            KNOWN["logprobs"].card, name=name, stage=stage, apart=apart
        )


def test_doses_act_by_stage_whatever_the_order_in_the_ladder():
    doses = [Dose(name, 0.5) for name in TOGETHER]
    wanted = ("step_up", "quota", "throttle", "harden", "vary", "logprobs")
    for order in itertools.permutations(doses):
        assert tuple(d.mitigation for d in ordered(order, KNOWN)) == wanted


@pytest.mark.parametrize(
    ("doses", "words"),
    [
        ([Dose("logprobs", 1.0), Dose("logprobs", 0.5)], "given twice"),
        ([Dose("refuse", 1.0), Dose("throttle", 0.5)], "cannot share a rung"),
        ([Dose("throttle", 0.5), Dose("refuse", 1.0)], "cannot share a rung"),
        ([Dose("hemlock", 1.0)], "there is no mitigation hemlock"),
        ([Dose("step_up", 1.0, "hemlock")], "there is no mitigation hemlock"),
        ([Dose("step_up", 1.0, "step_up")], "cannot stand in for itself"),
        ([Dose("step_up", 1.0, "throttle"), Dose("throttle", 0.5)], "leave otherwise out"),
        ([Dose("step_up", 1.0, "refuse"), Dose("throttle", 0.5)], "cannot share a rung"),
        ([Dose("logprobs", 1.0), Dose("rewrite", 1.0)], "their order would matter"),
    ],
)
def test_what_cannot_be_given_together_is_refused(doses, words):
    known = {**KNOWN, "rewrite": Other("rewrite")}
    with pytest.raises(ValueError, match=words):
        ordered(doses, known)


def test_two_of_one_stage_that_say_they_are_apart_may_meet():
    known = {**KNOWN, "round": Other("round", apart=True)}
    doses = (Dose("round", 1.0), Dose("logprobs", 1.0))
    assert [d.mitigation for d in ordered(doses, known)] == ["logprobs", "round"]


def test_cards_say_where_they_act():
    assert {m.card.stage for m in KNOWN.values()} <= set(STAGES)
    stages = {"refuse": "gate", "step_up": "gate", "quota": "pace", "throttle": "pace",
              "harden": "request", "vary": "request", "logprobs": "reply"}  # fmt: skip
    assert {name: KNOWN[name].card.stage for name in stages} == stages


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(
    "pair",
    [
        ("quota", "throttle"),
        ("harden", "vary"),
        ("antidistill", "vary"),
        ("antidistill", "harden"),
    ],
)
def test_those_that_say_they_are_apart_are(name, pair):
    """Either order leads to the same request, delay included."""
    results = []
    for order in (pair, pair[::-1]):
        fresh, request = builtin(), REQUESTS[name]
        standing = Standing("s", 9.0, 250_000)
        for one in order:
            request = fresh[one].request(request, 0.4, standing)
        results.append(
            (
                msgspec.json.encode(request.body, order="sorted"),
                round(request.delay, 6),
                len(request.settle),
            )
        )
    assert results[0] == results[1]
