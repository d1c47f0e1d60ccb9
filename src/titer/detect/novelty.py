"""Novelty: one framing that this service has not seen takes a share of a caller's questions.

Expected of a slot is the mean share that it has in honest callers' questions, which calibration
learns (`history`): an application's greeting or a popular role is no news. So the score is that of
a window against the service's own past, whoever the caller is; `growth` compares a caller with
itself. It says most where callers are much alike (one product behind one key, a chat service), and
little among callers who each bring a system prompt of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Self

import msgspec

from titer.core.nouns import Card
from titer.detect.glancing import DRAFT_HORIZON
from titer.detect.shares import BANDS, FEWEST, HALF, Shares, State

#: Slots of the counts and of the history.
SLOTS = 256
#: The least share that is expected of a slot.
LEAST = 0.001
#: What is expected of every slot beside its share, in questions: a prior against first glances.
PRIOR = 2.0

_NATS = math.log2(math.e)


class Novelty(Shares):
    """Scans a caller's single questions for one framing that the history does not account for."""

    card = Card(
        name="novelty",
        version="1",
        technique="AML.T0024.002",
        measures="whether one framing takes a larger share of a caller's single questions than it "
        "has in the honest callers' that calibration saw, over the last few hundred of them",
        blind_to="conversations (an earlier answer in the request hides a question); many frames "
        "of which none takes a hundredth of the questions; prompts without a frame; a frame that "
        "honest callers use as well; services whose callers each bring a prompt of their own",
        benign_causes="an application's own system prompt, batch jobs, evaluation runs, a class "
        "on one exercise, content from one template: anything new that one caller does often",
        cost="about 3 us and 350 bytes a subject",
        lifecycle="draft",
    )
    slots = SLOTS

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
        shares = history or (BANDS / SLOTS,) * SLOTS
        self._shares = tuple(min(max(share, LEAST), float(BANDS)) for share in shares)

    def judge(self, state: State, places: AbstractSet[int]) -> float:
        now, best = state.now, 0.0
        state.total = total = state.total + 1
        full = False
        for place in places:
            count = now[place] + 1
            now[place] = count
            if count == 255:
                full = True
            bits = self._surprise(count, total, place)
            if bits > best:  # noqa: PLR1730 - max() would double the cost
                best = bits
        if full:
            state.now = now.translate(HALF)
            state.total = total >> 1
        return best

    def begin(self, state: State) -> None:
        state.now, state.total = bytearray(SLOTS), 0

    def note(self, state: State) -> str:
        total = max(1, state.total)
        found = [self._surprise(count, total, place) for place, count in enumerate(state.now)]
        share = round(100 * state.now[found.index(max(found))] / total)
        return (
            f"one framing that honest callers hardly use has {share} % of the last "
            f"{state.total} single questions"
        )

    def _surprise(self, count: int, total: int, place: int) -> float:
        """The log-likelihood ratio of a slot's count, in bits; 0 if it is not worth a look."""
        expected = total * self._shares[place] + PRIOR
        if count < FEWEST or count <= 2.0 * expected:
            return 0.0
        return count * math.log2(count / expected) - (count - expected) * _NATS

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
