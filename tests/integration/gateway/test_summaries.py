"""A summary by another server: bounded in time, structure alone when it is down, in both forms."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from titer.core.nouns import Standing
from titer.gateway.settings import Secret, SummarySettings
from titer.respond.reasoning import Reasoning

THOUGHT = "First the boat is weighed, then the oars are counted, and so the crew must be seven."
WHOLE = msgspec.json.encode(
    {"choices": [{"index": 0, "finish_reason": "stop",
                  "message": {"content": "Seven.", "reasoning_content": THOUGHT}}]}
)  # fmt: skip
CLOSE = b"Connection: close\r\n"


def events(kit):
    out = []
    for piece in (THOUGHT[:30], THOUGHT[30:]):
        delta = {"choices": [{"index": 0, "delta": {"reasoning_content": piece}}]}
        out.append(b"data: " + msgspec.json.encode(delta) + b"\n\n")
    return [*out, kit.event(b"Se"), kit.event(b"ven."), b"data: [DONE]\n\n"]


async def upstream(kit, world, writer):
    if b'"stream":true' in world.seen[-1][1]:
        writer.write(kit.stream_head + b"".join(kit.chunk(e) for e in events(kit)) + b"0\r\n\r\n")
    else:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(WHOLE) + WHOLE)


def gate(fake):
    fake.transforms = lambda: (Reasoning(summaries=True).reply(0.5, Standing("s")),)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    "server", ["good", "chunked", "refuses", "garbage", "silent", "cuts", "absent"]
)
def test_summaries(kit, stream, server):
    asked = []

    async def summarise(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        body = msgspec.json.encode({"choices": [{"message": {"content": "It counts."}}]})
        if server == "good":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        elif server == "chunked":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        elif server == "refuses":
            writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        elif server == "garbage":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        elif server == "silent":
            await reader.read()  # until the other side gives up
        await writer.drain()
        writer.transport.abort() if server == "cuts" else writer.close()
        await asyncio.sleep(0)

    async def scenario(world):
        other = await asyncio.start_server(summarise, "127.0.0.1", 0)
        port = other.sockets[0].getsockname()[1]
        if server == "absent":
            other.close()
        from titer.gateway.summarizer import Summarizer

        plane = world.proxy.plane
        plane.summarizer = Summarizer(
            SummarySettings(url=f"http://127.0.0.1:{port}", model="small", timeout=0.4,
                            credential=Secret("authorization", "Bearer k"))
        )  # fmt: skip
        plane.ask = plane.summarizer.ask
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = []
        for _ in range(2):
            answers.append(
                await world.ask(world.wire(kit.stream if stream else kit.chat, extra=CLOSE))
            )
        other.close()
        await asyncio.sleep(0.05)
        return answers, loop.time() - began

    async def script(world, writer, n):
        await upstream(kit, world, writer)

    world, (answers, took) = kit.play(scenario, script, gate)
    for answer in answers:
        assert b"boat" not in answer
        assert b"oars" not in answer
        assert b"Se" in answer
        assert b"[1 step, 21 tokens]" in answer
        assert (b"It counts." in answer) == (server in ("good", "chunked"))
        if stream:
            assert answer.index(b"[1 step") < answer.index(b'"Se"')
            assert b"[DONE]" in answer
    good = server in ("good", "chunked")
    assert len(asked) == (2 if good else 0 if server == "absent" else 1), "no second try at once"
    assert all(flight.reply.complete for flight in world.gate.flights)
    assert len(world.gate.flights) == 2
    assert took < 2.5
    if asked:
        assert b"authorization: Bearer k" in asked[0]


def test_a_caller_who_leaves_while_a_summary_is_awaited(kit):
    async def summarise(reader, writer):
        await reader.read()
        writer.close()

    async def scenario(world):
        from titer.gateway.summarizer import Summarizer

        other = await asyncio.start_server(summarise, "127.0.0.1", 0)
        port = other.sockets[0].getsockname()[1]
        plane = world.proxy.plane
        plane.summarizer = Summarizer(SummarySettings(url=f"http://127.0.0.1:{port}", model="m"))
        plane.ask = plane.summarizer.ask
        _, writer = await world.connect()
        writer.write(world.wire(kit.stream))
        await asyncio.sleep(0.1)
        assert len(plane.summarizer._tasks) == 1
        writer.transport.abort()
        await asyncio.sleep(0.1)
        other.close()
        return len(plane.summarizer._tasks)

    async def script(world, writer, n):
        await upstream(kit, world, writer)

    world, left = kit.play(scenario, script, gate)
    assert left == 0
    assert not world.gate.flights[0].reply.complete
    assert world.proxy.snapshot()["faults"] == 0
