"""A protected text leaves in no place of any dialect, and what a stream repeats agrees with it."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from evals.hidden_reasoning import served

from titer.core.nouns import Standing
from titer.respond.leak_guard.guard import LeakGuard
from titer.respond.leak_guard.settings import LeakSettings
from titer.testing.hidden import DIALECTS, Case, payloads

pytestmark = pytest.mark.compiled

PROTECTED = (
    "The reading room opens with the brass key under the third flowerpot; the alarm is switched"
    " by turning the globe to Lisbon, and the ledger lies behind the dictionary of rivers."
)
HONEST = "Certainly, the reading room is open from nine to five and the catalogue is online. "
STANDING = Standing("s")
GUARD = LeakGuard(LeakSettings(texts=(PROTECTED,)))


def joined(raw, *, streamed):
    """Every string of the reply, those of one member joined as a client joins deltas."""
    lines = [r[6:] for r in raw.split(b"\n") if r.startswith(b"data: ")] if streamed else [raw]
    found: dict[str, str] = {}

    def walk(node, path):
        if isinstance(node, dict):
            path += str(node.get("index", ""))
            for name, value in node.items():
                walk(value, f"{path}/{name}")
        elif isinstance(node, list):
            for value in node:
                walk(value, path)
        elif isinstance(node, str):
            found[path] = found.get(path, "") + node

    for line in lines:
        if line != b"[DONE]":
            data = json.loads(line)
            walk(data, str(data.get("type", "")) + str(data.get("index", "")))
    return found


PARTS = {
    "text": (("said", HONEST), ("said", PROTECTED), ("said", "\n" + HONEST * 3)),
    "reasoning": (("hidden", HONEST + PROTECTED), ("said", HONEST)),
    "arguments": (("said", HONEST), ("call", PROTECTED)),
}


@pytest.mark.parametrize("place", PARTS)
@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("logprobs", [True, False])
def test_nothing_protected_leaves(dialect, streamed, place, logprobs):
    if dialect == "openai.completions" and place != "text":
        pytest.skip("completions have text alone")
    fields = ("reasoning_content", "reasoning_details")
    for seed in range(6):
        case = Case("case", PARTS[place], 2, logprobs, fields, seed)
        raw, _ = served(case, dialect, GUARD.reply(1.0, STANDING), streamed=streamed)
        every = joined(raw, streamed=streamed)
        for path, text in every.items():
            letters = re.sub(r"[^a-z]", "", text.lower())
            assert "lisbonandtheledger" not in letters, (seed, path)
            assert "flowerpotthealarm" not in letters, (seed, path)
        assert b"[removed]" in raw
        if place == "text":
            assert any(text.count("catalogue is online") >= 2 for text in every.values())


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_honest_reply_leaves_byte_for_byte(dialect, streamed):
    case = Case("case", (("said", HONEST * 3), ("call", HONEST)), 1, True, (), 3)
    events = payloads(case, dialect, streamed=streamed)
    raw, _ = served(case, dialect, GUARD.reply(1.0, STANDING), streamed=streamed)
    for event in events:
        assert msgspec.json.encode(event) in raw
