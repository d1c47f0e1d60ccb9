"""Puts the cold half together over a data directory: for `serve`, for `feed`, for `replay`."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

import titer
from titer.access.secret import load_or_create
from titer.core.errors import ConfigError, InputError, TiterError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign, Exchange, Transfer, Weighed
from titer.core.sketch import Sketcher
from titer.detect import seal
from titer.detect.calibration import Calibration
from titer.detect.calibration import load as read_calibration
from titer.detect.default import default_calibration
from titer.detect.plugins import detectors
from titer.engine import Weigher
from titer.evidence import intake, keyring, note
from titer.evidence.files import replace, sync_directory
from titer.evidence.lease import Lease
from titer.evidence.log import Erasure, Log
from titer.gateway import vouching
from titer.gateway.alert import Alert
from titer.gateway.analysis import Analysis
from titer.gateway.attention import Attention
from titer.gateway.forwarding import Forwarder
from titer.gateway.marking import make_contexts, make_issuer
from titer.gateway.metrics import total
from titer.gateway.networks import Used, Watch, used
from titer.gateway.networks.notice import inform, knowing
from titer.gateway.networks.places import in_use
from titer.gateway.networks.store import Stamp
from titer.gateway.pages import Pages
from titer.gateway.persons import heed
from titer.gateway.records import Reader
from titer.gateway.sequencing import Receiver, Rows, SharingPublisher, known
from titer.gateway.snapshots import Snapshots, rows_to_publish
from titer.gateway.standings_feed import Publisher
from titer.gateway.tls import listening
from titer.gateway.workers import COLLECT, FREE_WITHIN, HELD_WITHIN, Service, Shared, soon
from titer.hunt import find
from titer.hunt.live import ROWS, LiveHunt
from titer.hunt.memory import MemorySource
from titer.hunt.table import TableBuilder
from titer.respond.ladder import Ladder
from titer.respond.rungs import Cell, Rung
from titer.respond.segments import Segment
from titer.respond.vary import Vary, commitments

#: Exchanges weighed between two durable appends of `feed`.
FEED_BATCH = 4096

#: Entries between two signed heads of `feed`: until then an entry costs some 250 bytes of memory.
FEED_HEAD = 65_536


#: Exchanges that `feed --hunt` takes into memory, at some 200 bytes each.
MAX_HUNT = 2_000_000


class Start(msgspec.Struct, frozen=True):
    """The body of a `start` entry: under what the following findings and decisions were made."""

    at: int
    version: str
    detectors: tuple[str, ...]
    calibration: str
    rungs: tuple[Rung, ...]
    tiers: dict[str, tuple[Rung, ...]]
    margin: float
    segments: tuple[Segment, ...] = ()
    cells: tuple[Cell, ...] = ()
    deciders: tuple[str, ...] = ()

    def ladder(self) -> Ladder:
        """The ladder that was in force."""
        return Ladder(
            self.rungs, tiers=self.tiers, margin=self.margin, segments=self.segments,
            cells=self.cells, deciders=self.deciders,
        )  # fmt: skip


def origin(data: Path) -> str:
    """The log's origin line (C2SP tlog-checkpoint): unique to this data directory."""
    return f"titer.local/{Pseudonyms(load_or_create(data)).of('log', 'origin')[:12]}"


def open_log(data: Path, lease: Lease | None = None) -> Log:
    """The evidence log of a data directory, for writing (exclusive)."""
    return Log.open(data / "log", origin=origin(data), lease=lease)


def enter(data: Path, kind: str, body: bytes, *, timeout: float = 10.0) -> intake.Entered:
    """Get an entry into the log of a data directory, whoever holds it.

    What a verb calls; see `titer.evidence.intake.enter` for what it waits for and raises.
    """
    return intake.enter(data, kind, body, origin=origin(data), timeout=timeout)


def enter_many(
    data: Path, kind: str, bodies: Sequence[bytes], done: Callable[[int], None] = lambda _: None
) -> list[intake.Entered]:
    """The same for many entries of one kind; see `titer.evidence.intake.enter_many`."""
    entries = [(kind, body) for body in bodies]
    return intake.enter_many(data, entries, origin=origin(data), done=done)


def make_sketcher(data: Path) -> Sketcher:
    """The sketcher with this operator's key."""
    return Sketcher(Pseudonyms(load_or_create(data)).key("sketch"))


