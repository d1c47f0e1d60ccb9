from __future__ import annotations

import msgspec
import pytest

from titer.access.limits import Caller
from titer.core.errors import Refused
from titer.core.nouns import (
    Armed,
    Campaign,
    Card,
    Decision,
    Dose,
    Dosed,
    Exchange,
    Finding,
    Origin,
    Principal,
    ReplyFacts,
    RequestFacts,
    Sketch,
    Standing,
    Usage,
)
from titer.core.wire import Problem, Reply, Request
from titer.detect.bias_ledger import BiasLedger
from titer.detect.parameter_policy import ParameterPolicy
from titer.engine import Engine, Flight, Weigher
from titer.respond import builtin
from titer.respond.ladder import Ladder
from titer.respond.rungs import Rung

NOW = 1_800_000_000_000_000
PRINCIPAL = Principal("p1", "o1", "standard")
CALLER = Caller(key_id="k", principal=PRINCIPAL, slot=1, org_slot=1)


class Budget:
    """Counts what the engine books."""

    def __init__(self, refuse: bool = False) -> None:
        self.refuse = refuse
        self.taken: list[int] = []
        self.settled: list[tuple[int, int]] = []

    def take(self, caller, now, tokens_in):
        self.taken.append(tokens_in)
        if self.refuse:
            raise Refused(Problem(kind="rate_limit", message="later", retry_after=1.0))

    def settle(self, caller, now, *, tokens_in, tokens_out):
        self.settled.append((tokens_in, tokens_out))

    def headers(self, caller, now, family):
        return (("x-family", family),)


def engine(budget=None, mitigations=None, emit=lambda flight: True) -> Engine:
    return Engine(
        keys=None, budgets=budget or Budget(), policy=ParameterPolicy(), ledger=BiasLedger(),
        mitigations=mitigations or builtin(), emit=emit,
    )  # fmt: skip


def request(**body) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
    raw = msgspec.json.encode(body)
    return Request(
        dialect="openai.chat", endpoint="/v1/chat/completions", body=body, raw=raw, model="m"
    )


def row(*doses: Dose, shadow: bool = False, until: int = 0) -> Dosed:
    return Dosed(
        Standing("o1", 9.0, 100),
        Decision("d", NOW, "o1", "r", doses, "because", until=until, shadow=shadow),
    )


def test_a_clean_request_is_forwarded_as_it_came():
    asked = request()
    verdict = engine().decide(CALLER, asked, RequestFacts(), NOW)
    assert verdict.request is asked
    assert verdict.transforms == ()
    assert verdict.denied == ()


def test_a_spent_budget_refuses_before_anything_else():
    with pytest.raises(Refused) as refused:
        engine(Budget(refuse=True)).decide(CALLER, request(), RequestFacts(), NOW)
    assert refused.value.problem.kind == "rate_limit"


def test_logprobs_are_rounded_by_a_transform_even_without_a_dose():
    verdict = engine().decide(CALLER, request(logprobs=True, top_logprobs=2), RequestFacts(), NOW)
    (transform,) = verdict.transforms
    entry = {"token": "a", "logprob": -0.123456, "top_logprobs": []}
    data = {"choices": [{"logprobs": {"content": [entry]}}]}
    unit = Reply(raw=msgspec.json.encode(data), data=data)
    (out,) = transform.feed(unit)
    assert out.data["choices"][0]["logprobs"]["content"][0]["logprob"] == -0.12


def test_a_dose_gives_its_transform_and_shadow_gives_nothing():
    hot = engine()
    hot.table["o1"] = row(Dose("logprobs", 1.0))
    assert len(hot.decide(CALLER, request(), RequestFacts(), NOW).transforms) == 1
    hot.table["o1"] = row(Dose("logprobs", 1.0), shadow=True)
    assert hot.decide(CALLER, request(), RequestFacts(), NOW).transforms == ()
    assert hot.shadow.requests == 1


def test_an_armed_dose_begins_with_the_request_that_uses_what_it_is_about():
    hot = engine()
    armed = Armed("readers", ("logprobs", "logit_bias"), (Dose("logprobs", 1.0),), until=NOW + 9)
    base = row()
    hot.table["o1"] = Dosed(base.standing, msgspec.structs.replace(base.decision, armed=(armed,)))
    plain = request()
    verdict = hot.decide(CALLER, plain, RequestFacts(), NOW)
    assert verdict.request is plain
    assert verdict.transforms == ()
    biased = request(logit_bias={"7": 5})
    verdict = hot.decide(CALLER, biased, RequestFacts(biased=(7,)), NOW)
    assert "logit_bias" not in verdict.request.body
    assert hot.given.rungs["readers"].outcomes[("logprobs", "edited")] == 1
    asked = RequestFacts(params={"logprobs": True})
    assert "logprobs" not in hot.decide(CALLER, request(logprobs=True), asked, NOW).request.body
    late = hot.decide(CALLER, request(logprobs=True), asked, NOW + 9)
    assert late.request.body["logprobs"] is True


