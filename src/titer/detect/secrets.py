"""Secrets: somebody tries wording after wording to get at a system prompt or a secret.

A few hits matter, because honest callers have hardly any: the least null is low, and the floor of
the fortunes is 0 bits, so that a run of attempts counts whatever came before it. A text that was
tried before yields nothing: retries and a regression test of one's own defence are no search. Nor
does wording that stands around every question: that is an application's own prompt.
"""

from __future__ import annotations

import zlib

import msgspec

from titer.core.nouns import Card, Exchange
from titer.detect import wording
from titer.detect.slim import FULL, Bets
from titer.detect.strata import Glance
from titer.detect.wording import CONVERSATIONS, QUESTIONS, STRONG, Wording

#: Bits of the memory of attempts; after 90 attempts half of the new ones look old.
TRIED = 128
#: Conversations with an attempt that are remembered, so that its wording, which later turns
#: carry along, counts once; and the turns by which one of them may have grown.
TALKS, GROWN = 4, 4
#: Bands that two requests share where one prompt stands around both (by chance: 1 in 10^5).
FRAMED = 3


class State(wording.State):
    """`tried` remembers attempts; `talks` hashes of a conversation's scores and its turns; `like`
    is what the last wording of the family scored, and a byte of each of its frames.
    """

    tried: bytearray = msgspec.field(default_factory=bytearray)
    talks: list[int] = msgspec.field(default_factory=list)
    like: bytes = b""


class Secrets(Wording):
    """Bets that the next request is one more attempt at a system prompt or a secret."""

    card = Card(
        name="secrets",
        version="2",
        technique="AML.T0056",
        measures="how often a request tries, in words not tried before, to have a system prompt, "
        "earlier instructions or a secret given out, plainly, with an override, or encoded "
        "(base64, ROT13, reversed, spaced out, leet, full-width letters)",
        blind_to="questions that lead to a secret sideways (hints, rhymes, translations without "
        "naming it); other encodings and languages; attempts rarer than about 1 in 20 requests; "
        "further attempts in a conversation that already holds one as strong, or as strong inside "
        "one long frame; whether anything was given out",
        benign_causes="red teams, people testing their own application, curious users of a chat, "
        "support questions about lost passwords, courses on prompt injection",
        cost="about 2 us and 80 bytes a subject",
        lifecycle="draft",
    )
    families = ("prompt", "secret")
    doing = "tried a new wording to get at a prompt or a secret"
    drafts = (0.02, 0.02)
    lowest = 0.02
    floor = 0.0
    shape = State

    def judge(self, state: State, exchange: Exchange, seen: Glance) -> Bets:
        side = QUESTIONS if seen.single else CONVERSATIONS
        strength = self.strength(exchange)
        if not strength:
            state.tag = seen.tag
            return ((side, 0),)
        if seen.tag == state.tag:
            return ()
        if _carried(state, exchange) and not seen.single:
            return ()
        state.tag = seen.tag
        like = bytes((strength, *(token & 0xFF for token in exchange.sketch.frames)))
        framed = _framed(like, state.like)
        state.like = like
        if framed:
            return ((side, 0),)
        if not state.tried:
            state.tried += bytes(TRIED // 8)
        place, bit = seen.tag >> 3 & (TRIED // 8 - 1), 1 << (seen.tag & 7)
        if state.tried[place] & bit:
            return ()
        state.tried[place] |= bit
        state.hits += 1
        return ((side, FULL if strength >= STRONG else strength * FULL // STRONG),)


def _framed(like: bytes, last: bytes) -> bool:
    """Whether the wording is the frame's: an application's own prompt, which stands around every
    question, shows the family just as strongly each time, and shares `FRAMED` of its bands.
    """
    if like[:1] != last[:1]:
        return False
    return sum(map(int.__eq__, like[1:], last[1:])) >= FRAMED


def _carried(state: State, exchange: Exchange) -> bool:
    """Whether a conversation's attempt was counted at an earlier turn; remembers it."""
    kind = zlib.crc32(repr(exchange.sketch.families).encode()) & 0xFFFF
    turns = min(exchange.request.turns or len(exchange.request.roles), 0xFFFF)
    talks = state.talks
    found = False
    for place, talk in enumerate(talks):
        if talk >> 16 == kind and 0 <= turns - (talk & 0xFFFF) <= GROWN:
            del talks[place]
            found = True
            break
    if len(talks) >= TALKS:
        del talks[0]
    talks.append(kind << 16 | turns)
    return found
