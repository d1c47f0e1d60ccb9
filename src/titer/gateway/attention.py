"""Partners' indicators beside the weigher: what is told of live traffic, and that it changed.

Not part of the weigher, and after it: what is found here is an entry of the log of its own kind,
which no detector, no standing and no rung reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from titer.access.secret import load_or_create
from titer.core.errors import TiterError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Exchange
from titer.evidence.share import partners
from titer.evidence.share.attention import Table

#: Seconds between looks for another import.
LOOK = 5.0


def load(data: Path) -> Table:
    """All partners' indicators of a data directory, by the words of this operator's origins."""
    held = partners.load(data)
    return Table(held, Pseudonyms(load_or_create(data)) if held else Pseudonyms(bytes(32)))


class Attention:
    """Looks at exchanges after they were weighed. A damaged file leaves what was held before."""

    def __init__(self, data: Path, clock: Callable[[], float]) -> None:
        self._data = data
        self._clock = clock
        self._stamp: tuple[tuple[str, int], ...] = ()
        self._due = float("-inf")
        self._table = Table((), Pseudonyms(bytes(32)))
        self.faults = 0

    def entries(self, exchanges: Iterable[Exchange]) -> list[tuple[str, bytes]]:
        """The entries for what partners' indicators these exchanges show for the first time."""
        self._refresh()
        table = self._table
        if not table.size:
            return []
        encode = msgspec.json.encode
        return [
            ("attention", encode(told)) for exchange in exchanges for told in table.look(exchange)
        ]

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._due:
            return
        self._due = now + LOOK
        stamp = partners.stamp(self._data)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._table = load(self._data)
        except (TiterError, OSError):
            self.faults += 1