def test_a_decision_that_has_ended_gives_nothing():
    hot = engine()
    hot.table["o1"] = row(Dose("refuse", 1.0), until=NOW - 1)
    assert hot.decide(CALLER, request(), RequestFacts(), NOW).transforms == ()
    hot.table["o1"] = row(Dose("refuse", 1.0), until=NOW + 1)
    with pytest.raises(Refused):
        hot.decide(CALLER, request(), RequestFacts(), NOW)


class Broken:
    card = builtin()["logprobs"].card

    def request(self, request, strength, standing):
        raise ZeroDivisionError

    def reply(self, strength, standing):
        return None


class BreaksInReply(Broken):
    def request(self, request, strength, standing):
        return request

    def reply(self, strength, standing):
        return self

    held = 0

    def feed(self, unit):
        raise KeyError("secret text")

    def flush(self):
        return ()


def test_a_mitigation_that_raises_becomes_a_throttle_and_traffic_flows():
    hot = engine(mitigations={**builtin(), "logprobs": Broken()})
    hot.table["o1"] = row(Dose("logprobs", 1.0))
    for _ in range(3):
        hot.decide(CALLER, request(), RequestFacts(), NOW)
    assert hot.faults.counts == {"logprobs": 1}  # the second time it was not asked again
    assert hot.faults.last == {"logprobs": "ZeroDivisionError"}


def test_a_transform_that_raises_lets_the_reply_pass_and_is_not_used_again():
    hot = engine(mitigations={**builtin(), "logprobs": BreaksInReply()})
    hot.table["o1"] = row(Dose("logprobs", 1.0))
    (transform,) = hot.decide(CALLER, request(), RequestFacts(), NOW).transforms
    unit = Reply(raw=b"data: x\n\n")
    assert list(transform.feed(unit)) == [unit]
    assert list(transform.feed(unit)) == [unit]
    assert list(transform.flush()) == []
    assert hot.faults.broken("logprobs")
    assert "secret" not in str(hot.faults.last)


def flight(usage=None, reply=ReplyFacts(chars=400)) -> Flight:
    return Flight(
        "id", NOW, CALLER, Origin(), "openai.chat", "/v1/chat/completions", "m", b"x" * 40,
        b"", 0, RequestFacts(), reply, usage, 200,
    )  # fmt: skip


def test_tokens_are_estimated_when_the_upstream_does_not_say():
    budget = Budget()
    sent: list[Flight] = []
    engine(budget, emit=lambda f: bool(sent.append(f)) or True).record(flight())
    assert budget.settled == [(10, 100)]
    assert sent[0].usage == Usage(10, 100, estimated=True)


def test_what_the_queue_cannot_take_is_counted():
    hot = engine(emit=lambda flight: False)
    hot.record(flight(Usage(1, 2)))
    assert hot.dropped == 1


# -- the cold half


class Counter:
    """Finds something at every exchange; its score is how many it saw."""

    card = Card(
        name="counter", version="1", technique="T", measures="m", blind_to="b",
        benign_causes="c", cost="none", lifecycle="draft",
    )  # fmt: skip

    def subject(self, exchange):
        return exchange.principal.subject

    def start(self):
        return 0

    def step(self, state, exchange):
        state += 1
        found = Finding(
            "", exchange.at, "counter@1", exchange.principal.subject, "T", 99.0, "n",
            score=float(state), cites=(exchange.id,),
        )  # fmt: skip
        return state, (found,)


class Raises(Counter):
    card = msgspec.structs.replace(Counter.card, name="raises")

    def step(self, state, exchange):
        raise ValueError("text of a caller")


class Calibrated:
    """Bits are the score; covers the counter only."""

    id = "cal-test"
    default = False

    def covers(self, card):
        return card.name == "counter"

    def bits(self, name, score, tier=""):
        return score

    def combined(self, scores, tier=""):
        assert set(scores) == {"counter"}
        return scores["counter"]


LADDER = Ladder((Rung(name="slow", at=3.0, give=(Dose("throttle", 0.5),), shadow=False),))


