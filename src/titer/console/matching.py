"""What takes part in private matching, and the runs of it that the log has.

By files (`titer match offer`, `answer`, `finish`) and over HTTP (`titer match serve`, `ask`) alike
the same indicators may take part, and the runs of a partner are counted together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from titer.console.explain import open_view
from titer.console.sharing import Options, addresses, campaigns, gather
from titer.core.errors import EvidenceError, InputError
from titer.core.indicators import KINDS
from titer.gateway.assembly import enter

#: Kinds that are matched unless others are named. Network numbers are left out: some 80,000 are in
#: use, so that a partner could guess them all.
USUAL = ("ipv4", "ipv6", "ja4", "headers")
#: Offers of one partner that are answered in `WINDOW_DAYS` days, unless allowed.
RUNS, WINDOW_DAYS = 4, 30
_DAY = 86_400_000_000
#: Runs of the last `WINDOW_DAYS` that are remembered.
MAX_RUNS = 100_000


class Choice(msgspec.Struct, frozen=True):
    """Which indicators take part: of `campaigns` (of all tested ones when empty), of `kinds`, that
    `k` members showed; ranges that `addresses`, a file, names.
    """

    kinds: tuple[str, ...] = USUAL
    k: int = 5
    campaigns: tuple[str, ...] = ()
    addresses: Path | None = None

    def check(self) -> None:
        """Raises `InputError` for a choice that cannot be."""
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise InputError(f"--kinds takes some of {', '.join(KINDS)}, joined by commas")
        if self.k < 2:
            raise InputError("--k must be at least 2: what one account shows names that account")


class Run(msgspec.Struct, frozen=True):
    """One answered offer. `at` is in microseconds."""

    at: int
    partner: str
    session: str


def own(data: Path, choice: Choice) -> set[str]:
    """What may take part: of each campaign what could be exported (`share.material.select`).

    May be empty. Raises `InputError` for a choice or a campaign that cannot be.
    """
    choice.check()
    known = tuple(addresses(choice.addresses)) if choice.addresses else ()
    names = choice.campaigns or [c.id for c in campaigns(data) if not c.review]
    found: set[str] = set()
    for name in names:
        material = gather(data, name, Options(k=choice.k), addresses=known)
        found |= {i.key for i in material.indicators if i.kind in choice.kinds}
    return found


def note(data: Path, action: str, session: str, said: Mapping[str, Any]) -> None:
    """Log a step, before anything of it leaves. Raises `InputError` when it cannot be logged."""
    body = {"at": time.time_ns() // 1000, "action": action, "session": session, **said}
    kept = enter(data, "share", msgspec.json.encode(body))
    if kept.index is None:
        raise InputError(f"nothing was handed out, as it must be logged first: {kept.line()}")


class Runs:
    """The answered offers of the last `WINDOW_DAYS`, read from the log as it grows."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._next = 0
        self._runs: dict[str, Run] = {}

    def of(self, partner: str, now: int, days: float = WINDOW_DAYS) -> set[str]:
        """Sessions of a partner that were answered in the last `days`."""
        self._catch_up(now)
        since = now - int(days * _DAY)
        return {
            one.session
            for one in self._runs.values()
            if one.partner == partner and one.at >= since
        }

    def _catch_up(self, now: int) -> None:
        view = open_view(self._data)
        for stored in view.scan(self._next):
            self._next = stored.index + 1
            if stored.kind != "share" or stored.body is None:
                continue
            body = msgspec.json.decode(stored.body)
            if body.get("action") == "match answer":
                run = Run(stored.at, str(body.get("partner")), str(body.get("session")))
                self._runs[run.session] = run
        old = now - WINDOW_DAYS * _DAY
        self._runs = {s: run for s, run in self._runs.items() if run.at >= old}
        if len(self._runs) > MAX_RUNS:
            raise InputError(f"more than {MAX_RUNS} offers were answered in {WINDOW_DAYS} days")


class Holdings:
    """What takes part, worked out ahead: to read a large log takes longer than a partner waits."""

    def __init__(self, data: Path, choices: Mapping[str, Choice]) -> None:
        """`choices` by partner. Raises `InputError`."""
        self._data = data
        self._choices = dict(choices)
        self._size = -1
        self._held: dict[Choice, set[str]] = {}
        self._guard = threading.Lock()
        self.refresh()

    def of(self, partner: str) -> set[str]:
        with self._guard:
            return self._held[self._choices[partner]]

    def refresh(self) -> None:
        """Read the log again if it has grown. Raises `InputError`."""
        size = open_view(self._data).size
        if size == self._size:
            return
        held = {choice: own(self._data, choice) for choice in set(self._choices.values())}
        with self._guard:
            self._held, self._size = held, size

    def keep_fresh(self, stop: threading.Event, every: float) -> None:
        """Refresh every so many seconds until told to stop; a log that cannot be read leaves what
        there was.
        """
        while not stop.wait(every):
            try:
                self.refresh()
            except (InputError, EvidenceError, OSError):
                continue
