"""What detectors that look at an exchange the same way have in common: one glance, findings alike.

`fold` (wagers that remember contents), `slim` (small wagers) and `shares` (scans of framings)
build on it. Whoever runs several takes the glance once and hands it to each
(`titer.detect.bench`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from titer.core.nouns import Card, Exchange, Finding
from titer.detect import strata
from titer.detect.strata import Glance

#: Microseconds; used until a calibration says how long its log was (30 days).
DRAFT_HORIZON = 30 * 86_400_000_000
#: Bits of raw score that the first finding needs, and the growth that the next ones need:
#: a subject's findings stay few (about 30 for a score of 1,000).
STEP, GROWTH = 1.0, 1.25


class Glancing(ABC):
    """Base of such detectors. Subclasses give `card`, `fold`, `note`."""

    card: Card
    #: The score is in bits against the detector's own null; calibration can only lower it.
    in_bits = True
    #: Of a state's score to the bit.
    unit: ClassVar[int] = 1

    def __init__(self, *, origin: int = 0, horizon: int = DRAFT_HORIZON) -> None:
        if horizon <= 0:
            raise ValueError("horizon must be a positive number of microseconds")
        self.origin = origin
        self.horizon = horizon

    @abstractmethod
    def fold(self, state: Any, exchange: Exchange, seen: Glance) -> tuple[Any, Iterable[Finding]]:
        """`step` for an exchange that was looked at before (for another detector)."""

    @abstractmethod
    def note(self, state: Any) -> str:
        """One sentence for a finding: counts, no text."""

    def step(self, state: Any, exchange: Exchange) -> tuple[Any, Iterable[Finding]]:
        """The next state, and a finding when the score has risen noticeably.

        `state` may also be what msgpack made of one.
        """
        return self.fold(state, exchange, strata.glance(exchange))

    def _finding(self, state: Any, exchange: Exchange) -> Finding:
        """Cites what the state has kept, or else this exchange."""
        return finding(
            self.card, exchange, note=self.note(state), score=state.score / self.unit,
            cites=tuple(state.cites) or (exchange.id,),
        )  # fmt: skip


def finding(
    card: Card, exchange: Exchange, *, note: str, score: float, cites: tuple[str, ...]
) -> Finding:
    """A detector's finding about the caller of an exchange, before calibration gives it bits."""
    return Finding(
        id="",
        at=exchange.at,
        detector=f"{card.name}@{card.version}",
        subject=exchange.principal.subject,
        technique=card.technique,
        bits=0.0,
        note=note,
        score=score,
        cites=cites,
    )
