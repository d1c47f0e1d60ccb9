"""The proxy: one worker's listening socket, its data plane, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping

from titer.gateway.client_protocol import ClientConnection
from titer.gateway.gate import Find, Gate
from titer.gateway.limits import BACKLOG
from titer.gateway.origin import Origins
from titer.gateway.plane import Plane
from titer.gateway.request_side import Service
from titer.gateway.settings import GatewaySettings
from titer.gateway.telemetry import Telemetry
from titer.gateway.tls import server_context


def microseconds() -> int:
    """Now, in microseconds since 1970."""
    return time.time_ns() // 1000


class Proxy:
    """A streaming reverse proxy in one event loop.

    `gate` judges (see `titer.gateway.gate`), `find` names a route's dialect, `clock` gives
    microseconds since 1970. `origins` makes the keyed tokens of where a call came from.
    `snapshot` gives the numbers that `/metrics` shows, when several workers are summed; without
    it the page shows this worker's own. `services` answer POST requests to the gateway's own
    paths.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        gate: Gate,
        *,
        find: Find,
        clock: Callable[[], int] = microseconds,
        origins: Origins | None = None,
        telemetry: Telemetry | None = None,
        snapshot: Callable[[], Mapping[str, float]] | None = None,
        services: Mapping[str, Service] | None = None,
    ) -> None:
        self.settings = settings
        self._gate = gate
        self._find = find
        self._clock = clock
        self._origins = origins or Origins(
            None, trusted=settings.trusted_proxies, ja4_header=settings.ja4_header
        )
        self._telemetry = telemetry
        self._snapshot = snapshot
        self._services = services
        self._plane: Plane | None = None
        self._server: asyncio.Server | None = None

    @property
    def plane(self) -> Plane:
        """The running data plane; raises RuntimeError before `start`."""
        if self._plane is None:
            raise RuntimeError("start the proxy first")
        return self._plane

    def snapshot(self) -> dict[str, float]:
        """The counters of this worker (add them up with `titer.gateway.metrics.total`)."""
        return self.plane.metrics.snapshot()

    async def start(self, sock: socket.socket | None = None) -> asyncio.Server:
        """Listen on `sock` (bound already), or on the settings' host and port."""
        plane = self._plane = Plane(
            self.settings, self._gate, find=self._find, clock=self._clock,
            origins=self._origins, telemetry=self._telemetry, snapshot=self._snapshot,
            services=self._services,
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        context = server_context(self.settings)
        handshake = self.settings.header_timeout if context is not None else None
        if sock is not None:
            self._server = await loop.create_server(
                lambda: ClientConnection(plane), sock=sock, backlog=BACKLOG, ssl=context,
                ssl_handshake_timeout=handshake,
            )  # fmt: skip
        else:
            self._server = await loop.create_server(
                lambda: ClientConnection(plane), self.settings.host, self.settings.port,
                backlog=BACKLOG, ssl=context, ssl_handshake_timeout=handshake,
            )  # fmt: skip
        return self._server

    async def drain(self) -> int:
        """Stop accepting, let requests in flight end (`drain_seconds` at most), close the rest.

        Returns how many connections had to be cut.
        """
        plane = self.plane
        if self._server is not None:
            self._server.close()
        plane.draining = True
        idle = asyncio.Event()
        plane.on_idle = idle.set
        for connection in list(plane.connections):
            connection.drain()
        if plane.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(idle.wait(), self.settings.drain_seconds)
        cut = list(plane.connections)
        for connection in cut:
            connection.transport.abort()
        plane.pool.close()
        if cut:
            await asyncio.sleep(0)
        plane.sweep.close()
        plane.hold.sweep.close()
        return len(cut)
