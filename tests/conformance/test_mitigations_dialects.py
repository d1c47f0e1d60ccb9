"""Log-probabilities through the real codecs: what a client decodes is what the dose left."""

from __future__ import annotations

import msgspec
import pytest

from titer.core.nouns import Standing
from titer.gateway.dialects import BUILTIN
from titer.respond.logprobs import Logprobs, rounding
from titer.testing.vectors import REPLIES

NAMES = {"chat": "openai.chat", "completions": "openai.completions",
         "responses": "openai.responses", "messages": "anthropic.messages"}  # fmt: skip


def through(name, transform):
    """(bytes in, bytes out, decoded payloads out) of a vector's reply."""
    kind, form = name.split()
    dialect = next(d for d in BUILTIN if d.name == NAMES[kind])
    sent, got, seen = b"", b"", []
    for data in REPLIES[name]:
        payload = msgspec.json.encode(data)
        event = (
            data.get("type", "") if form == "stream" and kind in ("responses", "messages") else ""
        )
        raw = payload
        if form == "stream":
            head = f"event: {event}\n".encode() if event else b""
            raw = head + b"data: " + payload + b"\n\n"
        for unit in transform.feed(dialect.unit(raw, event, payload)):
            out = dialect.render(unit) if unit.edited else unit.raw
            got += out
            seen.append(msgspec.json.decode(out.split(b"data: ")[-1]))
        sent += raw
    assert list(transform.flush()) == []
    return sent, got, seen


@pytest.mark.parametrize("name", REPLIES)
def test_stripped_replies_say_the_same_words(name):
    _, got, seen = through(name, rounding(-1))
    assert len(seen) == len(REPLIES[name])
    if "messages" not in name:
        assert b"teal" not in got and b"0.1234" not in got
        assert b"blue" in got


@pytest.mark.parametrize("name", REPLIES)
def test_rounded_replies(name):
    sent, got, _ = through(name, rounding(2))
    if "messages" in name:
        assert got == sent
    else:
        assert b"0.12" in got and b"0.1234" not in got


@pytest.mark.parametrize("name", REPLIES)
def test_framing_survives_every_dose(name):
    for strength in (0.1, 0.5, 0.7, 1.0):
        sent, got, _ = through(name, Logprobs().reply(strength, Standing("s")))
        assert got.count(b"\n\n") == sent.count(b"\n\n")
        assert got.count(b"event: ") == sent.count(b"event: ")
