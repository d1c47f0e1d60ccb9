"""Frames: one caller repeats one masked frame over changing content."""

from __future__ import annotations

from titer.core.nouns import Card, Exchange
from titer.detect import memory
from titer.detect.fold import State, Wagering
from titer.detect.strata import Glance

#: How often a frame must have been seen before it counts as repeated.
ESTABLISHED = 3


class Frames(Wagering):
    """Bets that the next exchange puts a new content into a frame that was used before."""

    card = Card(
        name="frames",
        version="1",
        technique="AML.T0024.002",
        measures="how often a caller puts new content into a frame that it has used before, "
        "apart for single questions and conversations, short and long replies",
        blind_to="prompts without a template; templates that are reworded each time; a campaign "
        "that gives every account its own template and little traffic; conversations whose "
        "earlier turns change the text more than the template does",
        benign_causes="applications with one system prompt, batch jobs over documents, "
        "evaluation runs, content generation at scale: the same conduct with another purpose. "
        "Only an operator's own calibration, or a grant, tells them apart",
        cost="about 4 us and 1.3 kB a subject",
        lifecycle="draft",
    )
    drafts = (0.2, 0.2, 0.2, 0.2)

    def judge(self, state: State, exchange: Exchange, seen: Glance, *, new: bool) -> float | None:
        if memory.count(state.tokens, exchange.sketch.frames) < ESTABLISHED:
            return None
        return seen.lesson if new else 0.0

    def note(self, state: State) -> str:
        return (
            f"{state.found} of the last {state.seen} requests put new content into a frame "
            f"that this caller had used before"
        )
