"""Puts what is protected into the bitmaps that the guard reads, and takes out what is known."""

# ruff: noqa: PLR0917, PLR1714 - compiled functions are called by position, and compare fastest so
from __future__ import annotations

import numpy as np

from titer.respond.leak_guard.lanes import (
    ALPHABET,
    FAR,
    FAR_L,
    FIVE,
    FORGET,
    GRAM,
    I64,
    LAG_FROM,
    LAG_TO,
    LONG_WORD,
    MASK,
    MASK_L,
    MASK_S,
    PATTERN,
    PATTERN_L,
    SALT_3,
    SALT_F,
    SALT_I,
    SALT_L,
    SALT_P,
    SALT_R,
    SALT_W,
    SPREAD,
    U8,
    U32,
    U64,
    allocating,
    compiled,
    rich,
    set_bit,
    skeleton,
    there,
    three_words,
    weight,
)
from titer.respond.leak_guard.patterns import pattern_of


@compiled
def _clear(bitmap: U8, place: np.uint64) -> None:
    at = np.int64(place)
    bitmap[at >> 3] &= np.uint8(255 ^ (1 << (at & 7)))


@compiled
def _forget(bitmap: U8, were: U8, place: np.uint64, run: int, places: I64) -> int:
    """Take a gram out once it ends a run of `FORGET` that `were` there; returns the run so far.

    `places` holds the run's beginning, which is taken out with its last.
    """
    if not there(were, place):
        return 0
    if run >= FORGET:
        _clear(bitmap, place)
        return run
    places[run] = np.int64(place)
    if run + 1 == FORGET:
        for k in range(FORGET):
            _clear(bitmap, np.uint64(places[k]))
    return run + 1


@allocating
def learn(points: U32, fold: U8, grams: U8, shift: int, skeletons: U8, known: bool) -> int:
    """Put the grams of a text into the bitmaps (or, `known`, take shared passages out). Returns
    letters.
    """
    were = grams.copy() if known else grams
    bones_were = skeletons.copy() if known else skeletons
    last_places = np.zeros((2, FORGET), np.int64)
    run = bone_run = 0
    reg = np.uint64(0)
    sreg = np.uint64(0)
    letters = 0
    bones = 0
    last = last_bone = 0
    by = np.uint64(shift)
    for i in range(len(points)):
        point = points[i]
        if point >= 0xE0000 and point < 0xE0080:
            point -= 0xE0000
        code = int(fold[point]) if point < len(fold) else 0
        if code == 0:
            continue
        bone = skeleton(code)
        if bone and bone != last_bone:
            last_bone = bone
            sreg = ((sreg << FIVE) | np.uint64(bone)) & MASK_S
            bones += 1
            if bones >= GRAM and rich(sreg, GRAM):
                place = (sreg * SPREAD) >> by
                if known:
                    bone_run = _forget(skeletons, bones_were, place, bone_run, last_places[1])
                else:
                    set_bit(skeletons, place)
        if code > 26:
            continue
        letters += 1
        diff = (code - last + 26) % 26
        last = code
        reg = ((reg << FIVE) | np.uint64(diff)) & MASK
        if letters >= GRAM and rich(reg, GRAM - 1):
            if known:
                run = _forget(grams, were, (reg * SPREAD) >> by, run, last_places[0])
            else:
                set_bit(grams, (reg * SPREAD) >> by)
    return letters


@allocating
def learn_shape(points: U32, fold: U8, patterns: U8, shift: int, alone: bool, known: bool) -> None:
    """Put the patterns of repetition of a text into its bitmap (or take them out), of all signs or
    of letters `alone`.

    What is not made of letters for the most part (rows of numbers, rules, indents) looks alike in
    many texts and is left out.
    """
    were = patterns.copy() if known else patterns
    places = np.zeros(FORGET, np.int64)
    run = 0
    seen = np.zeros((1, ALPHABET), np.int32)
    reg = np.uint64(0)
    by = np.uint64(shift)
    signs = 0
    letters = 0
    for i in range(len(points)):
        point = np.int64(points[i])
        code = np.int64(fold[point]) if point < len(fold) else 0
        letter = 1 if code and code <= 26 else 0
        if alone and not letter:
            continue
        signs += 1
        letters = ((letters << 1) | letter) & 1023
        reg = pattern_of(point, signs, seen, 0, FAR, reg)
        bits = 0
        for k in range(PATTERN):
            bits += letters >> k & 1
        if signs >= PATTERN and bits >= 7 and rich(reg, PATTERN):
            place = ((reg ^ SALT_P) * SPREAD) >> by
            if known:
                run = _forget(patterns, were, place, run, places)
            else:
                set_bit(patterns, place)


