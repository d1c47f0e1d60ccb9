"""Embeddings: the output space of an embedding model is sampled widely, with ever new texts.

Whoever copies an embedding model needs pairs from everywhere; whoever indexes a corpus embeds
what the corpus is about, and again when it changes. Requests are taken `WINDOW` at a time. In the
second half of a window the yield is the share of a text's meaning cells that no text of the window
had: the mass that the first half left unseen (Good and Turing), whatever the size of the corpus.
"""

from __future__ import annotations

import msgspec

from titer.core.nouns import Card, Exchange
from titer.detect import slim
from titer.detect.slim import FULL, Bets, Slim
from titer.detect.strata import Glance

#: Requests of a window; bets are placed in its second half.
WINDOW = 128
#: Bits that a window's cells are hashed into: 4 cells of 128 texts fill at most 4 in 10.
BITS = 1024
#: Characters of one input up to which it counts whole: who builds an index embeds passages.
SHORT = 2_000


class State(slim.State):
    """`seen` counts all requests; `cells` is the memory of this window's."""

    cells: bytearray = msgspec.field(default_factory=bytearray)


class Embeddings(Slim):
    """Bets that the next text to embed comes from where no recent one came from."""

    card = Card(
        name="embeddings",
        version="1",
        technique="AML.T0024.002",
        measures="which share of the meaning cells of a text to embed no other recent text of "
        "the caller had: how widely it samples the space, beside honest corpora",
        blind_to="copies made for one domain or with texts of one kind; many inputs in one "
        "request (they are sketched as one text); fewer than 100 requests",
        benign_causes="search boxes and chats with many users, whose questions are as wide; "
        "indexing an encyclopedia or a crawl; benchmarks of retrieval over many tasks",
        cost="nothing for callers of other routes, else about 3 us and 200 bytes a subject",
        lifecycle="draft",
    )
    drafts = (0.45,)
    shape = State

    def subject(self, exchange: Exchange) -> str | None:
        """The organisation or account, if it had something embedded."""
        if "embed" not in exchange.endpoint or exchange.status >= 400:
            return None
        return exchange.principal.subject

    def judge(self, state: State, exchange: Exchange, seen: Glance) -> Bets:
        del seen
        cells = exchange.sketch.cells
        place = (state.seen - 1) % WINDOW
        if place == 0:
            state.cells = bytearray(BITS // 8)
        memory, new = state.cells, 0
        for cell in cells:
            at, bit = cell >> 12 & (BITS // 8 - 1), 1 << (cell >> 9 & 7)
            if not memory[at] & bit:
                memory[at] |= bit
                new += 1
        if place < WINDOW // 2 or not cells:
            return ()
        gain = FULL * new // len(cells)
        length = exchange.sketch.chars // (exchange.request.turns or 1)
        return ((0, gain if length <= SHORT else gain * SHORT // length),)

    def note(self, state: State) -> str:
        share = round(100 * state.gains[0] / FULL / max(1, state.trials[0]))
        return (
            f"{state.seen} requests had texts embedded; {share} % of their meaning cells were of "
            f"a kind that the texts just before did not have"
        )
