"""What `novelty` and `growth` have in common: single questions counted in slots of one byte.

    single question -> tokens of its sketch, hashed into slots -> counts -> how odd they are now

Only single questions count: a conversation carries its frames along from turn to turn. What is odd
differs: `novelty` compares all slots with the service's history, `growth` looks for one slot that
holds more than it used to.

A state that is passed to `step` is used up: it is changed in place.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import msgspec

from titer.core.nouns import Exchange, Finding, Sketch
from titer.detect.glancing import GROWTH, STEP, Glancing
from titer.detect.slim import POINT
from titer.detect.strata import Glance

HALF = bytes(n >> 1 for n in range(256))


class State(msgspec.Struct, array_like=True):
    """Of one subject. `now` counts by slot over `total` questions, one byte each: when one is
    full, all are halved. `score` and `told` are in 1/`POINT`, of the subject's life.
    """

    epoch: int = -1
    score: int = 0
    told: int = 0
    total: int = 0
    now: bytearray = msgspec.field(default_factory=bytearray)
    cites: list[str] = []


class Shares(Glancing):
    """Base of such detectors. Subclasses give `card`, `slots`, `judge`, `note`.

    A subclass with a state of its own names its class in `shape`.
    """

    unit = POINT
    slots: ClassVar[int]
    #: Exchanges that a finding cites at most.
    cited: ClassVar[int] = 2
    shape: ClassVar[type[Any]] = State

    @abstractmethod
    def judge(self, state: Any, sketch: Sketch) -> float:
        """Counts one question; how odd the counts are with it, 0 for not at all."""

    def begin(self, state: Any) -> None:
        """A new horizon: what begins anew, the score apart."""

    def subject(self, exchange: Exchange) -> str | None:
        """Who is weighed: the organisation or account, unless nothing was served or asked.

        Texts to embed are no questions: an index is always about something of its own.
        """
        if exchange.status >= 400 or not exchange.sketch.frames or "embed" in exchange.endpoint:
            return None
        return exchange.principal.subject

    def start(self) -> Any:
        """The state of a subject that was never seen."""
        state = self.shape()
        state.now = bytearray(self.slots)
        return state

    def fold(self, state: Any, exchange: Exchange, seen: Glance) -> tuple[Any, Iterable[Finding]]:
        """`step` for an exchange that was looked at before (for another detector)."""
        if type(state) is not self.shape:
            state = msgspec.convert(state, self.shape)
        epoch = (exchange.at - self.origin) // self.horizon
        if epoch > state.epoch:
            if state.epoch >= 0:
                self.begin(state)
            state.epoch = epoch
        if not seen.single:
            return state, ()
        found = self.judge(state, exchange.sketch)
        if found <= 0.0:
            return state, ()
        score = int(found * POINT)
        if score > state.score:
            state.score = score
            cites = state.cites
            if len(cites) == self.cited:
                del cites[0]
            cites.append(exchange.id)
            if score >= state.told * GROWTH + STEP * POINT:
                state.told = score
                return state, (self._finding(state, exchange),)
        return state, ()

    def fitted(
        self,
        params: Mapping[str, Sequence[float]],  # noqa: ARG002 - for detectors that learn some
        *,
        origin: int,
        horizon: int,
    ) -> Self:
        """The same detector over the horizon of a calibration."""
        return type(self)(origin=origin, horizon=horizon)
