"""The analysis process: records in; findings, decisions and the log out.

It is the only writer of the evidence log. It drains the workers' rings in batches, weighs each
exchange, appends everything durably, and only then publishes a decision: no dose is given that
the log does not hold. What could not be appended is kept (bounded) and retried; what had to be
dropped is counted and logged as a `gap` entry.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from titer.core.errors import EvidenceError, InputError
from titer.core.nouns import Campaign, Decision, Dosed, Exchange, Weighed
from titer.engine import Weigher
from titer.evidence.entry import Stored
from titer.evidence.intake import Intake, Taken
from titer.evidence.keyring import Rotation
from titer.evidence.log import Erasure
from titer.gateway.alert import Alert
from titer.gateway.attention import Attention
from titer.gateway.marking import Issuer
from titer.gateway.networks import Used
from titer.gateway.networks.notice import inform
from titer.gateway.persons import heed
from titer.gateway.records import Reader
from titer.gateway.ring import Ring
from titer.gateway.sequencing import Receiver
from titer.gateway.sequencing import entry as received
from titer.gateway.snapshots import Snapshots
from titer.gateway.standings_feed import Publisher
from titer.gateway.vouching import Voucher
from titer.respond.ladder import acts

if TYPE_CHECKING:  # brings numba, for marked replies alone
    from titer.gateway.mark_contexts import Contexts

#: Records taken from the rings at a time: enough to make one fsync and one sketch pass cheap.
BATCH = 2048

#: Seconds between looks into the rings: at most this much later than the exchange is it weighed.
#: A look that finds anything costs 0.7 ms (an fsync, a pass of the sketch): looking again without
#: a pause would double what an exchange costs. None while a ring is crowded, or other gateways
#: wait for an answer.
POLL = 0.05

#: Entries kept in memory while the log cannot be written (about 60 MB), before the rings fill.
MAX_SPOOL = 100_000

#: Share of the time that the hunt may take: over many rows it costs seconds; it then runs less.
HUNT_SHARE = 0.02

#: Seconds between signed checkpoints, and between retries of a log that cannot be written.
CHECKPOINT_EVERY = 1.0

#: Seconds between looks into the intake; one that is empty costs some 10 microseconds.
INTAKE_EVERY = 0.1

Entry = tuple[str, bytes]


class Log(Protocol):
    """The part of `titer.evidence.log.Log` that is needed here."""

    @property
    def size(self) -> int: ...

    def append(self, entries: Sequence[Entry]) -> int: ...

    def kept(self, index: int) -> Stored: ...

    def erase(self, subject: str, *, reason: str, by: str = "", name: str = "") -> int: ...

    def rotate(self, *, overlap: int) -> Rotation: ...

    def checkpoint(self) -> str: ...

    def close(self) -> None: ...


class Hunt(Protocol):
    """The part of `titer.hunt.live.LiveHunt` that is needed here."""

    def add(self, exchanges: Sequence[Exchange]) -> None: ...

    def run(self) -> list[Campaign]: ...

    def returned(self, now: int) -> list[Campaign]: ...

    def forget(self, subject: str) -> None: ...


class Analysis:
    """Owns weigher, log and hunt; `run` until told to stop, then drain and sign a last head."""

    def __init__(
        self,
        *,
        rings: Sequence[Ring],
        reader: Reader,
        weigher: Weigher,
        log: Log,
        publisher: Publisher,
        snapshots: Snapshots,
        hunt: Hunt | None = None,
        hunt_every: float = 60.0,
        parent: int = 0,
        networks: Callable[[], tuple[Used, ...] | None] = lambda: None,
        intake: Intake | None = None,
        issuer: Issuer | None = None,
        contexts: Contexts | None = None,
        doses: Callable[[], dict[str, float]] = dict,
        attention: Attention | None = None,
        alert: Alert | None = None,
        voucher: Voucher | None = None,
        receiver: Receiver | None = None,
    ) -> None:
        self._rings = rings
        self._reader = reader
        self._weigher = weigher
        self._log = log
        self._publisher = publisher
        self._snapshots = snapshots
        self._hunt = hunt
        self._hunt_every = hunt_every
        self._parent = parent or os.getppid()
        self._networks = networks
        self._intake = intake
        self._issuer = issuer
        self._contexts = contexts
        self._doses = doses
        self._attention = attention
        self._alert = alert
        self._voucher = voucher
        self._receiver = receiver
        self._stop = False
        self._encode = msgspec.json.Encoder().encode
        self._spool: list[Entry] = []
        self._waiting: list[Dosed] = []
        self._gaps = [ring.dropped for ring in rings]
        self._hunted: dict[str, tuple[tuple[str, ...], float]] = {}
        self.exchanges = 0
        self.faults = 0

    def stop(self, *_: object) -> None:
        """Ask `run` to drain what is left and return (also a signal handler)."""
        self._stop = True

    def run(self) -> None:
        """Work until `stop`."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        now = time.monotonic()
        if self._voucher is not None:
            self._voucher.start()
        checkpoint, hunt = now + CHECKPOINT_EVERY, now + self._hunt_every
        intake = now
        while True:
            busy = self._turn()
            asked = self._receive()
            now = time.monotonic()
            if now >= intake:
                intake = now + INTAKE_EVERY
                self._admit()
            if now >= checkpoint:
                checkpoint = now + CHECKPOINT_EVERY
                lists = self._networks()
                if lists is not None:
                    self._spool.append(inform(self._weigher, lists))
                    self._flush()
                if self._alert is not None:
                    self._spool += self._alert.look(self._weigher.standings)
                self._sign()
                self._publisher.beat()
                self._show()
                if not self._spool:  # else the weigher knows more than the log
                    self._snapshots.keep(self._weigher, self._log.size)
                    if self._receiver is not None:
                        self._receiver.remember(self._log.size)
            if self._hunt is not None and now >= hunt:
                self._seek()
                done = time.monotonic()
                hunt = done + max(self._hunt_every, (done - now) / HUNT_SHARE)
            self._publisher.poll()
            if not busy and not asked:
                orphaned = os.getppid() != self._parent and not self._publisher.workers
                if self._stop or orphaned:
                    break
                time.sleep(POLL)
            elif not asked and not self._stop and not any(r.crowded for r in self._rings):
                time.sleep(POLL)
        self._sign()
        self._show(last=True)
        if not self._spool:
            self._snapshots.save(self._weigher, self._log.size)
        if self._receiver is not None:
            self._receiver.close()
        if self._voucher is not None:
            self._voucher.stop()
        self._publisher.close()
        self._log.close()

    def _turn(self) -> bool:
        """One batch from every ring; False when all were empty.

        While the spool is full nothing is drained: the rings fill, and count what they drop. The
        weigher never folds an exchange that the log will not hold, or replay could not follow.
        """
        if len(self._spool) >= MAX_SPOOL:
            self._flush()
            return False
        records = [record for ring in self._rings for record in ring.drain(BATCH)]
        self._note_gaps()
        if not records:
            if self._spool:
                self._flush()
            return False
        batch = self._reader.read(records)
        behind = bool(self._spool)  # the log cannot be written: what is large is not kept for it
        self._weigh(batch.exchanges)
        if self._contexts is not None:
            if behind:
                self._contexts.missed(batch.marked)
            else:
                self._spool += self._contexts.entries(batch.marked)
        self._flush()
        return True

    def _receive(self) -> bool:
        """Batches of other gateways, beside our own records; False when there were none."""
        if self._receiver is None or len(self._spool) >= MAX_SPOOL:
            return False
        batches = self._receiver.take()
        behind = bool(self._spool)
        for batch in batches:
            self._weigh(batch.exchanges)
            if batch.contexts and not behind:
                from titer.gateway.mark_contexts import checked  # noqa: PLC0415 - brings numba

                self._spool += checked(batch.contexts)
            self._spool.append(received(batch))
            if batch.dropped:
                self._gap(f"gateway {batch.gateway}", batch.dropped)
        if batches:
            self._flush()
        elif not self._spool:
            self._receiver.settle()  # batches that came twice
        return bool(batches)

    def _weigh(self, exchanges: Sequence[Exchange]) -> None:
        """Weigh exchanges and queue their entries."""
        self.exchanges += len(exchanges)
        for exchange in exchanges:
            self._keep(self._weigher.weigh(exchange))
        if self._attention is not None:
            self._spool += self._attention.entries(exchanges)
        if self._hunt is not None and exchanges:
            self._hunt.add(exchanges)
            for campaign in self._hunt.returned(exchanges[-1].at):
                self._join(campaign)

    def _keep(self, weighed: Weighed) -> None:
        """Queue the entries of one exchange, in the order in which they came to be."""
        self._spool.append(("exchange", self._encode(weighed.exchange)))
        for finding in weighed.findings:
            self._spool.append(("finding", self._encode(finding)))
        if weighed.decision is not None:
            self._decided(weighed.decision)

    def _decided(self, decision: Decision) -> None:
        if self._issuer is not None:
            self._spool.extend(self._issuer.entries((decision,)))
        self._spool.append(("decision", self._encode(decision)))
        self._waiting.append(Dosed(self._weigher.standings[decision.subject], decision))

    def _flush(self) -> None:
        """Make the queued entries durable, then publish the decisions among them."""
        try:
            self._log.append(self._spool)
        except OSError:
            self.faults += 1
            self._publisher.recording(False)
            time.sleep(POLL)
            return
        self._spool.clear()
        if self._receiver is not None:
            self._receiver.settle()
        self._publisher.recording(True)
        # One batch may hold several decisions about a subject: the last one counts.
        latest = {row.standing.subject: row for row in self._waiting}
        doses = [row for row in latest.values() if acts(row.decision)]
        gone = [subject for subject, row in latest.items() if not acts(row.decision)]
        self._publisher.publish(doses, gone)
        self._waiting.clear()

    def _admit(self) -> None:
        """Append what verbs have handed in, once all that came before it is durable."""
        if self._intake is None or self._spool:
            return
        try:
            self._intake.take(self._log, self._entered)
        except (OSError, InputError):  # the verb that waits says so; nothing is lost
            self.faults += 1

    def _entered(self, entry: Taken) -> None:
        """What an entry of a verb means for this process, now that the log holds it."""
        if entry.kind == "erasure":
            self._forget(msgspec.json.decode(entry.body, type=Erasure).subject)
            return
        subject = heed(self._weigher, entry.kind, entry.body)
        if subject:
            self._repeat(subject)
            self._flush()

    def _forget(self, subject: str) -> None:
        """Drop what this process and its files know about an erased subject."""
        self._weigher.forget(subject)
        if self._hunt is not None:
            self._hunt.forget(subject)
        self._publisher.publish((), [subject])
        self._snapshots.save(self._weigher, self._log.size)
        self._show(last=True)

    def _repeat(self, subject: str) -> None:
        """Give the workers the row of a subject as it is now, once its key is committed to."""
        decision = self._weigher.decisions.get(subject)
        if decision is not None:
            if self._issuer is not None:
                self._spool.extend(self._issuer.entries((decision,)))
            self._waiting.append(Dosed(self._weigher.standings[subject], decision))

    def _sign(self) -> None:
        if self._voucher is not None and self._voucher.contradicted:
            raise EvidenceError(self._voucher.contradicted)
        with contextlib.suppress(OSError):  # a full disk: the next second tries again
            self._log.checkpoint()

    def _seek(self) -> None:
        """Look for campaigns; each is logged, and its members weighed, when it changes."""
        assert self._hunt is not None
        try:
            campaigns: Iterable[Campaign] = self._hunt.run()
        except EvidenceError:
            raise
        except Exception:  # noqa: BLE001 - the failure table: a hunt that raises stops nothing
            self.faults += 1
            return
        for campaign in campaigns:
            seen = (campaign.members, campaign.bits)
            if self._hunted.get(campaign.id) == seen:
                continue
            self._hunted[campaign.id] = seen
            if self._alert is not None:
                self._alert.told(campaign)
            self._join(campaign)
        if self._spool:
            self._flush()

    def _join(self, campaign: Campaign) -> None:
        """Queue the entries of a campaign, and of what it makes of its members."""
        self._spool.append(("campaign", self._encode(campaign)))
        for finding, decision in self._weigher.join(campaign):
            self._spool.append(("finding", self._encode(finding)))
            if decision is not None:
                self._decided(decision)
            else:  # the row says with whom the member shares its throttle
                self._repeat(finding.subject)

    def _note_gaps(self) -> None:
        """Log what the rings had to drop since last time."""
        for number, ring in enumerate(self._rings):
            dropped = ring.dropped - self._gaps[number]
            if dropped:
                self._gaps[number] = ring.dropped
                self._gap(f"worker {number}", dropped)

    def _gap(self, where: str, count: int) -> None:
        body = {"at": time.time_ns() // 1000, "where": where, "dropped": count}
        self._spool.append(("gap", self._encode(body)))

    def _show(self, *, last: bool = False) -> None:
        """Write the view for people, if it is time."""
        doses = self._doses()
        self._snapshots.standings(self._weigher, self._status(), doses=doses, last=last)

    def _status(self) -> dict[str, object]:
        return {
            "exchanges": self.exchanges,
            "log_size": self._log.size,
            "dropped": sum(ring.dropped for ring in self._rings),
            "garbled": self._reader.garbled,
            "faults": self.faults
            + sum(self._weigher.bench.faults.values())
            + (self._contexts.faults if self._contexts is not None else 0),
            "spooled": len(self._spool),
        }
