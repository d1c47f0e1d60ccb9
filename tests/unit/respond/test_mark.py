"""The mitigation `mark`: what it puts into a request, for which engine, under whose key."""

from __future__ import annotations

import msgspec
import pytest

from titer.core.nouns import Standing
from titer.core.wire import Request
from titer.marks.keys import Epoch, KeyRing
from titer.respond.mark import Mark

RING = KeyRing((Epoch(number=1, master=bytes(32), created=1),))
STANDING = Standing("subject-1")


def request(dialect="openai.chat", **body):
    return Request(dialect=dialect, endpoint="/x", body=body, raw=msgspec.json.encode(body))


def test_sglang_is_given_the_account_s_key_and_a_width_by_strength():
    key = RING.key("subject-1")
    widths = {}
    for strength in (0.25, 0.75, 1.0):
        edited = Mark("sglang", RING).request(request(model="m"), strength, STANDING)
        wanted = edited.body["watermark"]
        assert wanted["enabled"] is True
        assert int(wanted["key"], 16) == key.engine
        assert len(wanted["key"]) == 16
        assert edited.mark == key.id
        widths[strength] = wanted["context_window"]
    assert widths == {0.25: 4, 0.75: 2, 1.0: 1}


def test_vllm_marks_quietly_by_its_own_key_and_radioactively_by_ours():
    mark = Mark("vllm", RING)
    quiet = mark.request(request(), 0.5, STANDING)
    assert quiet.body["watermarking"] is True
    assert quiet.mark == ""
    loud = mark.request(request(vllm_xargs={"other": 1}), 1.0, STANDING)
    assert loud.body["vllm_xargs"] == {
        "other": 1, "titer_mark_key": f"{RING.key('subject-1').engine:016x}",
        "titer_mark_width": 1, "titer_mark_delta": 2.0,
    }  # fmt: skip
    assert loud.mark == RING.key("subject-1").id


def test_accounts_have_different_keys():
    mark = Mark("sglang", RING)
    keys = {mark.request(request(), 1.0, Standing(s)).body["watermark"]["key"] for s in "abc"}
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("engine", "ring", "dialect"),
    [("", RING, "openai.chat"), ("sglang", None, "openai.chat"),
     ("sglang", RING, "anthropic.messages"), ("vllm", RING, "engine.extras")],
)  # fmt: skip
def test_what_cannot_be_marked_passes_untouched(engine, ring, dialect):
    came = request(dialect)
    assert Mark(engine, ring).request(came, 1.0, STANDING) is came
    assert Mark(engine, ring).reply(1.0, STANDING) is None
