"""What is odd about a log as a whole: lines that repeat, days out of order, clocks that are wrong.

None of it makes a line unusable; all of it is counted, so that nobody wonders about findings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from titer.core.nouns import Exchange, Transfer

Fact = TypeVar("Fact", Exchange, Transfer)

#: Exchanges within which a repeated line is noticed: between this many and twice as many. Shippers
#: repeat a batch at once; 65 bytes each.
REMEMBERED = 250_000
#: Logs are written when a request ends, so that times go back by as long as one takes.
LATE = 3_600_000_000
#: Exchanges whose median is the time of the log.
TOGETHER = 15
#: How far a clock may be ahead of ours without being called wrong (microseconds).
AHEAD = 300_000_000
#: Accounts are dated by the day, in some time zone.
_DAY = 86_400_000_000


class Oddities:
    """Looks at exchanges in the order of reading and counts into `missing` of a report.

    `once` leaves out an exchange that was read before: the same caller, time, text and name. A
    name alone would not do, for some logs let callers choose it. `now` is in microseconds.
    """

    def __init__(self, missing: Counter[str], *, once: bool, now: int) -> None:
        self._missing = missing
        self._once = once
        self._ahead = now + AHEAD
        self._latest = 0
        self._young: set[int] = set()
        self._old: set[int] = set()

    def sift(self, exchanges: list[Exchange]) -> list[Exchange]:
        """The exchanges, without repeats when those are to be left out."""
        if self._once:
            places = [hash((e.id, e.at, e.principal.id, e.sketch.exact)) for e in exchanges]
            exchanges = self._first(exchanges, places)
        self._times(exchanges)
        return exchanges

    def unrepeated(self, transfers: list[Transfer]) -> list[Transfer]:
        """The transfers, without repeats when those are to be left out."""
        if not self._once:
            return transfers
        return self._first(transfers, [hash((t.id, t.at, t.principal.id)) for t in transfers])

    def _times(self, exchanges: Sequence[Exchange]) -> None:
        """Count by time. What is late is so against the latest median of `TOGETHER` exchanges, so
        that a few clocks gone wrong make nobody else late.
        """
        late = ahead = early = 0
        for start in range(0, len(exchanges), TOGETHER):
            some = exchanges[start : start + TOGETHER]
            least = self._latest - LATE
            for exchange in some:
                at = exchange.at
                late += at < least
                ahead += at > self._ahead
                early += at < exchange.principal.created - _DAY
            self._latest = max(self._latest, sorted(e.at for e in some)[len(some) // 2])
        for what, count in (("order", late), ("ahead", ahead), ("created", early)):
            if count:
                self._missing[what] += count

    def _first(self, facts: list[Fact], places: list[int]) -> list[Fact]:
        """Those whose place was not seen lately."""
        young, old = self._young, self._old
        kept: list[Fact] = []
        for fact, place in zip(facts, places, strict=True):
            if place in young or place in old:
                continue
            young.add(place)
            kept.append(fact)
            if len(young) >= REMEMBERED:
                self._old, self._young = young, set()
                young, old = self._young, self._old
        if len(kept) < len(facts):
            self._missing["once"] += len(facts) - len(kept)
        return kept
