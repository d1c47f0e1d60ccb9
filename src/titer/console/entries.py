"""Entries of the log as lines for people, and the proof of one as a file for strangers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import msgspec

from titer.console.explain import open_view
from titer.core.errors import InputError
from titer.evidence.log import Stored, View

#: Characters of a body on one line.
SHOWN = 160


class Line(msgspec.Struct, frozen=True):
    """One entry: `body` is None when it was erased."""

    index: int
    kind: str
    at: int
    body: str | None
    leaf: str

    def text(self) -> str:
        """The same for a person."""
        when = dt.datetime.fromtimestamp(self.at / 1e6, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
        body = "(erased)" if self.body is None else " ".join(self.body[: 8 * SHOWN].split())
        if len(body) > SHOWN:
            body = f"{body[: SHOWN - 1]}\N{HORIZONTAL ELLIPSIS}"
        return f"{self.index:>8} {when} {self.kind:<12} {body}"


def entries(data: Path, start: int, stop: int | None, kind: str = "") -> Iterator[Line]:
    """Published entries from `start` (from the end when negative) to `stop`.

    Raises `InputError` when there is no log, or no such entry.
    """
    log = open_view(data)
    if start < 0:
        start = max(0, log.size + start)
    if start > log.size or (stop is not None and stop < start):
        raise InputError(f"the log has {log.size} entries; there is no range from {start}")
    for stored in log.scan(start, stop):
        if not kind or stored.kind == kind:
            yield _line(stored)


def follow(log: View, seen: int) -> Iterator[Line]:
    """Entries that were published since `seen`."""
    log.reload()
    for stored in log.scan(seen):
        yield _line(stored)


def _line(stored: Stored) -> Line:
    body = None if stored.body is None else stored.body.decode("utf-8", "replace")
    return Line(stored.index, stored.kind, stored.at, body, stored.leaf.hex())
