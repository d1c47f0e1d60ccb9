"""Coverage: one capability is walked through, question by question, with the same settings."""

from __future__ import annotations

from typing import Any

import xxhash

from titer.core.nouns import Card, Exchange
from titer.detect import memory
from titer.detect.fold import State, Wagering
from titer.detect.strata import lesson, single_turn

#: Cells that must be familiar for a question to belong to the caller's family: half of them.
FAMILIAR = 2
#: A cell is familiar when it was seen in this share of requests; chance gives 1 in 256.
FAMILIAR_SHARE = 1 / 32
#: Settings are usual when they were seen in this share of requests.
USUAL_SHARE = 1 / 8
#: Requests before a family can be told.
ESTABLISHED = 8
#: Parameters that a pipeline fixes once and a person's tools leave out or vary.
SETTINGS = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "seed")

#: Settings above this are as good as absent: no model takes them.
LARGEST = 1e9

_MASK = 0x7FFF_FFFF_FFFF_FFFF


class Coverage(Wagering):
    """Bets that the next exchange is a new question of a narrow family, asked as before."""

    card = Card(
        name="coverage",
        version="1",
        technique="AML.T0024.002",
        measures="how often a caller asks a new single question of a familiar kind (by the "
        "unmasked cells of the text) with the settings it mostly uses; repeated questions, "
        "which honest use is full of, count against it (the Good-Turing share of unseen mass)",
        blind_to="collection over many subjects at once; questions that cells do not see as one "
        "family (8 bits each, word stems); a caller that repeats itself or varies its settings "
        "on purpose; conversations",
        benign_causes="evaluation runs, batch jobs, a classroom on one exercise sheet, an "
        "application for one purpose",
        cost="about 5 us and 2.5 kB a subject",
        lifecycle="draft",
    )
    drafts = (0.2, 0.3, 0.1, 0.1)

    def judge(self, state: State, exchange: Exchange, *, new: bool) -> float | None:
        tokens, seen = state.tokens, state.seen
        settings = _settings(exchange)
        usual = tokens.get(settings, 0) >= max(2.0, seen * USUAL_SHARE)
        least = max(2.0, seen * FAMILIAR_SHARE)
        cells = exchange.sketch.cells
        familiar = 0
        for cell in cells:
            familiar += tokens.get(cell, 0) >= least
        memory.count(tokens, (*cells, settings))
        if seen < ESTABLISHED or not usual or familiar < FAMILIAR or not single_turn(exchange):
            return None
        return lesson(exchange) if new else 0.0

    def note(self, state: State) -> str:
        share = round(100 * state.fresh / state.seen) if state.seen else 0
        return (
            f"{state.found} of the last {state.seen} requests were new single questions of one "
            f"narrow family with the same settings; {share} % of its questions were new"
        )


def _settings(exchange: Exchange) -> int:
    """A token of the model and the settings; the same in every process."""
    params: dict[str, Any] = exchange.request.params
    token = xxhash.xxh3_64_intdigest(exchange.model.encode("utf-8", "replace")) & _MASK
    if params:
        for place, name in enumerate(SETTINGS):
            value = params.get(name)
            if isinstance(value, (int, float)) and 0 <= value <= LARGEST:
                token = (token * 1_000_003 + round(value * 1000) * 8 + place) & _MASK
    return token
