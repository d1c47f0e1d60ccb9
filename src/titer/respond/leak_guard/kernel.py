"""The guard's inner loop, compiled by numba: one pass over the text, many views at once.

A *lane* is one view: a sequence of letters read off the text in one way (as it stands, every
second letter, the letters that base64 spells, ...). Each lane hashes its last nine letters as the
eight differences between neighbours mod 26, so that a shift of the alphabet changes nothing, looks
the hash up in a bitmap of the protected text, and keeps a score: +2 when it is there, -1 when not,
never below 0 (-4 once there is a leak, -16 for lines). A lane above its hold threshold makes an
*excursion*: text is held back from there. Above its hit threshold the excursion is a leak, up to
where all lanes have calmed down.

State lives in arrays, so that a text gives the same outcome however it is cut into pieces.
"""

# ruff: noqa: PLR0917, PLR1714 - compiled functions are called by position, and compare fastest so
from __future__ import annotations

from typing import Any

import numpy as np

from titer.respond.leak_guard.decoding import coded, put
from titer.respond.leak_guard.lanes import (
    ACTIVE,
    AGE,
    BAG,
    BEFORE,
    FIVE,
    GATE,
    HEX,
    HIT,
    I16,
    I32,
    I64,
    IN_WORD,
    LAST,
    LASTS,
    LASTS_FOR,
    LETTERS,
    LINES,
    LONG_WORD,
    MASK,
    MASK_36,
    MASK_S,
    NEW_LINE,
    ODD,
    OPEN,
    PENDING,
    PERCENT,
    PLACE,
    PLAIN,
    READ,
    RECENT,
    REGIONS,
    RING,
    RUN,
    SAID,
    SALT_P,
    SALT_W,
    SECOND,
    SHAPE,
    SIGNS,
    SIX,
    SKELETON,
    SPARE,
    SPREAD,
    THIRD,
    THREE,
    U8,
    U32,
    U64,
    WORD_LETTERS,
    WORDS,
    compiled,
    pattern_of,
    skeleton,
    weight,
)
from titer.respond.leak_guard.settings import PREFIX


@compiled
def _word(
    value: Any,
    grams: U8,
    by: Any,
    common: U8,
    said: U64,
    numbers: I64,
    limit: I64,
    down: Any,
) -> int:
    """A long word has ended. Returns by how many the suspicions have become more.

    Common words and words said lately say nothing; while a leak is going on, that it may be over.
    """
    old = numbers[2, BAG]
    new = old - 1 if down > 1 else old
    at = np.int64((value * SPREAD) >> np.uint64(48))
    telling = not (np.int64(common[at >> 3]) >> (at & 7)) & 1
    if telling:
        for k in range(SAID):
            if said[k] == value:
                telling = False
                break
    if telling:
        said[numbers[3, BAG] & (SAID - 1)] = value
        numbers[3, BAG] += 1
        at = np.int64(((value ^ SALT_W) * SPREAD) >> by)
        hit = (np.int64(grams[at >> 3]) >> (at & 7)) & 1
        new = min(old + 1, limit[2, BAG]) if hit else old - 2 * down
    new = max(new, 0)
    numbers[2, BAG] = new
    if old < limit[0, BAG] and limit[0, BAG] <= new:
        return 1
    if new < limit[0, BAG] and limit[0, BAG] <= old:
        return -1
    return 0


@compiled
def _keep(
    lane: int,
    code: int,
    age: int,
    numbers: I64,
    sreg: U64,
    ring: U8,
    begins: U8,
    starts: U64,
    lengths: I64,
    due: I64,
    checks: I64,
    copies: U8,
    i: int,
) -> int:
    """One more code of a lane for the secrets: does one begin, or end, here? Returns by how many
    the suspicions have become more.
    """
    more = 0
    ring[lane, numbers[3, lane] & (RING - 1)] = code
    numbers[3, lane] += 1
    value = ((sreg[lane] << SIX) | np.uint64(code)) & MASK_36
    sreg[lane] = value
    for k in range(PENDING):
        if due[0, lane, k] > 0:
            due[0, lane, k] -= 1
            if due[0, lane, k] == 0:
                n = checks[0, 0]
                if n < len(checks) - 1:
                    checks[0, 0] = n + 1
                    checks[n + 1, 0] = due[1, lane, k]
                    checks[n + 1, 1] = i
                    checks[n + 1, 2] = age + 1
                    for c in range(due[1, lane, k]):
                        place = numbers[3, lane] - due[1, lane, k] + c
                        copies[n + 1, c] = ring[lane, place & (RING - 1)]
                more -= 1
    mixed = value * SPREAD
    at = np.int64(mixed >> np.uint64(48))
    if not (np.int64(begins[at >> 3]) >> (at & 7)) & 1:
        return more
    for s in range(len(starts)):
        if starts[s] == mixed:
            for k in range(PENDING):
                if due[0, lane, k] == 0:
                    due[0, lane, k] = lengths[s] - PREFIX
                    due[1, lane, k] = lengths[s]
                    more += 1
                    break
    return more


