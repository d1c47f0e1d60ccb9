"""One gateway worker: the engine's hot half behind the proxy, on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from titer.access.budgets import Budgets
from titer.access.keys import KeyBook
from titer.access.limits import Caller
from titer.access.secret import load_or_create
from titer.core.contracts import Mitigation
from titer.core.errors import ConfigError, Refused, TiterError
from titer.core.ids import Pseudonyms
from titer.core.wire import Problem
from titer.detect.bias_ledger import BiasLedger
from titer.detect.parameter_policy import ParameterPolicy
from titer.engine import Engine
from titer.gateway import alert
from titer.gateway.dialects import find
from titer.gateway.heap import Cycles
from titer.gateway.marking import with_mark_keys
from titer.gateway.metrics import total
from titer.gateway.networks import Watch, load
from titer.gateway.origin import Origins
from titer.gateway.pages import Pages
from titer.gateway.proxy import Proxy, microseconds
from titer.gateway.records import Recorder
from titer.gateway.request_side import Service
from titer.gateway.ring import Ring
from titer.gateway.standings_feed import Subscriber
from titer.gateway.step_up_desk import PATH, Desk
from titer.gateway.telemetry import Telemetry
from titer.gateway.workers import Shared, listen, say
from titer.respond.leak_guard.guard import LeakGuard
from titer.respond.plugins import mitigations
from titer.respond.step_up import StepUp

#: Seconds between looks for changed keys, and between publications of the counters.
HOUSEKEEPING = 1.0

#: Seconds for which a worker waits for the standings table before it listens. The analysis process
#: has it at once after a stop that was clean; after a crash it folds what the log holds since the
#: last snapshot, some 7,000 exchanges a second.
TABLE_WITHIN = 30.0

_NOT_RECORDING = Problem(
    kind="overloaded",
    message="This service must record what it serves and cannot at the moment. Try again later.",
    code="evidence_unavailable",
    retry_after=5.0,
)


def _telemetry(endpoint: str) -> Telemetry | None:
    """Spans to `endpoint`, or none. Raises `ConfigError` when the extra is not installed."""
    if not endpoint:
        return None
    try:
        return Telemetry.open(endpoint)
    except RuntimeError as error:
        raise ConfigError(f"telemetry: {error}") from None


def _services(step_up: Mitigation, data: Path) -> dict[str, Service]:
    """The door of the verification service, when there is one."""
    if not isinstance(step_up, StepUp) or step_up.settings is None:
        return {}
    return {PATH: Desk(step_up, data, microseconds).answer}


class StrictEngine(Engine):
    """An engine that refuses traffic while evidence cannot be written (`evidence.required`)."""

    subscriber: Subscriber
    ring: Ring

    def admit(self, presented: str, now: int) -> Caller:
        caller = super().admit(presented, now)
        if not self.subscriber.recording or self.ring.room < self.ring.size // 8:
            raise Refused(_NOT_RECORDING)
        return caller


class Worker:
    """Owns this process's databases, engine, proxy and clock."""

    def __init__(self, shared: Shared, number: int) -> None:
        service = shared.service
        self._shared = shared
        self._settings = service.settings
        self._keys = KeyBook(service.data, tiers=service.tiers)
        run = service.data / "run"
        run.mkdir(exist_ok=True)
        budgets = Budgets(run / "budgets", workers=service.workers, worker=number)
        kind = StrictEngine if service.required else Engine
        ring = shared.rings[number]
        ring.resume()  # a worker that replaces a dead one goes on where that one had written
        ledger = BiasLedger(run / "bias.db")
        pseudonyms = Pseudonyms(load_or_create(service.data))
        options = with_mark_keys(service).at_home(
            pseudonyms, run, workers=service.workers, worker=number
        )
        given = mitigations(options)
        guard = given["leak_guard"]
        self._leaks: dict[str, int] = guard.leaks if isinstance(guard, LeakGuard) else {}
        named = service.ladder.mitigations() | {dose.mitigation for dose in options.always}
        if isinstance(guard, LeakGuard) and "leak_guard" in named:
            guard.ready()  # compiled before traffic comes
        self._engine = kind(
            keys=self._keys,
            budgets=budgets,
            policy=ParameterPolicy(service.policy),
            ledger=ledger,
            mitigations=given,
            rehearsal=mitigations(options.rehearsing()),
            always=options.always,
            emit=Recorder(ring).emit,
        )
        self._subscriber = Subscriber(shared.standings, self._engine.table)
        if isinstance(self._engine, StrictEngine):
            self._engine.subscriber = self._subscriber
            self._engine.ring = shared.rings[number]
        self._pages = Pages(shared.pages, number)
        self._ring = ring
        self._cycles = Cycles()
        self._stopping = asyncio.Event()
        self._parent = shared.parent
        self._origins = Origins(
            pseudonyms,
            trusted=service.settings.trusted_proxies,
            ja4_header=service.settings.ja4_header,
            networks=shared.networks,
        )
        self._lists = Watch(service.data, shared.stamp, time.monotonic)
        self._proxy = Proxy(
            self._settings,
            self._engine,
            find=find,
            origins=self._origins,
            telemetry=_telemetry(service.telemetry),
            snapshot=self._totals,
            services=_services(given["step_up"], service.data),
        )

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGTERM, then drain. `ready` is called once callers can connect."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # the supervisor decides
        proxy = self._proxy
        chores = [asyncio.create_task(self._subscriber.run())]
        await first_table(self._subscriber, self._stopping)
        if not self._stopping.is_set():
            await proxy.start(listen(self._settings))
            chores.append(asyncio.create_task(self._keep_house()))
            ready()
            await self._stopping.wait()
            await proxy.drain()
            self._pages.write(self._counters())
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            if os.getppid() != self._parent:  # the supervisor was killed: nobody would stop us
                self._stopping.set()
            plane = self._proxy.plane
            self._cycles.look(plane.metrics.connections_opened + plane.pool.dialled)
            with contextlib.suppress(ConfigError):  # the key book has closed itself: 401 for all
                self._keys.refresh()
            self._pages.write(self._counters())
            if self._lists.changed():
                await self._reload()

    async def _reload(self) -> None:
        """Take other network data up; what does not hold leaves those in use as they are."""
        try:
            found = await asyncio.to_thread(load, self._shared.service.data)
        except TiterError as error:
            say(f"{error}; the network data in use stay")
        else:
            self._origins.use(found)

    def _totals(self) -> dict[str, float]:
        """All workers' counters together: ours as they are now, the others' of a second ago."""
        level = alert.read(self._shared.service.data)
        counted = total([self._counters(), *self._pages.others()])
        return {**counted, "alert_level": level.number if level else 0}

    def _counters(self) -> dict[str, float]:
        engine = self._engine
        return {
            **self._proxy.snapshot(),
            "keys_denied": self._keys.denied,
            "records_dropped": self._ring.dropped,
            "mitigation_faults": sum(engine.faults.counts.values()),
            "shadow_doses": engine.shadow.requests,
            "leaks_stopped": sum(self._leaks.values()),
            **engine.shadow.flat("shadow"),
            **engine.given.flat("dosed"),
        }


async def first_table(
    subscriber: Subscriber, stopping: asyncio.Event, within: float = TABLE_WITHIN
) -> None:
    """Wait until the standings table is there, a stop is asked for, or `within` seconds are over.

    A worker that listens before it has the table would serve callers under a dose without it.
    When the time is over, traffic goes first and the operator is told; with `evidence.required`
    requests are refused until the analysis process has spoken.
    """
    waits = [asyncio.create_task(event.wait()) for event in (subscriber.known, stopping)]
    await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    if not subscriber.known.is_set() and not stopping.is_set():
        say(
            f"the standings are not there after {within:g} s: callers are served without doses "
            "until they are (refused, with evidence.required)"
        )
