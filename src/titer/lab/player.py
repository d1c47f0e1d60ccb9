"""Plays a scenario over the real network: one connection per lane, days squeezed into seconds.

    play(events, keys, port=...) -> Played        who got what, as the callers themselves saw it

Time is compressed evenly: an event at a third of the scenario is sent after a third of the real
time, or as soon as the account's lane is free. A throttled caller therefore falls behind, as it
would in life; what is not sent when the time is over is counted as `unsent`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httptools
import msgspec

from titer.lab.events import Account, Event
from titer.lab.wireforms import request

#: A reply slower than this ends the connection; the demo's doses wait for seconds, not minutes.
REPLY_TIMEOUT = 30.0

#: Bytes read at a time, and the largest reply that is kept.
CHUNK = 65_536
MAX_REPLY = 8 * 1024 * 1024


class Seen(msgspec.Struct):
    """What one account saw. `waited` are the seconds to each reply that was an answer; `stripped`
    counts answers that say what was dropped of the request, `first_refused` the request (from 1)
    that was refused first, 0 for none.
    """

    account: Account
    planned: int = 0
    sent: int = 0
    answered: int = 0
    refused: Counter[int] = msgspec.field(default_factory=Counter)
    broken: int = 0
    tokens: int = 0
    logprobs: int = 0
    stripped: int = 0
    waited: list[float] = []
    first_refused: int = 0

    @property
    def unsent(self) -> int:
        """Events that could not be sent in time."""
        return self.planned - self.sent


class Played(msgspec.Struct):
    """A whole run: by account, and how long it took."""

    seen: dict[str, Seen]
    seconds: float

    def role(self, role: str) -> list[Seen]:
        """The accounts of one role."""
        return [seen for seen in self.seen.values() if seen.account.role == role]


class _Reply:
    """Collects one reply; httptools calls the `on_` methods."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.done = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        if len(self.body) < MAX_REPLY:
            self.body += data

    def on_message_complete(self) -> None:
        self.done = True

    def content(self) -> bytes:
        """The body, unpacked when the server packed it; raises OSError when it cannot be."""
        packing = self.headers.get(b"content-encoding", b"")
        if packing not in {b"gzip", b"deflate"}:
            return bytes(self.body)
        try:
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(self.body, MAX_REPLY)
        except zlib.error as error:
            raise ConnectionError("a packed reply does not unpack") from error


class _Lane:
    """One keep-alive connection of one account."""

    def __init__(self, port: int, timeout: float) -> None:
        self._port = port
        self._timeout = timeout
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def exchange(self, raw: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        """Send and receive; raises OSError or TimeoutError, and is then closed."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(raw)
        except (OSError, TimeoutError):
            self.close()
            raise

    async def _exchange(self, raw: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(raw)
        await self._writer.drain()
        reply = _Reply()
        parser = httptools.HttpResponseParser(reply)
        while not reply.done:
            data = await self._reader.read(CHUNK)
            if not data:
                raise ConnectionError("the gateway closed the connection")
            parser.feed_data(data)
        if not parser.should_keep_alive():
            self.close()
        return int(parser.get_status_code()), reply.headers, reply.content()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


class Player:
    """Plays events through the gateway on `port`, the whole squeezed into `seconds`.

    `cap` bounds the tokens of every reply by the request's own limit (0: as the events have it);
    attackers use `attackers_lanes` connections at once, everybody else one.
    """

    def __init__(
        self,
        *,
        port: int,
        keys: Mapping[str, str],
        seconds: float,
        cap: int = 0,
        attackers_lanes: int = 4,
        reply_timeout: float = REPLY_TIMEOUT,
    ) -> None:
        self._port = port
        self._keys = keys
        self._seconds = seconds
        self._cap = cap
        self._lanes = attackers_lanes
        self._timeout = reply_timeout
        self._seen: dict[str, Seen] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def seen(self) -> Mapping[str, Seen]:
        """What every account has seen so far; may be read while the player runs."""
        return self._seen

    async def play(
        self, events: Iterable[Event], *, grace: float = 2.0, patience: float = 0.0
    ) -> Played:
        """Send everything; stop `grace` seconds after the last event was due, honest callers who
        have not been answered by then at most `patience` seconds later.
        """
        queues: dict[str, list[Event]] = {}
        for event in events:
            queues.setdefault(event.account.name, []).append(event)
        first = min(queue[0].at for queue in queues.values())
        last = max(queue[-1].at for queue in queues.values())
        scale = self._seconds / max(1, last - first)
        began = time.monotonic()
        honest: list[asyncio.Task[None]] = []
        for name, queue in queues.items():
            seen = self._seen[name] = Seen(queue[0].account, planned=len(queue))
            due = [(began + (event.at - first) * scale, event) for event in queue]
            line = iter(due)
            lanes = self._lanes if seen.account.campaign else 1
            tasks = [asyncio.create_task(self._run(seen, line)) for _ in range(lanes)]
            self._tasks += tasks
            if not seen.account.campaign:
                honest += tasks
        await asyncio.wait(self._tasks, timeout=self._seconds + grace)
        for task in set(self._tasks).difference(honest):
            task.cancel()
        if honest and patience:
            await asyncio.wait(honest, timeout=patience)
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return Played(self._seen, time.monotonic() - began)

    def stop(self) -> None:
        """End the play now; what was not sent or not answered stays so."""
        for task in self._tasks:
            task.cancel()

    async def _run(self, seen: Seen, line: Any) -> None:
        """One lane: takes the account's next event, waits until it is due, sends it."""
        lane = _Lane(self._port, self._timeout)
        host = f"127.0.0.1:{self._port}"
        key = self._keys[seen.account.name]
        try:
            for due, event in line:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                seen.sent += 1
                began = time.monotonic()
                try:
                    answer = await lane.exchange(request(event, host=host, key=key, cap=self._cap))
                except (OSError, TimeoutError, httptools.HttpParserError):
                    seen.broken += 1
                    continue
                if answer[0] < 400:
                    seen.waited.append(time.monotonic() - began)
                note(seen, event, *answer)
        finally:
            lane.close()


def note(
    seen: Seen, event: Event, status: int, headers: Mapping[bytes, bytes], body: bytes
) -> None:
    """Book one reply."""
    if status >= 400:
        seen.refused[status] += 1
        seen.first_refused = seen.first_refused or seen.sent
        return
    seen.answered += 1
    asked = bool(event.body.get("logprobs"))
    if b"titer-denied" in headers:
        seen.stripped += 1
    usage = _usages(body)
    seen.tokens += usage
    if asked and b'"top_logprobs":[{' in body.replace(b" ", b""):
        seen.logprobs += 1


def _usages(body: bytes) -> int:
    """Output tokens that a reply reports, streamed or not; 0 when it reports none."""
    if body.lstrip().startswith(b"{"):
        payloads: Sequence[bytes] = (body,)
    else:
        payloads = [line[5:].strip() for line in body.splitlines() if line.startswith(b"data:")]
    tokens = 0
    for payload in payloads:
        with contextlib.suppress(msgspec.DecodeError):
            data = msgspec.json.decode(payload)
            if isinstance(data, dict):
                tokens = max(tokens, _tokens(data), _tokens(data.get("response")))
    return tokens


def _tokens(data: Any) -> int:
    usage = data.get("usage") if isinstance(data, dict) else None
    if not isinstance(usage, dict):
        return 0
    found = usage.get("completion_tokens", usage.get("output_tokens", 0))
    return found if isinstance(found, int) else 0
