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
from titer.respond.leak_guard.decoding import (
    WAITING,
    catch_up,
    decode,
    hexadecimal,
    numbers_in,
    numbers_line,
    once_more,
    put,
)
from titer.respond.leak_guard.gates import (
    BEYOND,
    GARBLED_FROM,
    GARBLED_TO,
    OPEN_HEX,
    OPEN_NUMBERS,
)
from titer.respond.leak_guard.lanes import (
    A85,
    ACTIVE,
    AGE,
    APART,
    B32,
    B64,
    B85,
    BAG,
    BEFORE,
    BINARY,
    BLANK,
    BONES_UNDER,
    DECIMAL,
    DEEP,
    FAR,
    FINAL,
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
    INITIAL,
    IS_GARBLED,
    LANES,
    LAST,
    LASTS,
    LASTS_FOR,
    LETTERS,
    LETTERS_ALONE,
    LETTERS_SEEN,
    LINES,
    LONE,
    MASK,
    MASK_S,
    MORSE,
    MOST_RUN,
    NEW_LINE,
    NOTED,
    OPEN,
    OPENED,
    OPENED_BEFORE,
    OPENING,
    PACKED,
    PACKED_SIGNS,
    PACKING,
    PATTERN,
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
    SALT_P,
    SCRAMBLED,
    SECOND,
    SEEN_ALL,
    SEEN_ALONE,
    SHAPE,
    SHARES,
    SIGNS,
    SIZE,
    SKELETON,
    SPAN,
    SPAN_SIGNS,
    SPARE,
    SPREAD,
    THIRD,
    THREE,
    TOKEN,
    TOKEN_AT,
    TOKEN_SIGNS,
    U8,
    U32,
    U64,
    UNSEEN,
    UNSEEN_BEFORE,
    UU,
    WORD,
    WORD_LETTERS,
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
from titer.respond.leak_guard.patterns import (
    LONG_RUN,
    PACKED_ON,
    PACKED_RUN,
    group,
    groups_begin,
    indents,
    packs,
    packs_begin,
    pattern_of,
)
from titer.respond.leak_guard.scrambles import (
    CODES,
    scrambles,
)
from titer.respond.leak_guard.tracing import (
    keep,
)
from titer.respond.leak_guard.words import (
    size_ends,
    span_ends,
    token_ends,
    word_ends,
)

_HIGH, _NIBBLES, _ONES = np.uint64(gates.HIGH), np.uint64(gates.NIBBLES), np.uint64(gates.ONES)
_SHARES_REACH, _RUNS_REACH = np.uint64(gates.SHARES_REACH), np.uint64(gates.RUNS_REACH)
_3, _4, _6, _7, _14, _21, _BYTE = (np.uint64(n) for n in (3, 4, 6, 7, 14, 21, 255))
#: Signs in a row with blanks on both sides from which one blank between two says nothing: what
#: follows them begins a group of hexadecimal, base32 or base64, if they began one.
_APART = 9
#: The lanes of each decoder: from, to.
_LANES_OF = (HEX, DECIMAL, BINARY, MORSE, ROT47, UU, B32, B64, B85, A85)
_LANES_TO = (DECIMAL, BINARY, MORSE, ROT47, B32, B64, B85, BAG, A85, UU)


@inlined
def _opens(shares: Any, runs: Any, opens: I64) -> Any:
    """The decoders that shares and runs open."""
    high = (((shares + _SHARES_REACH) & _HIGH) >> _7) | (((runs + _RUNS_REACH) & _HIGH) >> _3)
    return opens[(high | high >> _7 | high >> _14 | high >> _21) & _BYTE]


@compiled
def _close(closed: int, numbers: I64, limit: I64) -> int:
    """Decoders (bits) are closed; by how many the suspicions become fewer."""
    fewer = 0
    for k in range(len(_LANES_OF)):
        if closed >> k & 1:
            fewer += calm(numbers, limit, _LANES_OF[k], _LANES_TO[k])
    return fewer


@compiled
def _leaking(numbers: I64, limit: I64) -> int:
    """The first lane whose score is that of a leak, from 1 on; 0 when there is none."""
    for lane in range(LANES):
        if numbers[2, lane] >= limit[1, lane]:
            return lane + 1
    return 0


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
    size, apart, blank = state[SIZE], state[APART], state[BLANK]
    shares, unbroken_runs = holds[SHARES], holds[RUNS]
    opened, foreign = state[OPENED], state[IS_GARBLED]
    opening, opened_before = state[OPENING], state[OPENED_BEFORE]
    group_run, grouped = state[GROUP_RUN], state[GROUPED]
    garbled, prior = state[GARBLED], state[PRIOR]
    many_codes, packing = state[LETTERS_SEEN], state[PACKING]
    initial, final = state[INITIAL], state[FINAL]
    span, span_signs = state[SPAN], state[SPAN_SIGNS]
    unseen, unseen_before = state[UNSEEN], state[UNSEEN_BEFORE]
    most_run: Any = np.int64(0)
    read = len(points)
    if leak:
        regions[0, 0], regions[0, 1], regions[0, 2] = BEFORE, OPEN, leak - 1
        found = 1
    for i in range(len(points)):
        point = np.int64(points[i])
        if point > 127:
            if point >= 0xE0000 and point < 0xE0080:
                point -= 0xE0000
            elif point >= 0xFF01 and point <= 0xFF5E:
                point -= 0xFEE0
        space = point == 32 or point == 10 or point == 13 or point == 9
        # What says nothing: blanks between single signs, one sign of zero width between others.
        nothing = point == 0x200B or point == 0xFEFF
        if nothing or (
            point >= 0x200C and point <= 0x2064 and (point <= 0x200F or point >= 0x2060)
        ):
            unseen += 1
            if unseen == 2 and unseen_before:  # the one before was the first of several
                recent[place & (RECENT - 1)] = np.int32(unseen_before)
                place += 1
                group_run = np.int64(1)
            unseen_before = point if nothing and unseen == 1 else np.int64(0)
            nothing = nothing and unseen == 1
        else:
            unseen = np.int64(0)
        if space:
            nothing = point == 32 and apart >= _APART and not blank
            blank = np.int64(1)
        elif not nothing:
            apart = apart + 1 if blank else np.int64(0)
            blank = np.int64(0)
        if nothing:
            age += 1 if active > 0 else 0
            continue
        code = np.int64(fold[point]) if point < len(fold) else 0
        many = 0
        down = np.int64(4 if leak else 1)
        # %41 is one sign and no letters.
        escaped = point == 37
        if percent:
            percent -= 1
            if point < 128 and tables[2, point] >= 0:
                code = 0
                escaped = True
            else:
                percent = 0
        if point == 37:
            percent = 2
        # Patterns of repetition: all signs, letters alone.
        signs += 1
        small = point + 32 if point >= 65 and point <= 90 else point
        value = pattern_of(small, signs, seen, SEEN_ALL, FAR, reg[SHAPE])
        reg[SHAPE] = value
        hit = there(patterns, ((value ^ SALT_P) * SPREAD) >> by) and rich(value, PATTERN)
        active += score(numbers, limit, SHAPE, hit, down)
        silent = point < len(quiet) and quiet[point]
        if not silent:
            alone += 1
            value = pattern_of(small, alone, seen, SEEN_ALONE, FAR, reg[LETTERS_ALONE])
            reg[LETTERS_ALONE] = value
            hit = there(patterns, ((value ^ SALT_P) * SPREAD) >> by) and rich(value, PATTERN)
            active += score(numbers, limit, LETTERS_ALONE, hit, down)
        # Words as signs, and their lengths.
        if not space:
            size += 1
        elif size:
            active += size_ends(size, state, patterns, by, seen, reg, numbers, limit, down)
            size = 0
        cut = space or point == 44 or point == 59 or point == 124 or (point == 47 and span_signs)
        if cut or (silent and token_at and (point == 45 or point == 47 or point == 95)):
            # Spans: signs between slashes, and words between tokens that are none.
            ended: Any = np.int64(0)
            if point == 47:
                ended, span_signs = span_signs, ended
            elif space and span_signs:
                span += 1
                span_signs = np.int64(0)
            elif space and token_signs:
                ended, span = span, ended
            if ended:
                active += span_ends(ended, state, patterns, by, seen, reg, numbers, limit, down)
            if token_signs:
                active += token_ends(token, state, patterns, by, seen, reg, numbers, limit, down)
                token = np.uint64(0)
                token_signs = 0
            token_at = 0
        else:
            token = token * SALT_P + np.uint64(small)
            token_signs += 1
            token_at = 0 if silent else 1
            span_signs += 0 if silent else 1
        # Groups of signs, where nothing stands between them.
        latest = np.int64(recent[(place - 1) & (RECENT - 1)])
        member = (
            ((code or escaped) and point < 128)
            or (point >= 0x2000 and point < 0x2C00)
            or point >= 0x1F000
            or ((point == 32 or point == 9) and (latest == 32 or latest == 9))
        )
        if member:
            group_run += 1
            if group_run == LONG_RUN and indents(point, recent, place):
                group_run -= 1
            if group_run == LONG_RUN:
                active += groups_begin(recent, place, patterns, by, sums, counts, seen, reg,
                                       numbers, limit, down)  # fmt: skip
                grouped = 1
            if group_run >= LONG_RUN:
                active += group(point, patterns, by, sums, counts, seen, reg, numbers, limit,
                                down)  # fmt: skip
        elif not (group_run >= LONG_RUN and (point == 10 or point == 13)):
            group_run = 0
            if grouped:
                grouped = 0
                active -= calm(numbers, limit, GROUPS, GROUPS + len(sums))
        # Bytes packed into signs, where signs stand together as in no language.
        if run >= PACKED_RUN and not space:
            if not packing:
                active += packs_begin(recent, place, packed, by, state, seen, reg, numbers, limit,
                                      down)  # fmt: skip
            packing = PACKED_ON
        if packing:
            packing -= 1
            if point != 10 and point != 13:
                state[PACKED_SIGNS] += 1
                active += packs(point, packed, by, state[PACKED_SIGNS], seen, reg, numbers, limit,
                                down)  # fmt: skip
            if not packing:
                active -= calm(numbers, limit, PACKED, PACKED + 1)
        # Words, in any order and by their letters.
        if code and code <= 26:
            word += weight(code)
            if not word_letters:
                initial = code
            final = code
            word_letters += 1
        elif word_letters:
            active += word_ends(word, word_letters, initial, final, reg, grams, patterns, by,
                                common, said, holds, numbers, limit, down)  # fmt: skip
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
        bone = skeleton(code) if point != 36 else np.int64(19)
        many = put(todo, many, SKELETON, bone)
        # Does it look encoded, and in what?
        run = 0 if space else run + 1
        most_run = max(most_run, run)
        sign = point
        if point == 46 and numbers_line(recent, place):  # no sign of Morse
            sign = np.int64(BEYOND)
        elif point >= 128:
            if point == 183 or point == 8226 or point == 8901:  # dots and dashes of typographers
                sign = np.int64(46)
            elif point == 8211 or point == 8212 or point == 8722:
                sign = np.int64(45)
            elif point >= 0x370 and point < 0x530 and code and code <= 6:  # a to f, as they look
                sign = np.int64(code + 96)
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
                many = catch_up(fresh, recent, place, run, fold, tables, morse, coding[0], wide,
                                todo, many, deep)  # fmt: skip
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
                many = once_more(fold, tables, morse, coding[1], wide, todo, many, deep)
            if place & (LASTS_FOR - 1) == 0:
                still = opening | opened_before
                if still != opened:
                    active -= _close(opened & ~still, numbers, limit)
                    if not still:
                        active -= calm(numbers, limit, DEEP, RHYTHM)
                    opened = still
                opened_before, opening = opening, np.int64(0)
        # One more code for each lane that is noted: its gram, its score, its secrets.
        for t in range(many):
            lane, code_t = todo[t, 0], todo[t, 1]
            bones = (lane == SKELETON) | (lane == BONES_UNDER)
            if code_t <= 26:
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
                    # What repeats itself would hit by one chance.
                    hit = there(skeletons, at) and rich(value, GRAM) and anew(heard, value)
                else:
                    hit = there(grams, at) and rich(value, GRAM - 1)
                active += score(numbers, limit, lane, hit, 4 * down if lane == LINES else down)
                if hit and numbers[2, lane] >= limit[3, lane] and noted < len(notes):
                    notes[noted] = at
                    noted += 1
            if secrets and not bones:
                active += keep(lane, code_t, age, numbers, sreg, ring, begins, starts, lengths,
                               due, checks, copies, i)  # fmt: skip
        # Letters that follow each other as in no language.
        if code and code <= 26 and point < 0x250:
            if prior:
                garbled += (0 if follows[27 * prior + code] else 32) - (garbled >> 5)
            prior = code
            codes[many_codes & (CODES - 1)] = code
            many_codes += 1
            if foreign or garbled >= GARBLED_FROM:
                foreign = 1
                active += scrambles(code, many_codes, codes, scrambled, by, heard, reg, numbers,
                                    limit, down)  # fmt: skip
                if garbled < GARBLED_TO:
                    foreign = 0
                    active -= calm(numbers, limit, SCRAMBLED, DEEP)
        elif code == 0:
            prior = 0
        # Excursions.
        if active > 0:
            age += 1
            if not leak:
                leak = _leaking(numbers, limit)
                if leak:
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
        if found > REGIONS - 2 or checks[0, 0] > len(checks) - 1 - SPARE:
            read = i + 1
            break
    state[ACTIVE], state[AGE], state[NOTED], state[READ] = active, age, noted, read
    state[LETTERS], state[THREE], state[LAST], state[PLACE] = two, three, last, place
    state[IN_WORD], state[NEW_LINE], state[RUN] = in_word, new_line, run
    state[PERCENT], state[SIGNS], state[LONE] = percent, signs, alone
    holds[WORD], state[WORD_LETTERS] = word, word_letters
    holds[TOKEN], state[TOKEN_SIGNS], state[TOKEN_AT] = token, token_signs, token_at
    state[SIZE], state[APART], state[BLANK] = size, apart, blank
    holds[SHARES], holds[RUNS] = shares, unbroken_runs
    state[OPENED], state[IS_GARBLED] = opened, foreign
    state[OPENING], state[OPENED_BEFORE] = opening, opened_before
    state[GROUP_RUN], state[GROUPED] = group_run, grouped
    state[GARBLED], state[PRIOR], state[LETTERS_SEEN] = garbled, prior, many_codes
    state[PACKING], state[MOST_RUN] = packing, most_run
    state[INITIAL], state[FINAL] = initial, final
    state[SPAN], state[SPAN_SIGNS] = span, span_signs
    state[UNSEEN], state[UNSEEN_BEFORE] = unseen, unseen_before
    return found
