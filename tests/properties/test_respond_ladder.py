"""The ladder and the throttle under any history."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.errors import Refused
from titer.core.nouns import Dose, Standing
from titer.core.wire import Request
from titer.respond.ladder import PENDING, Ladder, in_force, met
from titer.respond.rungs import GROUND, Rung
from titer.respond.throttle import BURST, MAX_WAIT_S, MAX_WAITING, Throttle, interval

DOSES = (Dose("logprobs", 0.5), Dose("throttle", 0.5), Dose("refuse", 1.0))
LADDERS = st.builds(
    lambda steps, margin: Ladder(
        [
            Rung(name=f"r{i}", at=sum(s[0] for s in steps[: i + 1]), give=(DOSES[s[1]],),
                 exposure=s[2], needs="person" if s[1] == 2 else s[3], ttl_s=s[4], shadow=s[5],
                 uses=("logprobs",) * s[6])
            for i, s in enumerate(steps)
        ],
        margin=margin,
    ),
    st.lists(
        st.tuples(st.floats(0.1, 5), st.integers(0, 2), st.integers(0, 5),
                  st.sampled_from(["", "person"]), st.integers(1, 9), st.booleans(),
                  st.booleans()),
        max_size=4,
    ),
    st.floats(0, 3),
)  # fmt: skip
USED = ("logprobs",)
LIVES = st.lists(st.tuples(st.floats(0, 25), st.integers(0, 5), st.integers(0, 6_000_000)),
                 max_size=20)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(LADDERS, LIVES, st.integers(0, 20))
def test_whatever_the_life_decisions_keep_the_rules(ladder, life, begins):
    """`begins` is the step from which on the subject has used what rungs are about."""
    by_name = {rung.name: rung for rung in ladder.rungs}
    previous, now = None, 0
    for number, (bits, exposure, step) in enumerate(life):
        now += step
        standing = Standing("s", bits, exposure, uses=USED if number >= begins else ())
        decision = ladder.decide(standing, now, previous)
        assert decision == ladder.decide(standing, now, previous)
        if decision is None:
            continue
        assert ladder.decide(standing, now, decision) is None  # nothing new is said twice
        previous = decision
        for armed in decision.armed:
            rung = by_name[armed.rung]
            assert rung.uses and not standing.uses and not rung.needs
            assert bits >= rung.at - ladder.margin
            assert armed.doses == rung.give
        begun = met(decision, USED, now)
        if decision.armed:
            assert in_force(begun, now)
            after = ladder.decide(msgspec.structs.replace(standing, uses=USED), now, decision)
            if after.by != PENDING:
                assert (after.rung, after.doses) == (begun.rung, begun.doses)
                # what is given while a person is awaited asks for no exposure of its own
                assert after.given == begun.given or decision.by == PENDING
        else:
            assert begun is decision
        if decision.under:
            below = by_name[decision.under]
            assert decision.shadow and not below.shadow and not below.needs
            assert decision.given == below.give
        if decision.rung == GROUND:
            assert decision.doses == ()
            continue
        rung = by_name[decision.rung]
        assert bits >= rung.at - ladder.margin
        assert rung.fits(standing)
        assert now < decision.until == now + rung.ttl_s * 1_000_000
        assert (decision.by == PENDING) == (rung.needs == "person")
        if decision.by == PENDING:
            assert all(d.mitigation != "refuse" for d in decision.doses)
        else:
            assert decision.doses == rung.give


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 5)), max_size=60),
    st.floats(0.01, 1),
    st.integers(0, 10**7),
)
def test_nobody_is_served_faster_than_the_throttle_says(calls, strength, exposure):
    now = [0.0]
    throttle = Throttle(clock=lambda: now[0])
    step = interval(strength, exposure)
    served = {}
    for subject, pause in calls:
        now[0] += pause
        request = Request(dialect="d", endpoint="/", body={}, raw=b"{}")
        try:
            out = throttle.request(request, strength, Standing(str(subject), exposure=exposure))
        except Refused as refusal:
            assert refusal.problem.retry_after >= 1
            continue
        assert out.delay <= min(MAX_WAIT_S, MAX_WAITING * step + 0.001)
        served.setdefault(subject, []).append(now[0] + out.delay)
    for times in served.values():
        for early, late in zip(times, times[BURST:], strict=False):
            assert late - early >= step - 0.002
