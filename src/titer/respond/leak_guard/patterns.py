"""Lanes of patterns: how long ago each sign was there last, which no exchange of signs changes.

A text in any alphabet that writes one sign a letter (a keyword cipher, runes, emoji, numbers,
words for letters) has the repetitions of its letters where the protected text has them: it is
*isomorphic* to it (Kahn, The Codebreakers, chapter on isomorphs). Signs are read as they stand,
letters alone, word by word, in groups of some signs, and as the lengths of words.
"""

# ruff: noqa: PLR0917, PLR1714 - compiled functions are called by position, and compare fastest so
from __future__ import annotations

from typing import Any

import numpy as np

from titer.respond.leak_guard.lanes import (
    ALPHABET,
    FAR,
    FIVE,
    GROUPS,
    I32,
    I64,
    MASK_P,
    PACKED,
    PACKED_SIGNS,
    PATTERN,
    RECENT,
    SALT_P,
    SEEN_GROUPS,
    SEEN_PACKED,
    SPREAD,
    U8,
    U64,
    WIDTHS,
    compiled,
    inlined,
    rich,
    score,
    there,
)


@inlined
def pattern_of(sign: Any, now: int, seen: I32, row: int, far: int, reg: Any) -> Any:
    """The pattern of the last signs, each by how long ago it was there; 0 if beyond `far`."""
    slot = (sign * 2_654_435_761 >> 16) & (ALPHABET - 1)
    before = np.int64(seen[row, slot])
    ago = now - before if before else far + 1
    ago = ago if ago <= far else 0
    seen[row, slot] = now
    return ((reg << FIVE) | np.uint64(ago)) & MASK_P


#: Signs of one run (letters and digits, or signs of the world) from which groups are read.
LONG_RUN = 20
#: The same for packed signs: fewer stand together in program text all the time.
PACKED_RUN = 24
#: Signs for which they are read on after a space: until as many may stand together again.
PACKED_ON = PACKED_RUN + 4


@compiled
def indents(point: Any, recent: I32, place: Any) -> bool:
    """Whether the last signs are all the same blank: the indent of a line."""
    if point != 32 and point != 9:
        return False
    same = 0
    for back in range(1, LONG_RUN):
        same += recent[(place - back) & (RECENT - 1)] == point
    return same == LONG_RUN - 1


@compiled
def groups_begin(
    recent: I32, place: Any, patterns: U8, by: Any, sums: I64, counts: I64, seen: I32, reg: U64,
    numbers: I64, limit: I64, down: Any,
) -> int:  # fmt: skip
    """Read what stands before this place in a long run; the suspicions that are more."""
    more = 0
    for k in range(len(sums)):
        sums[k] = counts[k, 0] = 0
    for back in range(min(LONG_RUN, place + 1) - 1, 0, -1):
        before = np.int64(recent[(place - back) & (RECENT - 1)])
        more += group(before, patterns, by, sums, counts, seen, reg, numbers, limit, down)
    return more


@compiled
def group(
    sign: Any, patterns: U8, by: Any, sums: I64, counts: I64, seen: I32, reg: U64,
    numbers: I64, limit: I64, down: Any,
) -> int:  # fmt: skip
    """One more sign of a long run, for groups of each width; the suspicions that are more."""
    more = 0
    for k in range(len(WIDTHS)):
        sums[k] = (sums[k] * 1_000_003 + sign + 1) & 0xFFFFFFFFFF
        counts[k, 0] += 1
        if counts[k, 0] == WIDTHS[k]:
            counts[k, 0] = 0
            counts[k, 1] += 1
            lane = GROUPS + k
            value = pattern_of(
                sums[k] ^ (sums[k] >> 17), counts[k, 1], seen, SEEN_GROUPS + k, FAR, reg[lane]
            )
            sums[k] = 0
            reg[lane] = value
            hit = there(patterns, ((value ^ SALT_P) * SPREAD) >> by) and rich(value, PATTERN)
            more += score(numbers, limit, lane, hit, down)
    return more


@compiled
def packs_begin(
    recent: I32, place: Any, packed: U8, by: Any, state: I64, seen: I32, reg: U64, numbers: I64,
    limit: I64, down: Any,
) -> int:  # fmt: skip
    """Read what stands before this place as packed signs; the suspicions that are more."""
    more = 0
    for back in range(min(PACKED_RUN, place), 0, -1):
        state[PACKED_SIGNS] += 1
        before = np.int64(recent[(place - back) & (RECENT - 1)])
        more += packs(before, packed, by, state[PACKED_SIGNS], seen, reg, numbers, limit, down)
    return more


@compiled
def packs(
    sign: Any, packed: U8, by: Any, now: int, seen: I32, reg: U64, numbers: I64, limit: I64,
    down: Any,
) -> int:  # fmt: skip
    """One more sign of what may be bytes packed into signs; the suspicions that are more."""
    value = pattern_of(sign, now, seen, SEEN_PACKED, FAR, reg[PACKED])
    reg[PACKED] = value
    hit = there(packed, (value * SPREAD) >> by) and rich(value, PATTERN)
    return score(numbers, limit, PACKED, hit, down)
