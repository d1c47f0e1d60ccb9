"""One client connection: frames requests, one in flight at a time, and enforces the slow limits.

    HEAD -> BODY -> BUSY -> HEAD ...      CLOSING: the answer is out, the rest is read and dropped

While a request is in flight, reading goes on, so that a caller who leaves is noticed at once;
pipelined bytes are kept aside up to a cap, beyond which reading pauses until the reply is done.
"""

from __future__ import annotations

import asyncio
from typing import cast

from titer.core.errors import Refused
from titer.core.wire import Problem, ProblemKind
from titer.gateway.errors_http import answer, render, text
from titer.gateway.framing import (
    ChunkedRequest,
    RequestHead,
    check_partial,
    read_request,
    refusal,
)
from titer.gateway.hello import NotingObject
from titer.gateway.limits import (
    LINGER_SECONDS,
    PIPELINE_BYTES,
    SERVICE_BYTES,
    WRITE_HIGH_WATER,
)
from titer.gateway.metrics import CONTENT_TYPE
from titer.gateway.passage import Passage
from titer.gateway.plane import Plane
from titer.gateway.request_side import Plan

HEAD, BODY, BUSY, CLOSING = range(4)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientConnection(asyncio.BufferedProtocol):
    """A connection of a caller. `deadline` is looked at by the worker's sweep."""

    __slots__ = (
        "_block", "_body_size", "_body_started", "_chunks", "_head", "_kept", "_last", "_looping",
        "_parts", "_pipelined", "_rest", "_state", "deadline", "ja4", "passage", "paused", "peer",
        "plane", "transport", "write",
    )  # fmt: skip

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.peer = ""
        self.ja4 = ""
        self.paused = False
        self.passage: Passage | None = None
        self.deadline = 0.0
        self._state = HEAD
        self._rest = b""
        self._block = b""
        self._head: RequestHead | None = None
        self._parts: list[bytes] = []
        self._body_size = 0
        self._body_started = 0.0
        self._chunks: ChunkedRequest | None = None
        self._looping = False
        self._kept = False
        self._last = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plane = self.plane
        self.transport = cast("asyncio.Transport", transport)
        self.write = self.transport.write
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        if plane.settings.certificate is not None:
            self.ja4 = self._fingerprint()
        plane.metrics.connections_opened += 1
        if len(plane.connections) >= plane.connection_cap:
            plane.metrics.connections_refused += 1
            self._refuse("overloaded", "The gateway has too many connections. Try again soon.")
        plane.connections.add(self)
        plane.sweep.add(self)
        if self._state == HEAD:
            self.deadline = plane.sweep.now + plane.settings.header_timeout

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's shape
        return self.plane.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self.plane.buffer[:nbytes])
        if self._state == BUSY:
            self._rest = self._rest + data if self._rest else data
            if len(self._rest) > PIPELINE_BYTES:
                self._kept = True
                self.transport.pause_reading()
        elif self._state != CLOSING:
            self._consume(data)

    def eof_received(self) -> None:
        """A caller that stops sending is taken to have gone, as nginx does."""
        self._gone()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        self._gone()
        plane = self.plane
        plane.connections.discard(self)
        plane.sweep.discard(self)
        if plane.draining and plane.on_idle is not None and not plane.connections:
            plane.on_idle()

    def pause_writing(self) -> None:
        self.paused = True
        self.deadline = self.plane.sweep.now + self.plane.settings.write_stall
        if self.passage is not None and self.passage.upstream is not None:
            self.passage.upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        self.paused = False
        passage = self.passage
        if passage is not None:
            self.deadline = self.plane.sweep.now + self.plane.settings.idle_timeout
            if passage.upstream is not None:
                passage.upstream.transport.resume_reading()
        elif self._state == HEAD:
            self._next()

    def expire(self, now: float) -> None:
        """The deadline passed: what that means depends on what is under way."""
        self.deadline = now + self.plane.settings.header_timeout
        if self._state == CLOSING:
            self.transport.abort()
        elif self.paused:
            self.plane.metrics.clients_slow += 1
            self._gone()
            self.transport.abort()
        elif self._state == BUSY:
            if self.passage is not None:
                self.passage.timed_out(now)
        elif self._state == HEAD and not self._rest:
            self._close()
        else:
            self.plane.metrics.clients_slow += 1
            self._refuse("timeout", "Send the request faster.")

    # the passage's side

    def stays(self) -> bool:
        """Whether this connection will serve another request after this reply."""
        head = self._head
        return not self._last and head is not None and head.keep_alive and not self.plane.draining

    def last_reply(self) -> bytes:
        """Mark the reply as the last one, since its end is the connection's; the header for it."""
        if not self.stays():
            return b""
        self._last = True
        return b"connection: close\r\n"

    def reply(self, data: bytes) -> None:
        """Write a whole reply of the gateway's own, and go on."""
        self.write(data)
        if self._state == BUSY:
            self.finished()
        else:
            self._linger()  # the request was not read to its end

    def finished(self) -> None:
        """The reply is out: next request, or close."""
        self.passage = None
        if not self.stays():
            if self._rest or self._kept:
                self._linger()
            else:
                self._close()
            return
        self._state = HEAD
        plane = self.plane
        self.deadline = plane.sweep.now + plane.settings.keep_alive
        if self._kept:
            self._kept = False
            self.transport.resume_reading()
        if self._rest and not self._looping and not self.paused:
            self._next()

    def cut(self, *, politely: bool) -> None:
        """A reply broke off: close, after what was written when that ends it properly."""
        self.passage = None
        if politely:
            self._close()
        else:
            self._state = CLOSING
            self.transport.abort()

    def drain(self) -> None:
        """Close when idle; a reply under way says `connection: close` and ends first."""
        if self._state == HEAD and not self._rest:
            self._close()

    # framing

    def _next(self) -> None:
        rest, self._rest = self._rest, b""
        if rest:
            self._consume(rest)

    def _consume(self, data: bytes) -> None:
        self._looping = True
        try:
            while data and self._state <= BODY and not self.paused:
                data = self._read_head(data) if self._state == HEAD else self._read_body(data)
        except Refused as refused:
            anthropic = b"\nanthropic-version:" in data[: self.plane.settings.header_bytes].lower()
            self._refused(refused.problem, anthropic=anthropic)
        except Exception:  # noqa: BLE001 - a fault of ours must not reach the loop's log
            self.plane.metrics.faults += 1
            self._refuse("internal", "The gateway failed to handle this request.")
        finally:
            self._looping = False
        if data and self._state != CLOSING:
            self._rest = data + self._rest

    def _read_head(self, data: bytes) -> bytes:
        """Take a head off `data`; returns what follows it, b"" when it is not all there."""
        plane = self.plane
        settings = plane.settings
        seen = 0
        if self._rest:
            seen = max(0, len(self._rest) - 3)
            data = self._rest + data
            self._rest = b""
        else:
            self.deadline = plane.sweep.now + settings.header_timeout
        end = data.find(b"\r\n\r\n", seen) + 4
        if end > settings.header_bytes or (end < 4 and len(data) > settings.header_bytes):
            raise refusal("Send shorter headers.", "headers_too_large", "headers_too_large")
        if end < 4:
            if data.find(b"\n", seen) >= 0:
                check_partial(data)
            self._rest = data
            return b""
        block = data[:end]
        head = self._head
        if head is None or block != self._block:
            self._block = b""
            last, head = head, read_request(block, header_count=settings.header_count)
            self._head = head
            if last is not None and head.alike(last):
                head.plan = last.plan
            else:
                head.plan = plane.planner.plan(head, self.peer, self.ja4)
            self._block = block
        return self._begin(head, data[end:])

    def _begin(self, head: RequestHead, data: bytes) -> bytes:
        plane = self.plane
        plan = head.plan
        if not isinstance(plan, Plan):
            raise TypeError("a head without its plan")
        if head.length is not None and head.length > plane.settings.body_bytes:
            self._state = BODY
            raise refusal("Send a smaller body.", "body_too_large", "too_large")
        if plan.dialect is None and not plan.open and self._own_route(head):
            return data
        if plan.service is not None and (head.length is None or head.length > SERVICE_BYTES):
            self._state = BODY
            raise refusal("Send a small body with its length.", "body_too_large", "too_large")
        length = head.length
        whole = length is not None and len(data) >= length
        self._state = BUSY if whole else BODY
        self._last = not whole  # should it be refused: the rest of its body is not waited for
        passage = self.passage = Passage(plane, self, head, plan)
        admitted = passage.begin()
        if whole:
            if admitted:
                passage.run(data[:length])
            return data[length:]
        if not admitted:
            return b""
        self._last = False
        self._parts = []
        self._body_size = 0
        self._body_started = plane.sweep.now
        self.deadline = plane.sweep.now + plane.settings.body_grace
        self._chunks = ChunkedRequest() if length is None else None
        if head.expects and not data:
            self.write(_CONTINUE)
        return data

    def _read_body(self, data: bytes) -> bytes:
        settings, head, passage = self.plane.settings, self._head, self.passage
        if head is None or passage is None:
            return b""
        if self._chunks is not None:
            rest = self._chunks.feed(data)
            self._body_size = self._chunks.size
            if self._body_size > settings.body_bytes:
                raise refusal("Send a smaller body.", "body_too_large", "too_large")
            if rest is not None:
                body = b"".join(self._chunks.pieces)
                self._chunks = None
                self._state = BUSY
                passage.run(body)
                return rest
        else:
            missing = (head.length or 0) - self._body_size
            self._parts.append(data[:missing])
            self._body_size += len(self._parts[-1])
            if len(data) >= missing:
                body = b"".join(self._parts)
                self._parts = []
                self._state = BUSY
                passage.run(body)
                return data[missing:]
        self.deadline = self._body_started + settings.body_grace
        self.deadline += self._body_size / settings.body_rate
        return b""

    def _fingerprint(self) -> str:
        """JA4 of the caller's side of TLS, "" unknown. No traffic depends on it."""
        tls = self.transport.get_extra_info("ssl_object")
        try:
            return tls.fingerprint() if isinstance(tls, NotingObject) else ""
        except Exception:  # noqa: BLE001 - a fault of ours; the caller did nothing wrong
            self.plane.metrics.faults += 1
            return ""

    def _own_route(self, head: RequestHead) -> bool:
        """`/healthz` for everybody; `/metrics` for loopback peers that relay for nobody."""
        if head.method != "GET" or head.length != 0:
            return False
        plane = self.plane
        if head.path == "/healthz":
            status, body = (503, b"draining\n") if plane.draining else (200, b"ok\n")
            data = text(status, body, b"text/plain", keep_alive=self.stays())
        elif head.path == "/metrics" and (plane.settings.metrics_open or self._local(head)):
            data = text(200, plane.exposition(), CONTENT_TYPE, keep_alive=self.stays())
        else:
            return False
        self._state = BUSY
        self.reply(data)
        return True

    def _local(self, head: RequestHead) -> bool:
        relayed = any(name in {b"x-forwarded-for", b"forwarded"} for name, _ in head.headers)
        return not relayed and self.peer.startswith(("127.", "::ffff:127.", "::1"))

    # endings

    def _refuse(self, kind: ProblemKind, message: str) -> None:
        self._refused(Problem(kind=kind, message=message, code=kind))

    def _refused(self, problem: Problem, *, anthropic: bool = False) -> None:
        """Refuse what came before or while a body was read; the connection ends."""
        if self._state == CLOSING:
            return
        passage, self._last = self.passage, True
        if passage is not None and not passage.done:
            self._state = BODY
            passage.refuse(problem)
            return
        self.plane.metrics.refuse(problem.kind)
        rendered = render(problem, anthropic=anthropic)
        self.write(answer(rendered, problem, extra=b"", keep_alive=False))
        self._linger()

    def _linger(self) -> None:
        """Stop sending, read and drop for a while: closing now could destroy the answer."""
        self._state = CLOSING
        self.passage = None
        self._rest = b""
        self._parts = []
        self._chunks = None
        self.deadline = self.plane.sweep.now + LINGER_SECONDS
        if self._kept:
            self._kept = False
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _close(self) -> None:
        self._state = CLOSING
        self.deadline = self.plane.sweep.now + self.plane.settings.write_stall
        self.transport.close()

    def _gone(self) -> None:
        passage, self.passage = self.passage, None
        if passage is not None:
            self._state = CLOSING
            passage.abandon()
            self.transport.abort()
