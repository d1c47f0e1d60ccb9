"""Embeddings: the output space of an embedding model is sampled evenly, with ever new texts.

Whoever copies an embedding model needs pairs from everywhere; whoever indexes a corpus embeds
what the corpus is about, and again when it changes. A text falls into one of `REGIONS` regions
by its first meaning cell. The yield is min(1, mean visits / visits of this region): its
expectation is the overlap of the caller's own distribution with the even one, that is 1 minus
their total variation distance. It is multiplied by the share of texts that are new, measured on
one text in `SAMPLED`: an index is built again and again.
"""

from __future__ import annotations

import msgspec

from titer.core.nouns import Card, Exchange
from titer.detect import slim
from titer.detect.slim import FULL, Bets, Slim
from titer.detect.strata import Glance

#: Regions of the space of meaning, one byte each, and visits after which all are halved.
REGIONS, FADE = 64, 2_048
#: Texts before the regions are known at all: fewer visits than regions say nothing.
ESTABLISHED = 128
#: Bits of the memory of sampled texts, and new ones after which it begins anew (1,000 texts): of
#: those 1 in 8 looks old.
BITS, SAMPLED, REMEMBERED = 512, 8, 128
#: Characters of one input up to which it counts whole: who builds an index embeds passages.
SHORT = 2_000

_HALF = bytes(n >> 1 for n in range(256))


class State(slim.State):
    """`visits` of each region, and their sum `total`; of `sampled` texts `fresh` were new, which
    the memory `texts` tells.
    """

    total: int = 0
    sampled: int = 0
    fresh: int = 0
    visits: bytearray = msgspec.field(default_factory=bytearray)
    texts: bytearray = msgspec.field(default_factory=bytearray)


class Embeddings(Slim):
    """Bets that the next text to embed is new and comes from where few came from."""

    card = Card(
        name="embeddings",
        version="1",
        technique="AML.T0024.002",
        measures="how evenly the new texts that a caller has embedded are spread over the "
        "regions of meaning: 1 minus the distance of their distribution from the even one",
        blind_to="copies made for one domain; many inputs in one request (they are sketched as "
        "one text); regions that the meaning cells do not tell apart; fewer than 128 requests",
        benign_causes="indexing an encyclopedia or a crawl, benchmarks of retrieval over many "
        "tasks, a search box with very many users",
        cost="nothing for callers of other routes, else about 3 us and 250 bytes a subject",
        lifecycle="draft",
    )
    drafts = (0.5,)
    shape = State

    def subject(self, exchange: Exchange) -> str | None:
        """The organisation or account, if it had something embedded."""
        if "embed" not in exchange.endpoint or exchange.status >= 400:
            return None
        return exchange.principal.subject

    def judge(self, state: State, exchange: Exchange, seen: Glance) -> Bets:
        cells = exchange.sketch.cells
        if not cells:
            return ()
        if not state.visits:
            state.visits += bytes(REGIONS)
            state.texts += bytes(BITS // 8)
        if seen.tag % SAMPLED == 0:
            _sample(state, seen.tag // SAMPLED)
        region = (cells[0] >> 7) % REGIONS
        visits = state.visits[region] + 1
        state.total += 1
        if visits < 256:
            state.visits[region] = visits
        if state.total >= FADE or visits >= 255:
            state.visits = state.visits.translate(_HALF)
            state.total = sum(state.visits)
        if state.seen <= ESTABLISHED:
            return ()
        even = min(FULL, FULL * state.total // (REGIONS * visits))
        gain = even * (state.fresh + 1) // (state.sampled + 1)
        length = exchange.sketch.chars // (exchange.request.turns or 1)
        return ((0, gain if length <= SHORT else gain * SHORT // length),)

    def note(self, state: State) -> str:
        used = REGIONS - state.visits.count(0)
        return (
            f"{state.fresh} of {state.sampled} sampled texts of {state.seen} requests were new; "
            f"texts came from {used} of {REGIONS} regions of meaning"
        )


def _sample(state: State, content: int) -> None:
    """Count a sampled text, and whether it is new."""
    place, bit = content >> 3 & (BITS // 8 - 1), 1 << (content & 7)
    state.sampled += 1
    if state.texts[place] & bit:
        return
    state.fresh += 1
    if state.fresh % REMEMBERED == 0:
        state.texts = bytearray(BITS // 8)
    state.texts[place] |= bit
