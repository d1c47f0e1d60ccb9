"""Starting, draining, TLS on both sides."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from titer.gateway.proxy import Proxy
from titer.gateway.settings import GatewaySettings

CLOSE = b"Connection: close\r\n"


def test_draining_ends_what_is_in_flight_and_accepts_no_more(kit):
    async def script(world, writer, n):
        await asyncio.sleep(0.15)
        await kit.json_script(world, writer, n)

    async def scenario(world):
        idle, _ = await world.connect()
        busy, writer = await world.connect()
        writer.write(world.wire())
        await asyncio.sleep(0.05)
        drained = asyncio.create_task(world.proxy.drain())
        answer = await busy.read()
        closed = await idle.read()
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", world.port)
        return answer, closed, await drained

    world, (answer, closed, cut) = kit.play(scenario, script)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer
    assert (closed, cut) == (b"", 0)


def test_draining_is_bounded(kit):
    async def script(world, writer, n):
        await asyncio.sleep(10)

    async def scenario(world):
        reader, writer = await world.connect()
        writer.write(world.wire())
        await asyncio.sleep(0.05)
        cut = await world.proxy.drain()
        return cut, await reader.read()

    world, (cut, rest) = kit.play(scenario, script, drain_seconds=0.1)
    assert (cut, rest) == (1, b"")
    assert world.gate.flights[0].status == 499


def test_asking_before_the_start_says_so():
    with pytest.raises(RuntimeError, match="start the proxy"):
        Proxy(GatewaySettings(upstream="http://127.0.0.1:1"), object(), find=dict).snapshot()


def test_tls_towards_clients(kit, certificate):
    cert, key = certificate

    async def scenario(world):
        context = ssl.create_default_context(cafile=cert)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port, ssl=context)
        writer.write(world.wire(kit.stream) + world.wire(b"{") + world.wire(extra=CLOSE))
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer

    world, answer = kit.play(scenario, certificate=cert, private_key=key)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert len(world.seen) == 2


def test_tls_towards_the_upstream(kit, certificate):
    cert, key = certificate

    async def scenario(world):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server = await asyncio.start_server(world.serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        answers = []
        for trusted in (cert, None):
            settings = GatewaySettings(
                upstream=f"https://127.0.0.1:{port}", port=0, upstream_ca=trusted
            )
            proxy = Proxy(settings, world.gate, find=world.proxy._find)
            listener = await proxy.start()
            world.port = listener.sockets[0].getsockname()[1]
            answers.append(await world.ask(world.wire(extra=CLOSE)))
            await proxy.drain()
        server.close()
        return answers

    world, (good, untrusted) = kit.play(scenario)
    assert good.startswith(b"HTTP/1.1 200 OK")
    assert untrusted.startswith(b"HTTP/1.1 502")
    assert len(world.seen) == 1