def exchange(i: int, **changes) -> Exchange:
    base = Exchange(
        f"x{i}", NOW + i, PRINCIPAL, "/v1/chat/completions", "m",
        sketch=Sketch((1,) * 8), usage=Usage(10, 100),
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def test_a_detector_cannot_grant_itself_bits():
    cold = Weigher((Counter(),), None, LADDER)
    (finding,) = cold.weigh(exchange(1)).findings
    assert finding.bits == 0
    assert finding.calibration == ""
    assert cold.standings["o1"].bits == 0


def test_the_combination_is_averaged_with_the_hunt_and_buys_a_decision():
    cold = Weigher((Counter(), Raises()), Calibrated(), LADDER)
    decisions = [cold.weigh(exchange(i)).decision for i in range(1, 7)]
    # two sources, however many detectors: log2((2^6 + 1) / 2)
    assert cold.standings["o1"].bits == pytest.approx(5.022, abs=1e-3)
    assert [d.rung for d in decisions if d] == ["slow"]
    campaign = Campaign(
        "c1", ("o1", "o2"), ("text",), ("timing",), 8.0, "T", NOW, NOW + 9, note="n"
    )
    joined = dict(zip(campaign.members, cold.join(campaign), strict=True))
    assert cold.standings["o1"].bits == pytest.approx(7.322, abs=1e-3)  # (2^6 + 2^8) / 2
    assert cold.standings["o2"].bits == pytest.approx(7.006, abs=1e-3)  # (1 + 2^8) / 2
    assert joined["o2"][1].rung == "slow"


def test_a_detector_that_the_calibration_does_not_cover_counts_nothing():
    class Louder(Counter):
        card = msgspec.structs.replace(Counter.card, name="louder")

        def step(self, state, exchange):
            state, (found,) = super().step(state, exchange)
            return state, (msgspec.structs.replace(found, detector="louder@1", score=1e9),)

    alone, both = (Weigher(d, Calibrated(), LADDER) for d in ((Counter(),), (Counter(), Louder())))
    for i in range(5):
        alone.weigh(exchange(i))
        both.weigh(exchange(i))
        assert both.standings["o1"].bits == alone.standings["o1"].bits
    assert [f.bits for f in both.standings["o1"].findings] == [5.0, 0.0]


def test_a_detector_that_raises_becomes_a_finding_about_titer():
    cold = Weigher((Raises(), Counter()), None, LADDER)
    found = cold.weigh(exchange(1)).findings
    assert [f.subject for f in found] == ["titer", "o1"]
    assert "ValueError" in found[0].note
    assert "text of a caller" not in found[0].note
    notes = [f for i in range(2, 20) for f in cold.weigh(exchange(i)).findings]
    assert sum(f.subject == "titer" for f in notes) == 4  # at 2, 4, 8 and 16


def test_a_grant_for_distillation_is_weighed_and_never_dosed():
    cold = Weigher((Counter(),), Calibrated(), LADDER)
    permitted = msgspec.structs.replace(PRINCIPAL, grants=("distillation",))
    last = [cold.weigh(exchange(i, principal=permitted)) for i in range(20)][-1]
    assert last.findings
    assert cold.standings["o1"].bits > 3
    assert cold.decisions == {}


def test_what_a_subject_uses_is_remembered_and_makes_an_armed_rung_begin():
    readers = Rung(name="readers", at=3.0, give=(Dose("logprobs", 1.0),), uses=("logprobs",))
    cold = Weigher((Counter(),), Calibrated(), Ladder((readers,)))
    made = [cold.weigh(exchange(i)).decision for i in range(5)]
    (armed,) = [d for d in made if d is not None]
    assert (armed.doses, armed.armed[0].rung) == ((), "readers")
    assert cold.standings["o1"].uses == ()
    asked = RequestFacts(params={"logprobs": True})
    begun = cold.weigh(exchange(6, request=asked)).decision
    assert (begun.rung, begun.doses, begun.armed) == ("readers", readers.give, ())
    assert cold.weigh(exchange(7)).decision is None
    assert cold.standings["o1"].uses == ("logprobs",)
    other = Weigher((), None, Ladder(()))
    other.weigh(exchange(1, reply=ReplyFacts(logprobs=True)))  # served without being asked
    assert other.standings["o1"].uses == ("logprobs",)


def test_refused_exchanges_count_and_expose_nothing():
    cold = Weigher((), None, LADDER)
    cold.weigh(exchange(1))
    cold.weigh(exchange(2, status=429))
    assert cold.standings["o1"].exchanges == 2
    assert cold.standings["o1"].exposure == 100


def test_the_fold_is_deterministic():
    def run():
        cold = Weigher((Counter(), Raises()), Calibrated(), LADDER)
        return [msgspec.json.encode(cold.weigh(exchange(i))) for i in range(12)]

    assert run() == run()
