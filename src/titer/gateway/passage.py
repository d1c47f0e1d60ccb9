"""One request on its way through: admitted, decided, forwarded, relayed, recorded.

    begin (head read)  -> plan, admit
    run (body read)    -> parse, decide, [delay], [wait for a slot], [dial], send
    reply_*            -> relay to the client, tap, record
    abandon            the caller has gone: whatever is under way upstream is cut at once

Every ending goes through `_finish` exactly once. No task and no future is made on the common
path; a new upstream connection is the only thing that takes one.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import msgspec

from titer.core.errors import Again, Refused
from titer.core.gather import gather
from titer.core.nouns import ReplyFacts, RequestFacts
from titer.core.wire import Problem, ProblemKind, Request, Transform
from titer.gateway.dialects.contract import Dialect, Tap
from titer.gateway.errors_http import answer, header_lines, render, text
from titer.gateway.framing import ReplyHead, RequestHead
from titer.gateway.gate import Flight
from titer.gateway.limits import DENIED_CHARS, DENIED_NAMES
from titer.gateway.reply_side import view_of
from titer.gateway.request_side import Plan, Service
from titer.gateway.stream import (
    CHUNKED,
    LAST_CHUNK,
    PLAIN,
    VERBATIM,
    Asks,
    BodyEnforce,
    BodyObserve,
    EventsEnforce,
    EventsObserve,
    Relay,
    chunk,
)
from titer.gateway.timers import NEVER

if TYPE_CHECKING:
    from titer.gateway.client_protocol import ClientConnection
    from titer.gateway.plane import Plane
    from titer.gateway.upstream_protocol import Sink, UpstreamConnection

#: Status recorded when the caller left before a reply began (nginx's word for it).
CLIENT_GONE = 499

_ODD = re.compile(r"[^A-Za-z0-9_.\[\]-]")

_UNKNOWN_ROUTE = Problem(
    kind="not_found",
    code="unknown_route",
    message="This route is not served. Use a documented API path, or ask the operator to open it.",
)

#: What a caller is told; the reason stays in the counters.
_FAILED: dict[str, Problem] = {
    "upstream": Problem(
        kind="upstream", code="upstream_failed",
        message="The model server failed to answer. Try again.",
    ),
    "upstream_timeout": Problem(
        kind="upstream_timeout", code="upstream_timeout",
        message="The model server took too long to answer. Try again, or ask for less.",
    ),
    "internal": Problem(
        kind="internal", code="internal",
        message="The gateway failed to handle this request. Tell its operator.",
    ),
}  # fmt: skip


def named(parameters: tuple[str, ...]) -> bytes:
    """Names of parameters for a header. A caller made them up: harmless characters, capped."""
    names = [_ODD.sub("?", name[:DENIED_CHARS]) for name in parameters[:DENIED_NAMES]]
    return ", ".join(names).encode("ascii")


class Passage:
    """One request and its reply. Everything happens in callbacks of one loop."""

    # Most requests end with most of these untouched: the class holds them (a microsecond less).
    bodyless = False
    body = b""
    caller: Any = None
    request: Request | None = None
    facts: RequestFacts | None = None
    transforms: tuple[Transform, ...] = ()
    denied: tuple[str, ...] = ()
    tap: Tap | None = None
    relay: Relay | None = None
    reply: ReplyHead | None = None
    upstream: UpstreamConnection | None = None
    delay: asyncio.TimerHandle | None = None
    dialing: asyncio.Task[None] | None = None
    limit = NEVER
    waiting = False
    slot = False
    retried = False
    asked_again = False
    done = False
    status = 0

    def __init__(
        self, plane: Plane, client: ClientConnection, head: RequestHead, plan: Plan
    ) -> None:
        self.plane = plane
        self.client = client
        self.head = head
        self.plan = plan
        self.id = plane.new_id()
        self.at = plane.clock()
        self.started = plane.loop.time()
        total = plane.settings.total_timeout
        if total is not None:
            self.limit = self.started + total
        if head.method == "HEAD":
            self.bodyless = True

    # the client's side

    def begin(self) -> bool:
        """Admit the caller once the head is read; False when it was refused (and answered)."""
        plan, plane = self.plan, self.plane
        dialect = plan.dialect
        plane.metrics.request(dialect.name if dialect is not None else "none")
        if plan.service is not None:
            return True
        if dialect is None and not plan.open:
            self.refuse(_UNKNOWN_ROUTE)
            return False
        try:
            self.caller = plane.gate.admit(plan.key, self.at)
        except Refused as refused:
            self.refuse(refused.problem)
            return False
        except Exception:  # noqa: BLE001 - access fails closed
            self._fault()
            return False
        return True

    def run(self, body: bytes) -> None:
        """Decide about the request, now that its body is there, and send it on."""
        plan, plane = self.plan, self.plane
        dialect, route = plan.dialect, plan.route
        self.body = body
        if plan.service is not None:
            self._serve(plan.service, body)
            return
        delay = 0.0
        try:
            if dialect is not None and route is not None and route.exchange:
                request = dialect.parse(self.head.path, body)
                msgspec.structs.force_setattr(request, "id", self.id)
                self.request = request
                self.facts = facts = dialect.facts(request)
                verdict = plane.gate.decide(self.caller, request, facts, self.at)
                self.denied = verdict.denied
                self.request = request = verdict.request
                delay = request.delay
                if plane.settings.enforce:
                    self.transforms = verdict.transforms
                if request.edited:
                    self.body = request.encode()
            else:
                plane.gate.visit(self.caller, self.at)
        except Refused as refused:
            problem = refused.problem
            if self.facts is not None and problem.kind in ("invalid_request", "permission"):
                self.denied = (problem.param or problem.code,)
            self.refuse(problem)
            return
        except Exception:  # noqa: BLE001 - never forward what could not be judged
            self._fault()
            return
        if delay > 0:
            self.client.deadline = NEVER
            self.delay = plane.loop.call_later(delay, self._enter)
        else:
            self._enter()

    def _serve(self, service: Service, body: bytes) -> None:
        """Answer for a service of our own; nothing goes upstream, and nothing is an exchange."""
        try:
            status, said = service(self.plan.key, body)
        except Exception:  # noqa: BLE001 - as for a request that cannot be judged
            self._fault()
            return
        self._finish(status, complete=True)
        self.client.reply(text(status, said, b"application/json", keep_alive=self.client.stays()))

    def abandon(self) -> None:
        """The caller has gone (or is cut): stop the upstream at once, and record."""
        if self.done:
            return
        self.plane.metrics.clients_gone += 1
        if self.upstream is not None:
            self.upstream.abort()
            self.upstream = None
        self._finish(self.status or CLIENT_GONE, complete=False)

    def timed_out(self, now: float) -> None:
        """The client connection's deadline passed while this request was under way."""
        if self.relay is not None and self.upstream is not None:
            latest = self.upstream.seen + self.plane.settings.idle_timeout
            if min(latest, self.limit) > now:  # bytes have come since: not idle after all
                self.client.deadline = min(latest, self.limit)
                return
        if self.upstream is not None:
            self.upstream.abort()
            self.upstream = None
        self._broken("upstream_timeout")

    # towards the upstream

    def _enter(self) -> None:
        self.delay = None
        entered = self.plane.pool.enter(self)
        if entered:
            self.slot = True
            self._send()
        elif entered is None:
            self.waiting = True
            self._deadline(self.plane.settings.first_byte_timeout)
        else:
            self.refuse(
                Problem(
                    kind="overloaded", code="full", message="The gateway is full. Try again soon.",
                    retry_after=self.plane.settings.retry_after,
                )
            )  # fmt: skip

    def proceed(self) -> None:
        """A slot has become free: the pool has passed it on to this request."""
        self.waiting = False
        self.slot = True
        self._send()

    def _send(self) -> None:
        connection = None if self.retried else self.plane.pool.take()
        if connection is None:
            self._deadline(self.plane.settings.connect_timeout)
            self.dialing = self.plane.pool.dial(self._dialled)
        else:
            self._write(connection)

    def _dialled(self, connection: UpstreamConnection | None) -> None:
        self.dialing = None
        if self.done:
            if connection is not None:
                connection.abort()
        elif connection is None:
            self._broken("upstream")
        else:
            self._write(connection)

    def _write(self, connection: UpstreamConnection) -> None:
        self.upstream = connection
        self._deadline(self.plane.settings.first_byte_timeout)
        body = self.body
        if body or self.head.method == "POST":
            wire = b"%bcontent-length: %d\r\n\r\n%b" % (self.plan.wire, len(body), body)
        else:
            wire = self.plan.wire + b"\r\n"
        connection.send(self, wire)

    def _deadline(self, seconds: float) -> None:
        deadline = self.plane.sweep.now + seconds
        self.client.deadline = deadline if deadline < self.limit else self.limit  # noqa: FURB136

    # the reply

    def reply_head(self, head: ReplyHead) -> Sink:
        """The head of the final reply: choose how its body will travel."""
        plane = self.plane
        if head.status == 401:  # about our credential, and perhaps quoting it: not the caller's
            raise ValueError("the upstream refused our credential")
        if 300 <= head.status < 400 and head.status != 304:  # would lead callers around us
            raise ValueError("the upstream sent a redirect")
        self.reply = head
        self.status = head.status
        plane.metrics.first_byte.add(plane.loop.time() - self.started)
        view = view_of(head, plane.secret)
        good = head.status < 300
        dialect = self.plan.dialect
        if self.request is not None and good and dialect is not None:
            self.tap = dialect.tap()
        lines = view.prefix + self._own_lines()
        if not self.client.stays():
            lines += b"connection: close\r\n"
        elif not self.head.modern:
            lines += b"connection: keep-alive\r\n"
        streamed = view.sse or (
            self.request is not None and self.request.stream and good and not view.json
        )
        if self.transforms and self.tap is not None and dialect is not None and head.length != 0:
            self.relay = self._enforcing(dialect, self.tap, lines, streamed=streamed)
        else:
            self.relay = self._observing(head, lines, streamed=streamed)
        self._deadline(plane.settings.idle_timeout)
        return self.relay.data

    def _observing(self, head: ReplyHead, lines: bytes, *, streamed: bool) -> Relay:
        framing, line = VERBATIM, b""
        if head.length is not None and not self.bodyless:
            line = b"" if head.status in {204, 304} else b"content-length: %d\r\n" % head.length
        elif self.bodyless:
            line = b"" if head.length is None else b"content-length: %d\r\n" % head.length
        elif self.head.modern:
            framing = VERBATIM if head.chunked else CHUNKED
            line = b"transfer-encoding: chunked\r\n"
        else:
            framing = PLAIN
            lines += self.client.last_reply()
        lines = b"%b%b\r\n" % (lines, line)
        if streamed and self.tap is not None:
            return EventsObserve(self.client.write, lines, framing, self.tap)
        return BodyObserve(self.client.write, lines, framing, self.tap)

    def _enforcing(self, dialect: Dialect, tap: Tap, lines: bytes, *, streamed: bool) -> Relay:
        plane, write = self.plane, self.client.write
        relay: BodyEnforce | EventsEnforce
        if not streamed:
            relay = BodyEnforce(
                write, lines, tap, dialect=dialect, transforms=self.transforms,
                cap=plane.settings.transformed_bytes,
            )  # fmt: skip
            relay.asking(plane.ask, self._stall, self.reply_fault)
            return relay
        framing = CHUNKED if self.head.modern else PLAIN
        if framing == CHUNKED:
            lines += b"transfer-encoding: chunked\r\n"
        else:
            lines += self.client.last_reply()
        relay = EventsEnforce(
            write, lines + b"\r\n", framing, tap, dialect=dialect, transforms=self.transforms,
            hold=plane.hold,
        )  # fmt: skip
        relay.asking(plane.ask, self._stall, self.reply_fault)
        return relay

    def _stall(self, stop: bool) -> None:
        """Stop reading the upstream while a transform waits for an answer, and go on."""
        if self.upstream is None:
            return
        if stop:
            self.upstream.transport.pause_reading()
        elif not self.client.paused:
            self.upstream.transport.resume_reading()

    def _own_lines(self) -> bytes:
        """Rate limits, what policy dropped, and the id under which this exchange is kept."""
        lines = f"titer-id: {self.id}\r\n".encode()
        if self.denied:
            lines += b"titer-denied: %b\r\n" % named(self.denied)
        dialect = self.plan.dialect
        if dialect is not None and self.caller is not None:
            try:
                headers = self.plane.gate.headers(self.caller, self.at, dialect.family)
                if headers:
                    lines += header_lines(headers)
            except Exception:  # noqa: BLE001 - a reply is worth more than its rate-limit lines
                self.plane.metrics.faults += 1
        return lines

    def reply_start(self) -> None:
        """The head has come alone: let the caller have it."""
        if self.relay is not None:
            self.relay.start()

    def reply_fault(self, error: Exception) -> None:
        """A transform refused the rest, or it or a codec failed: what has left stays, what is
        held back does not leave, nothing more follows.
        """
        if self.upstream is not None:
            self.upstream.abort()
            self.upstream = None
        if isinstance(error, Refused):
            self._broken("internal", error.problem)
        else:
            self.plane.metrics.faults += 1
            self._broken("internal")

    def reply_end(self, connection: UpstreamConnection | None) -> None:
        """The reply is complete; `connection` may serve again."""
        self.upstream = None
        if connection is not None:
            if self.client.paused or (isinstance(self.relay, Asks) and self.relay.waiting):
                connection.transport.resume_reading()  # our pause is not the next one's
            self.plane.pool.give(connection)
        relay = self.relay
        if relay is None:
            self._broken("upstream")
            return
        try:
            relay.end()
        except Again as again:
            if not self._ask_again(again.request):
                self.reply_fault(again)
            return
        except Exception as error:  # noqa: BLE001 - as in `reply_data`
            self.reply_fault(error)
            return
        if isinstance(relay, Asks) and relay.ended:
            relay.then = self._ended
        else:
            self._ended()

    def _ended(self) -> None:
        """The reply has left whole."""
        if self.done:
            return
        if self.relay is not None and self.tap is not None and not self.relay.tapped:
            self.plane.metrics.untapped += 1
        self._finish(self.status, complete=True)
        self.client.finished()

    def _ask_again(self, request: Request) -> bool:
        """Forward another request in place of one whose whole reply must not leave; once."""
        if self.asked_again or self.relay is None or self.relay.begun:
            return False
        self.asked_again = True
        self.body = request.encode()
        if self.request is not None and self.request.written is not None:
            self.request.written.clear()
        self.relay.close()
        self.relay = self.reply = self.tap = None
        self.status = 0
        self.plane.loop.call_soon(self._resend)
        return True

    def _resend(self) -> None:
        if not self.done:
            self._send()

    def reply_failed(self, kind: ProblemKind, reason: str, *, untouched: bool) -> None:  # noqa: ARG002
        """The upstream failed. Sent once more if it had merely closed an idle connection."""
        self.upstream = None
        if untouched and not self.retried:
            self.retried = True
            self.plane.metrics.upstream_retries += 1
            self._send()
            return
        self._broken(kind)

    # endings

    def _broken(self, kind: str, refused: Problem | None = None) -> None:
        """No reply, or a part of one: say so in the dialect's words where that is possible."""
        if self.done:
            return
        if refused is None:
            self.plane.metrics.upstream_failures += 1
        problem = refused or _FAILED[kind]
        relay, reply, dialect = self.relay, self.reply, self.plan.dialect
        if relay is None or not relay.begun:
            self.refuse(problem)
            return
        told = False
        if kind != "internal" and not relay.release():
            self.plane.metrics.faults += 1
        elif dialect is not None and reply is not None and relay.between_events():
            words = dialect.stream_error(problem)
            if relay.framing == PLAIN:
                self.client.write(words)
                told = True
            elif reply.length is None or relay.framing == CHUNKED:
                self.client.write(chunk(words) + LAST_CHUNK)
                told = True
        self._finish(self.status, complete=False)
        self.client.cut(politely=told)

    def refuse(self, problem: Problem) -> None:
        """Answer with an error in the caller's own dialect. Nothing has been sent before."""
        plan, plane = self.plan, self.plane
        if problem.wait > 0 and self.delay is None:
            self.client.deadline = NEVER
            late = msgspec.structs.replace(problem, wait=0.0)
            self.delay = plane.loop.call_later(problem.wait, self.refuse, late)
            return
        plane.metrics.refuse(problem.kind)
        dialect = plan.dialect
        if dialect is not None:
            rendered = dialect.error(problem)
        else:
            rendered = render(problem, anthropic=plan.anthropic)
        extra = b""
        if self.caller is not None and rendered.status == 429:
            extra = self._own_lines()
        else:
            extra = f"titer-id: {self.id}\r\n".encode()
        self._finish(rendered.status, complete=False)
        self.client.reply(answer(rendered, problem, extra=extra, keep_alive=self.client.stays()))

    def _fault(self) -> None:
        self.plane.metrics.faults += 1
        self.refuse(_FAILED["internal"])

    def _finish(self, status: int, *, complete: bool) -> None:
        """Give everything back, count and record: exactly once."""
        if self.done:
            return
        self.done = True
        plane = self.plane
        if self.delay is not None:
            self.delay.cancel()
        if self.waiting:
            plane.pool.forget(self)
        if self.dialing is not None:
            self.dialing.cancel()
        if self.relay is not None:
            self.relay.close()
        if self.slot:
            plane.pool.leave()
        metrics = plane.metrics
        metrics.replies[min(status // 100, 5)] += 1
        metrics.duration.add(plane.loop.time() - self.started)
        if self.request is not None and self.facts is not None:
            self._record(self.request, self.facts, status, complete=complete)

    def _record(
        self, request: Request, facts: RequestFacts, status: int, *, complete: bool
    ) -> None:
        tap, relay, plane = self.tap, self.relay, self.plane
        usage = None
        if tap is not None and relay is not None:
            complete = complete and (tap.done or not relay.streamed)
            reply = msgspec.structs.replace(
                tap.facts(), complete=complete, sha256=relay.sha.hexdigest()
            )
            usage = tap.usage()
        else:
            reply = ReplyFacts(complete=complete)
        if self.denied or request.varied or request.mark:
            facts = msgspec.structs.replace(
                facts, denied=self.denied, varied=request.varied, mark=request.mark
            )
        written = request.written
        if written is not None and written.keep_text and tap is not None:
            written.says(tap.text())
        dialect = self.plan.dialect
        words, chars = gather(tuple(dialect.texts(request.body)) if dialect is not None else ())
        flight = Flight(
            self.id, self.at, self.caller, self.plan.origin, request.dialect, request.endpoint,
            request.model, request.raw, words, chars, facts, reply, usage, status, request.settle,
            written,
        )  # fmt: skip
        try:
            plane.gate.record(flight)
        except Exception:  # noqa: BLE001 - the caller's exchange is over; the gate counts its own
            plane.metrics.faults += 1
        if plane.telemetry is not None:
            plane.telemetry.finished(flight, plane.loop.time() - self.started)
