"""Limits: a caller rides its rate limit, window after window."""

from __future__ import annotations

import msgspec

from titer.core.nouns import Card, Exchange
from titer.detect import slim
from titer.detect.slim import FULL, Bets, Slim
from titer.detect.strata import Glance

PLATEAU, RESUMED, EDGES = 0, 1, 2
#: Seconds of the windows in which limits are counted: a minute, an hour, a day.
WINDOWS = (60, 3_600, 86_400)
#: A window is at the ceiling within 5 % of the fullest before it, which must have held so many.
NEAR, LEAST = 20, 20
#: Full windows before a ceiling can be told.
SETTLED = 3
#: Seconds after a refusal within which going on counts as going on at once.
AT_ONCE = 60
#: Seconds of silence that end a burst; a new one that starts within `EDGE` of a full minute was
#: waiting for it (1 in 30 by chance).
PAUSE, EDGE = 10, 2
#: The status of a refusal for the rate.
TOO_MANY = 429

_SECOND = 1_000_000


class State(slim.State):
    """`index`, `count`, `most` and `closed` for each of `WINDOWS`; `refused` the second of the
    latest refusal; `ridden` says of the current hour: 0 no refusal, 1 refused, 2 went on.
    """

    last: int = 0
    refused: int = -1
    ridden: int = 0
    index: list[int] = msgspec.field(default_factory=list)
    count: list[int] = msgspec.field(default_factory=list)
    most: list[int] = msgspec.field(default_factory=list)
    closed: list[int] = msgspec.field(default_factory=list)


class Limits(Slim):
    """Bets on windows filled to the same ceiling, on going on after refusals, on full minutes."""

    card = Card(
        name="limits",
        version="1",
        technique="AML.T0024.002",
        measures="how many minutes, hours and days end within 5 % of the caller's own maximum, "
        "in how many of its hours it was refused for its rate and went on within a minute, and "
        "how many bursts begin with a full minute",
        blind_to="callers that stay well below their limit, as every account of a large campaign "
        "can; limits that are counted otherwise than by minute, hour or day",
        benign_causes="clients that retry as their SDK does, batch jobs, cron jobs that start "
        "with the minute, steady products with much traffic",
        cost="about 4 us and 150 bytes a subject",
        lifecycle="draft",
    )
    sides = ("plateau", "resumed", "edges")
    drafts = (0.3, 0.2, 0.2)
    shape = State

    def subject(self, exchange: Exchange) -> str | None:
        """The organisation or account, for refused requests too: they tell of the ceiling."""
        return exchange.principal.subject

    def judge(self, state: State, exchange: Exchange, seen: Glance) -> Bets:
        del seen
        now = exchange.at // _SECOND
        bets: list[tuple[int, int]] = []
        if exchange.status >= 400:
            if exchange.status == TOO_MANY:
                state.refused = now
                if state.ridden == 0:
                    state.ridden = 1
            return bets
        if not state.index:
            state.index = [now // size for size in WINDOWS]
            state.count, state.most, state.closed = [0] * 3, [0] * 3, [0] * 3
        if state.ridden == 1 and 0 <= now - state.refused <= AT_ONCE:
            state.ridden = 2
        index, count = state.index, state.count
        for place, size in enumerate(WINDOWS):
            window = now // size
            if window > index[place]:
                self._close(state, place, bets)
                index[place], count[place] = window, 1
            else:
                count[place] += 1
        if now - state.last >= PAUSE and state.seen > 1:
            bets.append((EDGES, FULL if now % 60 < EDGE else 0))
        state.last = max(state.last, now)
        return bets

    def _close(self, state: State, place: int, bets: list[tuple[int, int]]) -> None:
        """The end of a window: was it at the ceiling, and was an hour ridden to it?"""
        count, most = state.count[place], state.most[place]
        if state.closed[place] >= SETTLED and most >= LEAST:
            bets.append((PLATEAU, FULL if count * NEAR >= most * (NEAR - 1) else 0))
        if count >= LEAST:
            state.closed[place] += 1
        state.most[place] = max(count, most)
        if place == 1:
            bets.append((RESUMED, FULL if state.ridden == 2 else 0))
            state.ridden = 0

    def note(self, state: State) -> str:
        hits = [gain // FULL for gain in state.gains]
        return (
            f"{hits[PLATEAU]} of {state.trials[PLATEAU]} windows were full to within 5 % of the "
            f"fullest, {hits[RESUMED]} of {state.trials[RESUMED]} hours went on after a refusal, "
            f"{hits[EDGES]} of {state.trials[EDGES]} bursts began with a full minute"
        )