@allocating
def learn_lengths(
    points: U32, fold: U8, patterns: U8, shift: int, letters: bool, known: bool
) -> None:
    """Put the lengths of words into the bitmap (or take them out), as their pattern and as by how
    much each is longer than the last: of all that stands between spaces, or of its `letters`.

    Rows of numbers look alike in many texts: most words must be of letters.
    """
    were = patterns.copy() if known else patterns
    places = np.zeros((2, FORGET), np.int64)
    runs = np.zeros(2, np.int64)
    seen = np.zeros((1, ALPHABET), np.int32)
    regs = np.zeros(2, np.uint64)
    salts = (SALT_L, SALT_R)
    by = np.uint64(shift)
    size = sizes = before = 0
    word = worded = 0
    for i in range(len(points) + 1):
        point = np.int64(points[i]) if i < len(points) else 32
        code = np.int64(fold[point]) if point < len(fold) else 0
        if point == 32 or point == 10 or point == 13 or point == 9:
            if size:
                sizes += 1
                worded = ((worded << 1) | (1 if word * 2 > size else 0)) & 255
                regs[0] = pattern_of(size, sizes, seen, 0, FAR_L, regs[0]) & MASK_L
                regs[1] = ((regs[1] << FIVE) | np.uint64((size - before) & 31)) & MASK_L
                before = size
                bits = 0
                for k in range(PATTERN_L):
                    bits += worded >> k & 1
                for way in range(2):
                    if sizes > PATTERN_L and bits >= 6 and rich(regs[way], PATTERN_L):
                        place = ((regs[way] ^ salts[way]) * SPREAD) >> by
                        if known:
                            runs[way] = _forget(patterns, were, place, runs[way], places[way])
                        else:
                            set_bit(patterns, place)
            size = word = 0
        else:
            if not letters or code:
                size += 1
            if code and code <= 26:
                word += 1


