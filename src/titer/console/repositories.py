"""Who takes repositories that are not its own, out of the repository events of a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from titer.access.secret import load_or_create
from titer.console.explain import open_view
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Principal
from titer.detect.repositories import TAKING, Takers, Told

#: Events that are sorted in memory, at some 150 bytes each.
MAX_EVENTS = 2_000_000


class _Moved(msgspec.Struct):
    """What is read of a `transfer` entry."""

    at: int
    principal: Principal
    repository: str
    verb: Literal["clone", "fetch", "archive", "push", "api"]


def takers(data: Path, *, level: float, since: int = 0) -> Told:
    """What the events from `since` on (microseconds) come to, in the order of time.

    Raises `InputError` for a directory without a log, and for more than `MAX_EVENTS`.
    """
    decode = msgspec.json.Decoder(_Moved).decode
    events: list[tuple[int, str, str]] = []
    for stored in open_view(data).scan(kinds=("transfer",)):
        if stored.body is None:
            continue
        moved = decode(stored.body)
        if moved.verb not in TAKING or moved.at < since:
            continue
        if len(events) >= MAX_EVENTS:
            raise InputError(f"more than {MAX_EVENTS:,} repository events: give a later --since")
        actor, repository = sys.intern(moved.principal.subject), sys.intern(moved.repository)
        events.append((moved.at, actor, repository))
    events.sort()
    fold = Takers(level)
    for at, actor, repository in events:
        fold.add(at, actor, repository)
    return fold.told()


def named(data: Path, names: Iterable[str]) -> dict[str, str]:
    """The pseudonyms of names as a code host's log has them (`github:LOGIN`)."""
    of = Pseudonyms(load_or_create(data)).of
    return {of("principal", name): name for name in names}
