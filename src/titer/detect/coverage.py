"""Coverage: one capability is walked through, question by question, with the same settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xxhash

from titer.core.nouns import Card, Exchange
from titer.detect import memory
from titer.detect.fold import State, Wagering
from titer.detect.glancing import DRAFT_HORIZON
from titer.detect.strata import Glance

#: Cells that must be familiar for a question to belong to the caller's family: half of them.
FAMILIAR = 2
#: A cell is familiar when 1 in so many requests had it (chance gives 1 in 65,536), and two did.
FAMILIAR_ONE_IN = 32
#: Settings are usual when 1 in so many requests had them, and two did.
USUAL_ONE_IN = 8
#: Both in whole numbers: comparing counts with fractions was a quarter of this detector's time.
TWICE = 2
#: Requests before a family can be told.
ESTABLISHED = 8
#: Parameters that a pipeline fixes once and a person's tools leave out or vary.
SETTINGS = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "seed")

#: Combinations of model and settings whose token is remembered; when full, the memory starts anew.
MEMORY = 4096

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
        "family (words in common, not meaning); a caller that repeats itself or varies its "
        "settings on purpose; conversations",
        benign_causes="evaluation runs, batch jobs, a classroom on one exercise sheet, an "
        "application for one purpose",
        cost="about 5 us and 1.3 kB a subject",
        lifecycle="draft",
    )
    drafts = (0.2, 0.3, 0.1, 0.1)

    def __init__(
        self,
        nulls: Sequence[float] | None = None,
        *,
        origin: int = 0,
        horizon: int = DRAFT_HORIZON,
    ) -> None:
        super().__init__(nulls, origin=origin, horizon=horizon)
        self._tokens: dict[tuple[str, tuple[Any, ...]], int] = {}

    def judge(self, state: State, exchange: Exchange, seen: Glance, *, new: bool) -> float | None:
        tokens, before = state.tokens, state.seen
        settings = self._settings(exchange) & memory.KEY
        cells = [cell & memory.KEY for cell in exchange.sketch.cells]
        least = -(-before // FAMILIAR_ONE_IN)
        if least < TWICE:  # noqa: PLR1730 - max() would double the cost
            least = TWICE
        familiar = 0
        for cell in cells:
            if tokens.get(cell, 0) >= least:
                familiar += 1
        known = tokens.get(settings, 0)
        usual = known >= TWICE and known * USUAL_ONE_IN >= before
        memory.count(tokens, (*cells, settings))
        if before < ESTABLISHED or not usual or familiar < FAMILIAR or not seen.single:
            return None
        return seen.lesson if new else 0.0

    def _settings(self, exchange: Exchange) -> int:
        """The token of the model and the settings, remembered: callers seldom vary them."""
        values = tuple(map(exchange.request.params.get, SETTINGS))
        try:
            token = self._tokens.get((exchange.model, values))
        except TypeError:  # a value that is no scalar
            return _token(exchange.model, values)
        if token is None:
            token = _token(exchange.model, values)
            if len(self._tokens) >= MEMORY:
                self._tokens.clear()
            self._tokens[exchange.model, values] = token
        return token

    def note(self, state: State) -> str:
        share = round(100 * state.fresh / state.seen) if state.seen else 0
        return (
            f"{state.found} of the last {state.seen} requests were new single questions of one "
            f"narrow family with the same settings; {share} % of its questions were new"
        )


def _token(model: str, values: tuple[Any, ...]) -> int:
    """A token of the model and the values of `SETTINGS`; the same in every process."""
    token = xxhash.xxh3_64_intdigest(model.encode("utf-8", "replace")) & _MASK
    for place, value in enumerate(values):
        if isinstance(value, (int, float)) and 0 <= value <= LARGEST:
            token = (token * 1_000_003 + round(value * 1000) * 8 + place) & _MASK
    return token
