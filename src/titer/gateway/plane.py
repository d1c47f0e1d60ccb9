"""What the parts of one worker's data plane share."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from titer.gateway.descriptors import connection_cap
from titer.gateway.gate import Find, Gate
from titer.gateway.limits import READ_BUFFER
from titer.gateway.metrics import Metrics, exposition
from titer.gateway.origin import Origins
from titer.gateway.pool import Pool
from titer.gateway.reply_side import secret_of
from titer.gateway.request_side import Planner, Service
from titer.gateway.settings import GatewaySettings
from titer.gateway.stream import Hold
from titer.gateway.summarizer import Summarizer
from titer.gateway.timers import Sweep

if TYPE_CHECKING:
    from titer.gateway.client_protocol import ClientConnection
    from titer.gateway.telemetry import Telemetry


class Plane:
    """One worker's shared parts. Made inside the running loop."""

    def __init__(
        self,
        settings: GatewaySettings,
        gate: Gate,
        *,
        find: Find,
        clock: Callable[[], int],
        origins: Origins,
        telemetry: Telemetry | None = None,
        snapshot: Callable[[], Mapping[str, float]] | None = None,
        services: Mapping[str, Service] | None = None,
    ) -> None:
        self.settings = settings
        self.gate = gate
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self.sweep = Sweep(self.loop, _tick(settings))
        fine = settings.hold_ms / 1000
        self.hold = Hold(
            Sweep(self.loop, max(0.002, fine / 8)), units=settings.hold_tokens, seconds=fine
        )
        self.pool = Pool(settings, self.loop, self.sweep)
        self.summarizer = Summarizer(settings.summary) if settings.summary is not None else None
        self.ask = self.summarizer.ask if self.summarizer is not None else None
        self.planner = Planner(settings, find, origins, services)
        self.secret = secret_of(settings.credential)
        self.telemetry = telemetry
        self.connections: set[ClientConnection] = set()
        self.buffer = memoryview(bytearray(READ_BUFFER))
        self.draining = False
        self.connection_cap = connection_cap(settings.max_connections)
        self.on_idle: Callable[[], None] | None = None
        self.metrics = Metrics(self._gauges)
        self.snapshot = snapshot or self.metrics.snapshot
        self._prefix = secrets.token_hex(5)
        self._count = 0

    def new_id(self) -> str:
        """An id that no other worker or run gives: 40 random bits of this run and a count."""
        self._count += 1
        return f"{self._prefix}{self._count:08x}"

    def exposition(self) -> bytes:
        """`/metrics`."""
        return exposition(self.snapshot())

    def _gauges(self) -> dict[str, int]:
        pool = self.pool
        return {
            "connections": len(self.connections),
            "connections_cap": self.connection_cap,
            "in_flight": pool.busy,
            "waiting": pool.waiting,
            "upstream_idle": pool.idle,
            "upstream_dialled": pool.dialled,
        }


def _tick(settings: GatewaySettings) -> float:
    """A quarter of the shortest time-out, at most a second, at least 10 ms."""
    shortest = min(
        settings.connect_timeout, settings.first_byte_timeout, settings.idle_timeout,
        settings.header_timeout, settings.keep_alive, settings.body_grace or 1.0,
        settings.write_stall, settings.total_timeout or 4.0,
    )  # fmt: skip
    return min(1.0, max(0.01, shortest / 4))
