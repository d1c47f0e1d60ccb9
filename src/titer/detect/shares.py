"""What `novelty` and `growth` have in common: which share of a caller's questions has one framing.

    single question -> its first bands, hashed into slots -> counts -> the most surprising slot

A pipeline's requests share a frame, whatever stands in it, and so share most bands
(`titer.core.sketch`): hidden in other traffic they are one slot that holds more than it should.
The score is a scan statistic: the largest log-likelihood ratio, over slots and over time, between
"this slot's share is what it is" and "it is the expected one" (Kulldorff, "A spatial scan
statistic", 1997), in bits, less `log2(slots)` because the largest of so many is looked at. It is
the linear-time, bounded-memory kin of a two-sample test of windows: the maximum mean discrepancy
asks whether *all* of a window has moved, this whether some part of it has.

Only single questions count: a conversation carries its frames along from turn to turn.

A state that is passed to `step` is used up: it is changed in place.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Self

import msgspec

from titer.core.nouns import Exchange, Finding
from titer.detect.glancing import DRAFT_HORIZON, GROWTH, STEP, Glancing
from titer.detect.slim import POINT
from titer.detect.strata import Glance

#: Bands of a sketch that are counted: more find frames of which less is fixed, and fill the slots.
BANDS = 4
#: Questions of one framing below which nothing is concluded.
FEWEST = 5
#: Exchanges that a finding cites at most.
CITES = 2

HALF = bytes(n >> 1 for n in range(256))


class State(msgspec.Struct, array_like=True):
    """Of one subject. `now` counts by slot over `total` questions, one byte each: when one is
    full, all are halved. `score` and `told` are in 1/`POINT` bit, of the subject's life.
    """

    epoch: int = -1
    score: int = 0
    told: int = 0
    total: int = 0
    now: bytearray = msgspec.field(default_factory=bytearray)
    cites: list[str] = []


class Shares(Glancing):
    """Base of detectors of a framing's share. Subclasses give `card`, `slots`, `judge`, `note`.

    A subclass with a state of its own names its class in `shape`.
    """

    unit = POINT
    slots: ClassVar[int]
    shape: ClassVar[type[Any]] = State

    def __init__(self, *, origin: int = 0, horizon: int = DRAFT_HORIZON) -> None:
        super().__init__(origin=origin, horizon=horizon)
        self._many = math.log2(self.slots)

    @abstractmethod
    def judge(self, state: Any, places: AbstractSet[int]) -> float:
        """The largest log-likelihood ratio of a question's slots, in bits; counts it."""

    def begin(self, state: Any) -> None:
        """A new horizon: what begins anew, the score apart."""

    def subject(self, exchange: Exchange) -> str | None:
        """Who is weighed: the organisation or account, unless nothing was served or read."""
        if exchange.status >= 400 or not exchange.sketch.frames:
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
        slots = self.slots
        places = {(token >> 7) % slots for token in exchange.sketch.frames[:BANDS]}
        bits = self.judge(state, places) - self._many
        if bits <= 0.0:
            return state, ()
        score = int(bits * POINT)
        if score > state.score:
            state.score = score
            cites = state.cites
            if len(cites) == CITES:
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
