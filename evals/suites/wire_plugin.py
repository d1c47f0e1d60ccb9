"""A pytest plug-in for a vendor's suite: notes outcomes, and puts mocked replies on the wire.

Loaded with `-p wire_plugin` by the vendor's interpreter; nothing of the suite changes.

Most tests of an SDK replace its transport (respx, `MockTransport`, recorded snapshots), so no byte
would pass through titer. Where such a test asks for a route that titer serves, the reply that it
prepared is handed to the mock model server, the request is really sent, and the SDK gets what came
back. Replies that a transport raises instead of giving stay as they are.

    SUITES_WIRE     http://127.0.0.1:PORT of the relay before titer
    SUITES_MOCK     http://127.0.0.1:PORT of the mock itself
    SUITES_RECORD   where a line of JSON for every test goes
    SUITES_CHOOSE   set: leave out what says nothing about titer (`chosen`)
"""

from __future__ import annotations

import base64
import functools
import http.client
import json
import os
import re
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

#: What titer serves, as the SDKs' clients write it.
SERVED = re.compile(
    r"(/v1)?(/chat/completions|/completions|/responses|/embeddings|/messages(/count_tokens)?"
    r"|/models(/[^/]+)?)"
)
#: A test file that has to do with such a route names one of these.
ABOUT = re.compile(
    r"\.(chat\.completions|completions|responses|embeddings|models|messages)"
    r"\.(with_(raw|streaming)_response\.)?(create|stream|parse|retrieve|list|count_tokens|\w*run)"
    r"|/(chat/completions|responses|embeddings|messages|models)\b"
)
#: Files about other protocols and other clouds' own paths.
ELSEWHERE = re.compile(r"websocket|realtime|x509|azure|bedrock|vertex|aws|google|threads|uv_work")
WIRE, MOCK = urlsplit(os.environ["SUITES_WIRE"]), urlsplit(os.environ["SUITES_MOCK"])
#: In a response's extensions: it has been on the wire.
SEEN = "suites_seen"
#: Headers of one connection; they do not belong to the reply that a test prepared.
OWN = frozenset(("connection", "transfer-encoding", "keep-alive"))


