"""What `frames` and `coverage` have in common: a wager per subject, over one horizon at a time.

1. The detector says whether an exchange is of the conduct that it watches. If not, nothing is
   bet, so that unrelated traffic neither convicts nor hides. If so, it has a yield of 0 to 1.
2. The wager moves, for single questions and for conversations apart; its running maximum over
   the subject's life is the score.
3. At the end of a horizon (the length of the log that calibration saw) the wager, the counts
   and the memories begin anew; the score stays. So a bound that calibration supports holds for
   each horizon; over k of them it is at most k times as large.
4. A finding is written when the score has risen noticeably, citing the latest hits.

A state that is passed to `step` is used up: it is changed in place.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import msgspec

from titer.core.nouns import Exchange, Finding
from titer.detect import memory, strata, wager
from titer.detect.glancing import DRAFT_HORIZON, GROWTH, STEP, Glancing
from titer.detect.strata import Glance

#: Exchanges that a finding cites at most.
CITES = 3


class State(msgspec.Struct, array_like=True):
    """Of one subject; at most about 1.3 kB encoded.

    Counts are of the horizon numbered `epoch`, but `gains` and `trials` (by stratum, for
    calibration), `score` (bits) and `told` (the score last reported) are of its life. `tag` is of
    the last content.
    """

    epoch: int
    seen: int
    fresh: int
    found: int
    score: float
    told: float
    fortunes: list[float]
    gains: list[float]
    trials: list[int]
    tokens: dict[int, int]
    contents: bytearray
    cites: list[str]
    tag: int = -1


class Wagering(Glancing):
    """Base of detectors that bet on yields. Subclasses give `card`, `drafts`, `judge`, `note`."""

    #: Draft nulls by stratum, used until calibrated: guesses, and worth 0 bits.
    drafts: Sequence[float]
    #: The mean yield of a harvest, for which the null is placed: replies of 600 tokens.
    aim = 0.3

    def __init__(
        self,
        nulls: Sequence[float] | None = None,
        *,
        origin: int = 0,
        horizon: int = DRAFT_HORIZON,
    ) -> None:
        super().__init__(origin=origin, horizon=horizon)
        if nulls is not None and len(nulls) != len(strata.NAMES):
            raise ValueError(f"nulls must have one mean for each of {len(strata.NAMES)} strata")
        self.wager = wager.Wager(self.drafts if nulls is None else nulls)

    @abstractmethod
    def judge(self, state: State, exchange: Exchange, seen: Glance, *, new: bool) -> float | None:
        """The yield of this exchange, 0 to 1, or None for no bet; updates `state.tokens`.

        Whether there is a bet must not depend on the reply.
        """

    def subject(self, exchange: Exchange) -> str | None:
        """Who is weighed: the organisation or account, unless nothing was served."""
        if exchange.status >= 400 or not exchange.sketch.frames:
            return None
        return exchange.principal.subject

    def start(self) -> State:
        """The state of a subject that was never seen."""
        gains, trials = [0.0] * len(strata.NAMES), [0] * len(strata.NAMES)
        return State(-1, 0, 0, 0, 0.0, 0.0, wager.start(), gains, trials, {}, memory.blank(), [])

    def fold(
        self, state: State | Any, exchange: Exchange, seen: Glance
    ) -> tuple[State, Iterable[Finding]]:
        """`step` for an exchange that was looked at before (for another detector)."""
        if type(state) is not State:
            state = msgspec.convert(state, State)
        epoch = (exchange.at - self.origin) // self.horizon
        if epoch > state.epoch:
            _begin(state, epoch)
        if seen.tag == state.tag:  # one more sample of the same question: neither for nor against
            return state, ()
        state.tag = seen.tag
        new = memory.is_new(state.contents, seen.place)
        gain = self.judge(state, exchange, seen, new=new)
        state.seen += 1
        state.fresh += new
        if gain is None:
            return state, ()
        kind = seen.kind
        state.trials[kind] += 1
        state.gains[kind] += gain
        if gain > 0.0:
            state.found += 1
            if len(state.cites) == CITES:
                del state.cites[0]
            state.cites.append(exchange.id)
        score = self.wager.bet(state.fortunes, kind, gain)
        if score > state.score:
            state.score = score
            if score >= state.told * GROWTH + STEP:
                state.told = score
                return state, (self._finding(state, exchange),)
        return state, ()

    def learn(self, states: Iterable[Any]) -> dict[str, list[float]]:
        """The null's parameters, from the final states of honest subjects."""
        rows = (s if isinstance(s, State) else msgspec.convert(s, State) for s in states)
        sums = ((s.gains, s.trials) for s in rows)
        aims = (self.aim,) * len(strata.NAMES)
        return {"nulls": list(wager.worst_means(sums, self.wager.nulls, aims=aims))}

    def fitted(self, params: Mapping[str, Sequence[float]], *, origin: int, horizon: int) -> Self:
        """The same detector under the null of a calibration."""
        return type(self)(params["nulls"], origin=origin, horizon=horizon)


def _begin(state: State, epoch: int) -> None:
    """A new horizon: all but the score and the counts for calibration begins anew."""
    state.epoch = epoch
    state.seen = state.fresh = state.found = 0
    state.fortunes = wager.start()
    state.tokens = {}
    state.contents = memory.blank()
    state.cites = []