def load_calibration(data: Path) -> Calibration | None:
    """The calibration in force: the directory's own, else the default one, if it is shipped.

    Raises `ConfigError` when it cannot be read, or was not signed by the directory's own key.
    """
    path = data / "calibration.json"
    if not path.exists():
        return default_calibration()
    try:
        found = read_calibration(path.read_bytes())
        seal.check(found, trusted(data))
    except (InputError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return found


def keep_calibration(data: Path, calibration: Calibration) -> Calibration:
    """Sign a calibration with the directory's key, as its next version, and put it in force.

    The file is written whole or not at all; what it replaces is in the log if it was ever used.
    Raises OSError, and `EvidenceError` when the key is damaged.
    """
    data.mkdir(parents=True, exist_ok=True)
    path = data / "calibration.json"
    try:
        version = read_calibration(path.read_bytes()).version + 1
    except (InputError, OSError):
        version = 1
    signed = seal.sign(calibration.named(version=version), signer(data))
    replace(path, signed.dump().encode())
    sync_directory(data)
    return signed


def signer(data: Path) -> note.Signer:
    """The key of the directory's log, which also signs calibrations; made if there is none."""
    log = data / "log"
    if not (log / "log.pub").exists():
        with open_log(data) as made:
            return made.signer()
    name = trusted(data)[0].name
    return note.Signer.from_pem(name, (log / "log.key").read_bytes())


def trusted(data: Path) -> tuple[note.Verifier, ...]:
    """Whose calibrations count in this directory: those of every key that its log ever had."""
    try:
        return keyring.every(data / "log")
    except FileNotFoundError:
        return ()


def make_weigher(calibration: Calibration | None, ladder: Ladder) -> Weigher:
    """A weigher at the start of its fold.

    Raises `InputError` when the calibration does not fit the detectors; a default one that does
    not is left out, as it could only draw attention.
    """
    every = knowing(detectors())
    if calibration is None:
        return Weigher(every, None, ladder)
    try:
        fitted = calibration.fit_detectors(every)
    except InputError:
        if not calibration.default:
            raise
        return Weigher(every, None, ladder)
    return Weigher(fitted, calibration, ladder)


def announce(
    log: Log, weigher: Weigher, lists: tuple[Used, ...] = (), names: Pseudonyms | None = None
) -> None:
    """Log under what everything that follows is made, before any of it is.

    With `names`, the coins of `vary` are committed to as well, if the ladder gives it.
    """
    calibration = weigher.bench.calibration
    now = time.time_ns() // 1000
    entries = [inform(weigher, lists)]
    if calibration is not None:
        entries.append(("calibration", calibration.dump().encode()))
    ladder = weigher.ladder
    if names is not None and Vary.card.name in ladder.mitigations():
        coins = {"at": now, "for": "vary", "epochs": commitments(names.key, now / 1_000_000)}
        entries.append(("commitment", msgspec.json.encode(coins)))
    cards = tuple(f"{d.card.name}@{d.card.version}" for d in weigher.bench.detectors)
    start = Start(
        now, titer.__version__, cards, calibration.id if calibration else "",
        ladder.rungs, ladder.tiers, ladder.margin, ladder.segments, ladder.cells,
        ladder.deciders,
    )  # fmt: skip
    log.append([*entries, ("start", msgspec.json.encode(start))])


def catch_up(weigher: Weigher, entries: Iterable[tuple[str, bytes]]) -> Iterator[Exchange]:
    """Fold entries of the log again; yields the exchanges. The log's findings and the policy's
    decisions are no input: they are made anew. Those of persons are. What was erased is not
    there (`rest` leaves it out), and is forgotten here.
    """
    exchange = msgspec.json.Decoder(Exchange)
    campaign = msgspec.json.Decoder(Campaign)
    for kind, body in entries:
        if kind == "exchange":
            fact = exchange.decode(body)
            weigher.weigh(fact)
            yield fact
        elif kind == "campaign":
            weigher.join(campaign.decode(body))
        elif kind == "erasure":
            weigher.forget(msgspec.json.decode(body, type=Erasure).subject)
        else:
            heed(weigher, kind, body)


def restore(weigher: Weigher, log: Log, snapshots: Snapshots, hunt: LiveHunt | None) -> None:
    """Bring a weigher to the log's end: from the snapshot if it fits, else from the beginning.

    The hunt remembers the log's last entries, as many as it would have kept. The log is held: what
    another process left half written goes.
    """
    with suppress(OSError):
        snapshots.clean()
    seen = snapshots.load(weigher, log.size)
    rest = ((s.kind, s.body) for s in log.scan(seen) if s.body is not None)
    for _ in catch_up(weigher, rest):
        pass
    if hunt is not None:
        decode = msgspec.json.Decoder(Exchange).decode
        for stored in log.scan(max(0, log.size - ROWS)):
            if stored.kind == "exchange" and stored.body is not None:
                hunt.add((decode(stored.body),))


def make_analysis(shared: Shared) -> Analysis:
    """The analysis process of `serve`, ready to run."""
    service = shared.service
    lease = service.sequencing.make_lease()
    held = soon(lambda: open_log(service.data, lease), HELD_WITHIN)
    log = vouching.opened(held, service.vouching)
    weigher = make_weigher(load_calibration(service.data), service.ladder)
    snapshots = Snapshots(service.data / "state")
    hunt = LiveHunt() if service.hunt_every else None
    restore(weigher, log, snapshots, hunt)
    names = Pseudonyms(load_or_create(service.data))
    announce(log, weigher, in_use(shared.networks.manifests), names)
    rows = rows_to_publish(weigher)
    issuer = make_issuer(service)
    if issuer is not None:
        log.append(issuer.entries(row.decision for row in rows))
    shown = Rows(f"{os.getpid()}-{time.time_ns()}")
    publisher = SharingPublisher(shared.standings, shown)
    publisher.publish(rows)
    for ring in shared.rings:
        ring.resume()
    return Analysis(
        rings=shared.rings,
        reader=Reader(make_sketcher(service.data)),
        weigher=weigher,
        log=log,
        publisher=publisher,
        snapshots=snapshots,
        hunt=hunt,
        hunt_every=service.hunt_every,
        parent=shared.parent,
        networks=_watching(service.data, shared.stamp),
        intake=intake.Intake(service.data),
        issuer=issuer,
        contexts=make_contexts(service),
        doses=lambda: _doses(shared.pages),
        attention=Attention(service.data, time.monotonic),
        alert=Alert(
            service.data, service.level, clock=time.monotonic, now=lambda: time.time_ns() // 1000
        ),
        voucher=vouching.Voucher(service.data / "log", service.vouching),
        receiver=_receiver(service, log, shown),
    )


def _receiver(service: Service, log: Log, rows: Rows) -> Receiver | None:
    """What takes other gateways' exchanges, listening. Raises OSError, `ConfigError`."""
    asked = service.sequencing
    if asked.listen is None:
        return None
    path = service.data / "state" / "received.json"
    receiver = Receiver(origin(service.data), rows, known(log, log.size, path), path)
    tls = None
    if asked.certificate is not None:
        tls = listening(asked.certificate, asked.private_key, clients=asked.ca)
    receiver.listen(*asked.listen, tls)
    return receiver


def make_forwarder(shared: Shared) -> Forwarder:
    """What stands in the place of the analysis process in a gateway without a log."""
    service = shared.service
    for ring in shared.rings:
        ring.resume()
    return Forwarder(
        data=service.data,
        name=service.sequencing.name,
        origin=origin(service.data),
        sequencers=service.sequencing.at,
        rings=shared.rings,
        reader=Reader(make_sketcher(service.data)),
        publisher=Publisher(shared.standings, known=False),  # the sequencer's first answer has it
        parent=shared.parent,
        contexts=make_contexts(service),
    )


def _doses(pages: Path) -> dict[str, float]:
    """What rungs did and would have done, over all workers that run."""
    counted = total(Pages(pages, -1).others())
    return {k: v for k, v in counted.items() if k.startswith(("shadow_", "dosed_")) and "|" in k}


def _watching(data: Path, stamp: Stamp) -> Callable[[], tuple[Used, ...] | None]:
    """Says which snapshots are in use when that has changed, else None."""
    watch = Watch(data, stamp, time.monotonic)

    def changed() -> tuple[Used, ...] | None:
        if not watch.changed():
            return None
        try:
            return used(data)
        except TiterError:  # the workers say what is wrong, and go on with what they have
            return None

    return changed


class FeedSink:
    """What `feed` gives its exchanges to: the same weigher and log as live traffic."""

    def __init__(
        self, weigher: Weigher, log: Log, handed: intake.Intake, attention: Attention
    ) -> None:
        self._weigher = weigher
        self._intake = handed
        self._attention = attention
        self._log = log
        self._encode = msgspec.json.Encoder().encode
        self._head = log.size + FEED_HEAD
        self.weighed = 0
        self.findings = 0

    def take(self, exchanges: Sequence[Exchange]) -> list[Weighed]:
        """Weigh, and append durably.

        Raises OSError when the log cannot be written; then these exchanges do not count as read.
        """
        encode = self._encode
        entries: list[tuple[str, bytes]] = []
        out = [self._weigher.weigh(exchange) for exchange in exchanges]
        for weighed in out:
            entries.append(("exchange", encode(weighed.exchange)))
            entries.extend(("finding", encode(finding)) for finding in weighed.findings)
            if weighed.decision is not None:
                entries.append(("decision", encode(weighed.decision)))
            self.findings += len(weighed.findings)
        entries += self._attention.entries(exchanges)
        self._log.append(entries)
        with suppress(OSError, InputError):  # the verb that waits says so; nothing is lost
            self._intake.take(self._log, self._entered)
        if self._log.size >= self._head:
            self._sign()
        self.weighed += len(out)
        return out

    def _entered(self, entry: intake.Taken) -> None:
        """What an entry of a verb means for this fold."""
        if entry.kind == "erasure":
            self._weigher.forget(msgspec.json.decode(entry.body, type=Erasure).subject)
        else:
            heed(self._weigher, entry.kind, entry.body)

    def move(self, transfers: Sequence[Transfer]) -> None:
        """Append repository events durably. Raises OSError when the log cannot be written."""
        self._log.append([("transfer", self._encode(transfer)) for transfer in transfers])
        if self._log.size >= self._head:
            self._sign()

    def _sign(self) -> None:
        self._head = self._log.size + FEED_HEAD
        with suppress(OSError):  # the entries are kept; a later head covers them as well
            self._log.checkpoint()

    def hunt(self, *, seed: int) -> list[Campaign]:
        """Look for campaigns among all exchanges of the log; what is new is logged, and its
        members weighed, as live. Raises `InputError` for a log that is too large for this.
        """
        builder = TableBuilder()
        decode = msgspec.json.Decoder(Exchange).decode
        known: dict[str, Campaign] = {}
        waiting: list[Exchange] = []
        for stored in self._log.journal.scan(0, self._log.size):
            if stored.body is None:
                continue
            if stored.kind == "exchange":
                waiting.append(decode(stored.body))
                if len(waiting) >= FEED_BATCH:
                    builder.add(waiting)
                    waiting = []
            elif stored.kind == "campaign":
                campaign = msgspec.json.decode(stored.body, type=Campaign)
                known[campaign.id] = campaign
            if builder.rows > MAX_HUNT:
                raise InputError(f"more than {MAX_HUNT} exchanges: use `titer hunt` on the files")
        builder.add(waiting)
        if not builder.rows:
            return []
        found = find(MemorySource(builder.build()), seed=seed, subjects=True).campaigns
        self.join([campaign for campaign in found if known.get(campaign.id) != campaign])
        return list(found)

    def join(self, campaigns: Sequence[Campaign]) -> None:
        """Log campaigns, and weigh their members, as live. Raises OSError."""
        entries: list[tuple[str, bytes]] = []
        for campaign in campaigns:
            entries.append(("campaign", self._encode(campaign)))
            for finding, decision in self._weigher.join(campaign):
                entries.append(("finding", self._encode(finding)))
                if decision is not None:
                    entries.append(("decision", self._encode(decision)))
        self._log.append(entries)


@contextmanager
def feed_sink(data: Path, ladder: Ladder) -> Iterator[FeedSink]:
    """A sink over a data directory; on leaving, the head is signed and the state is kept."""
    data.mkdir(parents=True, exist_ok=True)
    log = soon(lambda: open_log(data), FREE_WITHIN)
    usual = gc.get_threshold()
    gc.set_threshold(*COLLECT)
    try:
        weigher = make_weigher(load_calibration(data), ladder)
        snapshots = Snapshots(data / "state")
        restore(weigher, log, snapshots, None)
        announce(log, weigher, used(data))
        sink = FeedSink(weigher, log, intake.Intake(data), Attention(data, time.monotonic))
        try:
            yield sink
        finally:
            log.checkpoint()
            snapshots.save(weigher, log.size)
            status = {"exchanges": sink.weighed, "log_size": log.size}
            snapshots.standings(weigher, status, last=True)
    finally:
        log.close()
        gc.set_threshold(*usual)
