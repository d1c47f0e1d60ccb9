"""Segments: kinds of subject that deserve rungs of their own, told by how they use a service."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from titer.core.nouns import Standing

_DAY_US = 86_400_000_000


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Subjects that are alike. The first segment of the list whose every condition holds is a
    subject's; none may hold. A subject changes its segment only when no dose is in force.

    name: what rungs call it (`segment = "batch"`).
    tiers: tiers that belong to it; all when left out.
    single_from: least share (0 to 1) of its exchanges that are single questions, without an
        earlier answer in the request: jobs and evaluations have 1, people who chat have less.
    single_to: the highest such share.
    exchanges: exchanges that a subject must have made before the share is looked at.
    new_days: only subjects first seen less than this many days ago; 0 asks nothing.
    """

    name: str
    tiers: tuple[str, ...] = ()
    single_from: float = 0.0
    single_to: float = 1.0
    exchanges: int = 20
    new_days: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError naming the key that cannot be."""
        if not self.name:
            raise ValueError("name must not be empty")
        if not 0 <= self.single_from <= 1 or not 0 <= self.single_to <= 1:
            raise ValueError("single_from and single_to must lie between 0 and 1")
        if self.single_from > self.single_to:
            raise ValueError("single_from must not be above single_to")
        if self.exchanges < 0 or self.new_days < 0:
            raise ValueError("exchanges and new_days must not be negative")

    def holds(self, standing: Standing, now: int) -> bool:
        """Whether a subject belongs to it as of `now` (microseconds)."""
        if self.tiers and standing.tier not in self.tiers:
            return False
        if self.new_days and now - standing.since >= self.new_days * _DAY_US:
            return False
        if self.single_from <= 0 and self.single_to >= 1:
            return True
        if standing.exchanges < max(self.exchanges, 1):
            return False
        return self.single_from <= standing.single / standing.exchanges <= self.single_to


def told(segments: Iterable[Segment], standing: Standing, now: int) -> str:
    """The name of a subject's segment, "" for none."""
    return next((s.name for s in segments if s.holds(standing, now)), "")
