"""Puts what is protected into the bitmaps that the guard reads, and takes out what is known."""

# ruff: noqa: PLR0917 - compiled functions are called by position, and compare fastest so
from __future__ import annotations

import numpy as np

from titer.respond.leak_guard.lanes import (
    ALPHABET,
    FIVE,
    FORGET,
    GRAM,
    I64,
    LONG_WORD,
    MASK,
    MASK_S,
    PATTERN,
    SALT_P,
    SALT_W,
    SPREAD,
    U8,
    U32,
    compiled,
    pattern_of,
    rich,
    set_bit,
    skeleton,
    weight,
)


@compiled
def _clear(bitmap: U8, place: np.uint64) -> None:
    at = np.int64(place)
    bitmap[at >> 3] &= np.uint8(255 ^ (1 << (at & 7)))


@compiled
def _there(bitmap: U8, place: np.uint64) -> bool:
    at = np.int64(place)
    return bool((np.int64(bitmap[at >> 3]) >> (at & 7)) & 1)


@compiled
def _forget(bitmap: U8, were: U8, place: np.uint64, run: int, places: I64) -> int:
    """Take a gram out once it ends a run of `FORGET` that `were` there; returns the run so far.

    `places` holds the run's beginning, which is taken out with its last.
    """
    if not _there(were, place):
        return 0
    if run >= FORGET:
        _clear(bitmap, place)
        return run
    places[run] = np.int64(place)
    if run + 1 == FORGET:
        for k in range(FORGET):
            _clear(bitmap, np.uint64(places[k]))
    return run + 1


@compiled
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
    last = 0
    by = np.uint64(shift)
    for i in range(len(points)):
        point = points[i]
        if point >= 0xE0000 and point < 0xE0080:
            point -= 0xE0000
        code = int(fold[point]) if point < len(fold) else 0
        if code == 0:
            continue
        bone = skeleton(code)
        if bone:
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


@compiled
def learn_shape(points: U32, grams: U8, shift: int, lower: bool, known: bool) -> None:
    """Put the patterns of repetition of a text into its bitmap (or take them out), capitals told
    apart or not.
    """
    were = grams.copy() if known else grams
    places = np.zeros(FORGET, np.int64)
    run = 0
    seen = np.zeros(ALPHABET, np.int32)
    reg = np.uint64(0)
    by = np.uint64(shift)
    for i in range(len(points)):
        point = np.int64(points[i])
        if lower and point >= 65 and point <= 90:
            point += 32
        reg = pattern_of(point, i + 1, seen, reg)
        if i >= PATTERN and rich(reg, PATTERN):
            if known:
                run = _forget(grams, were, ((reg ^ SALT_P) * SPREAD) >> by, run, places)
            else:
                set_bit(grams, ((reg ^ SALT_P) * SPREAD) >> by)


@compiled
def learn_words(points: U32, fold: U8, grams: U8, shift: int, words_there: U8, known: bool) -> int:
    """Put the long words of a text into a bitmap (or take them out). Returns how many.

    `words_there` (2^17 bits) holds words alone, by another hash: a word is taken out if both
    know it, so that made-up words take out hardly anything else.
    """
    by = np.uint64(shift)
    value = np.uint64(0)
    letters = words = 0
    for i in range(len(points) + 1):
        point = np.int64(points[i]) if i < len(points) else 32
        code = np.int64(fold[point]) if point < len(fold) else 0
        if code and code <= 26:
            value += weight(code)
            letters += 1
        elif letters:
            if letters >= LONG_WORD:
                place = ((value ^ SALT_W) * SPREAD) >> by
                beside = (value * SPREAD) >> np.uint64(47)
                if not known:
                    set_bit(grams, place)
                    set_bit(words_there, beside)
                elif _there(words_there, beside):
                    _clear(grams, place)
                words += 1
            value = np.uint64(0)
            letters = 0
    return words


@compiled
def mark_words(points: U32, fold: U8, bitmap: U8) -> None:
    """Put the long words of a text into the bitmap of 2^16 bits of words that say nothing."""
    value = np.uint64(0)
    letters = 0
    for i in range(len(points) + 1):
        code = np.int64(fold[points[i]]) if i < len(points) else 0
        if code:
            value += weight(code)
            letters += 1
        elif letters:
            if letters >= LONG_WORD:
                set_bit(bitmap, (value * SPREAD) >> np.uint64(48))
            value = np.uint64(0)
            letters = 0
