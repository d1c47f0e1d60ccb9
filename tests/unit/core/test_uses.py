"""What a request uses besides text, whatever the engine calls it."""

from __future__ import annotations

import pytest

from titer.core.nouns import RequestFacts
from titer.core.uses import LOGPROBS, USES, joined, uses
from titer.detect.parameter_tables import CLOSED, INCLUDE_LOGPROBS
from titer.gateway.dialects import BUILTIN
from titer.gateway.dialects.engine_extras import EngineExtras
from titer.gateway.dialects.fields import MAX_PARAMS, params

CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"

#: Closed with log-probabilities, and without effect where none were asked for.
SHAPES = {"logprob_start_len", "return_text_in_logprobs", "post_sampling_probs", "echo"}


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, ()),
        ({"logprobs": True}, ("logprobs",)),
        ({"logprobs": False}, ()),
        ({"logprobs": None, "top_logprobs": None}, ()),
        ({"logprobs": 0}, ("logprobs",)),  # completions: the value of the token itself
        ({"top_logprobs": 0}, ()),
        ({"top_logprobs": 5}, ("logprobs",)),
        ({"n_probs": 0}, ()),
        ({"n_probs": 3}, ("logprobs",)),
        ({"return_logprob": True}, ("logprobs",)),
        ({"include": ["file_search_call.results"]}, ()),
        ({"include": ["message.output_text.logprobs"]}, ("logprobs",)),
        ({"temperature": 0.2, "max_tokens": 1}, ()),
    ],
)
def test_log_probabilities_by_every_name(given, used):
    assert uses(CHAT, RequestFacts(params=params(given))) == used


def test_a_bias_and_embeddings():
    assert uses(CHAT, RequestFacts(biased=(7,))) == ("logit_bias",)
    assert uses(EMBED, RequestFacts()) == ("embeddings",)
    both = RequestFacts(params={"logprobs": True}, biased=(7,))
    assert uses(CHAT, both) == ("logprobs", "logit_bias")


def test_what_is_closed_as_log_probabilities_is_known():
    assert {n for n, grant in CLOSED.items() if grant == "prompt_logprobs"} - SHAPES <= LOGPROBS


def test_nobody_asks_behind_a_heap_of_other_parameters():
    heap = {f"junk_{i}": i for i in range(3 * MAX_PARAMS)}
    kept = params({**heap, "logprobs": True, "include": [INCLUDE_LOGPROBS]})
    assert len(kept) == MAX_PARAMS + 2
    assert uses(CHAT, RequestFacts(params=kept)) == ("logprobs",)


@pytest.mark.parametrize(
    ("dialect", "endpoint", "body"),
    [
        ("openai.chat", CHAT, b'{"messages":[{"role":"user","content":"a"}],"logprobs":true}'),
        ("openai.completions", "/v1/completions", b'{"prompt":"a","logprobs":0}'),
        ("openai.responses", "/v1/responses",
         b'{"input":"a","include":["message.output_text.logprobs"]}'),
        ("openai.responses", "/v1/responses", b'{"input":"a","top_logprobs":2}'),
        ("engine.extras", "/generate", b'{"text":"a","return_logprob":true}'),
        ("openai.embeddings", EMBED, b'{"input":"a"}'),
    ],
)  # fmt: skip
def test_every_dialects_facts_tell(dialect, endpoint, body):
    codec = next(d for d in (*BUILTIN, EngineExtras()) if d.name == dialect)
    request = codec.parse(endpoint, body)
    expected = "embeddings" if endpoint == EMBED else "logprobs"
    assert uses(request.endpoint, codec.facts(request)) == (expected,)


def test_uses_are_joined_in_one_order():
    assert joined((), ()) == ()
    assert joined(("logit_bias",), ("logprobs",)) == ("logprobs", "logit_bias")
    assert joined(USES, ("logprobs",)) is USES