@allocating
def words_in(points: U32, fold: U8) -> tuple[U64, I64]:
    """The words of a text, each by its letters whatever their order, and how many letters."""
    values = np.zeros(len(points) // 2 + 1, np.uint64)
    letters = np.zeros(len(values), np.int64)
    many = 0
    inside = False
    for i in range(len(points)):
        point = np.int64(points[i])
        code = np.int64(fold[point]) if point < len(fold) else 0
        if code and code <= 26:
            values[many] += weight(code)
            letters[many] += 1
            inside = True
        elif inside:
            many += 1
            inside = False
    many += 1 if inside else 0
    return values[:many], letters[:many]


@allocating
def learn_words(
    points: U32, fold: U8, grams: U8, shift: int, words_there: U8, known: bool
) -> None:
    """Put the long words of a text into a bitmap (or take them out).

    `words_there` (2^17 bits) holds words alone, by another hash: a word is taken out if both
    know it, so that made-up words take out hardly anything else.
    """
    by = np.uint64(shift)
    values, letters = words_in(points, fold)
    for i in range(len(values)):
        if letters[i] >= LONG_WORD:
            place = ((values[i] ^ SALT_W) * SPREAD) >> by
            beside = (values[i] * SPREAD) >> np.uint64(47)
            if not known:
                set_bit(grams, place)
                set_bit(words_there, beside)
            elif there(words_there, beside):
                _clear(grams, place)


@allocating
def learn_word_sets(points: U32, fold: U8, patterns: U8, shift: int, known: bool) -> None:
    """Put three words in a row, each by its letters, into the bitmap (or take them out)."""
    were = patterns.copy() if known else patterns
    places = np.zeros(FORGET, np.int64)
    run = 0
    by = np.uint64(shift)
    values, _ = words_in(points, fold)
    for i in range(2, len(values)):
        near = three_words(values[i - 2], values[i - 1], values[i])
        place = ((near ^ SALT_3) * SPREAD) >> by
        if known:
            run = _forget(patterns, were, place, run, places)
        else:
            set_bit(patterns, place)


@allocating
def learn_edges(points: U32, fold: U8, patterns: U8, shift: int, known: bool) -> None:
    """Put the first letters of a text's words in a row, and the last ones, into the bitmap (or
    take them out).
    """
    were = patterns.copy() if known else patterns
    places = np.zeros((2, FORGET), np.int64)
    runs = np.zeros(2, np.int64)
    regs = np.zeros(2, np.uint64)
    codes = np.zeros(2, np.int64)
    before = np.zeros(2, np.int64)
    salts = (SALT_I, SALT_F)
    by = np.uint64(shift)
    words = 0
    inside = False
    for i in range(len(points) + 1):
        point = np.int64(points[i]) if i < len(points) else 32
        code = np.int64(fold[point]) if point < len(fold) else 0
        if code and code <= 26:
            codes[1] = code
            if not inside:
                inside = True
                codes[0] = code
        elif inside:
            inside = False
            words += 1
            for way in range(2):
                diff = (codes[way] - before[way] + 26) % 26
                regs[way] = ((regs[way] << FIVE) | np.uint64(diff)) & MASK
                before[way] = codes[way]
                if words >= GRAM and rich(regs[way], GRAM - 1):
                    place = ((regs[way] ^ salts[way]) * SPREAD) >> by
                    if known:
                        runs[way] = _forget(patterns, were, place, runs[way], places[way])
                    else:
                        set_bit(patterns, place)


@allocating
def mark_words(points: U32, fold: U8, bitmap: U8) -> None:
    """Put the long words of a text into the bitmap of 2^16 bits of words that say nothing."""
    values, letters = words_in(points, fold)
    for i in range(len(values)):
        if letters[i] >= LONG_WORD:
            set_bit(bitmap, (values[i] * SPREAD) >> np.uint64(48))


@allocating
def learn_packed(
    raw: U8, packed: U8, shift: int, size: int, signs: int, base: int, known: bool
) -> None:
    """Put in (or take out) the patterns of repetition of bytes of which every `size` are one
    number, written as `signs` signs of `base` different ones: from each of the first bytes on,
    and with the first sign the highest or the lowest.
    """
    were = packed.copy() if known else packed
    places = np.zeros(FORGET, np.int64)
    digits = np.zeros(signs, np.int64)
    by = np.uint64(shift)
    for start in range(size):
        seen = np.zeros((1, ALPHABET), np.int32)
        reg = np.uint64(0)
        now = run = 0
        for at in range(start, len(raw) - size + 1, size):
            number = np.int64(0)
            for k in range(size):
                number = number << 8 | np.int64(raw[at + k])
            for k in range(signs):
                digits[signs - 1 - k] = number % base
                number //= base
            for k in range(signs):
                # Base45 alone begins with the lowest.
                sign = digits[signs - 1 - k] if size == 2 else digits[k]
                now += 1
                reg = pattern_of(sign, now, seen, 0, FAR, reg)
                if now >= PATTERN and rich(reg, PATTERN):
                    place = (reg * SPREAD) >> by
                    if known:
                        run = _forget(packed, were, place, run, places)
                    else:
                        set_bit(packed, place)


@compiled
def _stepped(codes: I64, scrambled: U8, by: np.uint64, odd: int, even: int) -> None:
    """Put in how letters read that are `odd` and `even` places apart by turns, from each place on.
    What is no letter (0) counts as a place and is not read.
    """
    for i in range(len(codes)):
        if codes[i] == 0:
            continue
        reg = np.uint64(0)
        last = codes[i]
        at = i
        many = turn = 0
        while many < GRAM - 1:
            at += even if turn else odd
            turn = 1 - turn
            if at >= len(codes):
                break
            if codes[at]:
                reg = (reg << FIVE) | np.uint64((codes[at] - last + 26) % 26)
                last = codes[at]
                many += 1
        if many == GRAM - 1 and rich(reg, GRAM - 1):
            set_bit(scrambled, (reg * SPREAD) >> by)


@allocating
def learn_scrambled(
    points: U32, fold: U8, scrambled: U8, shift: int, steps: I64, known: bool
) -> None:
    """Put in how a text reads in columns and rails (`steps`: pairs of distances that take turns;
    among letters alone, and among all characters), and how letters 2 to 8 apart differ. These
    differences are also those of the text as it stands, so that they alone are taken out of what
    is `known`.
    """
    by = np.uint64(shift)
    were = scrambled.copy() if known else scrambled
    places = np.zeros(FORGET, np.int64)
    codes = np.zeros(len(points), np.int64)
    signs = np.zeros(len(points), np.int64)
    n = 0
    for i in range(len(points)):
        point = np.int64(points[i])
        code = np.int64(fold[point]) if point < len(fold) else 0
        if code and code <= 26:
            codes[n] = signs[i] = code
            n += 1
    if not known:
        for s in range(len(steps)):
            _stepped(codes[:n], scrambled, by, steps[s, 0], steps[s, 1])
            _stepped(signs, scrambled, by, steps[s, 0], steps[s, 1])
    for lag in range(LAG_FROM, LAG_TO + 1):
        reg = np.uint64(0)
        run = 0
        for i in range(lag, n):
            reg = ((reg << FIVE) | np.uint64((codes[i] - codes[i - lag] + 26) % 26)) & MASK
            if i >= lag + GRAM - 2 and rich(reg, GRAM - 1):
                place = (reg * SPREAD) >> by
                if known:
                    run = _forget(scrambled, were, place, run, places)
                else:
                    set_bit(scrambled, place)
