"""A live view of callers: who took what, how sure we are, and what they get for it.

The view reads plain `Snapshot`s from a callable; it opens no socket and no file. On a terminal it
redraws in place; without one it writes one line now and then, so that a log stays readable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Self

import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

#: Seconds between redraws on a terminal, and between lines without one.
REDRAW = 0.25
LINE_EVERY = 5.0

#: Callers shown at a time; the rest are summed in one row.
ROWS = 8

#: One block a bit, up to so many.
BLOCKS = 8

#: Characters of a pseudonym that are shown; enough to tell callers apart on one screen.
SHORT = 8


class Row(msgspec.Struct, frozen=True):
    """One caller as the view shows it. `exposure` is tokens of output already given."""

    subject: str
    name: str = ""
    requests: int = 0
    exposure: int = 0
    bits: float = 0.0
    rung: str = ""
    doses: tuple[str, ...] = ()
    shadow: bool = False


class Snapshot(msgspec.Struct, frozen=True):
    """Everything the view shows at one moment. `head` is the log's root hash or checkpoint."""

    rows: tuple[Row, ...] = ()
    callers: int = 0
    requests: int = 0
    refused: int = 0
    campaigns: int = 0
    log_size: int = 0
    head: str = ""
    clock: str = ""


def order(rows: Sequence[Row]) -> list[Row]:
    """Most suspicious first, then by what was taken."""
    return sorted(rows, key=lambda row: (-row.bits, -row.exposure, row.subject))


def _what_they_get(row: Row) -> Text:
    if not row.doses:
        return Text("-", style="dim")
    names = ", ".join(row.doses)
    return Text(f"{names} (shadow)", style="yellow") if row.shadow else Text(names, style="red")


def _bits(row: Row) -> Text:
    filled = min(BLOCKS, round(row.bits))
    style = "dim" if row.bits < 1 else "red" if row.rung else "yellow"
    return Text(f"{row.bits:5.1f} ", style=style).append("▪" * filled + " " * (BLOCKS - filled))


def render(snapshot: Snapshot) -> RenderableType:
    """One snapshot as a table and a line below it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("caller", no_wrap=True)
    table.add_column("requests", justify="right")
    table.add_column("tokens", justify="right")
    table.add_column("bits", no_wrap=True, min_width=14)
    table.add_column("rung")
    table.add_column("doses", no_wrap=True)
    ranked = order(snapshot.rows)
    for row in ranked[:ROWS]:
        caller = Text(row.subject[:SHORT])
        if row.name:
            caller.append(f"  {row.name}", style="dim")
        table.add_row(
            caller,
            f"{row.requests:,}",
            f"{row.exposure:,}",
            _bits(row),
            row.rung or Text("-", style="dim"),
            _what_they_get(row),
        )
    rest = ranked[ROWS:]
    if rest:
        worst = max(row.bits for row in rest)
        table.add_row(
            Text(_count(len(rest), "other"), style="dim"),
            Text(f"{sum(row.requests for row in rest):,}", style="dim"),
            Text(f"{sum(row.exposure for row in rest):,}", style="dim"),
            Text(f"{worst:5.1f} at most", style="dim"),
            Text("-", style="dim"),
            Text("-", style="dim"),
        )
    return Group(table, Text(summary(snapshot), style="dim"))


def summary(snapshot: Snapshot) -> str:
    """One line about a snapshot."""
    dosed = sum(1 for row in snapshot.rows if row.doses and not row.shadow)
    parts = [
        f"{snapshot.clock}" if snapshot.clock else "",
        _count(snapshot.callers, "caller"),
        _count(snapshot.requests, "request"),
        f"{snapshot.refused:,} refused" if snapshot.refused else "",
        f"{dosed} under a dose",
        _count(snapshot.campaigns, "campaign") if snapshot.campaigns else "",
        f"log {snapshot.log_size:,} entries" if snapshot.log_size else "",
        f"head {snapshot.head[:8]}" if snapshot.head else "",
    ]
    return " · ".join(part for part in parts if part)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


class View:
    """Shows snapshots while something else runs: `with View(console, snapshot): ...; view.tick()`.

    `snapshot` is called at most once per `REDRAW` (terminal) or `LINE_EVERY` (none) seconds.
    """

    def __init__(
        self,
        console: Console,
        snapshot: Callable[[], Snapshot],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._snapshot = snapshot
        self._clock = clock
        self._live: Live | None = None
        self._due = float("-inf")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def tick(self) -> bool:
        """Show the present if it is time; True when something was shown."""
        now = self._clock()
        if now < self._due:
            return False
        if self._live is not None:
            self._due = now + REDRAW
            self._live.update(render(self._snapshot()), refresh=True)
        else:
            self._due = now + LINE_EVERY
            self._console.print(f"   {summary(self._snapshot())}", highlight=False)
        return True
