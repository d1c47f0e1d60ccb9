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
        self._dosed_at: dict[str, int] = {}

    def made_its_point(self, role: str, *, enough: int) -> bool:
        """Whether an account of `role` is throttled and has had `enough` replies since."""
        for seen in self._player.seen.values():
            name = seen.account.org
            if seen.account.role == role and name in self._dosed_at:
                return seen.answered >= self._dosed_at[name] + enough
        return False

    def snapshot(self) -> Snapshot:
        seen = self._player.seen.values()
        requests = sum(one.sent for one in seen)
        refused = sum(sum(one.refused.values()) for one in seen)
        try:
            view = read_view(self._data)
        except InputError:
            return Snapshot(requests=requests, refused=refused, callers=len(self._player.seen))
        rows = []
        for row in view.rows:
            standing, decision = row.standing, row.decision
            name = self._names.of(standing.subject)
            doses = tuple(dose.mitigation for dose in decision.doses) if decision else ()
            if "throttle" in doses:
                self._dosed_at.setdefault(name, standing.exchanges)
            rows.append(
                Row(
                    subject=standing.subject,
                    name=name,
                    requests=standing.exchanges,
                    exposure=standing.exposure,
                    bits=standing.bits,
                    rung=decision.rung if decision and decision.rung != "ground" else "",
                    doses=doses,
                    shadow=bool(decision and decision.shadow),
                )
            )
        return Snapshot(
            rows=tuple(rows),
            callers=view.subjects,
            requests=requests,
            refused=refused,
            log_size=view.status.get("log_size", 0),
        )
