"""Growth: one framing takes more of a caller's questions than it used to.

A pipeline's requests share a frame, whatever stands in it, and so share most bands
(`titer.core.sketch`): hidden in other traffic they are one slot that holds more than it should.
The score is a scan statistic: the largest log-likelihood ratio, over slots and over time, between
"this slot's share is what it was" and "it has grown" (Kulldorff, "A spatial scan statistic",
1997), in bits, less `log2(SLOTS)` because the largest of so many is looked at.

The last `SPAN` questions are held against the caller's own past (`past`, some hundreds to a few
thousand, the older the lighter). Both samples are small, so the ratio is that of two samples
against one share for both. It makes one null serve callers who differ: an application asks always
alike and a chat never, but neither begins to send a fifth of something else.
"""

from __future__ import annotations

import math

import msgspec

from titer.core.nouns import Card, Sketch
from titer.detect import shares
from titer.detect.shares import HALF, Shares

#: Slots of each of the two tables.
SLOTS = 256
#: Bands of a sketch that are counted: more find frames of which less is fixed, and fill the slots.
BANDS = 4
#: Questions of one framing below which nothing is concluded.
FEWEST = 5
#: Questions that are held against the past, and of the past before there is one.
SPAN, ESTABLISHED = 512, 64
#: Questions of the past beyond which it is halved.
PAST = 1024
#: A count that stands for all above it: a framing that had a sixth of the past is not looked at.
FULL = 255
#: Questions of every framing that the past is taken to have had: a prior against first glances.
PRIOR = 1
#: Bits taken off because the largest of so many slots is looked at.
MANY = math.log2(SLOTS)
#: Times its former share from which a slot is looked at more closely.
CLOSER = 1.25


class State(shares.State):
    """`past` counts by slot over `before` questions, `now` over those since."""

    past: bytearray = msgspec.field(default_factory=bytearray)
    before: int = 0


class Growth(Shares):
    """Scans a caller's latest single questions for one framing that its own past had less of."""

    card = Card(
        name="growth",
        version="1",
        technique="AML.T0024.002",
        measures="whether one framing takes a larger share of a caller's latest 512 single "
        "questions than of its own before: an account that was sold, shared or broken into, an "
        "application through which somebody else asks",
        blind_to="what was there from the first questions on; a share that grows over thousands "
        "of them; conversations; many frames of which none takes a hundredth of the questions",
        benign_causes="a new release of an application, a new prompt beside the old one, a batch "
        "job now and then, a class that comes to a new exercise",
        cost="about 3 us and 550 bytes a subject",
        lifecycle="draft",
    )
    #: What that is worth: `titer.detect.null.segment`.
    own_past = True
    slots = SLOTS
    shape = State

    def start(self) -> State:
        state = super().start()
        state.past = bytearray(SLOTS)
        found: State = state
        return found

    def judge(self, state: State, sketch: Sketch) -> float:
        places = {(token >> 7) % SLOTS for token in sketch.frames[:BANDS]}
        now, past, before, best = state.now, state.past, state.before, 0.0
        state.total = total = state.total + 1
        known = before >= ESTABLISHED
        for place in places:
            count = now[place]
            if count == FULL:
                continue
            count += 1
            now[place] = count
            old = past[place]
            if (
                known
                and count >= FEWEST
                and old < FULL
                and count * before > CLOSER * (old + 1) * total
            ):
                bits = _ratio(count, total, old, before)
                if bits > best:  # noqa: PLR1730 - max() would double the cost
                    best = bits
        if total >= (SPAN if known else ESTABLISHED):
            _learn(state)
        return best - MANY

    def note(self, state: State) -> str:
        return (
            f"one framing takes more of the latest {state.total or SPAN} single questions than of "
            f"the {state.before} or so before them"
        )


def _learn(state: State) -> None:
    """The latest questions become part of the past, of which the older ones fade."""
    past = state.past
    if state.before > PAST:
        past, state.before = past.translate(HALF), state.before >> 1
    state.past = bytearray(
        [min(FULL, old + new) for old, new in zip(past, state.now, strict=True)]
    )
    state.before += state.total
    state.now, state.total = bytearray(SLOTS), 0


def _ratio(count: int, total: int, old: int, before: int) -> float:
    """Two samples' log-likelihood ratio against one common share, in bits, after `PRIOR`."""
    total, old, before = total + PRIOR, old + PRIOR, before + PRIOR
    common = (count + old) / (total + before)
    return count * math.log2(count / (total * common)) + old * math.log2(old / (before * common))
