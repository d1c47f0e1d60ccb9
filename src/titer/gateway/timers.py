"""Coarse time-outs: one timer per loop that looks at every deadline, not a handle per chunk.

A deadline is a plain attribute that its owner moves for free; the sweep finds it passed within
one tick. Ten thousand deadlines cost about half a millisecond a tick.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

NEVER = float("inf")


class Timed(Protocol):
    """Something with a deadline, in the loop's time (seconds)."""

    deadline: float

    def expire(self, now: float) -> None:
        """The deadline has passed. Move it, or be asked again at the next tick."""
        ...


class Sweep:
    """Looks at its items once a tick; sleeps while it has none. `now` is at most a tick old."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tick: float) -> None:
        self._loop = loop
        self._tick = tick
        self._items: dict[Timed, None] = {}
        self._handle: asyncio.TimerHandle | None = None
        self.now = loop.time()

    def add(self, item: Timed) -> None:
        """Watch `item` until `discard`."""
        self._items[item] = None
        if self._handle is None:
            self.now = self._loop.time()
            self._handle = self._loop.call_later(self._tick, self._run)

    def discard(self, item: Timed) -> None:
        """Watch `item` no longer."""
        self._items.pop(item, None)

    def close(self) -> None:
        """Watch nothing any more."""
        self._items.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        now = self.now = self._loop.time()
        self._handle = self._loop.call_later(self._tick, self._run) if self._items else None
        for item in [item for item in self._items if item.deadline <= now]:
            item.expire(now)
