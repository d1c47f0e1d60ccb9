"""The official SDKs against the fake model server, directly and through the proxy."""

from __future__ import annotations

import asyncio
import contextlib

import anthropic
import openai
import pytest

from titer.core.errors import Refused
from titer.core.wire import Problem
from titer.engine import Verdict
from titer.gateway.dialects import find
from titer.gateway.proxy import Proxy
from titer.gateway.settings import GatewaySettings
from titer.lab.upstream import FakeUpstream
from titer.lab.upstream_plan import Behaviour

KEY = "titer_test_0123456789"


class Gate:
    """Admits one key and refuses as told; `transforms` makes those of one reply."""

    def __init__(self):
        self.flights = []
        self.transforms = lambda: ()
        self.problem = None

    def admit(self, presented, now):
        if presented != KEY:
            raise Refused(Problem(kind="authentication", message="Send a key of this gateway."))
        return "caller"

    def decide(self, caller, request, facts, now):
        if self.problem is not None:
            raise Refused(self.problem)
        return Verdict(request, self.transforms())

    def visit(self, caller, now):
        pass

    def headers(self, caller, now, family):
        return ()

    def record(self, flight):
        self.flights.append(flight)


class Stage:
    """Where a test plays: `url` is what SDKs are pointed at."""

    def __init__(self, upstream, gate, port):
        self.upstream = upstream
        self.gate = gate
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.key = KEY
        self._stack = contextlib.AsyncExitStack()

    async def openai(self, key=KEY):
        client = openai.AsyncOpenAI(
            base_url=self.url + "/v1", api_key=key, max_retries=0, timeout=60
        )
        return await self._stack.enter_async_context(client)

    async def anthropic(self, key=KEY):
        client = anthropic.AsyncAnthropic(
            base_url=self.url, api_key=key, max_retries=0, timeout=60
        )
        return await self._stack.enter_async_context(client)

    async def raw(self, path, body, key=KEY):
        """Head and body as they come off the wire, the connection closed at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            b"POST %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\nconnection: close\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (path.encode(), key.encode(), len(body), body)
        )
        try:
            return (await asyncio.wait_for(reader.read(), 30)).partition(b"\r\n\r\n")[::2]
        finally:
            writer.close()
            await writer.wait_closed()

    async def close(self):
        await self._stack.aclose()


@contextlib.asynccontextmanager
async def staged(via, behaviour=None, **settings):
    """A fake upstream, and the proxy before it when `via` says so."""
    upstream = await FakeUpstream(behaviour or Behaviour(words=12), seed=1).start()
    gate, proxy, port = Gate(), None, upstream.port
    if via == "proxy":
        given = GatewaySettings(upstream=upstream.url, port=0, drain_seconds=0.2, **settings)
        proxy = Proxy(given, gate, find=find)
        server = await proxy.start()
        port = server.sockets[0].getsockname()[1]
    stage = Stage(upstream, gate, port)
    try:
        yield stage
    finally:
        await stage.close()
        if proxy is not None:
            await proxy.drain()
        await upstream.stop()
        await asyncio.sleep(0.01)


@pytest.fixture
def play(steadily):
    """Run `script(stage)` in a world of its own, within 60 seconds."""

    def run(script, via="proxy", behaviour=None, **settings):
        async def main():
            async with staged(via, behaviour, **settings) as stage:
                return await asyncio.wait_for(script(stage), 60)

        return steadily(main())

    return run
