"""What must hold for every request, however odd."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.errors import Refused
from titer.core.nouns import Exchange, Principal, RequestFacts
from titer.core.wire import Request
from titer.detect.bias_ledger import BiasLedger
from titer.detect.parameter_policy import ParameterPolicy, PolicyConfig
from titer.detect.parameter_tables import CHECKED, CLOSED, PLAIN
from titer.detect.parameters import Parameters

NAMES = st.one_of(
    st.sampled_from(sorted(set(CLOSED) | set().union(*PLAIN.values(), *CHECKED.values()))),
    st.text(max_size=12),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
IDS = st.integers(0, 99999).map(str)
BIAS = st.dictionaries(IDS, st.floats(-200, 200) | st.integers(-200, 200), max_size=12)
BODIES = st.dictionaries(NAMES, JSON, max_size=8)
POLICY = ParameterPolicy()


def apply(dialect, body, *, ledger=None, policy=POLICY, grants=()):
    raw = b"raw"
    request = Request(dialect=dialect, endpoint="/x", body=body, raw=raw)
    try:
        return policy.apply(request, RequestFacts(), grants, ledger or BiasLedger(), "org")
    except Refused as refusal:
        problem = refusal.problem
        assert problem.kind in ("invalid_request", "permission")
        assert problem.message
        return None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(PLAIN)), BODIES)
def test_only_listed_names_pass_and_nothing_else_is_raised(dialect, body):
    applied = apply(dialect, body)
    if applied is None:
        return
    left = applied.request.body
    assert set(left) <= PLAIN[dialect] | CHECKED[dialect]
    assert set(left) <= set(body)
    assert applied.request.edited or left is body
    for name in PLAIN[dialect] & set(body):
        assert left[name] is body[name]
    assert all(name == "unknown" or name in CLOSED or name in CHECKED[dialect]
               for name in applied.denied)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["openai.chat", "openai.completions"]),
    BIAS,
    st.booleans() | st.integers(0, 30),
    st.integers(0, 30) | st.none(),
    st.booleans(),
)
def test_bias_and_logprobs_never_leave_together(dialect, bias, logprobs, top, bias_first):
    wish = {"logprobs": logprobs, "top_logprobs": top}
    body = {"logit_bias": bias, **wish} if bias_first else {**wish, "logit_bias": bias}
    applied = apply(dialect, body, grants=("logprobs", "prompt_logprobs"))
    if applied is None:
        return
    left = applied.request.body
    asks = left.get("logprobs") not in (None, False) or left.get("top_logprobs") is not None
    assert not (asks and left.get("logit_bias"))
    for value in (left.get("logit_bias") or {}).values():
        assert abs(value) <= 20 and value == int(value)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=9, unique=True), max_size=30))
def test_what_an_organisation_gets_biased_never_exceeds_its_budget(requests):
    ledger, policy = BiasLedger(), ParameterPolicy(PolicyConfig(biased_per_org=20))
    served = set()
    for ids in requests:
        applied = apply("openai.chat", {"logit_bias": {str(i): 1 for i in ids}},
                        ledger=ledger, policy=policy)  # fmt: skip
        fits = len(served | set(ids)) <= 20
        assert (applied is not None) == fits
        if fits:
            served |= set(ids)
    assert ledger.spent("org") == len(served)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(PLAIN)), BODIES)
def test_applying_policy_twice_changes_nothing_more(dialect, body):
    first = apply(dialect, body)
    if first is None:
        return
    second = apply(dialect, first.request.body)
    assert second is not None
    assert not second.request.edited
    assert second.denied == ()


FACTS = st.builds(
    RequestFacts,
    params=st.dictionaries(st.sampled_from(["max_tokens", "logprobs", "top_logprobs"]),
                           st.none() | st.booleans() | st.integers(0, 9) | st.just("<object>")),
    denied=st.lists(
        st.sampled_from(["echo", "prompt_logprobs", "unknown"]), max_size=2
    ).map(tuple),
    biased=st.lists(st.integers(0, 10**9), max_size=6).map(tuple),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(FACTS, max_size=25), st.integers(1, 50))
def test_the_detector_is_a_fold_whose_score_never_falls(requests, horizon):
    def run(through_msgpack):
        detector = Parameters(horizon=horizon)
        state, told, score = detector.start(), [], 0.0
        for i, facts in enumerate(requests):
            exchange = Exchange(f"e{i}", i, Principal("p"), "/x", request=facts)
            if through_msgpack:
                state = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
            state, found = detector.step(state, exchange)
            told += found
            if state is not None:
                assert state.score >= score >= 0
                score = state.score
        return msgspec.msgpack.encode(state), told

    assert run(through_msgpack=True) == run(through_msgpack=False)
