"""Hostile payloads through everything that edits replies: nothing raises, JSON stays JSON."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.nouns import Standing
from titer.gateway.dialects import BUILTIN, EXTRAS, named
from titer.gateway.sse import payload
from titer.respond.embeddings import Embeddings
from titer.respond.leak_guard.guard import LeakGuard
from titer.respond.leak_guard.scan import Scan, limits
from titer.respond.leak_guard.secrets import Watched, describe
from titer.respond.leak_guard.settings import LeakSettings
from titer.respond.reasoning import Reasoning

pytestmark = pytest.mark.compiled

STANDING = Standing("s")
PROTECTED = (
    "seven grey whales carried the harbour master's brass telescope past the lighthouse " * 2
)
KEY = b"k" * 32
GUARD = LeakGuard(
    LeakSettings(texts=(PROTECTED,), secrets=(describe("t", "tok-12345-abcdef", KEY),)), KEY
)
NAMES = st.sampled_from(
    ["type", "delta", "content", "text", "choices", "index", "message", "usage", "output", "item",
     "part", "response", "summary", "reasoning", "thinking", "content_block", "tool_calls",
     "function", "arguments", "finish_reason", "logprobs", "token_ids", "output_index", "tokens",
     "content_index", "refusal", "meta_info", "input", "reasoning_details", "partial_json", "data",
     "embedding", "thoughts", "top_logprobs", "output_token_logprobs", "completion_probabilities"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["response.output_text.delta", "response.output_text.done", "response.completed", "message",
     "response.function_call_arguments.delta", "content_block_delta", "content_block_start",
     "content_block_stop", "reasoning", "<think>", "</think>", "a", "", PROTECTED, PROTECTED[::-1],
     "tok-12345-abcdef", "\ud800", "stop", "AAAAAAAA", "<|channel|>analysis"]
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(WORDS, st.integers(-2, 3), st.none(), st.booleans(), st.floats(allow_nan=False)),
    lambda c: st.one_of(st.lists(c, max_size=3), st.dictionaries(NAMES, c, max_size=5)),
    max_leaves=25,
)
DIALECTS = st.sampled_from([d.name for d in (*BUILTIN, EXTRAS)])


@settings(max_examples=400, deadline=None)
@given(DIALECTS, st.lists(VALUES, max_size=6), st.sampled_from([0.5, 1.0]), st.booleans())
def test_any_reply(name, values, strength, streamed):
    codec = named(name).codec()
    transforms = [m.reply(strength, STANDING) for m in (Reasoning(), GUARD, Embeddings(b"k" * 32))]
    for value in values:
        data = json.dumps(value).encode()
        raw = b"event: x\ndata: " + data + b"\n\n" if streamed else data
        units = [codec.unit(raw, "x" if streamed else "", data)]
        for transform in transforms:
            units = [made for unit in units for made in transform.feed(unit)]
        for unit in units:
            left = codec.render(unit) if unit.edited else unit.raw
            inner = payload(left)[1] if streamed else left
            assert inner is None or json.loads(inner) is not Ellipsis


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.binary(max_size=200))
def test_any_text(text, raw):
    scan = Scan(GUARD.ready(), limits(48), Watched((), KEY))
    for piece in (text, raw.decode("utf-8", "replace"), raw.decode("latin-1"), "\ud800x"):
        assert scan.push(piece) is not None
    scan.close()
    assert msgspec.json.encode(scan.push("ok"))
