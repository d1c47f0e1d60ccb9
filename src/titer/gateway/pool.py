"""Connections to the upstream: the most recently used idle one first, else a new one.

The cap on requests in flight is explicit: beyond it requests wait in a bounded queue, and beyond
that they are refused. There is no hidden limit.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

from titer.core.errors import ConfigError
from titer.gateway.limits import IDLE_UPSTREAM_SECONDS, IDLE_UPSTREAMS, READ_BUFFER
from titer.gateway.settings import GatewaySettings, Upstream
from titer.gateway.timers import Sweep
from titer.gateway.upstream_protocol import ReplyHeads, UpstreamConnection


class Waiting(Protocol):
    """A request that waits for its turn."""

    def proceed(self) -> None: ...


class Pool:
    """The connections of one worker to its upstream. `busy` counts the slots in use."""

    def __init__(
        self, settings: GatewaySettings, loop: asyncio.AbstractEventLoop, sweep: Sweep
    ) -> None:
        self.upstream = Upstream.of(settings.upstream)
        self._loop = loop
        self._sweep = sweep
        self._cap = settings.max_in_flight
        self._queue_cap = settings.max_waiting
        self._queue: deque[Waiting] = deque()
        self._idle: OrderedDict[UpstreamConnection, None] = OrderedDict()
        self._heads = ReplyHeads()
        self._buffer = memoryview(bytearray(READ_BUFFER))
        self._tls = _client_context(settings) if self.upstream.tls else None
        self.busy = 0
        self.dialled = 0
        self.deadline = 0.0  # asks the sweep to call `expire` at every tick
        sweep.add(self)

    @property
    def idle(self) -> int:
        """Idle connections."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._queue)

    def enter(self, request: Waiting) -> bool | None:
        """True: a slot is taken. None: wait for `proceed`. False: everything is full."""
        if self.busy < self._cap:
            self.busy += 1
            return True
        if len(self._queue) < self._queue_cap:
            self._queue.append(request)
            return None
        return False

    def leave(self) -> None:
        """Give a slot back; the request that has waited longest takes it."""
        if self._queue:
            self._queue.popleft().proceed()
        else:
            self.busy -= 1

    def forget(self, request: Waiting) -> None:
        """A waiting request has gone."""
        self._queue.remove(request)

    def take(self) -> UpstreamConnection | None:
        """The idle connection used last, if any is still open."""
        while self._idle:
            connection = self._idle.popitem()[0]
            if connection.usable():
                return connection
        return None

    def give(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next request."""
        if len(self._idle) >= IDLE_UPSTREAMS:
            connection.abort()
            return
        connection.idle_since = self._sweep.now
        self._idle[connection] = None

    def dial(self, done: Callable[[UpstreamConnection | None], None]) -> asyncio.Task[None]:
        """Open a connection; `done` gets it, or None when it could not be opened."""
        self.dialled += 1
        return self._loop.create_task(self._dial(done))

    async def _dial(self, done: Callable[[UpstreamConnection | None], None]) -> None:
        upstream = self.upstream
        try:
            _, connection = await self._loop.create_connection(
                lambda: UpstreamConnection(self._buffer, self._heads, self._sweep),
                upstream.host,
                upstream.port,
                ssl=self._tls,
            )
        except OSError:  # ssl.SSLError among them
            done(None)
        else:
            done(connection)

    def expire(self, now: float) -> None:
        """Close what has been idle for too long, and what the upstream has closed."""
        limit = now - IDLE_UPSTREAM_SECONDS
        for connection in list(self._idle):
            if connection.usable():
                if connection.idle_since > limit:
                    break
                connection.abort()
            del self._idle[connection]

    def close(self) -> None:
        """Close every idle connection."""
        self._sweep.discard(self)
        while self._idle:
            self._idle.popitem()[0].abort()


def _client_context(settings: GatewaySettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.upstream_ca is not None:
        try:
            context.load_verify_locations(settings.upstream_ca)
        except OSError as error:
            raise ConfigError(
                f"upstream.ca {settings.upstream_ca} cannot be used ({error.strerror or error})"
            ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
