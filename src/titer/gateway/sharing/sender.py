"""From the published log to webhooks and streams. The log is the queue.

Each destination has a place in the log of its own (DIR/share/NAME.place), moved on when what lies
before it was handed over: nothing is kept in memory but one batch, a destination that is away
holds up no other, and nothing touches the gateway. Delivery is at least once; an event's name is
that of its entry, so that a receiver can tell a repetition.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec

import titer
from titer.core.errors import InputError
from titer.evidence import files
from titer.evidence.log import View
from titer.evidence.share import ocsf
from titer.evidence.share.stix import moment
from titer.gateway.sharing.outbound import SendError
from titer.gateway.sharing.streams import Event, Sink

#: Seconds before the second attempt; doubled for each further one, up to the most.
FIRST_PAUSE, MOST_PAUSE = 1.0, 300.0
#: Attempts at one batch when not following.
ATTEMPTS = 5
#: Seconds between looks for new entries.
LOOK = 1.0
#: Entries between two notes of the place while nothing of them is sent.
NOTE_EVERY = 10_000
#: Entries that a destination may be behind. One that stayed away longer goes on from there, and
#: says how many it missed: a queue without end is a disk that runs full.
MAX_BEHIND = 5_000_000

Say = Callable[[str], None]


class Done(msgspec.Struct):
    """What became of one destination."""

    name: str
    sent: int = 0
    refused: int = 0
    missed: int = 0
    place: int = 0
    error: str = ""


class Destination:
    """One webhook or stream, with its place in the log."""

    def __init__(
        self, name: str, kinds: tuple[str, ...], sink: Sink, data: Path, *, say: Say,
        pause: Callable[[float], bool],
    ) -> None:  # fmt: skip
        """`pause` waits that many seconds, and says True when it is time to stop."""
        self.done = Done(name)
        self._kinds = kinds
        self._sink = sink
        self._data = data
        self._path = data / "share" / f"{name}.place"
        self._say = say
        self._pause = pause

    def start(self, *, everything: bool) -> None:
        """Find the place: where the last run ended, else the log's end, or its beginning."""
        log = View.open(self._data / "log")
        try:
            known = self._path.read_text(encoding="ascii")
            self.done.place = min(int(known[:20]), log.size)
        except FileNotFoundError:
            self.done.place = 0 if everything else log.size
            if not everything and log.size:
                self._say(f"{self.done.name}: begins at the log's end, entry {log.size}")
            self._keep()
        except ValueError:
            raise InputError(f"{self._path}: is no number; remove it to begin anew") from None

    def run(self, *, follow: bool) -> None:
        """Send what there is; with `follow`, go on until `pause` says to stop."""
        log = View.open(self._data / "log")
        failures = 0
        while True:
            try:
                moved = self._batch(log)
            except SendError as error:
                failures += 1
                self.done.error = str(error)
                if not follow and (failures >= ATTEMPTS or not error.again):
                    return
                doubled = FIRST_PAUSE * 2 ** min(failures - 1, 16)
                pause = min(MOST_PAUSE, doubled) if error.again else MOST_PAUSE
                pause = max(error.after, pause * random.uniform(0.8, 1.2))  # noqa: S311
                if failures in (1, 5) or failures % 100 == 0:
                    self._say(f"{self.done.name}: {error}; again in {pause:.0f} s")
                if self._pause(pause):
                    return
                continue
            failures, self.done.error = 0, ""
            if not moved:
                if not follow or self._pause(LOOK):
                    return
                log.reload()

    def close(self) -> None:
        """Let go of the connection."""
        self._sink.close()

    def _batch(self, log: View) -> bool:
        """Send the next events; False when there is no entry left."""
        if log.size - self.done.place > MAX_BEHIND:
            self.done.missed += log.size - MAX_BEHIND - self.done.place
            self.done.place = log.size - MAX_BEHIND
            self._say(f"{self.done.name}: was away too long and misses {self.done.missed} entries")
        ready: list[Event] = []
        place = self.done.place
        for behind, event in events(log, self.done.place, self._kinds):
            place = behind
            if event is not None:
                ready.append(event)
            if len(ready) >= self._sink.batch or place - self.done.place >= NOTE_EVERY:
                break
        if place == self.done.place:
            return False
        if ready:
            try:
                self._sink.send(ready)
                self.done.sent += len(ready)
            except SendError as error:
                if not error.poison:
                    raise
                if len(ready) > 1:
                    self._one_by_one(ready)
                else:
                    self._refused(ready[0], error)
        self.done.place = place
        self._keep()
        return True

    def _one_by_one(self, events: list[Event]) -> None:
        """A batch was refused: find the event that is not wanted, and leave only that."""
        for event in events:
            try:
                self._sink.send([event])
                self.done.sent += 1
            except SendError as error:
                if not error.poison:
                    raise
                self._refused(event, error)

    def _refused(self, event: Event, error: SendError) -> None:
        self.done.refused += 1
        self._say(f"{self.done.name}: {event.uid} is not taken and is left out: {error}")

    def _keep(self) -> None:
        files.make_directory(self._path.parent)
        files.replace(self._path, str(self.done.place).encode(), mode=0o600)


def events(
    log: View, start: int, kinds: Collection[str]
) -> Iterator[tuple[int, Event | None]]:  # fmt: skip
    """(place behind the entry, its event if it is one of `kinds`) from an entry on."""
    origin = log.verifier.name
    for stored in log.scan(start):
        event = None
        if stored.kind in kinds and stored.body is not None:
            try:
                fact = ocsf.event(
                    stored.kind, stored.body, index=stored.index, log=origin,
                    version=titer.__version__,
                )  # fmt: skip
            except msgspec.MsgspecError:
                fact = None  # an entry of another version: it has its place in the log
            if fact is not None:
                event = Event(f"{origin}/{stored.index}", stored.kind, moment(stored.at), fact)
        yield stored.index + 1, event


def send(destinations: list[Destination], *, follow: bool, everything: bool) -> list[Done]:
    """Run all destinations, each in a thread of its own, until they are done or told to stop.

    Raises what a destination raised, when all have ended.
    """
    for one in destinations:
        one.start(everything=everything)
    raised: list[BaseException] = []

    def work(one: Destination) -> None:
        try:
            one.run(follow=follow)
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            raised.append(error)
        finally:
            one.close()

    threads = [
        threading.Thread(target=work, args=(one,), name=one.done.name) for one in destinations
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)  # in pieces, so that a signal's handler runs
    if raised:
        raise raised[0]
    return [one.done for one in destinations]
