"""Bad input: what real logs do to those who read them, added to a world's lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from titer.lab.world.plan import World


class Spoiler:
    """Adds a plan's faults. `extra` lists accounts that only faults brought about."""

    def __init__(self, plan: World) -> None:
        self._plan = plan
        self.extra: list[str] = []

    def order(self, days: Sequence[int]) -> list[int]:
        """The order in which days are written."""
        return list(days)

    def lines(self, number: int, lines: Iterable[str]) -> Iterator[str]:
        """`lines` of one day with the faults."""
        del number
        yield from lines
