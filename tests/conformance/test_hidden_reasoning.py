"""Not one hidden word leaves, in any dialect, streamed or whole; the answer does, to the word."""

from __future__ import annotations

import re

import msgspec
import pytest
from evals.hidden_reasoning import answer, served

from titer.core.nouns import Standing
from titer.gateway.dialects import named
from titer.respond.reasoning import STRUCTURE, Reasoning
from titer.testing.hidden import DIALECTS, hidden_cases, payloads

STANDING = Standing("s")
CASES = list(hidden_cases(60, seed=4))


def left(dialect, case, *, streamed, strength):
    return served(case, dialect, Reasoning().reply(strength, STANDING), streamed=streamed)[0]


@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_hidden_word_leaves_and_every_other_does(dialect, streamed, strength):
    for case in CASES:
        raw = left(dialect, case, streamed=streamed, strength=strength)
        assert b"hq" not in raw, (case.name, re.findall(rb"hq[0-9a-f]{1,6}", raw)[:3])
        assert answer(raw, streamed=streamed) == case.said, case.name
        if dialect == "openai.chat":
            assert b'"reasoning_tokens":55' in raw, "the bill must stay honest"


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("dialect", ["openai.chat", "openai.responses", "anthropic.messages"])
def test_signed_blobs_stay_and_structure_stands_for_reasoning(dialect, streamed):
    case = next(c for c in CASES if any(k == "hidden" for k, _ in c.parts)
                and "reasoning_details" in c.fields)  # fmt: skip
    raw = left(dialect, case, streamed=streamed, strength=0.5)
    assert b"c2VhbGVk" in raw
    assert STRUCTURE.search(raw.decode())


def test_the_check_can_fail():
    case = next(c for c in CASES if any(k == "hidden" for k, _ in c.parts))
    events = payloads(case, "openai.chat", streamed=True)
    assert any(b"hq" in msgspec.json.encode(event) for event in events)


@pytest.mark.parametrize("odd", [b"-Infinity", b"NaN", b"1e999", b'"\\ud83d"'])
def test_what_clients_read_although_it_is_no_json_does_not_pass_unread(odd):
    head = b'{"choices":[{"index":0,"delta":{"content":"<think>hq12</think>vis123456"},"odd":'
    data = head + odd + b"}]}"
    codec = named("openai.chat").codec()
    unit = codec.unit(b"data: " + data + b"\n\n", "", data)
    units = Reasoning().reply(1.0, STANDING).feed(unit)
    left = b"".join(codec.render(u) if u.edited else u.raw for u in units)
    assert b"hq12" not in left
    assert b"vis123456" in left


@pytest.mark.parametrize("odd", [b"-Infinity", b"NaN"])
def test_it_passes_as_it_came_when_nothing_is_hidden(odd):
    data = b'{"choices":[{"index":0,"delta":{"content":"vis123456"},"odd":' + odd + b"}]}"
    codec = named("openai.chat").codec()
    (unit,) = Reasoning().reply(1.0, STANDING).feed(codec.unit(data, "x", data))
    assert not unit.edited
    assert unit.raw == data
