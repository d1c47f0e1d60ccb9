"""One log for several gateways: the side of a gateway that has no log of its own.

In the place of the analysis process: it makes exchanges of the workers' records, keeps them in
numbered files until the sequencer has them durably, and gives the workers the rows that come back.

    rings -> exchanges -> DATA/forward/<number>.batch (synced) -> POST -> removed

A sequencer that cannot be reached costs nothing but disk, up to `MAX_FILES`; then the rings fill,
and what does not fit is counted and told, as it is beside a log that cannot be written. Where
several sequencers are named they are tried in turn: only the one that holds the log answers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from titer.core.errors import InputError
from titer.core.nouns import Exchange
from titer.evidence import files
from titer.gateway.fetch import Peer, request
from titer.gateway.records import Reader
from titer.gateway.ring import Ring
from titer.gateway.sequencing import MAX_BATCH, MEDIA, Batch, Receipt
from titer.gateway.standings_feed import Publisher

if TYPE_CHECKING:  # brings numba, for marked replies alone
    from titer.gateway.mark_contexts import Contexts

#: Records taken from the rings at a time.
BATCH = 2048
#: Seconds between looks into the rings, between questions for rows, and after a failure.
POLL, ASK, RETRY = 0.05, 1.0, 1.0
#: Batches kept while no sequencer answers: some 20 million exchanges at the most, by their size.
MAX_FILES = 10_000
#: Bytes of `mark-contexts` entries in one batch; more follow in batches of their own.
MAX_CONTEXTS = MAX_BATCH // 4
#: Seconds to wait for an answer: the sequencer answers once the batch is durable.
TIMEOUT = 30.0


class Kept(msgspec.Struct, frozen=True):
    """What one file holds."""

    exchanges: tuple[Exchange, ...]
    dropped: int
    contexts: tuple[bytes, ...] = ()


class Forwarder:
    """Drains the rings, and sends in a thread of its own; `run` until told to stop."""

    def __init__(
        self,
        *,
        data: Path,
        name: str,
        origin: str,
        sequencers: Sequence[Peer],
        rings: Sequence[Ring],
        reader: Reader,
        publisher: Publisher,
        parent: int = 0,
        contexts: Contexts | None = None,
    ) -> None:
        self._contexts = contexts
        self._directory = data / "forward"
        files.make_directory(self._directory)
        self._directory.chmod(0o700)
        self._name, self._origin = name, origin
        self._sequencers = list(sequencers)
        self._rings, self._reader, self._publisher = rings, reader, publisher
        self._parent = parent or os.getppid()
        self._dropped = [ring.dropped for ring in rings]
        self._waiting = sorted(int(p.stem) for p in self._directory.glob("*.batch"))
        self._last = max([self._remembered(), *self._waiting])
        self._guard = threading.Lock()
        self._receipts: list[Receipt] = []
        self._table, self._version = "", 0
        self._stop = False
        self._ended = threading.Event()
        self.failed = ""

    def stop(self, *_: object) -> None:
        """Ask `run` to drain the rings, send what it can in a few seconds, and return."""
        self._stop = True

    def run(self) -> None:
        """Work until `stop`."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        sender = threading.Thread(target=self._send_all, name="titer-forward", daemon=True)
        sender.start()
        beat = time.monotonic()
        while True:
            busy = self._turn()
            self._publish()
            if time.monotonic() >= beat:
                beat = time.monotonic() + 1.0
                self._publisher.beat()
            self._publisher.poll()
            if not busy:
                orphaned = os.getppid() != self._parent and not self._publisher.workers
                if self._stop or orphaned:
                    break
                time.sleep(POLL)
            elif not self._stop and not any(ring.crowded for ring in self._rings):
                time.sleep(POLL)  # a file for every few exchanges costs more than they do
        self._ended.set()
        sender.join(TIMEOUT / 10)  # what is not sent by then lies in the folder
        self._publisher.close()

    def _turn(self) -> bool:
        """Keep one batch from the rings; False when they were empty, or nothing more fits."""
        with self._guard:
            room = len(self._waiting) < MAX_FILES
        self._publisher.recording(room)
        if not room:
            return False
        records = [record for ring in self._rings for record in ring.drain(BATCH)]
        dropped = sum(r.dropped - d for r, d in zip(self._rings, self._dropped, strict=True))
        if not records and not dropped:
            return False
        batch = self._reader.read(records)
        exchanges = tuple(batch.exchanges)
        parts: list[tuple[bytes, ...]] = [()]
        if self._contexts is not None:
            parts = _parts([body for _, body in self._contexts.entries(batch.marked)])
        try:
            self._keep(Kept(exchanges, dropped, parts[0]))
            for part in parts[1:]:
                self._keep(Kept((), 0, part))
        except OSError as error:  # a full disk: these are lost, and counted with the next
            self.failed = error.strerror or str(error)
            self._publisher.recording(False)
            self._dropped[0] -= len(exchanges)
            time.sleep(POLL)
            return True
        self._dropped = [ring.dropped for ring in self._rings]
        return True

    def _keep(self, kept: Kept) -> None:
        number = self._last + 1
        files.replace(
            self._directory / f"{number:016d}.batch", msgspec.msgpack.encode(kept), mode=0o600
        )
        files.replace(self._directory / "last", str(number).encode(), mode=0o600)
        files.sync_directory(self._directory)
        with self._guard:
            self._last = number
            self._waiting.append(number)

    def _publish(self) -> None:
        """Give the workers what the sequencer said."""
        with self._guard:
            receipts, self._receipts = self._receipts, []
        for receipt in receipts:
            if receipt.whole:
                self._publisher.replace(receipt.rows)
            else:
                self._publisher.publish(receipt.rows, receipt.gone)

    def _send_all(self) -> None:
        asked = 0.0
        while True:
            with self._guard:
                number = self._waiting[0] if self._waiting else 0
            ended = self._ended.is_set()
            if number == 0 and ended:
                return
            if number == 0 and time.monotonic() - asked < ASK:
                time.sleep(POLL)
                continue
            asked = time.monotonic()
            try:
                receipt = self._send(number)
            except (InputError, OSError, msgspec.MsgspecError) as error:
                self.failed = str(error)
                if ended:
                    return
                self._sequencers.append(self._sequencers.pop(0))
                self._ended.wait(RETRY / len(self._sequencers))
                continue
            self.failed = ""
            self._note(receipt, number)

    def _send(self, number: int) -> Receipt:
        kept = Kept((), 0)
        if number:
            data = (self._directory / f"{number:016d}.batch").read_bytes()
            kept = msgspec.msgpack.decode(data, type=Kept)
        batch = Batch(
            self._name, number, self._origin, kept.exchanges, kept.dropped, self._table,
            self._version, kept.contexts,
        )  # fmt: skip
        reply = request(
            self._sequencers[0], "POST", "/exchanges", body=msgspec.msgpack.encode(batch),
            headers={"content-type": MEDIA}, limit=4 * MAX_BATCH, timeout=TIMEOUT,
        )  # fmt: skip
        if reply.status != 200:
            words = reply.body[:200].decode("utf-8", "replace").strip()
            raise InputError(f"the sequencer answered {reply.status}: {words}")
        return msgspec.msgpack.decode(reply.body, type=Receipt)

    def _note(self, receipt: Receipt, number: int) -> None:
        self._table, self._version = receipt.table, receipt.version
        done = []
        with self._guard:
            self._last = max(self._last, receipt.number)
            if number and receipt.number >= number:
                done = [n for n in self._waiting if n <= number]
                self._waiting = [n for n in self._waiting if n > number]
            self._receipts.append(receipt)
        for one in done:
            with contextlib.suppress(OSError):
                (self._directory / f"{one:016d}.batch").unlink()

    def _remembered(self) -> int:
        data = files.read(self._directory / "last") or b""
        return int(data) if data.isdigit() else 0


def _parts(bodies: list[bytes]) -> list[tuple[bytes, ...]]:
    """Bodies in order, at most `MAX_CONTEXTS` bytes together; one part at least."""
    parts: list[tuple[bytes, ...]] = []
    part: list[bytes] = []
    size = 0
    for body in bodies:
        if size + len(body) > MAX_CONTEXTS and part:
            parts.append(tuple(part))
            part, size = [], 0
        part.append(body)
        size += len(body)
    return [*parts, tuple(part)]
