"""Enforcing: the same on every dialect, streamed or not; a bounded window, nothing recalled."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec
import pytest

from titer.core.errors import Again
from titer.core.wire import Problem

CLOSE = b"Connection: close\r\n"
WORDS = ["one", "two", "secret", "four", "five"]


class Replace:
    """Replaces a word in every text of a unit, wherever the dialect keeps it."""

    held = 0

    def feed(self, unit):
        if unit.data is not None:
            text = msgspec.json.encode(unit.data)
            if b"secret" in text:
                unit.data = msgspec.json.decode(text.replace(b"secret", b"xxxxxx"))
                unit.edited = True
        return (unit,)

    def flush(self):
        return ()


class HoldAll:
    """Holds everything until it is told to let go."""

    def __init__(self):
        self.units = []

    @property
    def held(self):
        return len(self.units)

    def feed(self, unit):
        self.units.append(unit)
        return ()

    def flush(self):
        units, self.units = self.units, []
        return units


class Broken:
    held = 0

    def feed(self, unit):
        raise RuntimeError("secret words")

    def flush(self):
        return ()


def with_transforms(*kinds):
    def gate(fake):
        fake.transforms = lambda: tuple(kind() for kind in kinds)

    return gate


def named(name, **data):
    return b"event: %b\ndata: %b\n\n" % (
        name.encode(),
        msgspec.json.encode({"type": name, **data}),
    )


def data(**payload):
    return b"data: " + msgspec.json.encode(payload) + b"\n\n"


USER = [{"role": "user", "content": "hello"}]
DIALECTS = {
    "/v1/chat/completions": (
        {"model": "m", "messages": USER},
        [*(data(choices=[{"index": 0, "delta": {"content": w}}]) for w in WORDS),
         b"data: [DONE]\n\n"],
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": " ".join(WORDS)},
                      "finish_reason": "stop"}]},
    ),
    "/v1/completions": (
        {"model": "m", "prompt": "hello"},
        [*(data(choices=[{"index": 0, "text": w}]) for w in WORDS), b"data: [DONE]\n\n"],
        {"choices": [{"index": 0, "text": " ".join(WORDS), "finish_reason": "stop"}]},
    ),
    "/v1/responses": (
        {"model": "m", "input": "hello"},
        [*(named("response.output_text.delta", item_id="i", output_index=0, content_index=0,
                 delta=w) for w in WORDS),
         named("response.completed", response={"id": "r", "status": "completed", "output": []})],
        {"id": "r", "object": "response", "status": "completed", "output": [
            {"type": "message", "role": "assistant",
             "content": [{"type": "output_text", "text": " ".join(WORDS)}]}]},
    ),
    "/v1/messages": (
        {"model": "m", "max_tokens": 9, "messages": USER},
        [named("message_start", message={"id": "x", "role": "assistant", "content": [],
                                         "usage": {"input_tokens": 1, "output_tokens": 1}}),
         *(named("content_block_delta", index=0, delta={"type": "text_delta", "text": w})
           for w in WORDS), named("message_stop")],
        {"id": "x", "type": "message", "role": "assistant",
         "content": [{"type": "text", "text": " ".join(WORDS)}], "stop_reason": "end_turn",
         "usage": {"input_tokens": 1, "output_tokens": 5}},
    ),
}  # fmt: skip


def upstream(kit, events, body, pause=0.0):
    async def script(world, writer, n):
        if b'"stream":true' in world.seen[-1][1]:
            writer.write(kit.stream_head)
            for event in events:
                writer.write(kit.chunk(event))
                await asyncio.sleep(pause)
            writer.write(b"0\r\n\r\n")
        else:
            reply = msgspec.json.encode(body)
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            writer.write(head % len(reply) + reply)

    return script


def dechunk(data):
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        out += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return out


def payload(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        assert body.endswith(b"0\r\n\r\n")
        return dechunk(body)
    assert b"content-length: %d" % len(body) in head.lower()
    return body


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("enforce", [True, False], ids=["enforce", "observe"])
def test_every_dialect_alike(kit, path, stream, enforce):
    request, events, body = DIALECTS[path]

    async def scenario(world):
        wire = msgspec.json.encode({**request, "stream": True} if stream else request)
        return await world.ask(world.wire(wire, path=path, extra=CLOSE))

    script = upstream(kit, events, body)
    world, answer = kit.play(scenario, script, with_transforms(Replace), enforce=enforce)
    got = payload(answer)
    original = b"".join(events) if stream else msgspec.json.encode(body)
    if not enforce:
        assert got == original
    else:
        assert b"secret" not in got
        assert b"xxxxxx" in got
        if stream:  # only the event that changed was written anew
            untouched = [event for event in events if b"secret" not in event]
            assert all(event in got for event in untouched)
    (flight,) = world.gate.flights
    assert flight.reply.sha256 == hashlib.sha256(got).hexdigest()
    assert flight.reply.complete
    assert flight.reply.chars >= len("".join(WORDS))


@pytest.mark.parametrize("path", DIALECTS)
def test_the_window_opens_after_its_time(kit, path):
    request, events, body = DIALECTS[path]
    arrived = []

    async def scenario(world):
        reader, writer = await world.connect()
        wire = msgspec.json.encode({**request, "stream": True})
        writer.write(world.wire(wire, path=path, extra=CLOSE))
        await reader.readuntil(b"\r\n\r\n")
        arrived.append(await asyncio.wait_for(reader.read(65536), 2))
        return arrived[0] + await reader.read()

    async def script(world, writer, n):
        writer.write(kit.stream_head + kit.chunk(events[0]))
        for _ in range(200):
            await asyncio.sleep(0.01)
            if arrived:
                break
        for event in events[1:]:
            writer.write(kit.chunk(event))
        writer.write(b"0\r\n\r\n")

    _, answer = kit.play(scenario, script, with_transforms(HoldAll), hold_ms=40)
    assert dechunk(arrived[0]) == events[0]
    assert dechunk(answer) == b"".join(events)


def test_the_window_opens_when_it_is_full(kit):
    _, events, body = DIALECTS["/v1/chat/completions"]
    sizes = []

    async def scenario(world):
        reader, writer = await world.connect()
        writer.write(world.wire(kit.stream, extra=CLOSE))
        await reader.readuntil(b"\r\n\r\n")
        while data := await reader.read(65536):
            sizes.append(data.count(b"data: "))

    script = upstream(kit, events, body, pause=0.02)
    kit.play(scenario, script, with_transforms(HoldAll), hold_tokens=3, hold_ms=5000)
    assert sizes[0] == 3
    assert sum(sizes) == len(events)


def test_comments_overtake_what_is_held(kit):
    async def script(world, writer, n):
        writer.write(kit.stream_head + kit.chunk(kit.event(b"a")))
        await asyncio.sleep(0.02)
        writer.write(kit.chunk(b": ping\n\n"))
        await asyncio.sleep(0.02)
        writer.write(kit.chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    async def scenario(world):
        return await world.ask(world.wire(kit.stream, extra=CLOSE))

    gate = with_transforms(HoldAll)
    _, answer = kit.play(scenario, script, gate, hold_ms=5000)
    assert payload(answer) == b": ping\n\n" + kit.event(b"a") + b"data: [DONE]\n\n"


@pytest.mark.parametrize("stream", [True, False])
def test_a_transform_that_raises_lets_nothing_more_out(kit, stream):
    _, events, body = DIALECTS["/v1/chat/completions"]

    async def scenario(world):
        wire = world.wire(kit.stream if stream else kit.chat, extra=CLOSE)
        return await world.ask(wire)

    world, answer = kit.play(scenario, upstream(kit, events, body), with_transforms(Broken))
    assert b"one" not in answer
    assert b"secret" not in answer
    assert b" 500 " in answer or b'"error"' in answer
    assert world.proxy.snapshot()["faults"] == 1
    assert not world.gate.flights[0].reply.complete


def test_upstream_death_ends_an_enforced_stream_with_an_error_event(kit):
    async def script(world, writer, n):
        writer.write(kit.stream_head + kit.chunk(kit.event(b"a") + kit.event(b"b")[:30]))
        await writer.drain()
        return False

    async def scenario(world):
        return await world.ask(world.wire(kit.stream))

    world, answer = kit.play(scenario, script, with_transforms(HoldAll))
    got = payload(answer)
    assert got.startswith(kit.event(b"a"))
    assert b'"error"' in got
    assert not world.gate.flights[0].reply.complete


def test_a_body_too_large_to_check_is_refused(kit):
    async def scenario(world):
        return await world.ask(world.wire(extra=CLOSE))

    world, answer = kit.play(
        scenario, gate=with_transforms(Replace), transformed_bytes=len(kit.reply) - 1
    )
    assert answer.startswith(b"HTTP/1.1 502")
    assert world.gate.flights[0].status == 502


def test_an_error_of_the_upstream_passes_as_it_is(kit):
    async def script(world, writer, n):
        body = b'{"error":{"message":"secret"}}'
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d"
        writer.write(head % len(body) + b"\r\n\r\n" + body)

    async def scenario(world):
        return await world.ask(world.wire(kit.stream, extra=CLOSE))

    world, answer = kit.play(scenario, script, with_transforms(Replace))
    assert answer.endswith(b'{"error":{"message":"secret"}}')
    assert world.gate.flights[0].status == 400


def test_http_1_0_streams_are_enforced_too(kit):
    _, events, body = DIALECTS["/v1/chat/completions"]

    async def scenario(world):
        return await world.ask(world.wire(kit.stream).replace(b"HTTP/1.1", b"HTTP/1.0"))

    _, answer = kit.play(scenario, upstream(kit, events, body), with_transforms(Replace))
    assert b"secret" not in answer
    assert answer.endswith(b"data: [DONE]\n\n")
    assert b"transfer-encoding" not in answer.lower()


def test_a_window_left_open_does_not_outlive_its_caller(kit):
    async def script(world, writer, n):
        writer.write(kit.stream_head + kit.chunk(kit.event(b"a")))
        await asyncio.sleep(5)

    async def scenario(world):
        _, writer = await world.connect()
        writer.write(world.wire(kit.stream))
        await asyncio.sleep(0.05)
        writer.transport.abort()
        await asyncio.sleep(0.1)
        return len(world.proxy.plane.hold.sweep._items)

    world, held = kit.play(scenario, script, with_transforms(HoldAll), hold_ms=60)
    assert held == 0
    assert world.proxy.snapshot()["faults"] == 0


def test_denied_parameters_are_named(kit):
    def gate(fake):
        inner = fake.decide

        def decide(*args):
            verdict = inner(*args)
            verdict.denied = ("echo", "logit_bias", "a\r\nset-cookie: b", *("z" * 99,) * 99)
            verdict.request = verdict.request.edit(put={"temperature": 0.5})
            return verdict

        fake.decide = decide

    async def scenario(world):
        return await world.ask(world.wire(extra=CLOSE))

    world, answer = kit.play(scenario, gate=gate)
    assert b"titer-denied: echo, logit_bias, a??set-cookie??b, zzz" in answer
    assert len(answer.split(b"titer-denied: ")[1].split(b"\r\n")[0]) < 2000
    assert b"\r\nset-cookie" not in answer
    head, body = world.seen[0]
    assert msgspec.json.decode(body)["temperature"] == 0.5
    assert b"content-length: %d" % len(body) in head
    (flight,) = world.gate.flights
    assert flight.facts.denied[:2] == ("echo", "logit_bias")
    assert flight.raw == kit.chat


def test_a_whole_reply_can_be_asked_for_once_more(kit):
    """A transform that raises `Again` gets another reply, once; the caller sees that one."""

    class Anew:
        held = 0

        def feed(self, unit):
            if b"secret" in unit.raw:
                raise Again(Problem(kind="permission", message="withheld"), self.request)
            return (unit,)

        def flush(self):
            return ()

    def gate(fake):
        def change(request):
            Anew.request = request.edit(put={"messages": [{"role": "user", "content": "again"}]})
            return request

        fake.change = change
        fake.transforms = lambda: (Anew(),)

    for second in (b'"plain"', b'"secret"'):

        async def script(world, writer, n, second=second):
            said = b'"secret"' if n == 1 else second
            body = b'{"choices":[{"index":0,"message":{"content":%b}}]}' % said
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d"
            writer.write(head % len(body) + b"\r\n\r\n" + body)

        async def scenario(world):
            return await world.ask(world.wire(extra=CLOSE))

        world, answer = kit.play(scenario, script, gate)
        assert len(world.seen) == 2
        assert b"again" in world.seen[1][1]
        assert b"secret" not in answer
        assert answer.startswith(b"HTTP/1.1 200" if b"plain" in second else b"HTTP/1.1 403")
        assert len(world.gate.flights) == 1
