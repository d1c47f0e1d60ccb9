"""Not one hidden word leaves, in any dialect, streamed or whole; the answer does, to the word."""

from __future__ import annotations

import re

import msgspec
import pytest

from titer.core.nouns import Standing
from titer.gateway.dialects import named
from titer.respond.reasoning import STRUCTURE, Reasoning
from titer.testing.hidden import DIALECTS, hidden_cases, payloads

STANDING = Standing("s")
CASES = list(hidden_cases(60, seed=4))
WORD = re.compile(r"vis[0-9a-f]{6}")


def served(dialect, events, *, streamed, strength=1.0, transform=None):
    """The bytes that leave."""
    codec = named(dialect).codec()
    transform = transform or Reasoning().reply(strength, STANDING)
    out = []
    for event in events:
        encoded = msgspec.json.encode(event)
        name = event.get("type", "") if dialect.startswith(("anthropic", "openai.resp")) else ""
        raw, data, event_name = encoded, encoded, ""
        if streamed:
            head = f"event: {name}\n".encode() if name else b""
            raw, event_name = head + b"data: " + encoded + b"\n\n", name
        unit = codec.unit(raw, event_name, data)
        out += [codec.render(u) if u.edited else u.raw for u in transform.feed(unit)]
    if streamed:
        last = codec.unit(b"data: [DONE]\n\n", "", b"[DONE]")
        out += [codec.render(u) if u.edited else u.raw for u in transform.feed(last)]
    return b"".join(out)


def said(raw: bytes, streamed: bool) -> list[str]:
    """The visible words in the order in which a client joins them, choice 0."""
    lines = [r[6:] for r in raw.split(b"\n") if r.startswith(b"data: ")] if streamed else [raw]
    text = ""
    for line in lines:
        if line == b"[DONE]":
            continue
        data = msgspec.json.decode(line)
        kind = data.get("type", "")
        for choice in data.get("choices", [])[:1]:
            inner = choice.get("delta") or choice.get("message") or {}
            text += choice.get("text") or inner.get("content") or ""
        if kind == "response.output_text.delta":
            text += data["delta"]
        elif kind == "content_block_delta":
            text += data["delta"].get("text", "")
        elif kind == "message":
            text += "".join(b.get("text", "") for b in data["content"])
        elif data.get("object") == "response":
            text += data["output"][1]["content"][0]["text"]
    return WORD.findall(text)


@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_hidden_word_leaves_and_every_other_does(dialect, streamed, strength):
    for case in CASES:
        raw = served(
            dialect, payloads(case, dialect, streamed=streamed), streamed=streamed,
            strength=strength,
        )  # fmt: skip
        assert b"hq" not in raw, (case.name, re.findall(rb"hq[0-9a-f]{1,6}", raw)[:3])
        assert said(raw, streamed) == case.said, case.name
        if dialect == "openai.chat":
            assert b'"reasoning_tokens":55' in raw, "the bill must stay honest"


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("dialect", ["openai.chat", "openai.responses", "anthropic.messages"])
def test_signed_blobs_stay_and_structure_stands_for_reasoning(dialect, streamed):
    case = next(c for c in CASES if any(k == "hidden" for k, _ in c.parts)
                and "reasoning_details" in c.fields)  # fmt: skip
    raw = served(
        dialect, payloads(case, dialect, streamed=streamed), streamed=streamed, strength=0.5
    )
    assert b"c2VhbGVk" in raw
    assert STRUCTURE.search(raw.decode())


def test_the_check_can_fail():
    case = next(c for c in CASES if any(k == "hidden" for k, _ in c.parts))
    events = payloads(case, "openai.chat", streamed=True)
    assert any(b"hq" in msgspec.json.encode(event) for event in events)