class Chunks(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A reply's bytes, and how its own stream ended if not well."""

    def __init__(self, data: list[bytes], raised: BaseException | None, closing) -> None:
        self._data, self._raised, self._closing = data, raised, closing

    def __iter__(self):
        yield from self._data
        if self._raised is not None:
            raise self._raised

    async def __aiter__(self):
        for one in self:
            yield one

    def close(self) -> None:
        if hasattr(self._closing, "close"):
            self._closing.close()

    async def aclose(self) -> None:
        if hasattr(self._closing, "aclose"):
            await self._closing.aclose()


def wanted(request: httpx2.Request, response: httpx2.Response) -> str | None:
    """The path on the wire of what titer serves, else None."""
    path = request.url.raw_path.decode("ascii")
    found = SERVED.fullmatch(path.partition("?")[0])
    if found is None or SEEN in response.extensions:
        return None
    if request.method != ("GET" if "/models" in path else "POST"):
        return None
    return path if found[1] else "/v1" + path


def exchange(request, path: str, status: int, headers, chunks):
    """(status, headers, body) that come back when the reply is handed in and asked for."""
    told = {"status": status, "headers": [(k.decode("latin-1"), v.decode("latin-1"))
                                          for k, v in headers],
            "chunks": [base64.b64encode(c).decode() for c in chunks]}  # fmt: skip
    mock = http.client.HTTPConnection(MOCK.hostname, MOCK.port, timeout=60)
    mock.request("POST", "/-/replies", json.dumps(told))
    name = json.load(mock.getresponse())["id"]
    mock.close()
    wire = http.client.HTTPConnection(WIRE.hostname, WIRE.port, timeout=60)
    wire.putrequest(request.method, path, skip_host=True, skip_accept_encoding=True)
    raw = request.content
    for key, value in request.headers.raw:
        if key.lower() not in (b"content-length", b"transfer-encoding", b"connection"):
            wire.putheader(key.decode("latin-1"), value)
    wire.putheader("x-suites-reply", name)
    if raw or request.method == "POST":
        wire.putheader("content-length", str(len(raw)))
    wire.endheaders(raw or None)
    reply = wire.getresponse()
    body = reply.read()
    wire.close()
    return reply.status, reply.getheaders(), body


def served(request, response, chunks, raised) -> httpx2.Response:
    """The response as it came over the wire."""
    path = wanted(request, response)
    prepared = response.headers.raw
    status, headers, body = exchange(request, path, response.status_code, prepared, chunks)
    kept = [(k, v) for k, v in prepared if k.decode("latin-1").lower() in OWN]
    came = [(k.encode(), v.encode("latin-1")) for k, v in headers if k.lower() not in OWN]
    closing = response.stream
    return httpx2.Response(
        status, headers=[*came, *kept], stream=Chunks([body] if body else [], raised, closing),
        extensions={**response.extensions, SEEN: True},
    )  # fmt: skip


def on_wire(request, response):
    if wanted(request, response) is None:
        return response
    chunks, raised = [], None
    try:
        chunks.extend(response.stream)
    except Exception as error:  # noqa: BLE001 - a test's own stream may raise anything
        raised = error
    return served(request, response, chunks, raised)


async def on_wire_async(request, response):
    if wanted(request, response) is None:
        return response
    chunks, raised = [], None
    try:
        async for chunk in response.stream:
            chunks.append(chunk)
    except Exception as error:  # noqa: BLE001
        raised = error
    return served(request, response, chunks, raised)


def wrap_transport() -> None:
    """What a client takes for a transport that is not a real one, its replies go by the wire."""
    real = (httpx2.HTTPTransport, httpx2.AsyncHTTPTransport)

    class Wired(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
        def __init__(self, inner) -> None:
            self._inner = inner

        def handle_request(self, request):
            response = self._inner.handle_request(request)
            request.read()
            return on_wire(request, response)

        async def handle_async_request(self, request):
            response = await self._inner.handle_async_request(request)
            await request.aread()
            return await on_wire_async(request, response)

    for client in (httpx2.Client, httpx2.AsyncClient):
        given = client._transport_for_url  # noqa: SLF001

        def chosen(self, url, given=given):
            transport = given(self, url)
            plain = isinstance(transport, real) or "aiohttp" in type(transport).__module__
            return transport if plain else Wired(transport)

        client._transport_for_url = chosen  # noqa: SLF001


def wrap_router(router) -> None:
    """The same for respx, which stands in for the pool of a real transport."""
    plain, waits = router.handler, router.async_handler

    def handler(self, request):
        return on_wire(request, plain(self, request))

    async def async_handler(self, request):
        return await on_wire_async(request, await waits(self, request))

    router.handler, router.async_handler = handler, async_handler


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    wrap_transport()
    for name in ("tests.respx2.router", "respx.router"):
        if name in sys.modules:
            wrap_router(sys.modules[name].Router)


@functools.cache
def about(path) -> bool:
    return not ELSEWHERE.search(path.as_posix()) and ABOUT.search(path.read_text()) is not None


def chosen(item) -> bool:
    """Everything of a file that has to do with a served route; of the generated tests of other
    routes those of one client (`loose`, not async), which tell how titer answers there.
    """
    if about(item.path):
        return True
    generated = "api_resources" in item.path.parts
    return generated and "[loose]" in item.nodeid and "Async" not in item.nodeid


class Notes:
    """One line a test: its name, its outcome, and when it ran; before them how many there are."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items) -> None:
        self._file.write(json.dumps({"collected": len(items)}) + "\n")
        if "SUITES_CHOOSE" in os.environ:
            items[:] = [item for item in items if chosen(item)]

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("w", buffering=1)  # noqa: SIM115 - as long as pytest runs
        self._began = 0.0
        self._outcome, self._why = "passed", ""

    def pytest_runtest_logstart(self) -> None:
        self._began, self._outcome, self._why = time.monotonic(), "passed", ""

    def pytest_runtest_logreport(self, report) -> None:
        outcome = "xfailed" if hasattr(report, "wasxfail") else report.outcome
        if outcome != "passed" and self._outcome != "failed":
            self._outcome = outcome
            crash = getattr(report.longrepr, "reprcrash", None)
            self._why = crash.message if crash else str(report.longrepr)[-2000:]

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        row = {"test": nodeid, "outcome": self._outcome, "why": self._why[:2000],
               "began": self._began, "ended": time.monotonic()}  # fmt: skip
        self._file.write(json.dumps(row) + "\n")


def pytest_configure(config) -> None:
    if "SUITES_RECORD" in os.environ:
        config.pluginmanager.register(Notes(os.environ["SUITES_RECORD"]))
