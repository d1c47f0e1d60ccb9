from __future__ import annotations

import pytest

from titer.core.errors import Refused
from titer.core.nouns import Standing
from titer.core.wire import Ended, Request
from titer.respond.quota import Quota, QuotaConfig

DAY = 86_400


class Clock:
    def __init__(self, now=100.0 * DAY):
        self.now = now

    def __call__(self):
        return self.now


def req(model="m", **body):
    return Request(dialect="openai.chat", endpoint="/x", body=body, raw=b"{}", model=model)


def run(quota, request, *, out=0, reasoning=0, strength=0.5, who="s", status=200):
    request = quota.request(request, strength, Standing(who))
    for told in request.settle:
        told(Ended(1, out, reasoning, status))


def spent(quota, request, strength=0.5, who="s"):
    try:
        quota.request(request, strength, Standing(who))
    except Refused as refused:
        assert refused.problem.kind == "rate_limit"
        assert refused.problem.code == "quota_spent"
        assert refused.problem.retry_after > 0
        return True
    return False


@pytest.mark.parametrize(
    "protected",
    [
        req(logprobs=True), req(top_logprobs=2), req(logprobs=3),
        req(include=["message.output_text.logprobs"]), req(model="o3-mini"),
        req(reasoning_effort="low"), req(thinking={"type": "enabled", "budget_tokens": 9}),
        req(reasoning={"effort": "high"}),
    ],
)  # fmt: skip
def test_what_is_protected_is_refused_when_spent_and_the_rest_goes_on(protected):
    quota = Quota(QuotaConfig(tokens=1000, models=("o3*",)), clock=Clock())
    assert not spent(quota, protected)
    run(quota, req(logprobs=True), out=500)
    assert spent(quota, protected)
    assert not spent(quota, req())
    for free in (req(logprobs=False), req(reasoning_effort="none"),
                 req(thinking={"type": "disabled"})):  # fmt: skip
        assert not spent(quota, free)


def test_only_reasoning_tokens_of_ordinary_replies_count():
    quota = Quota(QuotaConfig(tokens=1000), clock=Clock())
    run(quota, req(), out=100_000)
    assert not spent(quota, req(logprobs=True))
    run(quota, req("thinker"), out=100_000, reasoning=500)
    assert spent(quota, req("thinker"))  # a model that reasoned once is known to reason
    assert not spent(quota, req("other"))


def test_failed_requests_cost_nothing():
    quota = Quota(QuotaConfig(tokens=10), clock=Clock())
    run(quota, req(logprobs=True), out=500, status=502)
    for told in quota.request(req(logprobs=True), 0.5, Standing("s")).settle:
        told(None)
    assert not spent(quota, req(logprobs=True))


def test_a_new_period_begins_with_nothing_spent():
    clock = Clock()
    quota = Quota(QuotaConfig(tokens=10), clock=clock)
    run(quota, req(logprobs=True), out=500)
    assert spent(quota, req(logprobs=True))
    clock.now += DAY
    assert not spent(quota, req(logprobs=True))


def test_a_clock_that_jumps_back_gives_nothing_back_and_takes_no_period():
    clock = Clock()
    quota = Quota(QuotaConfig(tokens=10), clock=clock)
    clock.now += 365 * DAY
    run(quota, req(logprobs=True), out=500)
    clock.now -= 365 * DAY
    assert spent(quota, req(logprobs=True))
    clock.now += DAY
    assert not spent(quota, req(logprobs=True))


def test_strength_and_campaign():
    quota = Quota(QuotaConfig(tokens=1000), clock=Clock())
    run(quota, req(logprobs=True), out=300)
    assert [spent(quota, req(logprobs=True), s) for s in (0.1, 0.5, 0.8, 1.0)] == [
        False, False, True, True,
    ]  # fmt: skip
    member = Standing("a", campaign="c")
    request = quota.request(req(logprobs=True), 0.5, member)
    request.settle[-1](Ended(1, 600, 0, 200))
    with pytest.raises(Refused):
        quota.request(req(logprobs=True), 0.5, Standing("b", campaign="c"))


@pytest.mark.parametrize("wrong", [{"tokens": -1}, {"period_s": 0}])
def test_config(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        QuotaConfig(**wrong)
