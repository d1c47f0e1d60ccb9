"""What detectors of text families have in common: how much of a caller's traffic shows one.

Every exchange is a bet, so that a family's share of all traffic counts: one rubric in a week is
nobody's harvest. The yield grows with the family's score (`titer.core.families`): everyday
wording ("step by step") yields a quarter of what a pipeline's wording does. Single questions and
conversations are bet on apart, because a conversation carries its earlier wording along.
"""

from __future__ import annotations

from typing import Any, ClassVar

from titer.core.families import NAMES
from titer.core.nouns import Exchange
from titer.detect import slim
from titer.detect.slim import FULL, Bets, Slim
from titer.detect.strata import Glance

QUESTIONS, CONVERSATIONS = 0, 1
#: The family score that yields everything.
STRONG = 160


class State(slim.State):
    """`tag` is of the last content: what is asked again at once says nothing new; `hits` counts
    requests that showed the family.
    """

    tag: int = -1
    hits: int = 0


class Wording(Slim):
    """Base of detectors of `families`; a subclass gives a card and what a note says of a hit."""

    sides = ("questions", "conversations")
    drafts = (0.05, 0.1)
    shape = State
    #: Families, by name, whose strongest is bet on.
    families: ClassVar[tuple[str, ...]]
    #: What the requests of a hit do, for notes.
    doing: ClassVar[str]
    #: Whether a longer reply yields more; at least half is yielded by the request alone.
    by_reply: ClassVar[bool] = False
    _places: ClassVar[tuple[int, ...]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._places = tuple(map(NAMES.index, getattr(cls, "families", ())))

    def subject(self, exchange: Exchange) -> str | None:
        """Who is weighed: the organisation or account, unless nothing was served or read."""
        if exchange.status >= 400 or not exchange.sketch.frames:
            return None
        return exchange.principal.subject

    def strength(self, exchange: Exchange) -> int:
        """The strongest of the families' scores."""
        scores = exchange.sketch.families
        if not scores:
            return 0
        best = 0
        for place in self._places:
            if place < len(scores) and scores[place] > best:
                best = scores[place]
        return best

    def judge(self, state: Any, exchange: Exchange, seen: Glance) -> Bets:
        side = QUESTIONS if seen.single else CONVERSATIONS
        again = seen.tag == state.tag
        state.tag = seen.tag
        if again:
            return ()
        strength = self.strength(exchange)
        if not strength:
            return _NOTHING[side]
        state.hits += 1
        gain = FULL if strength >= STRONG else strength * FULL // STRONG
        if self.by_reply:
            gain = gain * (FULL + seen.worth) // (2 * FULL)
        return ((side, gain),)

    def note(self, state: Any) -> str:
        return f"{state.hits} of the last {state.seen} requests {self.doing}"


_NOTHING: tuple[Bets, Bets] = (((QUESTIONS, 0),), ((CONVERSATIONS, 0),))
