"""Vectors: published attacks must be noticed, public pipelines and honest users must not."""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
import pytest

from titer.core.nouns import Exchange, Principal, RequestFacts
from titer.detect import parameters
from titer.detect.parameters import Parameters, distinct

SHAPES = Path(__file__).parents[4] / "shared/data/prompts/attack/request_shapes.jsonl"
SECOND = 1_000_000


def run(requests, *, step=SECOND, detector=None):
    """(state, findings) of one subject that sends these facts one after the other."""
    detector = detector or Parameters()
    state, findings = detector.start(), []
    for i, facts in enumerate(requests):
        exchange = Exchange(f"e{i}", i * step, Principal("p", "org"), "/v1/x", request=facts)
        assert detector.subject(exchange) == "org"
        state, found = detector.step(state, exchange)
        findings += found
    return state, findings


def facts(ids=(), denied=(), **params):
    return RequestFacts(params=params, biased=tuple(ids), denied=tuple(denied))


def bisection(tokens, rounds=30):
    """openlogprobs: one id at a time, its bias bisected, one token wanted."""
    return [facts([t], max_tokens=1, temperature=0) for t in range(tokens) for _ in range(rounds)]


def topk(queries, width=5):
    """openlogprobs and stealing-part-lm: several ids raised at once, log-probabilities read."""
    return [
        facts(range(q * width, (q + 1) * width), ["logprobs"], logprobs=True, top_logprobs=5,
              max_tokens=1, temperature=0)
        for q in range(queries)
    ]  # fmt: skip


ATTACKS = {
    "bisection": bisection(34),
    "top-k": topk(60),
    "300 ids at once": topk(40, 300),
    "all ids named first, then one by one": [facts(range(300))]
    + [facts([i], max_tokens=1) for i in range(34)],
    "same ids with other values, where facts tell": [
        facts(range(300), max_tokens=1, logit_bias=f"digest-{i}") for i in range(34)
    ],
    "slow sweep with long answers": [facts([i], max_tokens=500) for i in range(200)],
    "first finds what leaks": [
        facts(denied=[n]) for n in sorted(parameters.LEAKS)[:20]
    ],
}  # fmt: skip

