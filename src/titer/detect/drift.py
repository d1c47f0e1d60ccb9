"""Drift: an account stops being itself.

A baseline of counts over hashed features (64 slots of one byte: a count sketch of one row) says
which features of a request are unusual for this caller. How many usually are, differs: a chat
user is new at every turn, an application never. So the bet is on *more than usual for itself*:

    yield = 1/2 + unusual now - unusual as a rule, within 0 and 1

The gamblers' fortunes have a floor of 0 bits, so that a change long after the beginning is seen
as soon as one at the beginning. While the fortune is high the baseline learns nothing, so that a
new owner does not become the usual one; after `PATIENCE` requests the new conduct is accepted,
the score stays: an application that was rewritten is not accused for ever.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from titer.core.nouns import Card, Exchange
from titer.detect import slim
from titer.detect.slim import FULL, POINT, Bets, Slim
from titer.detect.strata import Glance

#: Slots of the baseline, one byte each.
SLOTS = 64
#: A feature is unusual when fewer than 1 in so many requests had it.
RARE = 5
#: Requests before a caller has a baseline.
ESTABLISHED = 32
#: Requests after which all counts are halved: the baseline is about the last 300.
FADE = 240
#: Fortune from which the baseline stops learning (3 bits), and requests for which it may.
FROZEN, PATIENCE = 3 * POINT, 200
#: Names remembered with their slots; when full, the memory starts anew.
MEMORY = 4096
#: How fast the usual strangeness follows: 1 in so many.
SLOW = 64
#: Parts of a sixteenth in which it is kept: rounding must not drag it down.
FINE = 1024

_HALF = bytes(n >> 1 for n in range(256))


class State(slim.State):
    """`base` counts features over `total` requests; `usual` is the usual strangeness, in 1/`FINE`
    of sixteenths; `frozen` counts requests since the baseline stopped learning.
    """

    total: int = 0
    usual: int = 0
    frozen: int = 0
    base: bytearray = msgspec.field(default_factory=bytearray)


class Drift(Slim):
    """Bets that a caller is stranger to its own past than it usually is."""

    card = Card(
        name="drift",
        version="1",
        technique="AML.T0024.002",
        measures="how much more than usual a caller's requests differ from its own past: cells "
        "and frames of the text, endpoint, model, script, lengths, client and network",
        blind_to="accounts made for the purpose; a change that comes slowly (the baseline is of "
        "the last 300 requests or so); a new owner with the habits of the old",
        benign_causes="a new release of an application, a move to another model or host, a new "
        "term, a project that ends and one that begins",
        cost="about 6 us and 170 bytes a subject",
        lifecycle="draft",
    )
    drafts = (0.6,)
    floor = 0.0
    shape = State

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._calls: dict[tuple[Any, ...], tuple[int, ...]] = {}
        self._places: dict[tuple[Any, ...], tuple[int, ...]] = {}

    def judge(self, state: State, exchange: Exchange, seen: Glance) -> Bets:
        base = state.base
        if not base:
            base += bytes(SLOTS)
        slots = self._features(exchange, seen)
        total = state.total
        unusual = 0
        for slot in slots:
            if base[slot] * RARE < total:
                unusual += 1
        strange = unusual * FULL // len(slots)
        bets: Bets = ()
        if total >= ESTABLISHED:
            gain = FULL // 2 + strange - state.usual // FINE
            bets = ((0, min(FULL, max(0, gain))),)
            if max(state.fortunes) > FROZEN:
                state.frozen += 1
                if state.frozen > PATIENCE:
                    _accept(state)
                return bets
            state.frozen = 0
        for slot in slots:
            if base[slot] < 255:
                base[slot] += 1
        state.total = total + 1
        if total >= FADE:
            state.base = base.translate(_HALF)
            state.total >>= 1
        if total:
            state.usual += (strange * FINE - state.usual) // min(total, SLOW)
        return bets

    def _features(self, exchange: Exchange, seen: Glance) -> list[int]:
        """The slots of what a request is like: a dozen or so."""
        sketch, origin = exchange.sketch, exchange.origin
        call = (exchange.endpoint, exchange.model, sketch.lang, seen.single)
        place = (origin.agent, origin.asn, origin.headers, origin.ja4)
        return [
            (sketch.chars.bit_length() * 5 + 17) % SLOTS,
            (exchange.usage.tokens_out.bit_length() * 11 + 41) % SLOTS,
            *(self._calls.get(call) or _remember(self._calls, call)),
            *(self._places.get(place) or _remember(self._places, place)),
            *[(token >> 7) % SLOTS for token in sketch.cells],
            *[(token >> 7) % SLOTS for token in sketch.frames[:2]],
        ]

    def note(self, state: State) -> str:
        share = round(100 * state.usual / FINE / FULL)
        return (
            f"requests stopped being like this caller's own past, in which {share} % of the "
            f"features of a request were unusual"
        )


def _accept(state: State) -> None:
    """The new conduct is the caller's own from now on: a baseline and bets that begin anew."""
    state.base = bytearray(SLOTS)
    state.fortunes = [0] * len(state.fortunes)
    state.total = state.frozen = state.usual = 0


def _remember(memory: dict[tuple[Any, ...], tuple[int, ...]], key: tuple[Any, ...]) -> Any:
    """The slots of the names in `key`, the same in every process."""
    if len(memory) >= MEMORY:
        memory.clear()
    found = tuple(
        zlib.crc32(f"{place}:{name}".encode("utf-8", "replace")) % SLOTS
        for place, name in enumerate(key)
    )
    memory[key] = found
    return found
