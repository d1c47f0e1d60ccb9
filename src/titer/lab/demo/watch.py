"""The live view's eyes: the standings on disk, and the player's own count."""

from __future__ import annotations

from pathlib import Path

from titer.console.live import Row, Snapshot
from titer.console.names import Names
from titer.console.standings import read_view
from titer.core.errors import InputError
from titer.lab.player import Player


class Watch:
    """Makes snapshots; `snapshot` is what the live view calls."""

    def __init__(self, data: Path, player: Player) -> None:
        self._data = data
        self._player = player
        self._names = Names(data)

    def snapshot(self) -> Snapshot:
        seen = self._player.seen.values()
        requests = sum(one.sent for one in seen)
        refused = sum(sum(one.refused.values()) for one in seen)
        try:
            view = read_view(self._data)
        except InputError:
            return Snapshot(requests=requests, refused=refused, callers=len(self._player.seen))
        rows = []
        campaigns = {
            finding.calibration
            for row in view.rows
            for finding in row.standing.findings
            if finding.detector.startswith("hunt@")
        }
        for row in view.rows:
            standing, decision = row.standing, row.decision
            given = (decision.given or decision.doses) if decision else ()
            doses = tuple(dose.mitigation for dose in given)
            rows.append(
                Row(
                    subject=standing.subject,
                    name=self._names.of(standing.subject),
                    requests=standing.exchanges,
                    exposure=standing.exposure,
                    bits=standing.bits,
                    rung=decision.rung if decision and decision.rung != "ground" else "",
                    doses=doses,
                    shadow=bool(decision and decision.shadow and not decision.given),
                )
            )
        return Snapshot(
            rows=tuple(rows),
            callers=view.subjects,
            requests=requests,
            refused=refused,
            campaigns=len(campaigns),
            log_size=view.status.get("log_size", 0),
            head=self._head(),
        )

    def _head(self) -> str:
        """The root hash of the last signed head (base64), or "" before there is one."""
        try:
            return (self._data / "log" / "checkpoint").read_text("utf-8").split("\n")[2]
        except (OSError, IndexError):
            return ""
