from __future__ import annotations

import msgspec
import pytest

from titer.core.contracts import Unavailable
from titer.core.errors import Refused
from titer.core.nouns import Decision, Dose, Dosed, Standing
from titer.core.wire import Ended, Problem, Request
from titer.respond import builtin
from titer.respond.dosing import Doser
from titer.respond.shadow import MAX_RUNGS, OTHERS, ShadowCounts

CARD = builtin()["logprobs"].card


class Fake:
    """Does what it is told, and remembers what was settled."""

    def __init__(self, raises=None, put=None, delay=0.0):
        self.card = CARD
        self.raises, self.put, self.delay = raises, put, delay
        self.asked = 0
        self.ended = []

    def request(self, request, strength, standing):
        self.asked += 1
        if self.raises is not None:
            raise self.raises
        if self.put:
            request = request.edit(put=self.put)
        return msgspec.structs.replace(
            request,
            delay=max(request.delay, self.delay),
            settle=(*request.settle, self.ended.append),
        )

    def reply(self, strength, standing):
        return None


def refusal():
    return Refused(Problem(kind="permission", message="no"))


def req():
    return Request(dialect="openai.chat", endpoint="/v1/x", body={"model": "m"}, raw=b"{}")


def row(*doses, shadow=False):
    return Dosed(Standing("s"), Decision("d", 0, "s", "slow", doses, "b", shadow=shadow))


def test_what_doses_do_is_counted_by_rung_mitigation_and_outcome():
    acts = {"throttle": Fake(delay=2.0), "a": Fake(put={"x": 1})}
    doser = Doser(acts, None)
    request, transforms = doser.dose(req(), row(Dose("a", 1), Dose("throttle", 1)))
    assert (request.delay, request.body["x"], transforms) == (2.0, 1, ())
    held = doser.given.rungs["slow"]
    assert held.outcomes == {("a", "edited"): 1, ("throttle", "delayed"): 1}
    assert (held.requests, held.subjects, held.delay_s) == (1, 1, 2.0)
    assert doser.shadow.requests == 0


def test_a_shadow_rehearses_and_changes_nothing():
    real = {"throttle": Fake(delay=2.0)}
    there = {"throttle": Fake(delay=3.0), "out": Fake(raises=refusal())}
    doser = Doser(real, there)
    asked = req()
    got, transforms = doser.dose(asked, row(Dose("throttle", 1), shadow=True))
    assert (got.encode(), got.delay, transforms) == (asked.encode(), 0.0, ())
    assert doser.dose(asked, row(Dose("out", 1), shadow=True)) == (asked, ())
    assert real["throttle"].asked == 0
    held = doser.shadow.rungs["slow"]
    assert held.outcomes == {("throttle", "delayed"): 1, ("out", "refused"): 1}
    assert held.delay_s == 3.0
    doser.settle(got.settle, None)  # what was begun in rehearsal ends with the exchange
    assert there["throttle"].ended == [None]


def test_a_rung_in_shadow_is_rehearsed_and_the_one_below_is_given():
    real = {"throttle": Fake(delay=2.0), "out": Fake(raises=refusal())}
    there = {"strip": Fake(put={"x": 1})}
    doser = Doser(real, there)
    above = msgspec.structs.replace(
        row(Dose("strip", 1), shadow=True).decision,
        rung="strip", meanwhile=(Dose("throttle", 1),), under="slow",
    )  # fmt: skip
    got, _ = doser.dose(req(), Dosed(Standing("s"), above))
    assert (got.delay, got.body) == (2.0, {"model": "m"})
    assert doser.shadow.rungs["strip"].outcomes == {("strip", "edited"): 1}
    assert doser.given.rungs["slow"].outcomes == {("throttle", "delayed"): 1}
    doser.settle(got.settle, None)
    assert real["throttle"].ended == there["strip"].ended == [None]
    out = msgspec.structs.replace(above, meanwhile=(Dose("out", 1),))
    with pytest.raises(Refused):
        doser.dose(req(), Dosed(Standing("s"), out))
    assert there["strip"].ended == [None, None]


def test_a_rehearsal_that_raises_reaches_nobody():
    doser = Doser({"throttle": Fake()}, {"throttle": Fake(raises=RuntimeError())})
    asked = req()
    assert doser.dose(asked, row(Dose("throttle", 1), shadow=True)) == (asked, ())
    assert doser.shadow.rungs["slow"].outcomes == {("throttle", "fault"): 1}
    assert doser.faults.counts == {}


def test_a_refusal_ends_what_earlier_doses_had_begun():
    first, out = Fake(), Fake(raises=refusal())
    doser = Doser({"throttle": first, "out": out}, None)
    with pytest.raises(Refused):
        doser.dose(req(), row(Dose("throttle", 1), Dose("out", 1)))
    assert first.ended == [None]
    assert doser.given.rungs["slow"].outcomes == {("out", "refused"): 1}


@pytest.mark.parametrize(("otherwise", "asked"), [("", 0), ("throttle", 1)])
def test_what_cannot_work_gives_way_as_the_row_says(otherwise, asked):
    down, throttle = Fake(raises=Unavailable()), Fake(delay=1.0)
    doser = Doser({"throttle": throttle, "step_up": down}, None)
    request, _ = doser.dose(req(), row(Dose("step_up", 1, otherwise)))
    assert throttle.asked == asked
    assert request.delay == float(asked)
    assert doser.given.rungs["slow"].outcomes["step_up", "unavailable"] == 1


def test_one_that_raised_and_one_that_is_missing_become_one_throttle():
    throttle = Fake()
    doser = Doser({"throttle": throttle, "bad": Fake(raises=ValueError())}, None)
    doser.dose(req(), row(Dose("bad", 1), Dose("gone", 1), Dose("throttle", 1)))
    assert throttle.asked == 1
    assert set(doser.faults.counts) == {"bad", "gone"}


def test_a_settle_that_raises_is_a_fault_of_ours():
    doser = Doser({}, None)
    seen = []
    doser.settle((lambda _: 1 / 0, seen.append), Ended(1, 2, 0, 200))
    assert seen == [Ended(1, 2, 0, 200)]
    assert doser.faults.last == {"settle": "ZeroDivisionError"}


def test_rungs_that_are_counted_are_bounded():
    counts = ShadowCounts()
    for number in range(MAX_RUNGS + 5):
        counts.count(Decision("d", 0, f"s{number}", f"rung {number}", (), "b"))
        counts.note(f"rung {number}", "throttle", "refused")
    assert len(counts.rungs) == MAX_RUNGS + 1
    assert counts.rungs[OTHERS].requests == 5
    assert counts.requests == MAX_RUNGS + 5
    assert sum(counts.flat("shadow").values()) == 2 * (MAX_RUNGS + 5)
