"""Stream parity: every control has one outcome on every route, streamed or not.

Matrix: {chat, completions, responses, messages} x {stream, whole} x {observe, edit, hold back,
refuse midway}. Peers skip controls on streams, apply them after release, or buffer whole replies.
"""

from __future__ import annotations

import json

import anthropic
import openai
import pytest

from titer.core.errors import Refused
from titer.core.wire import Problem
from titer.lab.upstream_plan import Behaviour

TEXT = "one two three four five FORBIDDEN seven eight nine ten"
ROUTES = ("chat", "completions", "responses", "messages")
MATRIX = pytest.mark.parametrize("route", ROUTES)
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

PATHS = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}
TALK = [{"role": "user", "content": "Count."}]
BODIES = {
    "chat": {"model": "m", "messages": TALK},
    "completions": {"model": "m", "prompt": "Count."},
    "responses": {"model": "m", "input": "Count."},
    "messages": {"model": "m", "messages": TALK, "max_tokens": 99},
}


class Edits:
    """Rewrites one word wherever it is said."""

    held = 0

    def feed(self, unit):
        if "FORBIDDEN" in unit.text:
            unit.text = unit.text.replace("FORBIDDEN", "allowed")
            unit.edited = True
        return (unit,)

    def flush(self):
        return ()


class Holds:
    """Holds back the last `window` units that say something."""

    def __init__(self, window=3):
        self.window = window
        self.kept = []

    @property
    def held(self):
        return len(self.kept)

    def feed(self, unit):
        self.kept.append(unit)
        if unit.final:
            return self.flush()
        out, self.kept = self.kept[: -self.window], self.kept[-self.window :]
        return out

    def flush(self):
        out, self.kept = self.kept, []
        return out


class Refuses(Holds):
    """Holds back a window and stops the reply when the word comes into it."""

    def feed(self, unit):
        if "FORBIDDEN" in unit.text:
            raise Refused(Problem(kind="permission", message="This reply was stopped."))
        return super().feed(unit)


class Drops(Edits):
    """Takes a unit that says the word out of the stream."""

    def feed(self, unit):
        if "FORBIDDEN" in unit.text and not unit.final:
            return ()
        return super().feed(unit)


async def talk(stage, route, stream):
    """(text of the deltas or the whole, text of the final object or None, error or None)."""
    said, final, error = [], None, None
    try:
        if route == "messages":
            client = await stage.anthropic()
            reply = await client.messages.create(**BODIES[route], stream=stream)
        else:
            client = await stage.openai()
            create = {
                "chat": client.chat.completions.create,
                "completions": client.completions.create,
                "responses": client.responses.create,
            }[route]
            reply = await create(**BODIES[route], stream=stream)
        if not stream:
            return whole(route, reply), None, None
        async for event in reply:
            said.append(delta(route, event))
            if getattr(event, "type", "") == "response.completed":
                final = event.response.output_text
    except (openai.APIError, anthropic.APIError) as caught:
        error = caught
    return "".join(said), final, error


def whole(route, reply):
    if route == "chat":
        return reply.choices[0].message.content
    if route == "completions":
        return reply.choices[0].text
    return reply.output_text if route == "responses" else reply.content[0].text


def delta(route, event):
    if route == "chat":
        return (event.choices[0].delta.content or "") if event.choices else ""
    if route == "completions":
        return event.choices[0].text
    if route == "responses":
        return event.delta if event.type == "response.output_text.delta" else ""
    inner = getattr(event, "delta", None)
    return getattr(inner, "text", "") if event.type == "content_block_delta" else ""


def body(route, stream):
    return json.dumps(BODIES[route] | {"stream": stream}).encode()


def unchunked(head, payload):
    if b"transfer-encoding: chunked" not in head.lower():
        return payload
    out = b""
    while payload:
        line, _, payload = payload.partition(b"\r\n")
        size = int(line, 16)
        out, payload = out + payload[:size], payload[size + 2 :]
        if not size:
            break
    return out


SPEAK = Behaviour(text=TEXT)


