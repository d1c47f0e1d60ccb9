"""Lanes of words: in any order, three in a row by their letters, as signs, and their lengths."""

# ruff: noqa: PLR0917, PLR1714 - compiled functions are called by position, and compare fastest so
from __future__ import annotations

from typing import Any

import numpy as np

from titer.respond.leak_guard.lanes import (
    BAG,
    FAR,
    FAR_L,
    FIVE,
    I32,
    I64,
    LENGTHS,
    LONG_WORD,
    MASK_L,
    PATTERN,
    PATTERN_L,
    RHYTHM,
    SAID,
    SALT_3,
    SALT_L,
    SALT_P,
    SALT_R,
    SALT_W,
    SEEN_LENGTHS,
    SEEN_TOKENS,
    SIZE_BEFORE,
    SIZES,
    SPREAD,
    TOKENS,
    TOKENS_SEEN,
    U8,
    U64,
    WORD_1,
    WORD_2,
    WORD_SETS,
    compiled,
    rich,
    score,
    there,
    three_words,
)
from titer.respond.leak_guard.patterns import pattern_of


@compiled
def word_ends(
    value: Any,
    letters: Any,
    grams: U8,
    patterns: U8,
    by: Any,
    common: U8,
    said: U64,
    words: U64,
    numbers: I64,
    limit: I64,
    down: Any,
) -> int:
    """A word has ended. Returns by how many the suspicions have become more."""
    first, second = words[WORD_2], words[WORD_1]
    near = three_words(first, second, value)
    words[WORD_2], words[WORD_1] = second, value
    # A word said over and over would hit by one chance.
    hit = (
        there(patterns, ((near ^ SALT_3) * SPREAD) >> by)
        and first != value
        and second != value
        and second != first
    )
    more = score(numbers, limit, WORD_SETS, hit, down)
    if letters >= LONG_WORD:
        more += _long_word(value, grams, by, common, said, numbers, limit, down)
    return more


@compiled
def _long_word(
    value: Any,
    grams: U8,
    by: Any,
    common: U8,
    said: U64,
    numbers: I64,
    limit: I64,
    down: Any,
) -> int:
    """Common words and words said lately say nothing; while a leak is going on, that it may be
    over.
    """
    old = numbers[2, BAG]
    new = old - 1 if down > 1 else old
    telling = not there(common, (value * SPREAD) >> np.uint64(48))
    if telling:
        for k in range(SAID):
            if said[k] == value:
                telling = False
                break
    if telling:
        said[numbers[3, BAG] & (SAID - 1)] = value
        numbers[3, BAG] += 1
        hit = there(grams, ((value ^ SALT_W) * SPREAD) >> by)
        new = min(old + 1, limit[2, BAG]) if hit else old - 2 * down
    new = max(new, 0)
    numbers[2, BAG] = new
    if old < limit[0, BAG] and limit[0, BAG] <= new:
        return 1
    if new < limit[0, BAG] and limit[0, BAG] <= old:
        return -1
    return 0


@compiled
def size_ends(
    size: Any, state: I64, patterns: U8, by: Any, seen: I32, reg: U64, numbers: I64, limit: I64,
    down: Any,
) -> int:  # fmt: skip
    """`size` characters between spaces have ended; the suspicions that are more."""
    state[SIZES] += 1
    value = pattern_of(size, state[SIZES], seen, SEEN_LENGTHS, FAR_L, reg[LENGTHS]) & MASK_L
    reg[LENGTHS] = value
    hit = there(patterns, ((value ^ SALT_L) * SPREAD) >> by) and rich(value, PATTERN_L)
    more = score(numbers, limit, LENGTHS, hit, down)
    longer = np.uint64((size - state[SIZE_BEFORE]) & 31)
    value = ((reg[RHYTHM] << FIVE) | longer) & MASK_L
    reg[RHYTHM] = value
    hit = there(patterns, ((value ^ SALT_R) * SPREAD) >> by) and rich(value, PATTERN_L)
    state[SIZE_BEFORE] = size
    return more + score(numbers, limit, RHYTHM, hit, down)


@compiled
def token_ends(
    token: Any, state: I64, patterns: U8, by: Any, seen: I32, reg: U64, numbers: I64, limit: I64,
    down: Any,
) -> int:  # fmt: skip
    """A word that may stand for a sign has ended; the suspicions that are more."""
    state[TOKENS_SEEN] += 1
    name = np.int64((token * SPREAD) >> np.uint64(34))
    value = pattern_of(name, state[TOKENS_SEEN], seen, SEEN_TOKENS, FAR, reg[TOKENS])
    reg[TOKENS] = value
    hit = there(patterns, ((value ^ SALT_P) * SPREAD) >> by) and rich(value, PATTERN)
    return score(numbers, limit, TOKENS, hit, down)
