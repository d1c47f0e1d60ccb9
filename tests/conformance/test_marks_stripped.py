"""No caller steers marks: over every dialect, spelling and grant, what reaches the engine."""

from __future__ import annotations

import msgspec
import pytest

from titer.core.errors import Refused
from titer.core.nouns import RequestFacts
from titer.detect.bias_ledger import BiasLedger
from titer.detect.parameter_policy import ParameterPolicy, PolicyConfig
from titer.detect.parameter_tables import GRANTS, MARKS, PLAIN
from titer.gateway.dialects import BUILTIN
from titer.gateway.dialects.engine_extras import EngineExtras

CODECS = (*BUILTIN, EngineExtras())
CHAT = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
BODIES = {
    "openai.chat": ("/v1/chat/completions", CHAT),
    "openai.completions": ("/v1/completions", {"model": "m", "prompt": "x"}),
    "openai.responses": ("/v1/responses", {"model": "m", "input": "x"}),
    "openai.embeddings": ("/v1/embeddings", {"model": "m", "input": "x"}),
    "anthropic.messages": ("/v1/messages", {**CHAT, "max_tokens": 1}),
    "anthropic.count_tokens": ("/v1/messages/count_tokens", CHAT),
    "engine.extras": ("/generate", {"text": "x"}),
}

STEER = {
    "watermark": {"enabled": False},
    "watermarking": False,
    "watermark_config": {"key": 1},
    "watermark_key": "00",
    "custom_logit_processor": "80049500",
    "custom_params": {"key": 1},
    "logits_processors": ["os:system"],
    "vllm_xargs": {"titer_mark_key": "00"},
    "Watermark": {"enabled": False},
    "watermark ": {"enabled": False},
    "wаtermark": {"enabled": False},  # a Cyrillic letter  # noqa: RUF003
    "extra_body": {"watermark": {"enabled": False}},
    "nvext": {"watermark": {}},
}


@pytest.fixture
def ledger(tmp_path):
    return BiasLedger(tmp_path / "bias.db")


def forwarded(dialect, body, grants, ledger, how="drop"):
    codec = next(d for d in CODECS if d.name == dialect)
    policy = ParameterPolicy(PolicyConfig(extras=how, unknown=how))
    request = codec.parse(BODIES[dialect][0], msgspec.json.encode(body))
    applied = policy.apply(request, RequestFacts(), grants, ledger, "s")
    return msgspec.json.decode(applied.request.encode()), applied.denied


@pytest.mark.parametrize("dialect", BODIES)
@pytest.mark.parametrize("name", STEER)
def test_nothing_that_steers_marks_passes(dialect, name, ledger):
    body = {**BODIES[dialect][1], name: STEER[name]}
    for grants in ((), tuple(GRANTS)):
        got, denied = forwarded(dialect, body, grants, ledger)
        if name == "vllm_xargs" and grants:
            assert got.get(name, {}) == {}
        else:
            assert name not in got
        assert denied


@pytest.mark.parametrize("dialect", BODIES)
def test_or_is_refused_where_the_operator_says_so(dialect, ledger):
    body = {**BODIES[dialect][1], "watermark": {"enabled": False}}
    with pytest.raises(Refused) as refused:
        forwarded(dialect, body, tuple(GRANTS), ledger, how="refuse")
    assert refused.value.problem.param == "watermark"


def test_a_granted_caller_keeps_its_own_extra_arguments(ledger):
    body = {**BODIES["openai.chat"][1], "vllm_xargs": {"mine": 1, "titer_dilution": 0.0}}
    got, denied = forwarded("openai.chat", body, ("engine",), ledger)
    assert got["vllm_xargs"] == {"mine": 1}
    assert denied == ("vllm_xargs",)


def test_sampling_params_of_generate_hold_no_mark(ledger):
    body = {"text": "x", "sampling_params": {"temperature": 1, "watermark": {"enabled": False}}}
    got, _ = forwarded("engine.extras", body, tuple(GRANTS), ledger)
    assert got["sampling_params"] == {"temperature": 1}


def test_the_tables_agree():
    every = {d.name for d in CODECS}
    assert set(BODIES) == every - {"openai.models"}
    for names in PLAIN.values():
        assert not names & MARKS
