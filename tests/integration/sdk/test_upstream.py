"""The fake model server misbehaves as it is told, and the gateway makes the best of it."""

from __future__ import annotations

import asyncio
import json

import pytest

from titer.lab.upstream_plan import Behaviour

TALK = [{"role": "user", "content": "Say something."}]
CHAT = "/v1/chat/completions"
VIA = pytest.mark.parametrize("via", ["direct", "proxy"])


def body(stream=False, model="m", **more):
    return json.dumps({"model": model, "messages": TALK, "stream": stream} | more).encode()


async def streamed(stage, **more):
    client = await stage.openai()
    text, thought = "", ""
    async for chunk in await client.chat.completions.create(
        model="m", messages=TALK, stream=True, **more
    ):
        if chunk.choices:
            delta = chunk.choices[0].delta
            text += delta.content or ""
            thought += getattr(delta, "reasoning_content", None) or ""
    return text, thought


@VIA
@pytest.mark.parametrize(
    "how",
    [
        Behaviour(words=9, crlf=True),
        Behaviour(words=9, split=3),
        Behaviour(words=9, framing="close"),
        Behaviour(words=9, framing="close", crlf=True, split=5),
        Behaviour(words=9, chunk_words=4),
    ],
)
def test_odd_framing_reads_the_same(play, via, how):
    async def script(stage):
        text, _ = await streamed(stage)
        assert len(text.split()) == 9
        if via == "proxy":
            facts = stage.gate.flights[0].reply
            assert (facts.complete, facts.chars) == (True, len(text))

    play(script, via, how)


@VIA
def test_reasoning_in_a_field_or_in_the_text(play, via):
    async def script(stage):
        text, thought = await streamed(stage, extra_headers={"x-lab-reasoning": "field"})
        assert thought
        assert "<think>" not in text
        within, nothing = await streamed(stage, extra_headers={"x-lab-reasoning": "think"})
        assert within == f"<think>{thought}</think>{text}"
        assert nothing == ""

    play(script, via)


@VIA
def test_refusals_and_several_choices(play, via):
    async def script(stage):
        client = await stage.openai()
        reply = await client.chat.completions.create(model="m@refusal=true", messages=TALK, n=2)
        assert [c.message.content for c in reply.choices] == [None, None]
        assert reply.choices[1].message.refusal.startswith("I am sorry")
        if via == "proxy":
            assert stage.gate.flights[0].reply.refused

    play(script, via)


@VIA
def test_a_limit_ends_the_reply(play, via):
    async def script(stage):
        client = await stage.openai()
        reply = await client.chat.completions.create(model="m", messages=TALK, max_tokens=3)
        assert reply.choices[0].finish_reason == "length"
        assert len(reply.choices[0].message.content.split()) == 3

    play(script, via)


@VIA
@pytest.mark.parametrize("kind", ["json", "utf8"])
@pytest.mark.parametrize("stream", [False, True])
def test_payloads_that_cannot_be_read_pass_and_are_counted(play, via, kind, stream):
    async def script(stage):
        head, payload = await stage.raw(CHAT, body(stream, f"m@garbage={kind}"))
        assert head.startswith(b"HTTP/1.1 200")
        assert payload
        if via == "proxy":
            flight = stage.gate.flights[0]
            assert flight.reply.chars == 0
            assert flight.reply.finish == ""

    play(script, via)


@VIA
@pytest.mark.parametrize("stream", [False, True])
def test_a_huge_reply_passes_piece_by_piece(play, via, stream):
    async def script(stage):
        _, payload = await stage.raw(CHAT, body(stream, "m@huge=3000000"))
        assert len(payload) >= 3_000_000

    play(script, via)


@VIA
@pytest.mark.parametrize("model", ["m@hang=true", "m@delay=60", "m@interval=60"])
def test_a_client_that_leaves_is_noticed(play, via, model):
    async def script(stage):
        request = body(True, model)
        _, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        writer.write(
            f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.key}\r\n"
            f"content-length: {len(request)}\r\n\r\n".encode()
            + request
        )
        async with asyncio.timeout(30):
            while not stage.upstream.seen:  # noqa: ASYNC110 - polls what has no event
                await asyncio.sleep(0.01)
            writer.transport.abort()
            while not stage.upstream.seen[0].gone:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not stage.upstream.seen[0].done

    play(script, via)


def test_what_was_received_is_kept(play):
    async def script(stage):
        await stage.raw(CHAT, body())
        seen = stage.upstream.seen[0]
        assert (seen.method, seen.path, seen.body) == ("POST", CHAT, body())
        assert seen.header("content-type") == "application/json"
        assert seen.header("nothing") is None

    play(script, "direct")
