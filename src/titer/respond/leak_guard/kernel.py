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

from titer.respond.leak_guard import gates
from titer.respond.leak_guard.decoding import FIRST, WAITING, decode, hexadecimal, numbers_in, put
from titer.respond.leak_guard.gates import (
    BEYOND,
    EVERY,
    GARBLED_FROM,
    GARBLED_TO,
    OPEN_HEX,
    OPEN_NUMBERS,
    OPEN_UU,
)
from titer.respond.leak_guard.lanes import (
    A85,
    ACTIVE,
    AGE,
    B32,
    B64,
    B85,
    BAG,
    BEFORE,
    BINARY,
    DECIMAL,
    DEEP,
    FAR,
    FAR_L,
    FIVE,
    GARBLED,
    GRAM,
    GROUP_RUN,
    GROUPED,
    GROUPS,
    HEX,
    HIT,
    I16,
    I32,
    I64,
    IN_WORD,
    IS_GARBLED,
    LAG_FROM,
    LAG_TO,
    LAGS,
    LAST,
    LASTS,
    LASTS_FOR,
    LENGTHS,
    LETTERS,
    LETTERS_ALONE,
    LETTERS_SEEN,
    LINE_AT,
    LINES,
    LONE,
    MASK,
    MASK_L,
    MASK_S,
    MORSE,
    MOST_RUN,
    NEW_LINE,
    NOTED,
    ONE,
    OPEN,
    OPENED,
    OPENED_BEFORE,
    OPENING,
    PACKED,
    PACKED_SIGNS,
    PACKING,
    PATTERN,
    PATTERN_L,
    PERCENT,
    PLACE,
    PLAIN,
    PRIOR,
    READ,
    RECENT,
    REGIONS,
    RHYTHM,
    ROT47,
    RUN,
    RUNS,
    SALT_L,
    SALT_P,
    SALT_R,
    SCRAMBLED,
    SECOND,
    SEEN_ALL,
    SEEN_ALONE,
    SEEN_LENGTHS,
    SEEN_TOKENS,
    SHAPE,
    SHARES,
    SIGNS,
    SIZE,
    SIZE_BEFORE,
    SIZES,
    SKELETON,
    SPARE,
    SPREAD,
    THIRD,
    THREE,
    TOKEN,
    TOKEN_AT,
    TOKEN_SIGNS,
    TOKENS,
    TOKENS_SEEN,
    U8,
    U32,
    U64,
    UNDER,
    UU,
    WORD,
    WORD_LETTERS,
    WORD_SETS,
    WORDS,
    anew,
    calm,
    compiled,
    inlined,
    rich,
    score,
    skeleton,
    there,
    weight,
)
from titer.respond.leak_guard.patterns import group, packs, pattern_of
from titer.respond.leak_guard.tracing import keep
from titer.respond.leak_guard.words import word_ends

_HIGH, _NIBBLES, _ONES = np.uint64(gates.HIGH), np.uint64(gates.NIBBLES), np.uint64(gates.ONES)
_SHARES_REACH, _RUNS_REACH = np.uint64(gates.SHARES_REACH), np.uint64(gates.RUNS_REACH)
_3, _4, _6, _7, _14, _21, _BYTE = (np.uint64(n) for n in (3, 4, 6, 7, 14, 21, 255))
#: Signs of one run (letters and digits, or signs of the world) from which groups are read.
_LONG_RUN = 20
#: The same for packed signs: fewer stand together in program text all the time.
_PACKED_RUN = 24
#: The lanes of each decoder: from, to.
_LANES_OF = (HEX, DECIMAL, BINARY, MORSE, ROT47, UU, B32, B64, B85, A85)
_LANES_TO = (DECIMAL, BINARY, MORSE, ROT47, B32, B64, B85, BAG, A85, UU)
#: Places by which a lane of letters at a distance is found again.
_CODES = 16


