"""Lanes of words: in any order, three in a row by their letters, as signs, their lengths, and
their first and last letters.
"""

# ruff: noqa: PLR0917, PLR1714 - compiled functions are called by position, and compare fastest so
from __future__ import annotations

from typing import Any

import numpy as np

from titer.respond.leak_guard.lanes import (
    BAG,
    FAR,
    FAR_L,
    FINALS,
    FIVE,
    GRAM,
    I32,
    I64,
    INITIALS,
    LENGTHS,
    LONG_WORD,
    MASK,
    MASK_L,
    PATTERN,
    PATTERN_L,
    RHYTHM,
    SAID,
    SALT_3,
    SALT_F,
    SALT_I,
    SALT_L,
    SALT_P,
    SALT_R,
    SALT_W,
    SEEN_LENGTHS,
    SEEN_SPANS,
    SEEN_TOKENS,
    SIZE_BEFORE,
    SIZES,
    SPANS,
    SPANS_SEEN,
    SPREAD,
    TOKENS,
    TOKENS_SEEN,
    U8,
    U64,
    WORD_1,
    WORD_2,
    WORD_SETS,
    compiled,
    inlined,
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
    initial: Any,
    final: Any,
    reg: U64,
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
    more += _edge(INITIALS, SALT_I, initial, patterns, by, reg, numbers, limit, down)
    more += _edge(FINALS, SALT_F, final, patterns, by, reg, numbers, limit, down)
    if letters >= LONG_WORD:
        more += _long_word(value, grams, by, common, said, numbers, limit, down)
    return more


@inlined
def _edge(
    lane: int, salt: Any, code: Any, patterns: U8, by: Any, reg: U64, numbers: I64, limit: I64,
    down: Any,
) -> int:  # fmt: skip
    """One more first (or last) letter of a word."""
    diff = code - numbers[1, lane]
    diff += 26 if diff < 0 else 0
    value = ((reg[lane] << FIVE) | np.uint64(diff)) & MASK
    numbers[1, lane] = code
    reg[lane] = value
    hit = there(patterns, ((value ^ salt) * SPREAD) >> by) and rich(value, GRAM - 1)
    return int(score(numbers, limit, lane, hit, down))


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
def span_ends(
    size: Any, state: I64, patterns: U8, by: Any, seen: I32, reg: U64, numbers: I64, limit: I64,
    down: Any,
) -> int:  # fmt: skip
    """`size` signs, or tokens, between separators have ended: words, where each letter is a token
    or no space is left. The suspicions that are more.
    """
    state[SPANS_SEEN] += 1
    value = pattern_of(size, state[SPANS_SEEN], seen, SEEN_SPANS, FAR_L, reg[SPANS]) & MASK_L
    reg[SPANS] = value
    hit = there(patterns, ((value ^ SALT_L) * SPREAD) >> by) and rich(value, PATTERN_L)
    return score(numbers, limit, SPANS, hit, down)


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
