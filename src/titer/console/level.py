"""The alert level as a running service keeps it, else as the log and the view have it now."""

from __future__ import annotations

from pathlib import Path

from titer.config import find, load
from titer.console.attribution import campaigns_in
from titer.console.explain import open_view
from titer.console.standings import read_view
from titer.gateway import alert
from titer.respond.level import State, see, step


def level(data: Path, config: Path | None, now: float) -> tuple[State, bool]:
    """(the level, whether a running service keeps it) at `now` (seconds since 1970).

    Without a service it is worked out from the view and the log, from green. Raises `InputError`.
    """
    kept = alert.read(data)
    if kept is not None and alert.running(data, now):
        return kept, True
    policy = load(find(data, config)).level
    view = read_view(data)
    at = int(now * 1_000_000)
    standings = [row.standing for row in view.rows]
    campaigns = campaigns_in(open_view(data)).values()
    return step(State(), see(standings, view.subjects, campaigns, policy, at), policy, at), False
