"""What the weigher knows, on disk: a snapshot to start from, and a view for people.

The log is the truth; both files can be deleted. The snapshot says up to which entry of the log it
has folded, and a restart folds the rest (or all of it when the snapshot is missing, unreadable
or made with another calibration or set of detectors).
"""

from __future__ import annotations

import contextlib
import heapq
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from titer.core.nouns import Decision, Dosed, Standing
from titer.engine import Weigher
from titer.respond.ladder import acts

_STATE, _VIEW = "weigher.msgpack", "standings.json"
#: Rows of the view for people: the most suspicious first. The snapshot holds all.
MAX_VIEW = 2000

#: Share of the time that may go into the view and into snapshots between two stops, each: with
#: a million subjects a view takes most of a second, and is then made twice a minute.
SHARE = 0.02

#: Seconds between two snapshots, at least: what a crash costs is folding the entries since.
SAVE_EVERY = 120.0

#: Subjects beyond which a snapshot waits for the stop: the records that come while it is written
#: must fit into the rings, and all of it is in memory once more.
MAX_RUNNING = 20_000

#: Raised when the state of a built-in detector takes another shape; older snapshots are dropped.
FORMAT = 4


class Saved(msgspec.Struct):
    """The weigher's state after folding the log's first `size` entries."""

    size: int
    made_by: str
    states: dict[str, dict[str, msgspec.Raw]]
    standings: dict[str, Standing]
    decisions: dict[str, Decision]
    faults: dict[str, int]
    format: int = 1


class Snapshots:
    """Reads and writes both files in one directory, by rename."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._clock = clock
        self._last: tuple[object, ...] = ()
        self._view_due = 0.0
        self._save_due = clock() + SAVE_EVERY
        self._saved = -1

    def keep(self, weigher: Weigher, size: int) -> None:
        """Save now and then, so that a crash does not mean folding the whole log."""
        began = self._clock()
        if began < self._save_due or size == self._saved or len(weigher.standings) > MAX_RUNNING:
            return
        self.save(weigher, size)
        ended = self._clock()
        self._save_due = ended + max(SAVE_EVERY, (ended - began) / SHARE)

    def save(self, weigher: Weigher, size: int) -> None:
        """Write the snapshot; a disk that is full costs only the next start some time."""
        encode = msgspec.msgpack.encode
        states = {
            name: {subject: msgspec.Raw(encode(state)) for subject, state in rows.items()}
            for name, rows in weigher.bench.states.items()
        }
        bench = weigher.bench
        saved = Saved(
            size, maker(weigher), states, weigher.standings, weigher.decisions, bench.faults,
            FORMAT,
        )  # fmt: skip
        with contextlib.suppress(OSError):
            self._write(_STATE, encode(saved))
            self._saved = size

    def load(self, weigher: Weigher, size: int) -> int:
        """Restore the weigher; returns how many entries of the log it has seen (0: none)."""
        try:
            data = (self._directory / _STATE).read_bytes()
            saved = msgspec.msgpack.decode(data, type=Saved)
        except (OSError, msgspec.MsgspecError):
            return 0
        if saved.format != FORMAT or saved.made_by != maker(weigher) or saved.size > size:
            return 0
        for detector in weigher.bench.detectors:
            rows = weigher.bench.states[detector.card.name]
            for subject, raw in saved.states.get(detector.card.name, {}).items():
                rows[subject] = msgspec.msgpack.decode(raw)  # `step` takes what msgpack made
        weigher.standings.update(saved.standings)
        weigher.decisions.update(saved.decisions)
        weigher.bench.faults.update(saved.faults)
        return saved.size

    def clean(self) -> int:
        """Remove what a process left that ended while it wrote: a snapshot under a temporary name
        holds subjects that may have been erased since. Only for whoever holds the log, as nobody
        else writes here then. Returns how many there were.
        """
        left = [p for name in (_STATE, _VIEW) for p in self._directory.glob(f".{name}.*")]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def forget(self, subject: str) -> None:
        """Take an erased subject out of both files, while nobody else writes them."""
        self.clean()
        try:
            data = (self._directory / _STATE).read_bytes()
            saved = msgspec.msgpack.decode(data, type=Saved)
        except (OSError, msgspec.MsgspecError):
            pass
        else:
            for states in (*saved.states.values(), saved.standings, saved.decisions):
                states.pop(subject, None)  # type: ignore[attr-defined]
            self._write(_STATE, msgspec.msgpack.encode(saved))
        try:
            view = msgspec.json.decode((self._directory / _VIEW).read_bytes())
            view["rows"] = [r for r in view["rows"] if r["standing"]["subject"] != subject]
        except (OSError, msgspec.MsgspecError, LookupError, TypeError):
            return
        self._write(_VIEW, msgspec.json.encode(view))

    def standings(
        self,
        weigher: Weigher,
        status: Mapping[str, object],
        *,
        doses: Mapping[str, float] | None = None,
        last: bool = False,
    ) -> None:
        """Write the view: who stands where, for `titer standings` and the console.

        Nothing is written while nothing changed, or too soon after a view that took long,
        unless it is the `last` one. `doses` are the workers' counts of what rungs did.
        """
        began = self._clock()
        key = (*status.values(), len(weigher.standings))
        if key == self._last or (began < self._view_due and not last):
            return
        self._last = key
        attention = weigher.bench.attention
        ranked = heapq.nlargest(
            MAX_VIEW,
            weigher.standings.values(),
            key=lambda s: (s.bits, attention(s.findings, s.tier), s.exposure),
        )
        rows = [
            {
                "standing": s,
                "decision": weigher.decisions.get(s.subject),
                "attention": attention(s.findings, s.tier),
            }
            for s in ranked
        ]
        view = {
            "status": status,
            "subjects": len(weigher.standings),
            "rows": rows,
            "doses": doses or {},
        }
        with contextlib.suppress(OSError):
            self._write(_VIEW, msgspec.json.encode(view))
        ended = self._clock()
        self._view_due = ended + (ended - began) / SHARE

    def _write(self, name: str, data: bytes) -> None:
        temporary = self._directory / f".{name}.{os.getpid()}"
        try:
            temporary.write_bytes(data)
            temporary.replace(self._directory / name)
        except OSError:  # a full disk: half a snapshot is of no use, and holds subjects
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def maker(weigher: Weigher) -> str:
    """What the state depends on: detectors, calibration and ladder."""
    cards = ",".join(f"{d.card.name}@{d.card.version}" for d in weigher.bench.detectors)
    calibration = weigher.bench.calibration
    return f"{cards}|{calibration.id if calibration else ''}|{_rungs(weigher)}"


def _rungs(weigher: Weigher) -> str:
    ladder = weigher.ladder
    parts = (
        ladder.rungs, ladder.tiers, ladder.margin, ladder.segments, ladder.cells,
        ladder.deciders,
    )  # fmt: skip
    return msgspec.json.encode(parts).decode()


def rows_to_publish(weigher: Weigher) -> list[Dosed]:
    """The standings table as a fresh worker needs it."""
    return [
        Dosed(weigher.standings[subject], decision)
        for subject, decision in weigher.decisions.items()
        if acts(decision) and subject in weigher.standings
    ]
