"""The alert level of a running service: looked at now and then, kept in DIR/state/level.json."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from titer.core.nouns import Campaign, Standing
from titer.evidence import files
from titer.evidence.share.ocsf import LevelChange
from titer.respond.level import LevelPolicy, State, see, step

#: Seconds between two looks, at least, and the share of the time that looking may take.
LOOK, SHARE = 10.0, 0.02
#: Campaigns remembered, the latest told; more than that at a time are all red anyway.
MAX_CAMPAIGNS = 10_000
#: A state that was not touched for so long (seconds) is of a service that does not run.
STALE = 60.0


class Alert:
    """Steps the level. `clock` is monotonic seconds, `now` microseconds since 1970."""

    def __init__(
        self, data: Path, policy: LevelPolicy, *, clock: Callable[[], float],
        now: Callable[[], int],
    ) -> None:  # fmt: skip
        self._path = data / "state" / "level.json"
        self._policy = policy
        self._clock = clock
        self._now = now
        self._due = float("-inf")
        self._campaigns: dict[str, Campaign] = {}
        self.state = read(data) or State()

    def told(self, campaign: Campaign) -> None:
        """Remember a campaign as it was last told."""
        self._campaigns.pop(campaign.id, None)
        self._campaigns[campaign.id] = campaign
        if len(self._campaigns) > MAX_CAMPAIGNS:
            del self._campaigns[next(iter(self._campaigns))]

    def look(self, standings: dict[str, Standing]) -> list[tuple[str, bytes]]:
        """The entry for a change of level, if it is time to look and there is one."""
        began = self._clock()
        if began < self._due:
            return []
        before = self.state
        now = self._now()
        self.state = self._step(standings.values(), len(standings), now)
        with contextlib.suppress(OSError):  # a full disk: the metric is old, the level is not
            self._write()
        ended = self._clock()
        self._due = ended + max(LOOK, (ended - began) / SHARE)
        if self.state.level == before.level:
            return []
        change = LevelChange(
            f"level-{self.state.since}", self.state.since, self.state.level, before.level,
            self.state.because,
        )  # fmt: skip
        return [("level", msgspec.json.encode(change))]

    def _step(self, standings: Iterable[Standing], total: int, now: int) -> State:
        seen = see(standings, total, self._campaigns.values(), self._policy, now)
        return step(self.state, seen, self._policy, now)

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        files.replace(self._path, msgspec.json.encode(self.state))


def read(data: Path) -> State | None:
    """The level as it was last written; None when there is none, or it cannot be read."""
    try:
        with (data / "state" / "level.json").open("rb") as file:
            return msgspec.json.decode(file.read(4096), type=State)
    except (OSError, msgspec.MsgspecError):
        return None


def running(data: Path, now: float) -> bool:
    """Whether a service keeps the level at `now` (seconds since 1970)."""
    try:
        return now - os.stat(data / "state" / "level.json").st_mtime < STALE  # noqa: PTH116
    except OSError:
        return False
