"""One log for several gateways: the sequencer's side.

Gateways send batches of exchanges; the analysis process weighs and logs them beside its own, and
answers once they are durable, with the rows of the standings table that changed meanwhile. A batch
has its gateway's name and a number that only grows; with the exchanges a `received` entry is
appended, in one durable write, so that a batch that comes twice is logged once, also after a
crash.

Who may send is decided by TLS: a gateway shows a certificate of the configured authority, whose
common name is the gateway's. Plain HTTP is for one machine alone. All gateways share the
operator's secret, or their pseudonyms would not be the same: the log's origin, made with it, goes
along.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from titer.core.nouns import Dosed, Exchange
from titer.evidence import files
from titer.evidence.log import View
from titer.gateway.small_server import Answered, Asked, Rate, SmallServer
from titer.gateway.standings_feed import Publisher

#: Bytes of one batch: 2,048 exchanges are some 2 MB.
MAX_BATCH = 16 << 20
#: Batches that wait for the analysis process; a gateway whose batch does not fit tries again.
MAX_QUEUED = 16
#: Seconds that a gateway waits for its batch to be durable.
WAIT = 20.0
#: Gateways of one log.
MAX_GATEWAYS = 64
#: Requests of one address: a gateway sends some 20 batches a second at most.
BURST, PER_SECOND = 200.0, 50.0
#: Forgotten subjects that are remembered as such, before gateways get the whole table anew.
MAX_GONE = 100_000
MEDIA = "application/msgpack"


class Batch(msgspec.Struct, frozen=True):
    """What a gateway sends. `number` 0 only asks for rows. `table` and `version` say which rows it
    has; `dropped` counts records that its rings had no room for; `contexts` are bodies of
    `mark-contexts` entries.
    """

    gateway: str
    number: int
    origin: str
    exchanges: tuple[Exchange, ...] = ()
    dropped: int = 0
    table: str = ""
    version: int = 0
    contexts: tuple[bytes, ...] = ()


class Receipt(msgspec.Struct, frozen=True):
    """The answer: the highest number of this gateway that is durable, and rows that changed."""

    number: int
    table: str
    version: int
    rows: tuple[Dosed, ...] = ()
    gone: tuple[str, ...] = ()
    whole: bool = False
    recording: bool = True


class Received(msgspec.Struct, frozen=True):
    """The body of a `received` entry."""

    id: str
    gateway: str
    number: int
    exchanges: int
    dropped: int


class Rows:
    """The standings table as gateways get it: what changed since a version. Thread-safe."""

    def __init__(self, name: str) -> None:
        """`name` tells this table from the one before a restart."""
        self.name = name
        self._guard = threading.Lock()
        self._changes: dict[str, tuple[int, Dosed | None]] = {}
        self._version = 0
        self._floor = 0
        self._gone = 0
        self.recording = True

    def change(self, changes: Mapping[str, Dosed | None]) -> None:
        """Set rows, or forget those that are None."""
        if not changes:
            return
        with self._guard:
            self._version += 1
            for subject, row in changes.items():
                self._changes.pop(subject, None)
                self._changes[subject] = (self._version, row)
                self._gone += row is None
            if self._gone > MAX_GONE:
                self._changes = {s: c for s, c in self._changes.items() if c[1] is not None}
                self._gone, self._floor = 0, self._version

    def receipt(self, number: int, table: str, version: int) -> Receipt:
        """The answer to a gateway that has `version` of `table`."""
        with self._guard:
            whole = table != self.name or version < self._floor
            rows: list[Dosed] = []
            gone: list[str] = []
            for subject, (at, row) in reversed(self._changes.items()):
                if not whole and at <= version:
                    break
                if row is not None:
                    rows.append(row)
                elif not whole:
                    gone.append(subject)
            return Receipt(
                number, self.name, self._version, tuple(rows), tuple(gone), whole, self.recording
            )


class SharingPublisher(Publisher):
    """A publisher whose rows other gateways get as well."""

    def __init__(self, path: Path, rows: Rows) -> None:
        super().__init__(path)
        self._rows = rows

    def publish(self, rows: Iterable[Dosed], gone: Iterable[str] = ()) -> None:
        rows, gone = tuple(rows), tuple(gone)
        super().publish(rows, gone)
        self._rows.change({r.standing.subject: r for r in rows} | dict.fromkeys(gone))

    def recording(self, possible: bool) -> None:
        super().recording(possible)
        self._rows.recording = possible


class _Waiting:
    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.done = threading.Event()


class Receiver:
    """Takes batches over HTTP, and hands them to the analysis process (`take`, then `settle`)."""

    def __init__(
        self, origin: str, rows: Rows, known: Mapping[str, int], path: Path | None = None
    ) -> None:
        """`known` are the numbers in the log; `path` is where `remember` writes them."""
        self.path = path
        self._origin = origin
        self._rows = rows
        self._known = dict(known)
        self._written: dict[str, int] = {}
        self._queue: queue.Queue[_Waiting] = queue.Queue(MAX_QUEUED)
        self._held: list[_Waiting] = []
        self._server: SmallServer | None = None

    def listen(self, host: str, port: int, tls: object) -> int:
        """Serve in a thread; returns the port. Raises OSError."""
        self._server = SmallServer(
            host, port, self.handle, limit=MAX_BATCH, tls=tls,  # type: ignore[arg-type]
            rate=Rate(BURST, PER_SECOND),
        )  # fmt: skip
        threading.Thread(target=self._server.run, name="titer-sequencer", daemon=True).start()
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def take(self) -> list[Batch]:
        """Batches that were never seen; `settle` answers. For the analysis process."""
        fresh: list[Batch] = []
        while True:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return fresh
            seen = max(
                [self._known.get(waiting.batch.gateway, 0)]
                + [w.batch.number for w in self._held if w.batch.gateway == waiting.batch.gateway]
            )
            if waiting.batch.number > seen:
                fresh.append(waiting.batch)
            self._held.append(waiting)

    def settle(self) -> None:
        """All batches that were taken are durable now."""
        for waiting in self._held:
            batch = waiting.batch
            self._known[batch.gateway] = max(self._known.get(batch.gateway, 0), batch.number)
            waiting.done.set()
        self._held.clear()

    def remember(self, size: int) -> None:
        """Write down what is known of a log of `size` entries; a full disk costs the next start
        some time.
        """
        if self.path is not None and self._known != self._written:
            self._written = dict(self._known)
            with contextlib.suppress(OSError):
                files.replace(self.path, msgspec.json.encode(_Remembered(size, self._written)))

    def handle(self, asked: Asked) -> Answered:
        """One request of a gateway."""
        if asked.method != "POST" or asked.path != "/exchanges":
            return Answered(404, b"POST /exchanges\n")
        try:
            batch = msgspec.msgpack.decode(asked.body, type=Batch)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return Answered(400, b"not a batch of exchanges\n")
        if asked.peer and asked.peer != batch.gateway:
            return Answered(403, b"the certificate is another gateway's\n")
        if batch.origin != self._origin:
            return Answered(403, b"this gateway has another secret, or another log\n")
        if batch.gateway not in self._known and len(self._known) >= MAX_GATEWAYS:
            return Answered(403, b"too many gateways\n")
        if batch.number > 0:
            waiting = _Waiting(batch)
            try:
                self._queue.put(waiting, timeout=WAIT / 4)
            except queue.Full:
                return Answered(503, b"the log cannot keep up: try again\n")
            if not waiting.done.wait(WAIT):
                return Answered(503, b"the log cannot be written at present: try again\n")
        known = self._known.get(batch.gateway, 0)
        receipt = self._rows.receipt(known, batch.table, batch.version)
        return Answered(200, msgspec.msgpack.encode(receipt), MEDIA)


def entry(batch: Batch) -> tuple[str, bytes]:
    """The `received` entry of a batch."""
    name = f"received-{batch.gateway}-{batch.number}"
    body = Received(name, batch.gateway, batch.number, len(batch.exchanges), batch.dropped)
    return "received", msgspec.json.encode(body)


class _Remembered(msgspec.Struct):
    size: int = 0
    known: dict[str, int] = {}


def known(log: View, size: int, path: Path) -> dict[str, int]:
    """The highest number of each gateway that is in the log, which holds `size` entries.

    Reads the records behind the size that the file at `path` speaks of; without it, all of them.
    """
    decode = msgspec.json.Decoder(Received).decode
    try:
        remembered = msgspec.json.decode(path.read_bytes(), type=_Remembered)
    except (OSError, msgspec.MsgspecError):
        remembered = _Remembered()
    if remembered.size > size:
        remembered = _Remembered()
    found = remembered.known
    for stored in log.journal.scan(remembered.size, size, bodies=False):
        if stored.kind == "received" and stored.body is not None:
            one = decode(stored.body)
            found[one.gateway] = max(found.get(one.gateway, 0), one.number)
    return found