@inlined
def _opens(shares: Any, runs: Any, opens: I64) -> Any:
    """The decoders that shares and runs open."""
    high = (((shares + _SHARES_REACH) & _HIGH) >> _7) | (((runs + _RUNS_REACH) & _HIGH) >> _3)
    return opens[(high | high >> _7 | high >> _14 | high >> _21) & _BYTE]


@compiled
def _indents(point: Any, recent: I32, place: Any) -> bool:
    """Whether the last signs are all the same blank: the indent of a line."""
    if point != 32 and point != 9:
        return False
    same = 0
    for back in range(1, _LONG_RUN):
        same += recent[(place - back) & (RECENT - 1)] == point
    return same == _LONG_RUN - 1


@compiled
def scan(
    points: U32, fold: U8, tables: I16, morse: U8, steps: U64, unbroken: U64, follows: U8,
    quiet: U8, grams: U8, skeletons: U8, patterns: U8, scrambled: U8, packed: U8, shift: int,
    state: I64,
    coding: I64, reg: U64, holds: U64, numbers: I64, limit: I64, recent: I32, codes: I64,
    opens: I64, todo: I64, wide: I64, deep: I64, common: U8, said: U64, heard: U64,
    seen: I32, sums: I64,
    counts: I64, sreg: U64, ring: U8, begins: U8, starts: U64, lengths: I64, due: I64,
    regions: I64, checks: I64, copies: U8, notes: U64, longest: int,
) -> int:  # fmt: skip
    """Read a piece of text. Returns how many regions of `regions` (start, end, lane) are leaks.

    `numbers` holds by lane: count, last code, score, place in the ring; `limit`: hold, hit, cap,
    note. Positions are of `points`; a start below 0 lies in text held from before (`BEFORE`: the
    region was open already), an end of `OPEN` says that it goes on. Afterwards `state[AGE]`
    characters at the end are suspicious and to be held, unless a region is open. `state[READ]`
    characters were read: not all when there is no room to tell more. `checks` gets the places
    where a secret of some length may have ended; `notes` the grams of long matches.
    """
    by = np.uint64(shift)
    found = 0
    checks[0, 0] = 0
    noted = 0
    secrets = len(starts) > 0
    # In registers while the loop runs; what decoding and secrets need stays in the array.
    active, leak, age = state[ACTIVE], state[HIT], state[AGE]
    two, three, last, place = state[LETTERS], state[THREE], state[LAST], state[PLACE]
    in_word, new_line, run = state[IN_WORD], state[NEW_LINE], state[RUN]
    percent, signs, alone = state[PERCENT], state[SIGNS], state[LONE]
    word, word_letters = holds[WORD], state[WORD_LETTERS]
    token, token_signs, token_at = holds[TOKEN], state[TOKEN_SIGNS], state[TOKEN_AT]
    size, sizes, size_before = state[SIZE], state[SIZES], state[SIZE_BEFORE]
    shares, unbroken_runs = holds[SHARES], holds[RUNS]
    opened, foreign = state[OPENED], state[IS_GARBLED]
    opening, opened_before = state[OPENING], state[OPENED_BEFORE]
    group_run, grouped = state[GROUP_RUN], state[GROUPED]
    garbled, prior = state[GARBLED], state[PRIOR]
    many_codes, packing = state[LETTERS_SEEN], state[PACKING]
    most_run: Any = np.int64(0)
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
        # Patterns of repetition: all signs, letters alone.
        signs += 1
        small = point + 32 if point >= 65 and point <= 90 else point
        value = pattern_of(small, signs, seen, SEEN_ALL, FAR, reg[SHAPE])
        reg[SHAPE] = value
        hit = there(patterns, ((value ^ SALT_P) * SPREAD) >> by) and rich(value, PATTERN)
        active += score(numbers, limit, SHAPE, hit, down)
        if hit and numbers[2, SHAPE] >= limit[1, SHAPE] and not leak:
            leak = SHAPE + 1
        silent = point < len(quiet) and quiet[point]
        if not silent:
            alone += 1
            value = pattern_of(small, alone, seen, SEEN_ALONE, FAR, reg[LETTERS_ALONE])
            reg[LETTERS_ALONE] = value
            hit = there(patterns, ((value ^ SALT_P) * SPREAD) >> by) and rich(value, PATTERN)
            active += score(numbers, limit, LETTERS_ALONE, hit, down)
            if hit and numbers[2, LETTERS_ALONE] >= limit[1, LETTERS_ALONE] and not leak:
                leak = LETTERS_ALONE + 1
        # Words as signs, and their lengths.
        if space:
            if size:
                sizes += 1
                value = pattern_of(size, sizes, seen, SEEN_LENGTHS, FAR_L, reg[LENGTHS]) & MASK_L
                reg[LENGTHS] = value
                hit = there(patterns, ((value ^ SALT_L) * SPREAD) >> by) and rich(value, PATTERN_L)
                active += score(numbers, limit, LENGTHS, hit, down)
                if hit and numbers[2, LENGTHS] >= limit[1, LENGTHS] and not leak:
                    leak = LENGTHS + 1
                longer = np.uint64((size - size_before) & 31)
                value = ((reg[RHYTHM] << FIVE) | longer) & MASK_L
                reg[RHYTHM] = value
                hit = there(patterns, ((value ^ SALT_R) * SPREAD) >> by) and rich(value, PATTERN_L)
                active += score(numbers, limit, RHYTHM, hit, down)
                if hit and numbers[2, RHYTHM] >= limit[1, RHYTHM] and not leak:
                    leak = RHYTHM + 1
                size_before = size
                size = 0
        else:
            size += 1
        cut = space or point == 44 or point == 59 or point == 124
        if cut or (silent and token_at and (point == 45 or point == 47 or point == 95)):
            if token_signs:
                state[TOKENS_SEEN] += 1
                name = np.int64((token * SPREAD) >> np.uint64(34))
                value = pattern_of(name, state[TOKENS_SEEN], seen, SEEN_TOKENS, FAR, reg[TOKENS])
                reg[TOKENS] = value
                hit = there(patterns, ((value ^ SALT_P) * SPREAD) >> by) and rich(value, PATTERN)
                active += score(numbers, limit, TOKENS, hit, down)
                if hit and numbers[2, TOKENS] >= limit[1, TOKENS] and not leak:
                    leak = TOKENS + 1
                token = np.uint64(0)
                token_signs = 0
            token_at = 0
        else:
            token = token * SALT_P + np.uint64(small)
            token_signs += 1
            token_at = 0 if silent else 1
        # Groups of signs, where nothing stands between them.
        latest = np.int64(recent[(place - 1) & (RECENT - 1)])
        member = (
            (code and point < 128)
            or (point >= 0x2000 and point < 0x2C00)
            or point >= 0x1F000
            or ((point == 32 or point == 9) and (latest == 32 or latest == 9))
        )
        if member:
            group_run += 1
            if group_run == _LONG_RUN and _indents(point, recent, place):
                group_run -= 1
            if group_run == _LONG_RUN:
                for k in range(len(sums)):
                    sums[k] = counts[k, 0] = 0
                for back in range(min(_LONG_RUN, place + 1) - 1, 0, -1):
                    before = np.int64(recent[(place - back) & (RECENT - 1)])
                    active += group(before, patterns, by, sums, counts, seen, reg, numbers,
                                    limit, down)  # fmt: skip
                grouped = 1
            if group_run >= _LONG_RUN:
                active += group(point, patterns, by, sums, counts, seen, reg, numbers, limit,
                                down)  # fmt: skip
                if not leak:
                    for lane in range(GROUPS, GROUPS + len(sums)):
                        if numbers[2, lane] >= limit[1, lane]:
                            leak = lane + 1
                            break
        elif not (group_run >= _LONG_RUN and (point == 10 or point == 13)):
            group_run = 0
            if grouped:
                grouped = 0
                active -= calm(numbers, limit, GROUPS, GROUPS + len(sums))
        # Bytes packed into signs, where signs stand together as in no language.
        if run >= _PACKED_RUN and not space:
            if not packing:
                for back in range(min(_PACKED_RUN, place), 0, -1):
                    state[PACKED_SIGNS] += 1
                    active += packs(np.int64(recent[(place - back) & (RECENT - 1)]), packed, by,
                                    state[PACKED_SIGNS], seen, reg, numbers, limit,
                                    down)  # fmt: skip
            packing = RECENT
        if packing:
            packing -= 1
            if point != 10 and point != 13:
                state[PACKED_SIGNS] += 1
                active += packs(point, packed, by, state[PACKED_SIGNS], seen, reg, numbers, limit,
                                down)  # fmt: skip
                if not leak and numbers[2, PACKED] >= limit[1, PACKED]:
                    leak = PACKED + 1
            if not packing:
                active -= calm(numbers, limit, PACKED, PACKED + 1)
        # Words, in any order and by their letters.
        if code and code <= 26:
            word += weight(code)
            word_letters += 1
        elif word_letters:
            active += word_ends(word, word_letters, grams, patterns, by, common, said, holds,
                                numbers, limit, down)  # fmt: skip
            if not leak:
                if numbers[2, BAG] >= limit[1, BAG]:
                    leak = BAG + 1
                elif numbers[2, WORD_SETS] >= limit[1, WORD_SETS]:
                    leak = WORD_SETS + 1
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
        bone = skeleton(code) if code else (19 if point == 36 else 0)
        many = put(todo, many, SKELETON, bone)
        # Does it look encoded, and in what?
        run = 0 if space else run + 1
        most_run = max(most_run, run)
        sign = point
        if point >= 128:
            if point == 183 or point == 8226 or point == 8901:  # dots and dashes of typographers
                sign = np.int64(46)
            elif point == 8211 or point == 8212 or point == 8722:
                sign = np.int64(45)
        recent[place & (RECENT - 1)] = np.int32(sign)
        place += 1
        kind = sign if sign < 128 else BEYOND
        shares = shares - ((shares >> _4) & _NIBBLES) + steps[kind]
        unbroken_runs = (unbroken_runs + _ONES - ((unbroken_runs >> _6) & _ONES)) & unbroken[kind]
        now = _opens(shares, unbroken_runs, opens)
        if now or opened:
            opening |= now
            fresh = now & ~opened
            if fresh:
                if fresh & OPEN_UU:
                    coding[0, LINE_AT] = 0
                for back in range(min(run, RECENT) - 1, 0, -1):
                    before = np.int64(recent[(place - 1 - back) & (RECENT - 1)])
                    if before < 128:
                        many = decode(fresh, before, fold, tables, morse, coding[0], wide, todo,
                                      many, deep, 0)  # fmt: skip
                opened |= fresh
            if sign < 128:
                # Numbers are in every table: these two stand here, the others are called.
                if opened & OPEN_HEX:
                    many = hexadecimal(sign, fold, tables, coding[0], wide, todo, many, deep, 0)
                if opened & OPEN_NUMBERS:
                    many = numbers_in(sign, fold, coding[0], wide, todo, many, deep, 0)
                if opened & ~(OPEN_HEX | OPEN_NUMBERS):
                    many = decode(opened & ~(OPEN_HEX | OPEN_NUMBERS), sign, fold, tables, morse,
                                  coding[0], wide, todo, many, deep, 0)  # fmt: skip
            if deep[WAITING]:
                for k in range(deep[WAITING]):
                    many = decode(EVERY, deep[FIRST + k], fold, tables, morse, coding[1], wide,
                                  todo, many, deep, UNDER)  # fmt: skip
                deep[WAITING] = 0
            if place & (LASTS_FOR - 1) == 0:
                still = opening | opened_before
                if still != opened:
                    for k in range(10):
                        if (opened & ~still) >> k & 1:
                            active -= calm(numbers, limit, _LANES_OF[k], _LANES_TO[k])
                    if not still:
                        active -= calm(numbers, limit, DEEP, RHYTHM)
                    opened = still
                opened_before, opening = opening, np.int64(0)
        # One more code for each lane that is noted: its gram, its score, its secrets.
        for t in range(many):
            lane, code_t = todo[t, 0], todo[t, 1]
            if code_t <= 26:
                bones = lane == SKELETON
                if bones:
                    if code_t == numbers[1, lane]:
                        continue
                    value = ((reg[lane] << FIVE) | np.uint64(code_t)) & MASK_S
                else:
                    diff = code_t - numbers[1, lane]
                    diff += 26 if diff < 0 else 0
                    value = ((reg[lane] << FIVE) | np.uint64(diff)) & MASK
                numbers[1, lane] = code_t
                reg[lane] = value
                at = (value * SPREAD) >> by
                if bones:
                    hit = there(skeletons, at) and rich(value, GRAM)
                else:
                    hit = there(grams, at) and rich(value, GRAM - 1)
                active += score(numbers, limit, lane, hit, 4 * down if lane == LINES else down)
                if hit:
                    if numbers[2, lane] >= limit[1, lane] and not leak:
                        leak = lane + 1
                    if numbers[2, lane] >= limit[3, lane] and noted < len(notes):
                        notes[noted] = at
                        noted += 1
            if secrets and lane != SKELETON:
                active += keep(lane, code_t, age, numbers, sreg, ring, begins, starts, lengths,
                               due, checks, copies, i)  # fmt: skip
        # Letters that follow each other as in no language.
        if code and code <= 26 and point < 0x250:
            if prior:
                garbled += (0 if follows[27 * prior + code] else 32) - (garbled >> 5)
            prior = code
            codes[many_codes & (_CODES - 1)] = code
            many_codes += 1
            if foreign or garbled >= GARBLED_FROM:
                foreign = 1
                value = reg[PLAIN]
                hit = (
                    there(scrambled, (value * SPREAD) >> (by - ONE))
                    and rich(value, GRAM - 1)
                    and anew(heard, value)
                )
                active += score(numbers, limit, SCRAMBLED, hit, down)
                if numbers[2, SCRAMBLED] >= limit[1, SCRAMBLED] and not leak:
                    leak = SCRAMBLED + 1
                for lag in range(LAG_FROM, LAG_TO + 1):
                    lane = LAGS + lag - LAG_FROM
                    diff = code - codes[(many_codes - 1 - lag) & (_CODES - 1)]
                    diff += 26 if diff < 0 else 0
                    value = ((reg[lane] << FIVE) | np.uint64(diff)) & MASK
                    reg[lane] = value
                    hit = (
                        there(scrambled, (value * SPREAD) >> (by - ONE))
                        and rich(value, GRAM - 1)
                        and anew(heard, (value << FIVE) | np.uint64(lag))
                    )
                    active += score(numbers, limit, lane, hit, down)
                    if hit and numbers[2, lane] >= limit[1, lane] and not leak:
                        leak = lane + 1
                if garbled < GARBLED_TO:
                    foreign = 0
                    active -= calm(numbers, limit, SCRAMBLED, DEEP)
        elif code == 0:
            prior = 0
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
    state[ACTIVE], state[AGE], state[NOTED] = active, age, noted
    state[LETTERS], state[THREE], state[LAST], state[PLACE] = two, three, last, place
    state[IN_WORD], state[NEW_LINE], state[RUN] = in_word, new_line, run
    state[PERCENT], state[SIGNS], state[LONE] = percent, signs, alone
    holds[WORD], state[WORD_LETTERS] = word, word_letters
    holds[TOKEN], state[TOKEN_SIGNS], state[TOKEN_AT] = token, token_signs, token_at
    state[SIZE], state[SIZES], state[SIZE_BEFORE] = size, sizes, size_before
    holds[SHARES], holds[RUNS] = shares, unbroken_runs
    state[OPENED], state[IS_GARBLED] = opened, foreign
    state[OPENING], state[OPENED_BEFORE] = opening, opened_before
    state[GROUP_RUN], state[GROUPED] = group_run, grouped
    state[GARBLED], state[PRIOR], state[LETTERS_SEEN] = garbled, prior, many_codes
    state[PACKING], state[MOST_RUN] = packing, most_run
    return found
