"""Cadence: a caller keeps time as people do not."""

from __future__ import annotations

import zlib

import msgspec

from titer.core.nouns import Card, Exchange
from titer.detect import slim
from titer.detect.slim import FULL, Bets, Slim
from titer.detect.strata import Glance

GAPS, CLOCK, TURNS = 0, 1, 2
#: Yield of a gap by its distance from the usual one, in quarter bins of half an octave.
NEAR = (*(16,) * 3, *(10,) * 4, *(3,) * 4)
#: Gaps before the usual one is known well enough to bet.
SETTLED = 5
#: Exchanges of a day from which the hours that they fall into say something.
BUSY = 12
#: Slots into which the accounts of an organisation are hashed; accounts before turns are told:
#: between two, the other one is always next.
SLOTS, TURNING = 16, 3

_MILLI, _HOUR, _DAY = 1_000, 3_600_000_000, 86_400_000_000
_LONGEST = 512
#: Different hours among n requests that keep no hours: 24 (1 - (23/24)^n).
_SPREAD = tuple(24.0 * (1.0 - (23.0 / 24.0) ** n) for n in range(_LONGEST))


class State(slim.State):
    """`last` in milliseconds since the calibration's origin; `pace` the usual gap, in quarters of
    half an octave; `hours` of `day` as bits; `turn`, `before` slots of the last two accounts, and
    who came after each of them in `order` (0 unknown, else slot + 1).
    """

    last: int = 0
    tag: int = -1
    pace: int = 0
    day: int = -1
    hours: int = 0
    today: int = 0
    turn: int = -1
    before: int = -1
    order: bytearray = msgspec.field(default_factory=bytearray)


class Cadence(Slim):
    """Bets that the next gap is the usual one, the day has no night, accounts take turns."""

    card = Card(
        name="cadence",
        version="1",
        technique="AML.T0024.002",
        measures="how often the time since the last request is the caller's usual one, how "
        "evenly a day's requests fall into its 24 hours, and how often the next account of an "
        "organisation is the one whose turn it is",
        blind_to="gaps drawn at random or copied from people; a fleet that shares its accounts "
        "out at random; accounts that declare no organisation (the hunt compares those); "
        "fewer than 12 requests a day for the hours",
        benign_causes="cron jobs, monitoring, batch jobs and agents that call one after the "
        "other; products used around the world; an application that rotates its own keys",
        cost="about 4 us and 150 bytes a subject",
        lifecycle="draft",
    )
    sides = ("gaps", "clock", "turns")
    drafts = (0.4, 0.9, 0.6)
    #: The hours are bet on once a day only.
    enough = 5
    shape = State

    def judge(self, state: State, exchange: Exchange, seen: Glance) -> Bets:
        now = (exchange.at - self.origin) // _MILLI
        bets: list[tuple[int, int]] = []
        gap = now - state.last
        if state.seen > 1 and gap >= 0 and seen.tag != state.tag:
            length = gap.bit_length()
            # Half octaves, in quarters: twice the octave, and one more in its upper half.
            place = 8 * length + 4 * (gap >> (length - 2) & 1 if length > 1 else 0)
            off = place - state.pace
            if state.seen == 2:
                state.pace = place
            else:
                state.pace += (off > 0) - (off < 0)
            if state.seen > SETTLED:
                far = abs(off)
                hit = NEAR[far] if far < len(NEAR) else 0
                bets.append((GAPS, hit * seen.worth >> 4))
        state.tag = seen.tag
        if gap > 0:
            state.last = now
        day, rest = divmod(exchange.at, _DAY)
        if day > state.day:
            if state.today >= BUSY:
                bets.append((CLOCK, _evenness(state)))
            state.day, state.hours, state.today = day, 0, 0
        state.hours |= 1 << rest // _HOUR
        state.today += 1
        if exchange.principal.org:
            self._turn(state, exchange.principal.id, bets)
        return bets

    def _turn(self, state: State, account: str, bets: list[tuple[int, int]]) -> None:
        """A hand-over to an account that was not among the last two: was it this one's turn?"""
        slot = zlib.crc32(account.encode()) % SLOTS
        last = state.turn
        if slot == last:
            return
        if last >= 0:
            order = state.order
            if not order:
                order += bytes(SLOTS)
            if slot != state.before and SLOTS - order.count(0) >= TURNING:
                bets.append((TURNS, FULL if order[last] == slot + 1 else 0))
            order[last] = slot + 1
        state.before, state.turn = last, slot

    def note(self, state: State) -> str:
        said = f"{state.seen} requests"
        if state.trials[GAPS]:
            share = round(100 * state.gains[GAPS] / FULL / state.trials[GAPS])
            said += f"; {share} % of the gaps between them could be told before"
        if state.trials[CLOCK]:
            share = round(100 * state.gains[CLOCK] / FULL / state.trials[CLOCK])
            said += f"; its days had {share} % of the evenness of a clock"
        if state.trials[TURNS]:
            share = round(100 * state.gains[TURNS] / FULL / state.trials[TURNS])
            said += f"; {share} % of its changes of account were in turn"
        return said


def _evenness(state: State) -> int:
    """How near a day's hours are to what no habit at all would give: half of that is nothing."""
    expected = _SPREAD[min(state.today, _LONGEST - 1)]
    share = state.hours.bit_count() / expected
    return min(FULL, max(0, round(FULL * (2.0 * share - 1.0))))