HONEST = {
    "chat": [facts(temperature=0.7)] * 500,
    "one banned token (Alpaca)": [facts([50256], max_tokens=3072, logprobs=None)] * 500,
    "classifier with four labels": [
        facts([11, 12, 13, 14], ["logprobs"], max_tokens=1, logprobs=True, top_logprobs=4)
    ]
    * 500,
    "forty tasks with labels of their own": [
        facts([100 * task + i for i in range(4)], max_tokens=20)
        for task in range(10)
        for _ in range(50)
    ],
    "yes and no by turns": [facts([i % 2], max_tokens=1) for i in range(500)],
    "a ban list of 300 words": [facts(range(300), max_tokens=800)] * 50,
    "evaluation harness": [facts(logprobs=5, max_tokens=1, echo=True)] * 500,
    "evaluation harness denied": [facts(denied=["echo", "logprobs"], logprobs=5)] * 500,
    "vLLM client with defaults": [facts(denied=["return_token_ids", "prompt_logprobs"])] * 500,
    "unknown extras": [facts(denied=["unknown", "vllm_xargs", "guided_json"])] * 500,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_noticed(name):
    _, findings = run(ATTACKS[name])
    assert findings
    last = findings[-1]
    assert last.technique == "AML.T0024.002" and last.subject == "org"
    assert (last.bits, last.calibration) == (0.0, "")
    assert last.score >= 1.0
    assert "token ids" in last.note


@pytest.mark.parametrize("name", HONEST)
def test_honest_use_scores_nothing(name):
    state, findings = run(HONEST[name])
    assert not findings
    assert state is None or state.score == 0.0


def test_logit_attacks_outscore_everything_honest_early():
    for name in ("top-k", "300 ids at once"):
        _, findings = run(ATTACKS[name][:30])
        assert findings[-1].score > 3


@pytest.mark.data
def test_public_request_shapes():
    if not SHAPES.exists():
        pytest.skip("../shared/data is not here")
    scores = {}
    for line in SHAPES.read_text().splitlines():
        shape = json.loads(line)
        params, bias = shape["params"], shape["params"].get("logit_bias")
        if isinstance(bias, dict):
            ids = [[int(t) for t in bias]] * 200
        elif bias is None:
            ids = [[]] * 200
        else:  # described in words: so many ids a request, sweeping over the vocabulary
            width = 1 if "1 token" in bias else 5 if "5 tokens" in bias else 300
            rounds = 30 if width == 1 else 1
            ids = [range(q // rounds * width, (q // rounds + 1) * width) for q in range(1000)]
        plain = {k: v for k, v in params.items() if isinstance(v, (int, float, str, bool))}
        plain.pop("logit_bias", None)
        state, _ = run([facts(i, **plain) for i in ids])
        scores[shape["campaign"]] = state.score if state is not None else 0.0
    attacks = {c for c in scores if "openlogprobs" in c or "stealing" in c}
    assert len(attacks) == 3
    assert all(scores[c] >= 4 for c in attacks), scores
    assert all(score == 0 for c, score in scores.items() if c not in attacks), scores


def test_findings_cite_what_was_seen_and_are_few():
    _, findings = run(topk(1000))
    assert len(findings) <= 30
    for finding in findings:
        assert 1 <= len(finding.cites) <= 8
        assert all(cite in {f"e{i}" for i in range(1000)} for cite in finding.cites)
    scores = [f.score for f in findings]
    assert scores == sorted(scores)


def test_the_state_survives_msgpack_at_any_moment():
    detector = Parameters()
    straight, _ = run(topk(120))
    state = detector.start()
    for i, request in enumerate(topk(120)):
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
        exchange = Exchange(f"e{i}", i * SECOND, Principal("p", "org"), "/v1/x", request=request)
        state, _ = detector.step(state, exchange)
    assert state == straight


def test_the_state_is_bounded_and_the_count_good_enough():
    state, _ = run(topk(200, 300))
    assert len(msgspec.msgpack.encode(state)) < 6_000
    few, _ = run(topk(40, 5))
    assert distinct(few) == 200
    many, _ = run(topk(34, 300))
    assert abs(distinct(many) - 10_200) < 0.05 * 10_200


def test_random_ids_are_counted_too():
    rng = random.Random(1)
    ids = rng.sample(range(128_000), 4000)
    state, _ = run([facts(ids[i : i + 10], max_tokens=1) for i in range(0, 4000, 10)])
    assert abs(distinct(state) - 4000) < 200


def test_counts_begin_anew_with_a_horizon_and_the_score_stays():
    detector = Parameters(horizon=1000 * SECOND)
    state, _ = run(topk(20), detector=detector)
    before = state.score
    later = Exchange("l", 5000 * SECOND, Principal("p", "org"), "/v1/x", request=facts([1]))
    state, findings = detector.step(state, later)
    assert (state.score, state.sweeps, distinct(state)) == (before, 0.0, 1)
    assert not findings


def test_refused_requests_count():
    exchange = Exchange("a", 0, Principal("p"), "/v1/x", request=facts([1]), status=403)
    assert Parameters().subject(exchange) == "p"


def test_calibration_can_fit_it():
    fitted = Parameters().fitted({}, origin=5, horizon=7)
    assert (fitted.origin, fitted.horizon) == (5, 7)
    assert Parameters().learn([]) == {}
    with pytest.raises(ValueError, match="horizon"):
        Parameters(horizon=0)


def test_the_card_is_complete():
    for field in ("measures", "blind_to", "benign_causes", "cost"):
        assert getattr(Parameters.card, field)
