"""The level of a campaign's own texts is what hardly any caller outside reaches."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from titer.core.nouns import Exchange, Principal, Sketch
from titer.hunt.own_texts import BITS, EACH, LEAST, WHOLE, Said, own_texts
from titer.hunt.table import TableBuilder

BANDS, MEMBERS, OUTSIDE = 8, 20, 600
FRAMES = tuple(range(1, BANDS + 1))


def said(rows):
    """Of (caller, frames) in order."""
    builder = TableBuilder()
    builder.add(
        [
            Exchange(f"x{n}", n, Principal(who), "chat", sketch=Sketch(tuple(frames), (), n + 1))
            for n, (who, frames) in enumerate(rows)
        ]
    )
    return Said.of_table(builder.build())


def usual(number):
    return tuple(range(10_000 + BANDS * number, 10_000 + BANDS * (number + 1)))


def learnt(extra=(), outside=OUTSIDE):
    rows = [(f"m{n}", FRAMES) for n in range(MEMBERS)]
    rows += [(f"h{n}", usual(n)) for n in range(outside)]
    log = said([*rows, *extra])
    inside = np.array([who.startswith("m") for who in log.subjects])
    return own_texts(log, inside, ~inside)


def test_a_whole_request_of_own_tokens_says_how_much_rarer_they_are_outside():
    own = learnt()
    assert own.level == LEAST
    one = math.log2(1.0 / (0.5 / (OUTSIDE + 1)))
    assert math.isclose(own.says(FRAMES), BANDS * one)
    assert math.isclose(own.says((*FRAMES[:WHOLE], 7_001, 7_002, 7_003, 7_004)), WHOLE * one)
    assert own.says((*FRAMES[: WHOLE - 1], *usual(0)[: BANDS - WHOLE + 1])) == 0.0


def test_the_evidence_is_that_of_a_conformal_e_value():
    assert math.isclose(learnt().bits, math.log2(OUTSIDE + 1))
    own = learnt(extra=[("h0", FRAMES)])
    assert math.isclose(own.bits, math.log2((OUTSIDE + 1) / 2))
    assert own.says(FRAMES) == 0.0  # and what it sent is nobody's own


def test_with_too_few_outside_there_is_no_such_evidence():
    assert learnt(outside=2**8 - 2) is None
    own = learnt(outside=2**8 - 1)
    assert own.bits == BITS
    none_beyond = learnt(outside=2**8 - 1, extra=[("h0", FRAMES)])
    assert none_beyond.says(FRAMES) <= none_beyond.level


def test_one_request_among_many_is_not_what_a_caller_reaches():
    log = said([("busy", usual(n)) for n in range(2 * EACH - 1)] + [("busy", FRAMES)])
    bits = np.zeros(2 * EACH)
    bits[-1] = 50.0
    assert log.reached(bits).tolist() == [0.0]
    bits[0] = 40.0
    assert log.reached(bits).tolist() == [40.0]


@given(st.lists(st.integers(0, 3), max_size=12))
def test_however_many_send_it_outside_the_evidence_holds_or_it_does_not_tell(senders):
    own = learnt(extra=[(f"h{n}", FRAMES) for n in senders])
    assert own.bits >= BITS
    if senders:
        assert own.says(FRAMES) <= own.level
