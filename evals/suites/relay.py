"""A relay that passes HTTP on byte for byte and remembers every exchange.

One stands between the SDK and titer, one between titer and the mock: what the first heard is what
the client sent and got, what the second heard is what the server got and sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field

import httptools

#: Headers that show who calls. A relay that was given a key shows that one instead.
CREDENTIALS = frozenset((b"authorization", b"x-api-key", b"api-key"))
Fields = list[tuple[bytes, bytes]]


@dataclass
class Exchange:
    """One request and its reply; bodies without their framing, times of `time.monotonic`."""

    began: float
    method: bytes = b""
    target: bytes = b""
    sent: Fields = field(default_factory=list)
    body: bytes = b""
    status: int = 0
    got: Fields = field(default_factory=list)
    reply: bytes = b""
    whole: bool = False


class Message:
    """What httptools tells of one request or reply."""

    def __init__(self) -> None:
        self.fields: Fields = []
        self.url, self.body, self.headed, self.done = b"", b"", False, False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.done = True


class Relay:
    """Listens on a port of its own, in a thread of its own, until it is closed."""

    def __init__(self, target: int, key: str = "") -> None:
        self.exchanges: list[Exchange] = []
        self._target, self._key = target, key.encode()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, one after another, over one connection to the target."""
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            while first := await _some(reader, 65536):
                if far is None:
                    far = await asyncio.open_connection("127.0.0.1", self._target)
                if not await self._exchange(first, reader, writer, *far):
                    break
        except (OSError, httptools.HttpParserError):
            pass  # what was understood stays; titer answers for the rest
        finally:
            for one in (writer, *(far[1:] if far else ())):
                one.close()
                with contextlib.suppress(OSError):
                    await one.wait_closed()

    async def _exchange(self, data, reader, writer, far_reader, far_writer) -> bool:
        """Whether the connection goes on."""
        kept = Exchange(time.monotonic())
        asked = Message()
        parser = httptools.HttpRequestParser(asked)
        raw = b""
        while data:
            raw += data
            parser.feed_data(data)
            if asked.done:
                break
            data = await _some(reader, 65536)
        kept.method, kept.target = parser.get_method(), asked.url
        kept.sent, kept.body = asked.fields, asked.body
        self.exchanges.append(kept)
        far_writer.write(self._shown(raw))
        await far_writer.drain()
        return await self._reply(kept, reader, writer, far_reader)

    async def _reply(self, kept, reader, writer, far_reader) -> bool:
        told = Message()
        parser = httptools.HttpResponseParser(told)
        left = asyncio.ensure_future(_some(reader, 1))  # the client says no more, or goes
        try:
            while not told.done:
                more = asyncio.ensure_future(_some(far_reader, 65536))
                await asyncio.wait((more, left), return_when=asyncio.FIRST_COMPLETED)
                if left.done() and not more.done():
                    more.cancel()
                    return False
                data = more.result()
                if data:
                    parser.feed_data(data)
                if told.headed:
                    kept.status = parser.get_status_code()
                kept.got, kept.reply = told.fields, told.body
                if not data:  # the reply ended with its connection
                    kept.whole = not _framed(told.fields)
                    return False
                writer.write(data)
                await writer.drain()
            kept.whole = True
            return parser.should_keep_alive()
        finally:
            if not left.done():
                left.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await left

    def _shown(self, raw: bytes) -> bytes:
        """The request with our key in place of the caller's, if we were given one."""
        if not self._key:
            return raw
        head, end, body = raw.partition(b"\r\n\r\n")
        lines = [
            line for line in head.split(b"\r\n")
            if line.partition(b":")[0].strip().lower() not in CREDENTIALS
        ]  # fmt: skip
        return b"\r\n".join((*lines, b"authorization: Bearer " + self._key)) + end + body


async def _some(reader: asyncio.StreamReader, most: int) -> bytes:
    """What comes next; nothing when the other side has gone, however it went."""
    try:
        return await reader.read(most)
    except OSError:
        return b""


def _framed(fields: Fields) -> bool:
    """Whether a reply says by itself where it ends."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in fields)
