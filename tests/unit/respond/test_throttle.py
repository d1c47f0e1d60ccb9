"""What the throttle counts besides requests: tokens, requests under way, campaigns, lateness."""

from __future__ import annotations

import pytest

from titer.core.errors import Refused
from titer.core.nouns import Standing
from titer.core.wire import Ended, Request
from titer.respond import throttle as module
from titer.respond.throttle import BUCKET_S, TARPIT_S, Throttle, at_once, token_rate

REQUEST = Request(dialect="openai.chat", endpoint="/v1/x", body={}, raw=b"{}")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def ask(throttle, strength=0.1, standing=None):
    return throttle.request(REQUEST, strength, standing or Standing("s"))


def end(request, tokens=0):
    for told in request.settle:
        told(Ended(10, tokens, 0, 200))


def refused(throttle, strength=0.1, standing=None):
    with pytest.raises(Refused) as caught:
        ask(throttle, strength, standing)
    return caught.value.problem


def test_tokens_empty_a_bucket_that_time_fills():
    clock = Clock()
    throttle = Throttle(clock)
    rate = token_rate(0.1, 0)
    end(ask(throttle), tokens=int(rate * BUCKET_S))
    clock.now += 1
    assert ask(throttle).delay == 0  # exactly emptied, not overdrawn
    end(ask(throttle), tokens=int(rate * 100))
    problem = refused(throttle)
    assert (problem.kind, problem.code) == ("rate_limit", "throttled")
    assert problem.retry_after == pytest.approx(98, abs=2)
    clock.now += 100
    assert ask(throttle).delay == 0


def test_more_exposure_and_more_strength_leave_fewer_tokens():
    for rates in (
        [token_rate(s, 10**5) for s in (0.1, 0.5, 1.0)],
        [token_rate(0.5, e) for e in (0, 10**5, 10**7)],
    ):
        assert rates == sorted(set(rates), reverse=True)
        assert rates[-1] > 0


def test_only_so_many_are_under_way():
    clock = Clock()
    throttle = Throttle(clock)
    under_way = []
    for _ in range(at_once(0.9)):
        under_way.append(ask(throttle, 0.9))
        clock.now += 1000
    assert refused(throttle, 0.9).code == "throttled"
    end(under_way.pop())
    clock.now += 1000
    assert ask(throttle, 0.9).delay == 0


def test_a_request_that_was_never_sent_on_gives_its_place_back():
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(100):
        request = ask(throttle, 1.0)
        for told in request.settle:
            told(None)
        clock.now += 1000


def test_the_accounts_of_a_campaign_share_one_line():
    throttle = Throttle(Clock())
    members = [Standing(f"s{n}", campaign="c1") for n in range(9)]
    delays = []
    for member in members[:7]:
        delays.append(ask(throttle, 0.5, member).delay)
    assert delays[:3] == [0, 0, 0] and delays[3] > 0
    assert refused(throttle, 0.5, members[8]).code == "throttled"
    assert ask(throttle, 0.5, Standing("s9")).delay == 0


def test_what_the_campaign_took_counts_as_exposure():
    slow, light = Throttle(Clock()), Throttle(Clock())
    for _ in range(3):
        ask(slow, 0.3, Standing("a", exposure=10, campaign="c", shared=10**7))
        ask(light, 0.3, Standing("a", exposure=10))
    late = ask(slow, 0.3, Standing("a", campaign="c", shared=10**7)).delay
    assert late > 3 * ask(light, 0.3, Standing("a", exposure=10)).delay > 0


def test_late_refusals_cost_one_place_each_and_few_in_all(monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING_ALL", 8)
    clock = Clock()
    throttle = Throttle(clock)

    def full(name):
        who = Standing(name)
        for _ in range(3):
            ask(throttle, 1.0, who)
        return [refused(throttle, 1.0, who).wait for _ in range(3)]

    assert full("a") == [TARPIT_S, 0, 0]
    waits = [full(f"s{n}")[0] for n in range(6)]
    assert waits == [TARPIT_S] * 3 + [0] * 3  # half of the places are for those who are served
    clock.now += TARPIT_S
    assert refused(throttle, 1.0, Standing("a")).wait == TARPIT_S


def test_a_wall_clock_that_jumps_moves_nothing(monkeypatch):
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(3):
        ask(throttle, 0.5)
    monkeypatch.setattr(module.time, "time", lambda: 0.0)
    assert 0 < ask(throttle, 0.5).delay < 5
