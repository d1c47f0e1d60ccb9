"""One connection to the upstream: frames replies and hands them, read by read, to a passage.

A reply goes through HEAD (interim replies are swallowed), BODY, and back to IDLE when the
connection may be used again. Anything that comes while IDLE closes it: nobody asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from httptools import HttpParserError

from titer.core.wire import ProblemKind
from titer.gateway.framing import ChunkedReply, ReplyHead, read_reply
from titer.gateway.limits import (
    INTERIM_REPLIES,
    REPLY_HEAD_BYTES,
    REPLY_HEAD_REMEMBERED,
    REPLY_HEADS,
)
from titer.gateway.timers import Sweep

IDLE, HEAD, COUNTED, CHUNKS, UNTIL_CLOSE, CLOSED = range(6)


#: Takes one read of a reply's body: the bytes as received, and the payload in them.
Sink = Callable[[bytes, list[bytes]], None]


class Receiver(Protocol):
    """Whoever waits for a reply. `reply_head` names where the body goes."""

    bodyless: bool

    def reply_head(self, head: ReplyHead) -> Sink: ...
    def reply_start(self) -> None: ...
    def reply_fault(self, error: Exception) -> None: ...
    def reply_end(self, connection: UpstreamConnection | None) -> None: ...
    def reply_failed(self, kind: ProblemKind, reason: str, *, untouched: bool) -> None: ...


class ReplyHeads:
    """Replies' heads by their bytes: upstreams repeat themselves."""

    def __init__(self) -> None:
        self._known: dict[bytes, ReplyHead] = {}

    def read(self, block: bytes) -> ReplyHead:
        """The head in `block`; raises ValueError when it is not sound."""
        head = self._known.get(block)
        if head is None:
            head = read_reply(block)
            if len(block) <= REPLY_HEAD_REMEMBERED:
                if len(self._known) >= REPLY_HEADS:
                    self._known.clear()
                self._known[block] = head
        return head


class UpstreamConnection(asyncio.BufferedProtocol):
    """Frames replies. `seen` is when bytes of the reply last came, in the sweep's time."""

    __slots__ = (
        "_chunks", "_head", "_heads", "_interim", "_left", "_rest", "_sink",
        "_state", "_sweep", "_view", "idle_since", "receiver", "seen", "transport", "used",
    )  # fmt: skip

    def __init__(self, buffer: memoryview, heads: ReplyHeads, sweep: Sweep) -> None:
        self._view = buffer
        self._heads = heads
        self._sweep = sweep
        self._sink: Sink | None = None
        self.seen = 0.0
        self._state = IDLE
        self._rest = b""
        self._left = 0
        self._interim = 0
        self._head: ReplyHead | None = None
        self._chunks: ChunkedReply | None = None
        self.receiver: Receiver | None = None
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.used = False
        self.idle_since = 0.0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's shape
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._view[:nbytes])
        self.seen = self._sweep.now
        try:
            if self._state == CHUNKS:
                self._chunked(data)
            elif self._state == HEAD:
                self._read_head(data)
            else:
                self._body(data)
        except HttpParserError:
            self._fail("upstream", "malformed chunk")
        except ValueError as error:
            self._fail("upstream", str(error))
        except Exception as error:  # noqa: BLE001 - a codec's, a transform's: nothing more leaves
            receiver = self.receiver
            self.abort()
            if receiver is not None:
                receiver.reply_fault(error)

    def connection_lost(self, exc: Exception | None) -> None:
        state, self._state = self._state, CLOSED
        receiver = self.receiver
        if receiver is None:
            return
        if state == UNTIL_CLOSE and exc is None:
            self.receiver = None
            receiver.reply_end(None)
            return
        self._state = state
        untouched = state == HEAD and not self._rest and not self._interim
        self._fail("upstream", "the connection was lost", untouched=untouched and self.used)

    # the gateway's side

    def send(self, receiver: Receiver, wire: bytes) -> None:
        """Send one request; its reply goes to `receiver`."""
        self.receiver = receiver
        self._state = HEAD
        self._interim = 0
        self._rest = b""
        self.transport.write(wire)

    def usable(self) -> bool:
        """Whether this idle connection still looks open."""
        return self._state == IDLE and not self.transport.is_closing()

    def abort(self) -> None:
        """Cut the connection at once: the upstream sees it and can stop working."""
        self.receiver = self._sink = None
        self._state = CLOSED
        self.transport.abort()

    def _read_head(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(data) > REPLY_HEAD_BYTES:
                raise ValueError("a reply head over the limit")
            if not b"HTTP/1.".startswith(data[:7]):
                raise ValueError("not an HTTP/1.x reply")
            self._rest = data
            return
        if end > REPLY_HEAD_BYTES:
            raise ValueError("a reply head over the limit")
        self._rest = b""
        head = self._heads.read(data[:end])
        data = data[end:]
        if head.status < 200:
            self._interim += 1
            if head.status == 101 or self._interim > INTERIM_REPLIES:
                raise ValueError("an interim reply that was not asked for")
            if data:
                self._read_head(data)
            return
        self._begin(head, data)

    def _begin(self, head: ReplyHead, data: bytes) -> None:
        receiver = self.receiver
        if receiver is None:
            return
        self._head = head
        if receiver.bodyless or head.length == 0:
            self._state, self._left = COUNTED, 0
        elif head.chunked:
            self._state, self._chunks = CHUNKS, ChunkedReply()
        elif head.length is not None:
            self._state, self._left = COUNTED, head.length
        else:
            self._state = UNTIL_CLOSE
        self._sink = receiver.reply_head(head)
        if self._state == COUNTED and not self._left:
            if data:
                raise ValueError("bytes after the reply")
            self._end()
        elif not data:
            receiver.reply_start()
        elif self._state == CHUNKS:
            self._chunked(data)
        else:
            self._body(data)

    def _chunked(self, data: bytes) -> None:
        chunks, sink = self._chunks, self._sink
        if chunks is None or sink is None:
            return
        chunks.feed(data)
        body = chunks.body
        if body.complete and body.begun != 1:
            raise ValueError("bytes after the reply")
        sink(data, chunks.pieces)
        chunks.pieces.clear()
        if body.complete and self.receiver is not None:
            self._end()

    def _body(self, data: bytes) -> None:
        sink = self._sink
        if self.receiver is None or sink is None:  # idle: nobody asked
            self._state = CLOSED
            self.transport.abort()
            return
        if self._state == COUNTED:
            if len(data) > self._left:
                raise ValueError("bytes after the reply")
            self._left -= len(data)
        sink(data, [data])
        if self._state == COUNTED and not self._left and self.receiver is not None:
            self._end()

    def _end(self) -> None:
        receiver, head = self.receiver, self._head
        self.receiver = self._head = self._chunks = self._sink = None
        if receiver is None or head is None:
            return
        transport = self.transport
        if head.keep_alive and not transport.get_write_buffer_size():
            self._state = IDLE
            self.used = True
            receiver.reply_end(self)
        else:
            self._state = CLOSED
            transport.abort()
            receiver.reply_end(None)

    def _fail(self, kind: ProblemKind, reason: str, *, untouched: bool = False) -> None:
        receiver, self.receiver = self.receiver, None
        self._state = CLOSED
        self.transport.abort()
        if receiver is not None:
            receiver.reply_failed(kind, reason, untouched=untouched)
