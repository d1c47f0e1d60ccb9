"""Upstreams and clients at their worst: an answer in the dialect's words, and a record."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import msgspec
import pytest

from titer.core.errors import Refused
from titer.core.wire import Problem

CLOSE = b"Connection: close\r\n"


def status(answer):
    return int(answer.split(b" ", 2)[1])


async def garbage(world, writer, n):
    writer.write(b"\x00\xffthis is no HTTP at all\r\n\r\n")


async def http_2(world, writer, n):
    writer.write(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")


async def two_lengths(world, writer, n):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")


async def length_and_chunked(world, writer, n):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head + b"0\r\n\r\n")


async def compressed(world, writer, n):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")


async def switching(world, writer, n):
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")


async def endless_head(world, writer, n):
    writer.write(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000)


async def endless_interim(world, writer, n):
    writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


async def closes(world, writer, n):
    return False


async def half_a_head(world, writer, n):
    writer.write(b"HTTP/1.1 200 O")
    await writer.drain()
    writer.close()


async def bad_chunk_first(world, writer, n):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head + b"zz\r\n")


@pytest.mark.parametrize(
    "script",
    [garbage, http_2, two_lengths, length_and_chunked, compressed, switching, endless_head,
     endless_interim, closes, half_a_head, bad_chunk_first],
)  # fmt: skip
def test_an_unsound_upstream_is_a_502_and_recorded(kit, script):
    async def scenario(world):
        return await world.ask(world.wire(extra=CLOSE))

    world, answer = kit.play(scenario, script)
    assert status(answer) == 502
    assert msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
    (flight,) = world.gate.flights
    assert flight.status == 502
    assert not flight.reply.complete
    assert world.proxy.plane.pool.busy == 0
    assert world.proxy.plane.pool.idle == 0


def test_a_refusing_upstream(kit, free):
    async def scenario(world):
        return await world.ask(world.wire(extra=CLOSE))

    world, answer = kit.play(scenario, upstream=f"http://127.0.0.1:{free()}")
    assert status(answer) == 502
    assert world.gate.flights[0].status == 502


@pytest.mark.parametrize(
    "limits", [{"first_byte_timeout": 0.08}, {"total_timeout": 0.08}], ids=["first byte", "total"]
)
def test_a_hanging_upstream_times_out_and_is_cut(kit, limits):
    async def script(world, writer, n):
        await asyncio.sleep(10)

    async def scenario(world):
        answer = await world.ask(world.wire(extra=CLOSE))
        await asyncio.sleep(0.02)
        return answer

    world, answer = kit.play(scenario, script, **limits)
    assert status(answer) == 504
    assert world.gate.flights[0].status == 504


def test_an_idle_stream_ends_with_an_error_event(kit):
    async def script(world, writer, n):
        writer.write(kit.stream_head + kit.chunk(kit.event(b"a")))
        await asyncio.sleep(10)

    async def scenario(world):
        return await world.ask(world.wire(kit.stream))

    world, answer = kit.play(scenario, script, idle_timeout=0.08)
    assert b'"error"' in answer
    assert answer.endswith(b"0\r\n\r\n")
    assert not world.gate.flights[0].reply.complete


def test_bytes_in_time_keep_a_stream_alive(kit):
    async def script(world, writer, n):
        writer.write(kit.stream_head)
        for _ in range(8):
            writer.write(kit.chunk(kit.event(b"a")))
            await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")

    async def scenario(world):
        return await world.ask(world.wire(kit.stream, extra=CLOSE))

    world, answer = kit.play(scenario, script, idle_timeout=0.2)
    assert answer.count(b"data: ") == 8
    assert world.gate.flights[0].reply.complete is False  # no closing event was sent
    assert b'"error"' not in answer


@pytest.mark.parametrize("stream", [True, False])
def test_death_in_the_middle(kit, stream):
    async def script(world, writer, n):
        if stream:
            writer.write(kit.stream_head + kit.chunk(kit.event(b"a")))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        return False

    async def scenario(world):
        return await world.ask(world.wire(kit.stream if stream else kit.chat))

    world, answer = kit.play(scenario, script)
    if stream:
        assert b'"error"' in answer
        assert answer.endswith(b"0\r\n\r\n")
    else:
        assert answer.endswith(b"{") or answer == b""
    (flight,) = world.gate.flights
    assert (flight.status, flight.reply.complete) == (200, False)


def test_death_inside_an_event_cuts_the_client(kit):
    async def script(world, writer, n):
        writer.write(kit.stream_head + kit.chunk(kit.event(b"a")[:20]))
        await writer.drain()
        return False

    async def scenario(world):
        return await world.ask(world.wire(kit.stream))

    world, answer = kit.play(scenario, script)
    assert not answer.endswith(b"0\r\n\r\n")
    assert not world.gate.flights[0].reply.complete


def test_garbage_after_a_reply_reaches_nobody(kit):
    async def script(world, writer, n):
        await kit.json_script(world, writer, n)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    async def scenario(world):
        first = await world.ask(world.wire(), until_close=False)
        await asyncio.sleep(0.02)
        return first, await world.ask(world.wire(extra=CLOSE))

    world, (first, second) = kit.play(scenario, script)
    assert b"evil" not in first + second


def test_an_idle_connection_that_closed_is_tried_once_more(kit):
    async def script(world, writer, n):
        if n == 2:
            return False  # the second request finds a connection that dies under it
        await kit.json_script(world, writer, n)
        return None

    async def scenario(world):
        first = await world.ask(world.wire(), until_close=False)
        return first, await world.ask(world.wire(extra=CLOSE))

    world, (first, second) = kit.play(scenario, script)
    assert status(first) == status(second) == 200
    assert len(world.seen) == 3
    assert world.proxy.snapshot()["upstream_retries"] == 1


def test_a_fresh_connection_that_closes_is_not_tried_again(kit):
    async def scenario(world):
        return await world.ask(world.wire(extra=CLOSE))

    world, answer = kit.play(scenario, closes)
    assert status(answer) == 502
    assert len(world.seen) == 1


def test_a_huge_reply_flows_without_being_kept(kit):
    megabytes = 24
    block = b"x" * 1_000_000

    async def script(world, writer, n):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (megabytes * len(block)))
        for _ in range(megabytes):
            writer.write(block)
            await writer.drain()

    async def scenario(world):
        reader, writer = await world.connect()
        writer.write(world.wire(extra=CLOSE))
        await reader.readuntil(b"\r\n\r\n")
        got = 0
        while data := await reader.read(1 << 18):
            got += len(data)
            connection = next(iter(world.proxy.plane.connections), None)
            if connection is not None:
                assert connection.transport.get_write_buffer_size() < 1_000_000
        return got

    world, got = kit.play(scenario, script)
    assert got == megabytes * len(block)
    assert world.proxy.snapshot()["untapped"] == 1


@pytest.mark.parametrize("window", ["before the first byte", "mid-stream", "in the delay"])
def test_a_caller_that_leaves_closes_the_upstream(kit, window):
    async def script(world, writer, n):
        if window == "mid-stream":
            writer.write(kit.stream_head + kit.chunk(kit.event(b"a")))
        await asyncio.sleep(10)

    def gate(fake):
        if window == "in the delay":
            fake.change = lambda request: msgspec.structs.replace(request, delay=0.3)

    async def scenario(world):
        _, writer = await world.connect()
        writer.write(world.wire(kit.stream))
        await asyncio.sleep(0.05)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        upstream = [c for c in asyncio.all_tasks() if "serve" in repr(c)]
        if window == "in the delay":
            await asyncio.sleep(0.4)
        return upstream

    world, _ = kit.play(scenario, _until_lost(script), gate)
    assert len(world.seen) == (0 if window == "in the delay" else 1)
    assert world.proxy.snapshot()["clients_gone"] == 1
    (flight,) = world.gate.flights
    assert flight.status == (200 if window == "mid-stream" else 499)
    assert not flight.reply.complete
    if window != "in the delay":
        assert world.lost


def _until_lost(script):
    """Run a script, and note when its connection is lost meanwhile."""

    async def run(world, writer, n):
        world.lost = False
        task = asyncio.ensure_future(script(world, writer, n))
        while not task.done():
            if world.reader.at_eof() or world.reader.exception() is not None:
                world.lost = True
                task.cancel()
                return False
            await asyncio.sleep(0.005)
        return None

    return run


def test_half_closing_counts_as_leaving(kit):
    async def script(world, writer, n):
        await asyncio.sleep(10)

    async def scenario(world):
        _, writer = await world.connect()
        writer.write(world.wire())
        await asyncio.sleep(0.03)
        writer.write_eof()
        await asyncio.sleep(0.05)

    world, _ = kit.play(scenario, _until_lost(script))
    assert world.lost


def test_a_megabyte_of_headers_is_refused(kit):
    async def scenario(world):
        filler = b"X-A: " + b"b" * 1000 + b"\r\n"
        return await world.ask(world.wire(b"").replace(b"\r\n\r\n", b"\r\n" + filler * 1000))

    world, answer = kit.play(scenario)
    assert status(answer) == 431
    assert world.seen == []


def test_too_many_headers_are_refused(kit):
    async def scenario(world):
        return await world.ask(world.wire(extra=b"X-A: b\r\n" * 200))

    world, answer = kit.play(scenario)
    assert status(answer) == 431
    assert world.seen == []


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_over_the_limit_are_refused(kit, chunked):
    async def scenario(world):
        wire = world.wire(b"x" * 5000)
        if chunked:
            wire = wire.replace(b"Content-Length: 5000", b"Transfer-Encoding: chunked")
            wire = wire.replace(b"x" * 5000, kit.chunk(b"x" * 5000) + b"0\r\n\r\n")
        return await world.ask(wire)

    world, answer = kit.play(scenario, body_bytes=1000)
    assert status(answer) == 413
    assert world.seen == []


@pytest.mark.parametrize("part", ["head", "body", "chunked body"])
def test_one_byte_at_a_time_is_too_slow(kit, part):
    async def scenario(world):
        reader, writer = await world.connect()
        wire = world.wire()
        if part == "chunked body":
            wire = wire.replace(
                b"Content-Length: %d" % len(kit.chat), b"Transfer-Encoding: chunked"
            )
            wire = wire.replace(kit.chat, kit.chunk(kit.chat) + b"0\r\n\r\n")
        start = wire.index(b"\r\n\r\n") + 4 if part != "head" else 0
        writer.write(wire[:start])
        with contextlib.suppress(ConnectionError):
            for i in range(start, len(wire) - 1):
                writer.write(wire[i : i + 1])
                await asyncio.sleep(0.02)
                if reader.at_eof() or reader._buffer:
                    break
        return await reader.read()

    world, answer = kit.play(scenario, header_timeout=0.15, body_grace=0.15, body_rate=1_000_000.0)
    assert status(answer) == 408
    assert world.seen == []
    assert world.proxy.snapshot()["clients_slow"] == 1


def test_idle_connections_are_closed_quietly(kit):
    async def scenario(world):
        reader, writer = await world.connect()
        writer.write(world.wire())
        await kit.read_reply(reader)
        return await asyncio.wait_for(reader.read(), 5)

    world, rest = kit.play(scenario, keep_alive=0.1)
    assert rest == b""


def test_a_client_that_does_not_read_is_cut_and_holds_the_upstream(kit):
    async def script(world, writer, n):
        world.sent = 0
        writer.transport.set_write_buffer_limits(high=65536)
        writer.write(kit.stream_head)
        with contextlib.suppress(ConnectionError):
            for _ in range(2000):
                writer.write(kit.chunk(kit.event(b"y" * 60_000)))
                world.sent += 60_000
                await writer.drain()

    async def scenario(world):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", world.port))
        await loop.sock_sendall(sock, world.wire(kit.stream))
        await asyncio.sleep(0.8)
        sock.close()

    world, _ = kit.play(scenario, script, write_stall=0.3)
    assert world.sent < 40_000_000  # back-pressure held the upstream
    assert world.proxy.snapshot()["clients_slow"] == 1
    assert not world.gate.flights[0].reply.complete


def test_pipelined_bytes_kept_aside_are_bounded(kit):
    async def script(world, writer, n):
        await asyncio.sleep(0.2)
        await kit.json_script(world, writer, n)

    async def scenario(world):
        _, writer = await world.connect()
        for _ in range(3000):
            writer.write(world.wire())
        await asyncio.sleep(0.15)
        connection = next(iter(world.proxy.plane.connections))
        return len(connection._rest)

    _, kept = kit.play(scenario, script)
    assert 0 < kept <= 64 * 1024 + 256 * 1024


def test_connections_over_the_limit_get_503(kit):
    async def scenario(world):
        held = [await world.connect() for _ in range(20)]
        await asyncio.sleep(0.05)
        answer = await world.ask(b"")
        for _, writer in held[:10]:
            writer.close()
        await asyncio.sleep(0.05)
        return answer, await world.ask(world.wire(extra=CLOSE))

    world, (full, later) = kit.play(scenario, max_connections=20)
    assert status(full) == 503
    assert status(later) == 200


def test_many_connections_at_once(kit):
    async def scenario(world):
        wire = world.wire(extra=CLOSE)
        return await asyncio.gather(*(world.ask(wire) for _ in range(300)))

    world, answers = kit.play(scenario)
    assert [status(answer) for answer in answers] == [200] * 300
    assert len(world.gate.flights) == 300


def test_in_flight_and_waiting_limits(kit):
    async def script(world, writer, n):
        await asyncio.sleep(0.1)
        await kit.json_script(world, writer, n)

    async def scenario(world):
        wire = world.wire(extra=CLOSE)
        return await asyncio.gather(*(world.ask(wire) for _ in range(5)))

    world, answers = kit.play(scenario, script, max_in_flight=2, max_waiting=2)
    assert sorted(status(answer) for answer in answers) == [200] * 4 + [503]
    refused = next(answer for answer in answers if status(answer) == 503)
    assert b"retry-after: 1" in refused
    assert world.accepted == 2
    assert world.proxy.plane.pool.busy == 0


@pytest.mark.parametrize("where", ["admit", "decide", "record", "headers"])
def test_a_gate_that_raises_fails_closed_or_does_no_harm(kit, where):
    def gate(fake):
        def bad(*args):
            raise RuntimeError("secret words")

        setattr(fake, where, bad)

    async def scenario(world):
        return await world.ask(world.wire(extra=CLOSE))

    world, answer = kit.play(scenario, gate=gate)
    assert status(answer) == (500 if where in {"admit", "decide"} else 200)
    assert b"secret words" not in answer
    assert len(world.seen) == (0 if where in {"admit", "decide"} else 1)
    assert world.proxy.snapshot()["faults"] == 1


def test_a_refusal_with_retry_after(kit):
    def gate(fake):
        def refuse(*args):
            problem = Problem(kind="rate_limit", message="Wait a little.", retry_after=7.0)
            raise Refused(problem)

        fake.decide = refuse
        fake.limits = (("x-ratelimit-remaining-requests", "0"),)

    async def scenario(world):
        return await world.ask(world.wire(extra=CLOSE))

    world, answer = kit.play(scenario, gate=gate)
    assert status(answer) == 429
    assert answer.lower().count(b"retry-after: 7") == 1
    assert b"x-ratelimit-remaining-requests: 0" in answer
    assert world.gate.flights[0].status == 429


def test_nothing_leaks_into_logs_or_errors(kit, caplog, capfd):
    caplog.set_level(0)
    secret_text = b"my-private-words"

    async def scenario(world):
        body = kit.chat.replace(b"hello", secret_text)
        answers = [
            await world.ask(world.wire(body, extra=CLOSE)),
            await world.ask(world.wire(body + b"}", extra=CLOSE)),
            await world.ask(world.wire(body, key="wrong-" + kit.key, extra=CLOSE)),
            await world.ask(world.wire(body, extra=b"X-A: \x01" + secret_text + b"\r\n")),
        ]
        reader, writer = await world.connect()  # a reset in the middle
        writer.write(world.wire(body))
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        await asyncio.sleep(0.02)
        return answers

    world, answers = kit.play(scenario, garbage)
    out, err = capfd.readouterr()
    text = "\n".join([*(str(a) for a in answers), caplog.text, out, err])
    for word in (kit.key, kit.secret, secret_text.decode(), repr(world.proxy.settings.credential)):
        assert word not in text or word.startswith("Secret")
    assert kit.secret not in repr(world.proxy.settings)
    assert [status(answer) for answer in answers] == [502, 400, 401, 400]


@pytest.mark.parametrize("code", [401, 301, 307])
def test_what_concerns_us_alone_is_a_502(kit, code):
    async def script(world, writer, n):
        body = b'{"error":{"message":"bad key %b"}}' % kit.secret.encode()
        head = b"HTTP/1.1 %d X\r\nLocation: http://up/\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (code, len(body)) + body)

    async def scenario(world):
        return await world.ask(world.wire(extra=CLOSE))

    world, answer = kit.play(scenario, script)
    assert status(answer) == 502
    assert kit.secret.encode() not in answer


def test_a_slow_reader_leaves_no_paused_connection_behind(kit):
    big = b"z" * 300_000

    async def script(world, writer, n):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(big) + big)

    async def scenario(world):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", world.port))
        await loop.sock_sendall(sock, world.wire())
        await asyncio.sleep(0.1)
        pool = world.proxy.plane.pool
        for connection in pool._idle:
            assert connection.transport.is_reading()
        got = 0
        while got < len(big):
            got += len(await loop.sock_recv(sock, 65536))
        sock.close()
        return await world.ask(world.wire(extra=CLOSE))

    _, answer = kit.play(scenario, script)
    assert answer.endswith(big)


def test_a_fault_of_ours_before_admission_is_a_500(kit, caplog):
    async def scenario(world):
        def bad(head, peer):
            raise RuntimeError("secret words")

        world.proxy.plane.planner.plan = bad
        return await world.ask(world.wire())

    world, answer = kit.play(scenario)
    assert status(answer) == 500
    assert b"connection: close" in answer
    assert world.seen == []
    assert world.proxy.snapshot()["faults"] == 1
    assert "secret words" not in caplog.text + str(answer)