@MATRIX
@STREAMED
@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_observing_passes_every_byte_as_it_came(play, route, stream, framing):
    how = Behaviour(text=TEXT, framing=framing, split=37)

    async def direct(stage):
        return unchunked(*await stage.raw(PATHS[route], body(route, stream)))

    async def observed(stage):
        got = unchunked(*await stage.raw(PATHS[route], body(route, stream)))
        flight = stage.gate.flights[0]
        assert flight.reply.complete
        assert flight.reply.chars == len(TEXT)
        assert flight.reply.finish == "stop"
        assert flight.facts.stream is stream
        return got

    assert play(observed, behaviour=how) == play(direct, "direct", behaviour=how)


@MATRIX
@STREAMED
def test_an_edit_reaches_every_place(play, route, stream):

    async def script(stage):
        stage.gate.transforms = lambda: (Edits(),)
        said, final, error = await talk(stage, route, stream)
        wire = (await stage.raw(PATHS[route], body(route, stream)))[1]
        assert error is None
        assert said == TEXT.replace("FORBIDDEN", "allowed")
        assert final in (None, said)
        assert b"FORBIDDEN" not in wire
        assert all(f.reply.complete for f in stage.gate.flights)

    play(script, behaviour=SPEAK)


@MATRIX
@STREAMED
def test_a_unit_that_is_taken_out_stays_out(play, route, stream):

    async def script(stage):
        stage.gate.transforms = lambda: (Drops(),)
        said, final, error = await talk(stage, route, stream)
        wire = (await stage.raw(PATHS[route], body(route, stream)))[1]
        assert error is None
        assert said == TEXT.replace(" FORBIDDEN", "" if stream else " allowed")
        assert final in (None, said)
        assert b"FORBIDDEN" not in wire

    play(script, behaviour=SPEAK)


@MATRIX
@STREAMED
def test_holding_back_changes_nothing_but_the_time(play, route, stream):
    async def direct(stage):
        return unchunked(*await stage.raw(PATHS[route], body(route, stream)))

    async def held(stage):
        stage.gate.transforms = lambda: (Holds(),)
        said, _, error = await talk(stage, route, stream)
        assert (said, error) == (TEXT, None)
        return unchunked(*await stage.raw(PATHS[route], body(route, stream)))

    assert play(held, behaviour=SPEAK) == play(direct, "direct", behaviour=SPEAK)


@MATRIX
def test_what_is_held_leaves_when_the_window_closes(play, route):
    """The model server falls silent: the window's time releases what is held."""

    async def script(stage):
        import asyncio

        stage.gate.transforms = lambda: (Holds(window=50),)
        request = body(route, True)
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(
            f"POST {PATHS[route]} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.key}\r\n"
            f"content-length: {len(request)}\r\n\r\n".encode()
            + request
        )
        got = b""
        try:
            async with asyncio.timeout(30):
                while b"three" not in got:
                    got += await reader.read(65536)
        finally:
            writer.transport.abort()
        assert b"FORBIDDEN" not in got

    play(script, behaviour=Behaviour(text=TEXT, interval=0.25, chunk_words=3), hold_ms=60)


@MATRIX
@STREAMED
def test_a_reply_refused_midway_stops_everywhere(play, route, stream):
    async def script(stage):
        stage.gate.transforms = lambda: (Refuses(window=2),)
        said, final, error = await talk(stage, route, stream)
        wire = (await stage.raw(PATHS[route], body(route, stream)))[1]
        assert isinstance(error, openai.APIError | anthropic.APIError)
        assert final is None
        for word in (b"FORBIDDEN", b"seven", b"nine"):
            assert word not in wire
        if stream:  # what the window had let go, and not what it held
            assert "one two three four five".startswith(said)
            assert b'four"' not in wire  # held when the word came
            assert b'five"' not in wire
            assert said  # it was refused midway, not before
            assert wire.endswith(b"\r\n0\r\n\r\n")  # and the stream ended in order
        else:
            assert (said, b"one" in wire) == ("", False)
        for flight in stage.gate.flights:
            assert not flight.reply.complete

    how = Behaviour(text=TEXT, interval=0.02)
    play(script, behaviour=how, hold_ms=5000)
