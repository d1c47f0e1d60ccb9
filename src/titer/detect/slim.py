"""A small base for detectors that bet on conduct: no memory of contents, whole numbers only.

`titer.detect.fold` remembers contents and tokens, 1 to 2 kB of each subject. Most conduct needs
less: a detector here says in `judge` what it bets on and what each bet yields, and keeps what it
needs in a few fields of its own.

1. A bet is a side (an index of `sides`: what is bet on, with a null of its own) and a yield in
   sixteenths, 0 to `FULL`. No bets: the exchange says nothing about this conduct.
2. Gamblers stake on each side as in `titer.detect.wager`; the running maximum of the mixture is
   the score. Fortunes are whole numbers of 1/`POINT` bit, rounded down: never more than earned.
3. Each horizon of the calibration begins anew; the score and the sums for calibration stay.

A state that is passed to `step` is used up: it is changed in place.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import msgspec

from titer.core.nouns import Exchange, Finding
from titer.detect import wager
from titer.detect.glancing import DRAFT_HORIZON, GROWTH, STEP, Glancing
from titer.detect.strata import Glance

#: The yield of an exchange that is wholly of the conduct; yields are whole sixteenths.
FULL = 16
#: Fortunes are kept in 1/256 bit: one or three bytes each, and adding them rounds nothing.
POINT = 256
#: Shares of a fortune that the gamblers of one side stake.
STAKES = (0.1, 0.3, 0.65)
#: Exchanges that a finding cites at most: ids are half of a small state.
CITES = 2

#: (side, yield in sixteenths) of each bet on one exchange.
Bets = Sequence[tuple[int, int]]


class State(msgspec.Struct, array_like=True):
    """Of one subject; about 40 bytes encoded, and up to two ids of exchanges.

    `score`, `told` and `fortunes` are in 1/`POINT` bit, `gains` in sixteenths. `gains` and
    `trials` (by side, for calibration), `score` and `told` are of the subject's life, the rest
    of the horizon numbered `epoch`. Fields that a detector adds need defaults: a horizon begins
    with those.
    """

    epoch: int = -1
    seen: int = 0
    score: int = 0
    told: int = 0
    fortunes: list[int] = []
    gains: list[int] = []
    trials: list[int] = []
    cites: list[str] = []


class Slim(Glancing):
    """Base of small detectors. Subclasses give `card`, `drafts`, `judge`, `note`.

    A subclass with a state of its own names its class in `shape`.
    """

    unit = POINT
    #: What is bet on, and draft nulls for each until calibrated: guesses, and worth 0 bits.
    sides: ClassVar[tuple[str, ...]] = ("",)
    drafts: Sequence[float]
    #: The mean yield of a harvest on each side, where calibration shall place nulls for that; with
    #: none given they lie at `wager.QUANTILE` of honest means, so that volume wins nothing.
    aims: ClassVar[Sequence[float]] = ()
    #: The least null of a side: how sure the first hit may make anybody.
    lowest: ClassVar[float] = 0.05
    #: Bits that a gambler can fall to. At 0 the score looks for a change (CUSUM e-detector; Shin,
    #: Ramdas and Rinaldo, "E-detectors", arXiv 2203.03532), below for a lasting habit.
    floor: ClassVar[float] = wager.FLOOR
    #: Bets on a side before a subject's mean there says anything about the null.
    enough: ClassVar[int] = wager.ENOUGH
    shape: ClassVar[type[Any]] = State

    def __init__(
        self,
        nulls: Sequence[float] | None = None,
        *,
        origin: int = 0,
        horizon: int = DRAFT_HORIZON,
    ) -> None:
        super().__init__(origin=origin, horizon=horizon)
        given = tuple(self.drafts if nulls is None else nulls)
        if len(given) != len(self.sides):
            raise ValueError(f"nulls must have one mean for each of {len(self.sides)} sides")
        self.nulls = tuple(min(max(p, self.lowest), wager.HIGHEST) for p in given)
        self._moves = tuple(_moves(null) for null in self.nulls)
        self._floor = int(self.floor * POINT)
        self._share = math.ceil(math.log2(len(self.sides) * len(STAKES)) * POINT)

    @abstractmethod
    def judge(self, state: Any, exchange: Exchange, seen: Glance) -> Bets:
        """The bets on this exchange, () for none; updates the detector's part of the state.

        Whether there is a bet must not depend on the reply. `state.seen` counts exchanges up to
        and including this one.
        """

    def subject(self, exchange: Exchange) -> str | None:
        """Who is weighed: the organisation or account, unless nothing was served."""
        return None if exchange.status >= 400 else exchange.principal.subject

    def start(self) -> Any:
        """The state of a subject that was never seen."""
        return self._blank()

    def fold(self, state: Any, exchange: Exchange, seen: Glance) -> tuple[Any, Iterable[Finding]]:
        """`step` for an exchange that was looked at before (for another detector)."""
        if type(state) is not self.shape:
            state = msgspec.convert(state, self.shape)
        epoch = (exchange.at - self.origin) // self.horizon
        if epoch > state.epoch:
            state = self._begin(state, epoch)
        state.seen += 1
        bets = self.judge(state, exchange, seen)
        if not bets:
            return state, ()
        fortunes, floor, best = state.fortunes, self._floor, 0
        cited = False
        for side, gain in bets:
            state.trials[side] += 1
            place = side * len(STAKES)
            if gain:
                state.gains[side] += gain
                cited = True
            for move in self._moves[side][gain]:
                fortune = fortunes[place] + move
                if fortune < floor:  # noqa: PLR1730 - max() would double the cost
                    fortune = floor
                fortunes[place] = fortune
                place += 1
                if fortune > best:  # noqa: PLR1730
                    best = fortune
        if cited:
            cites = state.cites
            if len(cites) == CITES:
                del cites[0]
            cites.append(exchange.id)
        best -= self._share
        if best > state.score:
            state.score = best
            if best >= state.told * GROWTH + STEP * POINT:
                state.told = best
                return state, (self._finding(state, exchange),)
        return state, ()

    def level(self, state: Any) -> int:
        """The fortune of the best gambler as it stands, in 1/`POINT` bit: it may fall again."""
        highest: int = max(state.fortunes)
        return highest

    def learn(self, states: Iterable[Any]) -> dict[str, list[float]]:
        """The null's parameters, from the final states of honest subjects."""
        rows = (s if isinstance(s, State) else msgspec.convert(s, self.shape) for s in states)
        sums = (([gain / FULL for gain in s.gains], s.trials) for s in rows)
        return {
            "nulls": list(wager.worst_means(sums, self.nulls, aims=self.aims, enough=self.enough))
        }

    def fitted(self, params: Mapping[str, Sequence[float]], *, origin: int, horizon: int) -> Self:
        """The same detector under the null of a calibration."""
        return type(self)(params["nulls"], origin=origin, horizon=horizon)

    def _blank(self) -> Any:
        sides = len(self.sides)
        state = self.shape()
        state.fortunes = [0] * (sides * len(STAKES))
        state.gains, state.trials = [0] * sides, [0] * sides
        return state

    def _begin(self, old: Any, epoch: int) -> Any:
        """A new horizon: all but the score and the sums for calibration begins anew."""
        state = self._blank()
        state.epoch, state.score, state.told = epoch, old.score, old.told
        state.gains, state.trials = old.gains, old.trials
        return state


def _moves(null: float) -> tuple[tuple[int, ...], ...]:
    """How far each yield moves each gambler, in 1/`POINT` bit, rounded down."""
    return tuple(
        tuple(
            math.floor(POINT * math.log2(1.0 + stake * (gain / FULL / null - 1.0)))
            for stake in STAKES
        )
        for gain in range(FULL + 1)
    )
