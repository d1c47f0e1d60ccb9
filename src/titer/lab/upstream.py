"""A fake model server on loopback that speaks every dialect, well or badly as it is told.

    python -m titer.lab.upstream --port 9000

Replies are deterministic (see `upstream_plan`); `FakeUpstream.seen` lists what was received.
It is a test peer, not a server: bodies are kept in memory, and requests are not checked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Self, cast

import httptools
import msgspec

from titer.lab import upstream_anthropic as anthropic
from titer.lab import upstream_openai as openai
from titer.lab import upstream_responses as responses
from titer.lab.upstream_plan import Behaviour, Plan, asked, plan

#: Requests remembered in `seen`; older ones are forgotten.
MAX_SEEN = 10_000
#: Bytes written at once while padding a huge reply.
PAD = 65_536


class Seen(msgspec.Struct):
    """One request as received; `headers` in order, names in lower case. `gone` is set when the
    peer closed before the reply was complete, `closed` is the loop's time of it.
    """

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    done: bool = False
    gone: bool = False
    closed: float = 0.0

    def header(self, name: str) -> str | None:
        """The first header called `name` (lower case), or None."""
        return next((v for k, v in self.headers if k == name), None)


class FakeUpstream:
    """The server. `behaviour` holds for every request that does not ask for another."""

    def __init__(self, behaviour: Behaviour | None = None, *, seed: int = 0) -> None:
        self.behaviour = behaviour or Behaviour()
        self.seed = seed
        self.seen: list[Seen] = []
        self.port = 0
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> Self:
        """Listen on loopback; port 0 takes any free one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", port, backlog=2048
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        return self if self._server is not None else await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def remember(self, request: Seen) -> None:
        """Keep a request, and at most MAX_SEEN of them."""
        if len(self.seen) >= MAX_SEEN:
            del self.seen[: MAX_SEEN // 2]
        self.seen.append(request)


class _Connection(asyncio.Protocol):
    """Requests of one client, answered one after another."""

    def __init__(self, server: FakeUpstream) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._waiting: list[Seen] = []
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._current: Seen | None = None
        self._last: Seen | None = None  # asked for the connection to be closed after it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.connections.discard(self)
        self._writable.set()
        if self._current is not None and not self._current.done:
            self._current.gone = True
            self._current.closed = asyncio.get_running_loop().time()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> None:
        """Drop the connection."""
        self._transport.abort()

    # httptools calls these.
    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", [], []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        path = self._url.decode("latin-1")
        request = Seen(method, path, self._headers, b"".join(self._body))
        self._server.remember(request)
        self._waiting.append(request)
        if not self._parser.should_keep_alive():
            self._last = request
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._answer_all())

    async def _answer_all(self) -> None:
        try:
            while self._waiting:
                self._current = self._waiting.pop(0)
                await self._answer(self._current)
                self._current.done = True
                if self._current is self._last:
                    self._transport.close()
        except Exception:
            self.abort()  # a test must fail at once, not wait for a reply that will not come
            raise
        finally:
            self._task = None

    async def _answer(self, request: Seen) -> None:
        body, how = self._read(request)
        if how.hang:
            await asyncio.Event().wait()
        if how.delay:
            await asyncio.sleep(how.delay)
        if how.garbage == "http":
            await self._send(b"\x00\xff these bytes are no reply\r\n\r\n", how)
            self._transport.close()
            return
        path = request.path.partition("?")[0]
        if how.status:
            await self._error(how.status, path, how)
            return
        planned = plan(body, how, self._server.seed)
        stream = _stream(path, body, planned, how) if body.get("stream") is True else None
        if stream is not None:
            await self._stream(stream, how)
            return
        found = _whole(request.method, path, body, planned, how)
        if found is None:
            await self._error(404, path, how)
            return
        await self._body_reply(200, msgspec.json.encode(found), how)

    def _read(self, request: Seen) -> tuple[dict[str, Any], Behaviour]:
        body: Any = {}
        if request.body:
            try:
                body = msgspec.json.decode(request.body)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                body = None
        if type(body) is not dict:
            return {}, Behaviour(status=400)
        settings = asked(str(body.get("model", "")), dict(request.headers))
        return body, self._server.behaviour.with_(settings)

    async def _error(self, status: int, path: str, how: Behaviour) -> None:
        family = anthropic if path.startswith("/v1/messages") else openai
        extra = f"retry-after: {how.retry_after:g}\r\n" if status in (429, 503, 529) else ""
        await self._body_reply(status, msgspec.json.encode(family.error(status)), how, extra)

    async def _body_reply(self, status: int, body: bytes, how: Behaviour, extra: str = "") -> None:
        if how.garbage:
            body = _spoil(body, how)
        size = max(len(body), how.huge)
        framing = f"content-length: {size}\r\n"
        if how.framing == "close":
            framing = "connection: close\r\n"
        await self._send(_head(status, "application/json", framing + extra), how)
        if how.die >= 0:
            body = body[: len(body) // 2]
        await self._send(body, how)
        if how.die >= 0:
            self.abort()
            return
        await self._pad(size - len(body), b" " * PAD)
        if how.framing == "close":
            self._transport.close()

    async def _stream(self, events: Iterator[bytes], how: Behaviour) -> None:
        chunked = how.framing != "close"
        framing = "transfer-encoding: chunked\r\n" if chunked else "connection: close\r\n"
        await self._send(_head(200, "text/event-stream; charset=utf-8", framing), how)
        padded = False
        for number, event in enumerate(events):
            if number == how.die:
                self.abort()
                return
            if number and how.interval:
                await asyncio.sleep(how.interval)
            data = _spoil(event, how) if how.garbage else event
            if how.crlf:
                data = data.replace(b"\n", b"\r\n")
            await self._send(_chunk(data) if chunked else data, how)
            if how.huge and not padded:
                padded = True
                comment = b": " + b"x" * (PAD - 4) + b"\n\n"
                await self._pad(how.huge, _chunk(comment) if chunked else comment)
        if chunked:
            await self._send(b"0\r\n\r\n", how)
        else:
            self._transport.close()

    async def _pad(self, size: int, block: bytes) -> None:
        while size > 0:
            await self._writable.wait()
            if self._transport.is_closing():
                return
            self._transport.write(block[: max(0, size)] if block[:1] == b" " else block)
            size -= len(block)

    async def _send(self, data: bytes, how: Behaviour) -> None:
        await self._writable.wait()
        if not how.split:
            self._transport.write(data)
            return
        for start in range(0, len(data), how.split):
            self._transport.write(data[start : start + how.split])
            await asyncio.sleep(0)


def _stream(
    path: str, body: Mapping[str, Any], planned: Plan, how: Behaviour
) -> Iterator[bytes] | None:
    makers = {
        "/v1/chat/completions": openai.chat_stream,
        "/v1/completions": openai.completion_stream,
        "/v1/responses": responses.response_stream,
        "/v1/messages": anthropic.message_stream,
    }
    make = makers.get(path)
    return make(body, planned, how) if make is not None else None


def _whole(
    method: str, path: str, body: Mapping[str, Any], planned: Plan, how: Behaviour
) -> dict[str, Any] | None:
    if method == "GET":
        if path == "/v1/models":
            return openai.models()
        name = path.removeprefix("/v1/models/")
        return openai.model(name) if name in openai.MODELS else None
    if path == "/v1/embeddings":
        return openai.embeddings(body, planned)
    if path == "/v1/messages/count_tokens":
        return anthropic.count(planned)
    if path == "/tokenize":
        return {"count": planned.tokens_in, "max_model_len": 8192, "tokens": [1, 2, 3]}
    makers = {
        "/v1/chat/completions": openai.chat,
        "/v1/completions": openai.completion,
        "/v1/responses": responses.response,
        "/v1/messages": anthropic.message,
    }
    make = makers.get(path)
    return make(body, planned, how) if make is not None else None


def _head(status: int, media: str, framing: str) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:  # 529, for one, is nobody's but Anthropic's
        phrase = "Error"
    return (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {media}\r\n"
        f"server: titer-lab\r\nx-request-id: req_lab\r\n{framing}\r\n"
    ).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _spoil(data: bytes, how: Behaviour) -> bytes:
    """The same framing, a payload that cannot be read."""
    if how.garbage == "utf8":
        return data.replace(b'"', b'"\xff\xfe', 3)
    return data.replace(b"{", b"<", 1)


async def serve(port: int, behaviour: Behaviour, seed: int) -> None:
    """Serve until cancelled."""
    upstream = await FakeUpstream(behaviour, seed=seed).start(port)
    print(f"fake model server on {upstream.url}", flush=True)  # noqa: T201 - a command
    try:
        await asyncio.Event().wait()
    finally:
        await upstream.stop()


def main(argv: list[str] | None = None) -> None:
    """`python -m titer.lab.upstream`."""
    parser = argparse.ArgumentParser(prog="python -m titer.lab.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a Behaviour field"
    )
    given = parser.parse_args(argv)
    settings = dict(pair.partition("=")[::2] for pair in given.set)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.port, Behaviour().with_(settings), given.seed))


if __name__ == "__main__":
    main()
