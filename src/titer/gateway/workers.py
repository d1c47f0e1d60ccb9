"""`titer serve`: one supervisor, N gateway workers on one port, one analysis process.

The supervisor forks and waits; it holds the port without listening and has no event loop, so
that a process that dies can be forked again from a clean state. Workers share the port by
SO_REUSEPORT. Rings are made before the first fork; databases, other sockets and loops after it.

    SIGTERM, SIGINT   workers drain, then the analysis process empties the rings and signs; one
                      that had just died is started once more for that
    a worker dies     it is replaced; the others carry on
    analysis dies     it is replaced and folds what the log holds; rings buffer meanwhile
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec

from titer.access.limits import Tier
from titer.core.errors import EvidenceError, InputError, TiterError
from titer.detect.parameter_policy import PolicyConfig
from titer.gateway import heap
from titer.gateway.networks import NOWHERE, Networks, Store, load
from titer.gateway.networks.store import Stamp
from titer.gateway.ring import Ring
from titer.gateway.sequencers import Sequencing, wait
from titer.gateway.settings import GatewaySettings
from titer.gateway.vouchers import Vouching
from titer.respond.ladder import Ladder
from titer.respond.level import LevelPolicy
from titer.respond.options import Options

#: Seconds before a process that died at once is started again.
RESTART_PAUSE = 0.5

#: A process that dies this often within a minute will not be saved by another start.
MAX_RESTARTS = 20

#: What ends the service.
STOPPING = (signal.SIGTERM, signal.SIGINT)

#: Allocations between two runs of the garbage collector, by generation. Facts are made and
#: dropped by the thousand and hold no cycles: at the interpreter's default, a third of the
#: analysis process's time went into looking for some.
COLLECT = (100_000, 20, 100)

#: Exit status of a child that must not be restarted: its message tells the operator why.
GIVE_UP = 3

#: Seconds for which a start waits for a log that another process writes: a verb that enters
#: something holds it for a moment, and must not keep a service from coming up. Who holds it
#: longer is another service or a feed, and is told.
FREE_WITHIN = 3.0

#: The same for the analysis process, which has callers already: it takes more to give up then.
HELD_WITHIN = 10.0

#: Seconds between two looks at it.
LOOK = 0.05

T = TypeVar("T")


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `serve` needs, resolved.

    `tiers` are budgets by tier; `required` refuses traffic while evidence cannot be written;
    `hunt_every` is in seconds, 0 turns the live hunt off. `telemetry` is an OTLP/HTTP endpoint
    for spans, "" for none. `options` are of the mitigations. `vouching` says who vouches for the
    log's heads.
    """

    data: Path
    settings: GatewaySettings
    policy: PolicyConfig
    ladder: Ladder
    tiers: dict[str, Tier]
    workers: int = 1
    required: bool = False
    hunt_every: float = 60.0
    telemetry: str = ""
    level: LevelPolicy = LevelPolicy()
    options: Options = Options()
    vouching: Vouching = Vouching()
    sequencing: Sequencing = Sequencing()


class Shared(msgspec.Struct, frozen=True):
    """What all processes of one service inherit; `parent` is the supervisor's process id.

    `networks` were loaded before the fork, when the directory was as `stamp` says: their memory
    is shared.
    """

    service: Service
    rings: tuple[Ring, ...]
    standings: Path
    pages: Path
    parent: int
    networks: Networks = NOWHERE
    stamp: Stamp = ()


