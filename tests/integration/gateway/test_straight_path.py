"""Requests and replies pass unharmed, and what is kept of them is right."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from titer.gateway.settings import OpenRoute, Secret


def split(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.lower().split(b"\r\n"), body


def test_json_passes_and_is_recorded(kit):
    async def scenario(world):
        return await world.ask(
            world.wire(extra=b"Connection: close\r\ntraceparent: 00-a-b-01\r\n")
        )

    world, answer = kit.play(scenario)
    head, body = split(answer)
    assert head[0] == b"http/1.1 200 ok"
    assert body == kit.reply
    assert b"content-length: %d" % len(kit.reply) in head
    sent, sent_body = world.seen[0]
    assert sent_body == kit.chat
    assert b"traceparent: 00-a-b-01\r\n" in sent
    assert b"authorization: Bearer " + kit.secret.encode() in sent
    assert kit.key.encode() not in sent
    assert b"connection" not in sent.lower()
    (flight,) = world.gate.flights
    assert (flight.status, flight.dialect, flight.endpoint) == (
        200, "openai.chat", "/v1/chat/completions",
    )  # fmt: skip
    assert flight.raw == kit.chat
    assert flight.reply.complete
    assert flight.reply.sha256 == hashlib.sha256(kit.reply).hexdigest()
    assert flight.usage.tokens_in == 3
    assert b"titer-id: " + flight.id.encode() in head


@pytest.mark.parametrize("pause", [0, 0.01])
def test_streams_pass_byte_for_byte(kit, pause):
    events = [kit.event(b"a"), b": comment\n\n", kit.event(b"b"), b"data: [DONE]\n\n"]

    async def script(world, writer, n):
        writer.write(kit.stream_head)
        for data in events:
            writer.write(kit.chunk(data))
            await asyncio.sleep(pause)
        writer.write(b"0\r\n\r\n")

    async def scenario(world):
        return await world.ask(world.wire(kit.stream, extra=b"Connection: close\r\n"))

    world, answer = kit.play(scenario, script)
    assert split(answer)[1] == b"".join(map(kit.chunk, events)) + b"0\r\n\r\n"
    (flight,) = world.gate.flights
    assert flight.reply.chars == 2
    assert flight.reply.complete
    assert flight.reply.sha256 == hashlib.sha256(b"".join(events)).hexdigest()


def test_first_event_leaves_before_the_second_comes(kit):
    go = asyncio.Event

    async def scenario(world):
        reader, writer = await world.connect()
        writer.write(world.wire(kit.stream))
        head = await reader.readuntil(b"\r\n\r\n")
        first = await reader.readuntil(b"\n\n\r\n")
        world.go.set()
        return head, first, await reader.readuntil(b"0\r\n\r\n")

    async def script(world, writer, n):
        world.go = go()
        writer.write(kit.stream_head)
        writer.write(kit.chunk(kit.event(b"a")))
        await asyncio.wait_for(world.go.wait(), 5)
        writer.write(b"0\r\n\r\n")

    _, (head, first, last) = kit.play(scenario, script)
    assert b"text/event-stream" in head
    assert first == kit.chunk(kit.event(b"a"))
    assert last == b"0\r\n\r\n"


def test_keep_alive_and_pipelining_keep_the_order(kit):
    async def scenario(world):
        bodies = [kit.chat.replace(b"hello", b"hello %d" % i) for i in range(5)]
        wires = [world.wire(body) for body in bodies[:4]]
        wires.append(world.wire(bodies[4], extra=b"Connection: close\r\n"))
        return bodies, await world.ask(b"".join(wires))

    world, (bodies, answer) = kit.play(scenario)
    assert [body for _, body in world.seen] == bodies
    assert answer.count(b"HTTP/1.1 200 OK") == 5
    assert world.accepted == 1  # one upstream connection served them all


def test_pipelined_refusals_are_answered_in_order(kit):
    async def scenario(world):
        wires = [world.wire(key="nobody"), world.wire(), world.wire(b"{", extra=b"")]
        wires.append(world.wire(path="/nope", extra=b"Connection: close\r\n"))
        return await world.ask(b"".join(wires))

    world, answer = kit.play(scenario)
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"401", b"200", b"400", b"404"]
    assert len(world.seen) == 1


def test_chunked_request_is_framed_anew(kit):
    half = len(kit.chat) // 2
    body = kit.chunk(kit.chat[:half]) + kit.chunk(kit.chat[half:]) + b"0\r\n\r\n"

    async def scenario(world):
        wire = world.wire(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: Chunked") + body
        return await world.ask(wire + world.wire(extra=b"Connection: close\r\n"))

    world, answer = kit.play(scenario)
    assert [sent for _, sent in world.seen] == [kit.chat, kit.chat]
    assert b"transfer-encoding" not in world.seen[0][0].lower()
    assert answer.count(b"200 OK") == 2


def test_expect_continue_is_answered_after_admission(kit):
    async def scenario(world):
        reader, writer = await world.connect()
        wire = world.wire(extra=b"Expect: 100-continue\r\nConnection: close\r\n")
        head, body = wire.split(b"\r\n\r\n", 1)
        writer.write(head + b"\r\n\r\n")
        interim = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        refused = await world.ask(head.replace(kit.key.encode(), b"x") + b"\r\n\r\n")
        return interim, await reader.read(), refused

    world, (interim, answer, refused) = kit.play(scenario)
    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert refused.startswith(b"HTTP/1.1 401 ")
    assert b"expect" not in world.seen[0][0].lower()


def test_http_1_0_gets_plain_bodies(kit):
    async def script(world, writer, n):
        writer.write(kit.stream_head + kit.chunk(kit.event(b"a")) + b"0\r\n\r\n")

    async def scenario(world):
        return await world.ask(world.wire(kit.stream).replace(b"HTTP/1.1", b"HTTP/1.0"))

    _, answer = kit.play(scenario, script)
    head, body = split(answer)
    assert body == kit.event(b"a")
    assert b"connection: close" in head
    assert not any(line.startswith(b"transfer-encoding") for line in head)


def test_head_and_bodyless_replies(kit):
    async def script(world, writer, n):
        if n == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def scenario(world):
        first = world.wire(b"", path="/open", method="HEAD")
        second = world.wire(b"", path="/open", method="DELETE", extra=b"Connection: close\r\n")
        return await world.ask(first + second)

    routes = (OpenRoute("HEAD", "/open"), OpenRoute("DELETE", "/open"))
    world, answer = kit.play(scenario, script, open_routes=routes)
    first, second = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200 OK")
    assert first.endswith(b"content-length: 7\r\n\r\n")
    assert second.startswith(b"204 No Content")
    assert b"content-length" not in second
    assert len(world.seen) == 2


def test_an_opened_engine_route_is_weighed_like_any_other(kit):
    reply = b'{"text":"hi there","meta_info":{"prompt_tokens":3,"completion_tokens":2}}'

    async def script(world, writer, n):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(reply), reply))

    async def scenario(world):
        wire = world.wire(b'{"text":"hello"}', path="/generate", extra=b"Connection: close\r\n")
        return await world.ask(wire)

    routes = (OpenRoute("POST", "/generate"),)
    world, answer = kit.play(scenario, script, open_routes=routes)
    assert split(answer)[1] == reply
    (flight,) = world.gate.flights
    assert (flight.dialect, flight.endpoint) == ("engine.extras", "/generate")
    assert flight.text and flight.usage.tokens_out == 2
    world, answer = kit.play(scenario, script)
    assert answer.startswith(b"HTTP/1.1 404") and not world.seen


def test_interim_replies_are_swallowed(kit):
    async def script(world, writer, n):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        await asyncio.sleep(0.01)
        await kit.json_script(world, writer, n)

    async def scenario(world):
        return await world.ask(world.wire(extra=b"Connection: close\r\n"))

    _, answer = kit.play(scenario, script)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Early" not in answer
    assert answer.endswith(kit.reply)


def test_a_reply_that_ends_with_its_connection(kit):
    async def script(world, writer, n):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + kit.reply)
        await writer.drain()
        writer.close()

    async def scenario(world):
        first = await world.ask(world.wire(), until_close=False)
        return first, await world.ask(world.wire().replace(b"HTTP/1.1", b"HTTP/1.0"))

    world, (modern, old) = kit.play(scenario, script)
    assert split(modern)[1] == kit.chunk(kit.reply) + b"0\r\n\r\n"
    assert split(old)[1] == kit.reply
    assert all(flight.reply.complete for flight in world.gate.flights)


def test_headers_are_filtered_both_ways(kit):
    async def script(world, writer, n):
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n"
            b"Set-Cookie: a=b\r\nX-Debug: token %b seen\r\nKeep-Alive: timeout=5\r\n"
            b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nx-ratelimit-remaining-requests: 7\r\n"
            b"openai-processing-ms: 12\r\n\r\n{}" % kit.secret.encode()
        )

    async def scenario(world):
        extra = (
            b"Accept-Encoding: gzip\r\nCookie: a\r\nX-Forwarded-For: 1.2.3.4\r\nTE: trailers\r\n"
            b"X-Mine: 1\r\nConnection: close, X-Mine\r\nProxy-Authorization: x\r\nX-Kept: yes\r\n"
        )
        return await world.ask(world.wire(extra=extra))

    def gate(fake):
        fake.limits = (("x-ratelimit-remaining-requests", "99"),)

    world, answer = kit.play(scenario, script, gate)
    sent = world.seen[0][0].lower()
    for name in (b"accept-encoding", b"cookie", b"forwarded", b"\r\nte:", b"x-mine", b"proxy-"):
        assert name not in sent
    assert b"x-kept: yes" in sent
    assert b"host: 127.0.0.1:" in sent
    for word in (kit.secret.encode(), b"set-cookie", b"x-hop", b"keep-alive"):
        assert word not in answer.lower()
    assert b"openai-processing-ms: 12" in answer
    assert answer.count(b"x-ratelimit-remaining-requests: ") == 1
    assert b"x-ratelimit-remaining-requests: 99" in answer


def test_base_path_and_query_reach_the_upstream(kit):
    async def scenario(world):
        body = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}'
        wire = world.wire(body, path="/v1/messages?beta=true", extra=b"Connection: close\r\n")
        wire = wire.replace(b"Authorization: Bearer ", b"x-api-key: ")
        world.proxy.plane.planner._base = b"/deep/base"
        return await world.ask(wire)

    world, _ = kit.play(scenario)
    assert world.seen[0][0].startswith(b"POST /deep/base/v1/messages?beta=true HTTP/1.1\r\n")
    assert b"x-api-key" not in world.seen[0][0]


def test_routes_without_exchange_are_admitted_only(kit):
    async def scenario(world):
        good = await world.ask(
            world.wire(b"", path="/v1/models", method="GET", extra=b"Connection: close\r\n")
        )
        return good, await world.ask(
            world.wire(
                b"", path="/v1/models", method="GET", key="x", extra=b"Connection: close\r\n"
            )
        )

    world, (good, bad) = kit.play(scenario)
    assert good.startswith(b"HTTP/1.1 200")
    assert bad.startswith(b"HTTP/1.1 401")
    assert len(world.seen) == 1
    assert world.gate.flights == []


@pytest.mark.parametrize(
    ("extra", "needle"), [(b"", b'"type":"invalid_request_error"'),
                          (b"anthropic-version: 2023-06-01\r\n", b'"type":"not_found_error"')],
)  # fmt: skip
def test_unknown_routes_in_the_callers_shape(kit, extra, needle):
    async def scenario(world):
        wire = world.wire(path="/v2/none", extra=extra + b"Connection: close\r\n")
        return await world.ask(wire)

    world, answer = kit.play(scenario)
    assert answer.startswith(b"HTTP/1.1 404")
    assert needle in answer.replace(b": ", b":").replace(b'" :', b'":')
    assert world.seen == []


def test_two_different_keys_are_refused(kit):
    async def scenario(world):
        return await world.ask(world.wire(extra=b"x-api-key: other\r\n"))

    world, answer = kit.play(scenario)
    assert answer.startswith(b"HTTP/1.1 400")
    assert world.gate.admitted == 0


def test_own_pages(kit):
    async def scenario(world):
        health = await world.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await world.ask(world.wire(extra=b"Connection: close\r\n"))
        page = b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        relayed = await world.ask(page + b"X-Forwarded-For: 1.2.3.4\r\n\r\n")
        return health, await world.ask(page + b"\r\n"), relayed

    world, (health, page, relayed) = kit.play(scenario)
    assert health.endswith(b"ok\n")
    assert b'titer_requests_total{dialect="openai.chat"} 1.0' in page
    assert b'titer_first_byte_seconds_bucket{le="+Inf"} 1.0' in page
    assert kit.key.encode() not in page
    assert relayed.startswith(b"HTTP/1.1 404")
    assert len(world.seen) == 1


def test_another_credential_header(kit):
    async def scenario(world):
        return await world.ask(world.wire(extra=b"Connection: close\r\n"))

    world, _ = kit.play(scenario, credential=Secret("x-api-key", "abc"))
    sent = world.seen[0][0]
    assert b"x-api-key: abc\r\n" in sent
    assert b"uthorization" not in sent
