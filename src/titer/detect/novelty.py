"""Novelty: a caller's questions as a whole are not what this service is asked.

A kernel two-sample test: the squared maximum mean discrepancy (Gretton et al., "A kernel
two-sample test", JMLR 13, 2012) between a caller's single questions and those that calibration
saw, with the kernel "how many of their meaning cells agree" (minima over hashed content words: two
texts agree in each with a chance of about the share of such words that they have in common). The
published window test for extraction (MMD, arXiv 2606.05725) does the same with a sentence
embedding; here counts in 256 slots are enough, and each question costs constant time.

    score = 4 n MMD^2 / sqrt(1 + (n / LEANING)^2),   n questions, unbiased MMD^2

By chance alone n MMD^2 does not grow with n; but honest callers have leanings of their own, and
beyond some hundred questions those limit what can be told, not chance.

It says most where callers are much alike (one product behind one key, a chat service), and little
among callers who each bring a system prompt of their own; `growth` compares a caller with itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import msgspec

from titer.core.nouns import Card, Sketch
from titer.core.sketch import CELLS
from titer.detect import shares
from titer.detect.glancing import DRAFT_HORIZON
from titer.detect.shares import HALF, Shares

#: Slots of the counts and of the history.
SLOTS = 256
#: Questions beyond which an honest caller's own leaning weighs more than chance. Of 200, 400 and
#: 800 the last found most windows of 1,500 requests on `tune` sources.
LEANING = 800.0
#: Questions below which no discrepancy is estimated.
FEWEST = 16
#: Beside the score, which is then in quarters: findings come a whole point apart at least.
SCALE = 4.0
#: A count that makes all be halved.
FULL = 255
#: Parts in which the history's shares are added up: whole numbers stay small and exact.
UNIT = 1 << 16


class State(shares.State):
    """`pairs` counts agreements between different questions, in order; `crossed` sums the
    history's share at every count, in 1/`UNIT`.
    """

    pairs: int = 0
    crossed: int = 0


class Novelty(Shares):
    """Compares the meaning of a caller's single questions with the service's history."""

    card = Card(
        name="novelty",
        version="2",
        technique="AML.T0024.002",
        measures="how far the meaning of a caller's single questions, taken together, is from "
        "what the honest callers that calibration saw ask: a kernel two-sample test over the last "
        "few thousand of them",
        blind_to="conversations (an earlier answer in the request hides a question); a part of "
        "some hundredths of the questions; attacks whose questions are those of the service; "
        "services whose callers each bring a prompt of their own",
        benign_causes="an application's own system prompt, batch jobs, evaluation runs, a class "
        "on one exercise, content from one template, a language that few others write: anything "
        "new that one caller does often",
        cost="about 4 us and 350 bytes a subject",
        lifecycle="draft",
    )
    in_bits = False
    slots = SLOTS
    #: It speaks of all questions together; the latest stands for them.
    cited = 1
    shape = State

    def __init__(
        self,
        history: Sequence[float] = (),
        *,
        origin: int = 0,
        horizon: int = DRAFT_HORIZON,
    ) -> None:
        super().__init__(origin=origin, horizon=horizon)
        if history and len(history) != SLOTS:
            raise ValueError(f"history must have one share for each of {SLOTS} slots")
        self._shares = tuple(round(x * UNIT) for x in history or (CELLS / SLOTS,) * SLOTS)
        self._norm = sum(share * share for share in self._shares) / UNIT**2

    def judge(self, state: State, sketch: Sketch) -> float:
        now, pairs, crossed, held = state.now, state.pairs, state.crossed, self._shares
        full = False
        for place in {(cell >> 7) % SLOTS for cell in sketch.cells}:
            count = now[place]
            pairs += 2 * count
            crossed += held[place]
            now[place] = count + 1
            if count + 1 == FULL:
                full = True
        state.total = total = state.total + 1
        state.pairs, state.crossed = pairs, crossed
        found = self._discrepancy(state) if total >= FEWEST else 0.0
        if full:
            self._halve(state)
        if found <= 0.0:
            return 0.0
        return SCALE * total * found / math.sqrt(1.0 + (total / LEANING) ** 2)

    def _discrepancy(self, state: State) -> float:
        """The unbiased MMD^2 between the questions counted and the history; at most 4."""
        n = state.total
        return state.pairs / (n * (n - 1)) - 2 * state.crossed / (UNIT * n) + self._norm

    def _halve(self, state: State) -> None:
        state.now = now = state.now.translate(HALF)
        state.total >>= 1
        state.pairs = sum(count * (count - 1) for count in now)
        state.crossed = sum(c * share for c, share in zip(now, self._shares, strict=True))

    def begin(self, state: State) -> None:
        state.now, state.total = bytearray(SLOTS), 0
        state.pairs = state.crossed = 0

    def note(self, state: State) -> str:
        return (
            f"the last {state.total} single questions together differ in meaning from what honest "
            "callers ask"
        )

    def learn(self, states: Iterable[Any]) -> dict[str, list[float]]:
        """The mean share of every slot over honest subjects, each subject counting once."""
        sums, subjects = [0.0] * SLOTS, 0
        for held in states:
            state = held if isinstance(held, State) else msgspec.convert(held, State)
            if state.total:
                subjects += 1
                for place, count in enumerate(state.now):
                    if count:
                        sums[place] += count / state.total
        return {"history": [round(held / subjects, 5) for held in sums] if subjects else []}

    def fitted(self, params: Mapping[str, Sequence[float]], *, origin: int, horizon: int) -> Self:
        """The same detector with the history of a calibration."""
        return type(self)(params["history"], origin=origin, horizon=horizon)