@compiled
def scan(
    points: U32,
    fold: U8,
    tables: I16,
    morse: U8,
    grams: U8,
    skeletons: U8,
    shift: int,
    state: I64,
    reg: U64,
    numbers: I64,
    limit: I64,
    recent: U8,
    todo: I64,
    wide: I64,
    common: U8,
    said: U64,
    seen: I32,
    sreg: U64,
    ring: U8,
    begins: U8,
    starts: U64,
    lengths: I64,
    due: I64,
    regions: I64,
    checks: I64,
    copies: U8,
    longest: int,
) -> int:
    """Read a piece of text. Returns how many regions of `regions` (start, end, lane) are leaks.

    `numbers` holds by lane: count, last code, score, place in the ring; `limit`: hold, hit, cap.
    Positions are of `points`; a start below 0 lies in text held from before (`BEFORE`: the region
    was open already), an end of `OPEN` says that it goes on. Afterwards `state[AGE]` characters at
    the end are suspicious and to be held, unless a region is open. `state[READ]` characters were
    read: not all when there is no room to tell more. `checks` gets the places where
    a secret of some length may have ended.
    """
    by = np.uint64(shift)
    found = 0
    checks[0, 0] = 0
    secrets = len(starts) > 0
    # In registers while the loop runs; what decoding and secrets need stays in the array.
    active, leak, age = state[ACTIVE], state[HIT], state[AGE]
    two, three, last, place = state[LETTERS], state[THREE], state[LAST], state[PLACE]
    in_word, new_line = state[IN_WORD], state[NEW_LINE]
    odd, run, gate = state[ODD], state[RUN], state[GATE]
    percent, signs = state[PERCENT], state[SIGNS]
    word, word_letters = reg[BAG], state[WORD_LETTERS]
    if leak:
        regions[0, 0], regions[0, 1], regions[0, 2] = BEFORE, OPEN, leak - 1
        found = 1
    for i in range(len(points)):
        point = np.int64(points[i])
        if point >= 0xE0000 and point < 0xE0080:
            point -= 0xE0000
        code = np.int64(fold[point]) if point < len(fold) else 0
        space = point == 32 or point == 10 or point == 13 or point == 9
        many = 0
        down = np.int64(4 if leak else 1)
        # %41 is one sign and no letters.
        if percent:
            percent -= 1
            if point < 128 and tables[2, point] >= 0:
                code = 0
            else:
                percent = 0
        elif point == 37:
            percent = 2
        # Patterns of repetition.
        signs += 1
        small = point + 32 if point >= 65 and point <= 90 else point
        pattern = pattern_of(small, signs, seen, reg[SHAPE])
        reg[SHAPE] = pattern
        at = np.int64(((pattern ^ SALT_P) * SPREAD) >> by)
        old = numbers[2, SHAPE]
        if (np.int64(grams[at >> 3]) >> (at & 7)) & 1:
            new = min(old + 2, limit[2, SHAPE])
            numbers[2, SHAPE] = new
            if old < limit[0, SHAPE] and limit[0, SHAPE] <= new:
                active += 1
            if new >= limit[1, SHAPE] and not leak:
                leak = SHAPE + 1
        elif old > 0:
            new = max(old - down, 0)
            numbers[2, SHAPE] = new
            if new < limit[0, SHAPE] and limit[0, SHAPE] <= old:
                active -= 1
        # Long words, in any order.
        if code and code <= 26:
            word += weight(code)
            word_letters += 1
        elif word_letters:
            if word_letters >= LONG_WORD:
                active += _word(word, grams, by, common, said, numbers, limit, down)
                if numbers[2, BAG] >= limit[1, BAG] and not leak:
                    leak = BAG + 1
            word = np.uint64(0)
            word_letters = 0
        if code and (code <= 26 or secrets):
            todo[0, 0], todo[0, 1] = PLAIN, code
            todo[1, 0], todo[1, 1] = SECOND + two, code
            todo[2, 0], todo[2, 1] = THIRD + three, code
            many = 3
            two = 1 - two
            three = 0 if three == 2 else three + 1
            if not in_word:
                in_word = 1
                many = put(todo, many, WORDS, code)
            if new_line:
                new_line = 0
                many = put(todo, many, LINES, code)
            last = code
        elif space:
            if in_word:
                in_word = 0
                many = put(todo, many, LASTS, last)
            if point == 10:
                new_line = 1
        if code:
            many = put(todo, many, SKELETON, skeleton(code))
        elif point == 36:
            many = put(todo, many, SKELETON, 19)
        # Does it look encoded? Lower case and space are under 70 % of the last 32, or no space.
        lower = (point >= 97 and point <= 122) or space
        odd += (0 if lower else 32) - (odd >> 5)
        run = 0 if space else run + 1
        recent[place & (RECENT - 1)] = point if point < 128 else 0
        place += 1
        if odd >= 300 or run >= 24:
            if gate == 0:
                for back in range(min(run, RECENT) - 1, 0, -1):
                    before = np.int64(recent[(place - 1 - back) & (RECENT - 1)])
                    many = coded(before, fold, tables, morse, state, wide, todo, many)
            gate = LASTS_FOR
        if gate > 0:
            gate -= 1
            sign = np.int64(point)
            if point == 183 or point == 8226 or point == 8901:  # dots and dashes of typographers
                sign = np.int64(46)
            elif point == 8211 or point == 8212 or point == 8722:
                sign = np.int64(45)
            if sign < 128:
                many = coded(sign, fold, tables, morse, state, wide, todo, many)
            if gate == 0:
                for lane in range(HEX, BAG):
                    if numbers[2, lane] >= limit[0, lane]:
                        active -= 1
                    numbers[2, lane] = 0
        # One more code for each lane that is noted: its gram, its score, its secrets.
        for t in range(many):
            lane, code = todo[t, 0], todo[t, 1]
            if code <= 26:
                bones = lane == SKELETON
                if bones:
                    value = ((reg[lane] << FIVE) | np.uint64(code)) & MASK_S
                else:
                    diff = code - numbers[1, lane]
                    diff += 26 if diff < 0 else 0
                    value = ((reg[lane] << FIVE) | np.uint64(diff)) & MASK
                numbers[1, lane] = code
                reg[lane] = value
                at = np.int64((value * SPREAD) >> by)
                byte = np.int64(skeletons[at >> 3]) if bones else np.int64(grams[at >> 3])
                old = numbers[2, lane]
                if (byte >> (at & 7)) & 1:
                    new = min(old + 2, limit[2, lane])
                    numbers[2, lane] = new
                    if old < limit[0, lane] and limit[0, lane] <= new:
                        active += 1
                    if new >= limit[1, lane] and not leak:
                        leak = lane + 1
                elif old > 0:
                    new = max(old - (4 * down if lane == LINES else down), 0)
                    numbers[2, lane] = new
                    if new < limit[0, lane] and limit[0, lane] <= old:
                        active -= 1
            if secrets and lane != SKELETON:
                active += _keep(lane, code, age, numbers, sreg, ring, begins, starts, lengths, due,
                                checks, copies, i)  # fmt: skip
        # Excursions.
        if active > 0:
            age += 1
            if leak and not state[HIT]:
                state[HIT] = leak
                if found < REGIONS:
                    regions[found, 0] = i + 1 - min(age, longest)
                    regions[found, 1] = OPEN
                    regions[found, 2] = leak - 1
                    found += 1
        elif age:
            age = 0
            if leak:
                leak = 0
                state[HIT] = 0
                regions[found - 1, 1] = i
        state[READ] = i + 1
        if found > REGIONS - 2 or checks[0, 0] > len(checks) - 1 - SPARE:
            break
    state[ACTIVE], state[AGE] = active, age
    state[LETTERS], state[THREE], state[LAST], state[PLACE] = two, three, last, place
    state[IN_WORD], state[NEW_LINE] = in_word, new_line
    state[ODD], state[RUN], state[GATE] = odd, run, gate
    state[PERCENT], state[SIGNS] = percent, signs
    reg[BAG], state[WORD_LETTERS] = word, word_letters
    return found
