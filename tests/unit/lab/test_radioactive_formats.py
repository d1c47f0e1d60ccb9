"""Replies in the engines' own formats: ids for who asks, and nothing for who does not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from titer.lab.radioactive.formats import PROMPT_IDS, Written, add_ids, events, generated
from titer.lab.radioactive.planters import planter_of
from titer.marks.contexts import as_tokens
from titer.marks.recognise import recognise
from titer.marks.sglang_murmur import SglangMurmur

SAID = Written([" a", " b", " c"], [7, 8, 9])
ASKS = {"return_token_ids": True, "return_output_ids_in_sglext": True}


def read(engine, path, **body):
    lines = list(events(engine, path, body, SAID))
    assert lines[-1] == b"data: [DONE]\n\n"
    return [json.loads(line[6:]) for line in lines[:-1]]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_a_stream_has_ids_only_where_they_are_asked_for(engine, path):
    plain, asked = read(engine, path), read(engine, path, **ASKS)
    assert "[7" not in json.dumps(plain)
    assert ("token_ids" in json.dumps(plain)) == (engine == "vllm")  # null, not left out
    ids = [
        *(i for e in asked for c in e["choices"] for i in c.get("token_ids") or ()),
        *(i for e in asked for ids in e.get("sglext", {}).get("output_ids", ()) for i in ids),
    ]
    assert ids == SAID.ids
    with_usage = read(engine, path, stream_options={"include_usage": True})
    assert with_usage[-1]["usage"]["completion_tokens"] == 3


def test_a_generated_stream_repeats_what_was_written():
    steps = read("sglang", "/generate")
    assert [step["text"] for step in steps] == [" a", " a b", " a b c"]
    assert steps[-1] == generated(SAID)
    assert [bool(step["meta_info"]["finish_reason"]) for step in steps] == [False, False, True]


def test_a_whole_reply_has_the_members_of_its_engine():
    def made(engine, kind, body):
        reply = {"choices": [{kind: {} if kind == "message" else ""}]}
        add_ids(engine, body, reply, SAID.ids)
        return reply

    assert made("vllm", "message", {})["choices"][0]["token_ids"] is None
    assert made("vllm", "message", ASKS)["prompt_token_ids"] == PROMPT_IDS
    assert made("sglang", "message", ASKS)["sglext"] == {"output_ids": [SAID.ids]}
    assert made("sglang", "text", ASKS)["choices"][0]["token_ids"] == SAID.ids
    assert made("sglang", "text", {}) == {"choices": [{"text": ""}]}


def test_sglang_s_mark_is_planted_and_recognised():
    scheme = SglangMurmur(width=2)
    planter, rng, key = planter_of(scheme), np.random.default_rng(1), 0xC0FFEE
    text = [3]
    for _ in range(150):
        row = rng.standard_normal((1, 200)).astype(np.float32)
        planter.plant(row, [as_tokens(text)], np.array([key], np.uint64))
        text.append(int(np.argmax(row + rng.gumbel(size=200))))
    right, wrong = recognise(scheme, [as_tokens(text)], [key, key + 1])
    assert right.log10_p < -50
    assert wrong.log10_p > -4