def serve(service: Service, *, ready: Callable[[int], None] = lambda _: None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status: 0 after a clean stop, else 2.

    `ready` is told the port, once: by the first worker that listens, in that process. Raises
    `TiterError` when the port cannot be had.
    """
    if service.sequencing.standby:
        from titer.gateway.assembly import origin  # noqa: PLC0415 - numpy, for a standby alone

        wait(service.sequencing, origin(service.data))
    if not service.sequencing.at:
        check_free(service.data / "log")
    held = claim(service.settings)
    port = held.getsockname()[1]
    settings = msgspec.structs.replace(service.settings, port=port)
    service = msgspec.structs.replace(service, settings=settings)
    private = Path(tempfile.mkdtemp(prefix="titer-"))  # mode 0700; unix socket paths are short
    try:
        rings = tuple(Ring() for _ in range(service.workers))
        stamp = Store(service.data).stamp()
        shared = Shared(
            service, rings, private / "standings", private, os.getpid(), load(service.data), stamp
        )
        return Supervisor(shared).run(lambda: ready(port))
    finally:
        held.close()
        shutil.rmtree(private, ignore_errors=True)


def check_free(log: Path) -> None:
    """Raise `InputError` while another process writes the log: told before anything listens."""
    try:
        lock = os.open(log / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return  # there is no log yet, or it cannot be used: who opens it says why
    try:
        soon(lambda: fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB), FREE_WITHIN)
    except BlockingIOError:
        raise InputError(
            f"another process writes the log {log} (titer serve, titer feed): stop it first, or "
            "name another --data"
        ) from None
    finally:
        os.close(lock)


def soon(call: Callable[[], T], seconds: float) -> T:
    """What `call` returns, tried again while it raises BlockingIOError, for some seconds at most;
    then that is raised.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
        time.sleep(LOOK)


class Supervisor:
    """Forks the processes and keeps them alive."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._children: dict[int, Callable[[], None]] = {}
        self._analysis = 0
        self._stopping = False
        self._starts: list[float] = []

    def run(self, ready: Callable[[], None]) -> int:
        """Until a stop; `ready` is called once, in the first worker that listens."""
        first = Once(ready)
        listen(self._shared.service.settings).close()  # a port in use is told before anything runs
        for number in STOPPING:
            signal.signal(number, self._stop)
        _share()
        self._analysis = self._fork(lambda: run_analysis(self._shared))
        for worker in range(self._shared.service.workers):
            self._fork(lambda worker=worker: run_worker(self._shared, worker, first))  # type: ignore[misc]
        status = 0
        while self._children:
            try:
                pid, raw = os.wait()
            except ChildProcessError:
                break
            except InterruptedError:
                continue
            status = max(status, self._ended(pid, os.waitstatus_to_exitcode(raw)))
        return status

    def _fork(self, main: Callable[[], None], *, last: bool = False) -> int:
        """Start a child; 0 after a stop was asked for, unless it is the `last` one to be started:
        who was told of the stop is there already.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal must not meet the child before it has its own handlers.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            if self._stopping and not last:
                return 0
            pid = os.fork()
            if pid == 0:
                _child(main)
            self._children[pid] = main
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)

    def _ended(self, pid: int, code: int) -> int:
        """Replace a child that died; returns what this means for our own exit status."""
        main = self._children.pop(pid, None)
        if main is None:
            return 0
        if not self._stopping and code != GIVE_UP and self._may_restart():
            say(f"a process ended with status {code}; restarting it")
            time.sleep(RESTART_PAUSE)
            if pid != self._analysis:
                self._fork(main)
                return 0
            self._analysis = self._fork(main, last=True)  # whatever comes: the rings hold records
            if self._asked_to_stop() and len(self._children) == 1:
                self._kill(self._analysis)
            return 0
        if not self._stopping:
            self._stop()
            return 2
        if set(self._children) == {self._analysis}:
            self._kill(self._analysis)  # the workers are gone: the rings can be emptied
        early = -signal.SIGTERM if pid != self._analysis else 0  # a worker that never listened
        return 0 if code in (0, early) else 2

    def _asked_to_stop(self) -> bool:
        return self._stopping

    def _may_restart(self) -> bool:
        now = time.monotonic()
        self._starts = [t for t in self._starts if now - t < 60.0] + [now]
        return len(self._starts) <= MAX_RESTARTS

    def _stop(self, *_: object) -> None:
        """Workers first: what they still finish belongs into the log."""
        self._stopping = True
        workers = [pid for pid in self._children if pid != self._analysis]
        for pid in workers or list(self._children):
            self._kill(pid)

    @staticmethod
    def _kill(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


class Once:
    """Calls a function the first time that any process of the service calls this, and never again.

    The one token lies in a pipe, made before the first fork: who gets it out is the first.
    """

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._token, end = os.pipe()
        os.write(end, b"1")
        os.close(end)  # so that whoever comes later reads nothing, and need not wait

    def __call__(self) -> None:
        if os.read(self._token, 1):
            self._call()


def say(text: str) -> None:
    """Tell the operator, on standard error."""
    sys.stderr.write(f"titer: {text}\n")


def _share() -> None:
    """Load what workers and analysis both use, once for all of them: some 7 MB a process less.

    None of it has an event loop, a thread or a descriptor of its own. The garbage collector then
    leaves alone what is there, here and in the children: to touch a page is to copy it.
    """
    from titer.gateway import alert, marking, metrics, pages, records, standings_feed  # noqa: F401, PLC0415

    gc.collect()
    gc.freeze()


def _child(main: Callable[[], None]) -> NoReturn:
    """Run a child's main function and leave without the parent's clean-up."""
    code = 0
    for number in STOPPING:
        signal.signal(number, signal.SIG_DFL)
    gc.set_threshold(*COLLECT)
    heap.keep()
    try:
        main()
    except (TiterError, EvidenceError) as error:
        say(str(error))
        code = GIVE_UP
    except OSError as error:
        say(f"{error.strerror or error} ({type(error).__name__})")
        code = GIVE_UP if isinstance(error, (PermissionError, BlockingIOError)) else 1
    except BaseException as error:  # noqa: BLE001 - a child must not fall into the parent's code
        say(f"internal error: {type(error).__name__}; set TITER_DEBUG=1 to see where")
        if os.environ.get("TITER_DEBUG"):
            sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def run_analysis(shared: Shared) -> None:
    """The analysis process's main function. Signals stay blocked until `run` handles them: a stop
    that comes early must still find the rings emptied.
    """
    from titer.gateway.assembly import make_analysis, make_forwarder  # noqa: PLC0415 - numpy

    one = make_forwarder(shared) if shared.service.sequencing.at else make_analysis(shared)
    gc.freeze()  # what lives as long as the process is not looked through again and again
    one.run()


def run_worker(shared: Shared, number: int, ready: Callable[[], None]) -> None:
    """A gateway worker's main function. Until it handles signals, one may simply end it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    from titer.gateway.worker import Worker  # noqa: PLC0415 - nothing of a loop before the fork

    worker = Worker(shared, number)
    gc.freeze()
    asyncio.run(worker.run(ready))


def claim(settings: GatewaySettings) -> socket.socket:
    """Hold the port for our workers, and find a free one for port 0. Raises `TiterError`.

    SO_REUSEPORT alone would let a second service of the same user take half of the callers of
    the first without a word: so the port is tried without it before it is held.
    """
    _bound(settings, shared=False).close()
    return listen(settings)


def listen(settings: GatewaySettings) -> socket.socket:
    """A socket to listen on that the other workers can open beside ours."""
    return _bound(settings, shared=True)


def _bound(settings: GatewaySettings, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise TiterError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; "
            "choose another with --port or stop what uses it"
        ) from None
    listener.setblocking(False)
    return listener
