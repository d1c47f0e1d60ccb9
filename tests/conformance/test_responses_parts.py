"""The Responses dialect: what was said only in the end stays in its own parts."""

from __future__ import annotations

import msgspec
import pytest

from titer.gateway.dialects import named

PARTS = ("one", "two", "three")


def ended():
    """The last event of a stream without deltas: three parts in two items."""

    def part(text):
        return {"type": "output_text", "text": text}

    output = [
        {"type": "message", "content": [part("one"), part("two")]},
        {"type": "message", "content": [part("three")]},
    ]
    value = {"type": "response.completed", "response": {"output": output}}
    # Spaces that our own encoder would not write show whether the bytes are the same.
    data = msgspec.json.format(msgspec.json.encode(value), indent=0)
    return b"event: response.completed\ndata: " + data + b"\n\n", data


def texts(raw):
    value = msgspec.json.decode(raw.split(b"data: ")[1])
    return [p["text"] for item in value["response"]["output"] for p in item["content"]]


def test_unchanged_parts_stay_where_they_are():
    raw, data = ended()
    codec = named("openai.responses").codec()
    unit = codec.unit(raw, "response.completed", data)
    assert unit.text == "".join(PARTS)
    assert codec.render(unit) == raw


@pytest.mark.parametrize("left", ["", "x", "onetwo"])
def test_changed_text_is_said_once_in_the_first_part(left):
    raw, data = ended()
    codec = named("openai.responses").codec()
    unit = codec.unit(raw, "response.completed", data)
    unit.text = left
    assert texts(codec.render(unit)) == [left, "", ""]


def test_a_part_that_was_held_back_is_not_said_by_its_echo():
    codec = named("openai.responses").codec()
    delta = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0,
             "delta": "one"}  # fmt: skip
    sent = msgspec.json.encode(delta)
    codec.unit(b"data: " + sent + b"\n\n", delta["type"], sent)  # and never rendered
    raw, data = ended()
    unit = codec.unit(raw, "response.completed", data)
    assert unit.text == "twothree"
    assert "one" not in "".join(texts(codec.render(unit)))
