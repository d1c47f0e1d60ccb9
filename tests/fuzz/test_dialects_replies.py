"""Replies of a broken or hostile upstream: taps and codecs count, and never raise."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from titer.gateway.dialects import BUILTIN, EXTRAS, named
from titer.gateway.dialects.tally import MAX_TEXT
from titer.gateway.sse import payload

DIALECTS = st.sampled_from([d.name for d in (*BUILTIN, EXTRAS)])
NAMES = st.sampled_from(
    [
        "type",
        "delta",
        "content",
        "text",
        "choices",
        "index",
        "message",
        "usage",
        "output",
        "item",
        "part",
        "response",
        "summary",
        "reasoning",
        "thinking",
        "content_block",
        "tool_calls",
        "function",
        "arguments",
        "finish_reason",
        "logprobs",
        "error",
        "output_index",
        "content_index",
        "status",
        "prompt_tokens",
        "input_tokens",
        "refusal",
    ]
)
WORDS = st.sampled_from(
    [
        "response.output_text.delta", "response.output_text.done", "response.completed",
        "content_block_delta", "message_start", "message_stop", "text_delta", "message",
        "reasoning", "output_text", "", "😀", "x" * 50,
    ]
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(WORDS, st.integers(-2, 3), st.none(), st.booleans(), st.floats(allow_nan=False)),
    lambda c: st.one_of(st.lists(c, max_size=3), st.dictionaries(NAMES, c, max_size=5)),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(DIALECTS, st.lists(st.one_of(VALUES, st.binary(max_size=30)), max_size=6))
def test_any_payloads_are_read_and_passed_on(name, values):
    dialect = named(name)
    tap, codec = dialect.tap(), dialect.codec()
    for value in values:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        tap.event(data)
        tap.body(data)
        raw = b"event: x\ndata: " + data + b"\n\n"
        unit = codec.unit(raw, "x", data)
        changed = codec.render(unit)
        if unit.text or unit.reasoning:
            unit.text, unit.reasoning, unit.edited = "A", "", True
            again = dialect.unit(changed := codec.render(unit), "x", payload(changed)[1])
            assert again.data is not None
        assert changed.endswith(b"\n\n")
    facts = tap.facts()
    assert facts.chars >= 0
    assert isinstance(tap.text(), str)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 400_000), min_size=1, max_size=8))
def test_what_a_tap_keeps_is_bounded(sizes):
    tap = named("openai.chat").tap()
    for size in sizes:
        tap.event(json.dumps({"choices": [{"delta": {"content": "x" * size}}]}).encode())
    assert len(tap.text()) == min(sum(sizes), MAX_TEXT)
    assert tap.facts().chars == sum(sizes)
