"""What the weigher knows, on disk: a snapshot to start from, and a view for people.

The log is the truth; both files can be deleted. The snapshot says up to which entry of the log it
has folded, and a restart folds the rest (or all of it when the snapshot is missing, unreadable
or made with another calibration or set of detectors).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from titer.core.nouns import Decision, Dosed, Standing
from titer.engine import Weigher

#: Rows of the view for people: the most suspicious first. The snapshot holds all.
MAX_VIEW = 2000


class Saved(msgspec.Struct):
    """The weigher's state after folding the log's first `size` entries."""

    size: int
    made_by: str
    states: dict[str, dict[str, msgspec.Raw]]
    standings: dict[str, Standing]
    decisions: dict[str, Decision]
    faults: dict[str, int]


class Snapshots:
    """Reads and writes both files in one directory, by rename."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._last: tuple[object, ...] = ()

    def save(self, weigher: Weigher, size: int) -> None:
        """Write the snapshot; a disk that is full costs only the next start some time."""
        encode = msgspec.msgpack.encode
        states = {
            name: {subject: msgspec.Raw(encode(state)) for subject, state in rows.items()}
            for name, rows in weigher.bench.states.items()
        }
        bench = weigher.bench
        saved = Saved(
            size, maker(weigher), states, weigher.standings, weigher.decisions, bench.faults
        )
        with contextlib.suppress(OSError):
            self._write("weigher.msgpack", encode(saved))

    def load(self, weigher: Weigher, size: int) -> int:
        """Restore the weigher; returns how many entries of the log it has seen (0: none)."""
        try:
            data = (self._directory / "weigher.msgpack").read_bytes()
            saved = msgspec.msgpack.decode(data, type=Saved)
        except (OSError, msgspec.MsgspecError):
            return 0
        if saved.made_by != maker(weigher) or saved.size > size:
            return 0
        for detector in weigher.bench.detectors:
            rows = weigher.bench.states[detector.card.name]
            for subject, raw in saved.states.get(detector.card.name, {}).items():
                rows[subject] = msgspec.msgpack.decode(raw)  # `step` takes what msgpack made
        weigher.standings.update(saved.standings)
        weigher.decisions.update(saved.decisions)
        weigher.bench.faults.update(saved.faults)
        return saved.size

    def standings(self, weigher: Weigher, status: Mapping[str, object]) -> None:
        """Write the view: who stands where, for `titer standings` and the console."""
        key = (*status.values(), len(weigher.standings))
        if key == self._last:
            return
        self._last = key
        ranked = sorted(
            weigher.standings.values(), key=lambda s: (s.bits, s.exposure), reverse=True
        )[:MAX_VIEW]
        rows = [{"standing": s, "decision": weigher.decisions.get(s.subject)} for s in ranked]
        view = {"status": status, "subjects": len(weigher.standings), "rows": rows}
        with contextlib.suppress(OSError):
            self._write("standings.json", msgspec.json.encode(view))

    def _write(self, name: str, data: bytes) -> None:
        temporary = self._directory / f".{name}.{os.getpid()}"
        temporary.write_bytes(data)
        temporary.replace(self._directory / name)


def maker(weigher: Weigher) -> str:
    """What the state depends on: detectors, calibration and ladder."""
    cards = ",".join(f"{d.card.name}@{d.card.version}" for d in weigher.bench.detectors)
    calibration = weigher.bench.calibration
    return f"{cards}|{calibration.id if calibration else ''}|{_rungs(weigher)}"


def _rungs(weigher: Weigher) -> str:
    ladder = weigher.ladder
    return msgspec.json.encode((ladder.rungs, ladder.tiers, ladder.margin)).decode()


def rows_to_publish(weigher: Weigher) -> list[Dosed]:
    """The standings table as a fresh worker needs it."""
    return [
        Dosed(weigher.standings[subject], decision)
        for subject, decision in weigher.decisions.items()
        if decision.doses and subject in weigher.standings
    ]
