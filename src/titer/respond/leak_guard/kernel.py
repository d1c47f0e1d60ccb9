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

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from titer.respond.leak_guard.settings import PREFIX

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

F = TypeVar("F", bound=Callable[..., Any])

#: Lanes: plain, consonants, every 2nd (2 phases), every 3rd (3), first letters of words, of lines,
#: last letters of words; then what is only read where text looks encoded: hexadecimal, decimal,
#: octal, binary, morse, rot47, base32, base85, ascii85, uuencode, base64 (4 phases); then long
#: words in any order, and patterns of repetition, which no exchange of signs changes.
PLAIN, SKELETON, SECOND, THIRD, WORDS, LINES, LASTS = 0, 1, 2, 4, 7, 8, 9
HEX, DECIMAL, OCTAL, BINARY, MORSE, ROT47, B32, B85, A85, UU, B64 = (
    10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
)  # fmt: skip
BAG, SHAPE = 24, 25
LANES = 26

#: Letters of a gram, and bits of eight differences (or nine consonants) of 5 bits each.
GRAM = 9
_MASK = np.uint64((1 << 40) - 1)
_MASK_S = np.uint64((1 << 45) - 1)
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)
_FIVE = np.uint64(5)
_ONE = np.uint64(1)
_SIX = np.uint64(6)
_MASK_36 = np.uint64((1 << 36) - 1)
#: Codes remembered of a lane: the longest secret.
RING = 256
#: Secrets that one lane can be in the middle of.
PENDING = 4

#: Places in the state vector.
(ACTIVE, HIT, AGE, LETTERS, THREE, IN_WORD, NEW_LINE, LAST, ODD, RUN, GATE, NIBBLE, NUMBER, DIGITS,
 OCT, BITS, COUNT_BITS, CODE, ACC64, N64, ACC32, N32, ACC85, N85, ACC_A, N_A, ACC_U, N_U, LINE_AT,
 COUNT_WORD, PLACE, READ, PERCENT, WORD, WORD_LETTERS, SIGNS) = range(36)  # fmt: skip
STATE = 36

#: Letters of a word that says something by itself, and words remembered: said again, they say
#: nothing.
LONG_WORD = 5
SAID = 64
#: Signs of a pattern of repetition, how far back a repetition is seen, and signs told apart.
PATTERN, FAR, ALPHABET = 10, 31, 2048
_MASK_P = np.uint64((1 << 50) - 1)
_SALT_P, _SALT_W = np.uint64(0x5851_F42D_4C95_7F2D), np.uint64(0x1405_7B7E_F767_814F)
_FNV = np.uint64(0x100_0000_01B3)

#: Characters that are read again where text begins to look encoded, back to the last space.
RECENT = 64
#: Characters for which that look lasts.
LASTS_FOR = 24

#: Grams in a row that a text must share with what is protected before they are forgotten. By
#: chance one in 16 is there: letters by the page would empty the bitmap one by one.
FORGET = 6

#: Regions told of one call, checks, and checks that one character can add at most: each lane can
#: end as many secrets as are pending there.
REGIONS = 64
CHECKS = 256
SPARE = 160
OPEN = -1
BEFORE = -1_000_000_000


def _compiled(function: F) -> F:
    """Compile on first use; keep the machine code on disk where there is a place for it."""
    try:
        return cast("F", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no writable place beside the package nor in the user's cache
        return cast("F", numba.njit(nogil=True)(function))


@_compiled
def _skeleton(code: Any) -> int:
    """A consonant of 1..26, or a digit that stands for one; else 0 (vowels, l and i-like)."""
    if code == 1 or code == 5 or code == 9 or code == 12 or code == 15 or code == 21:
        return 0
    if code <= 26:
        return int(code)
    if code == 32:  # 5
        return 19
    if code == 34:  # 7
        return 20
    if code == 35:  # 8
        return 2
    if code == 36 or code == 33:  # 9, 6
        return 7
    if code == 29:  # 2
        return 26
    return 0


@_compiled
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
        bone = _skeleton(code)
        if bone:
            sreg = ((sreg << _FIVE) | np.uint64(bone)) & _MASK_S
            bones += 1
            if bones >= GRAM and _rich(sreg, GRAM):
                place = (sreg * _SPREAD) >> by
                if known:
                    bone_run = _forget(skeletons, bones_were, place, bone_run, last_places[1])
                else:
                    _set(skeletons, place)
        if code > 26:
            continue
        letters += 1
        diff = (code - last + 26) % 26
        last = code
        reg = ((reg << _FIVE) | np.uint64(diff)) & _MASK
        if letters >= GRAM and _rich(reg, GRAM - 1):
            if known:
                run = _forget(grams, were, (reg * _SPREAD) >> by, run, last_places[0])
            else:
                _set(grams, (reg * _SPREAD) >> by)
    return letters


@_compiled
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
        reg = _pattern(point, i + 1, seen, reg)
        if i >= PATTERN and _rich(reg, PATTERN):
            if known:
                run = _forget(grams, were, ((reg ^ _SALT_P) * _SPREAD) >> by, run, places)
            else:
                _set(grams, ((reg ^ _SALT_P) * _SPREAD) >> by)


@_compiled
def _pattern(point: Any, now: int, seen: I32, reg: Any) -> Any:
    """The pattern of the last ten signs, each by how long ago it was there."""
    slot = (point * 2_654_435_761 >> 16) & (ALPHABET - 1)
    ago = now - seen[slot]
    if seen[slot] == 0 or ago > FAR:
        ago = 0
    seen[slot] = now
    return ((reg << _FIVE) | np.uint64(ago)) & _MASK_P


@_compiled
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
            value = (value ^ np.uint64(code)) * _FNV
            letters += 1
        elif letters:
            if letters >= LONG_WORD:
                place = ((value ^ _SALT_W) * _SPREAD) >> by
                beside = (value * _SPREAD) >> np.uint64(47)
                if not known:
                    _set(grams, place)
                    _set(words_there, beside)
                elif _there(words_there, beside):
                    _clear(grams, place)
                words += 1
            value = np.uint64(0)
            letters = 0
    return words


@_compiled
def mark_words(points: U32, fold: U8, bitmap: U8) -> None:
    """Put the long words of a text into the bitmap of 2^16 bits of words that say nothing."""
    value = np.uint64(0)
    letters = 0
    for i in range(len(points) + 1):
        code = np.int64(fold[points[i]]) if i < len(points) else 0
        if code:
            value = (value ^ np.uint64(code)) * _FNV
            letters += 1
        elif letters:
            if letters >= LONG_WORD:
                _set(bitmap, (value * _SPREAD) >> np.uint64(48))
            value = np.uint64(0)
            letters = 0


@_compiled
def _word(
    value: Any, grams: U8, by: Any, common: U8, said: U64, numbers: I64, limit: I64, down: Any
) -> int:
    """A long word has ended. Returns by how many the suspicions have become more."""
    at = np.int64((value * _SPREAD) >> np.uint64(48))
    if (np.int64(common[at >> 3]) >> (at & 7)) & 1:
        return 0
    for k in range(SAID):
        if said[k] == value:
            return 0
    said[numbers[3, BAG] & (SAID - 1)] = value
    numbers[3, BAG] += 1
    at = np.int64(((value ^ _SALT_W) * _SPREAD) >> by)
    old = numbers[2, BAG]
    if (np.int64(grams[at >> 3]) >> (at & 7)) & 1:
        new = min(old + 1, limit[2, BAG])
    else:
        new = max(old - 2 * down, 0)
    numbers[2, BAG] = new
    if old < limit[0, BAG] and limit[0, BAG] <= new:
        return 1
    if new < limit[0, BAG] and limit[0, BAG] <= old:
        return -1
    return 0


@_compiled
def _set(bitmap: U8, place: np.uint64) -> None:
    at = np.int64(place)
    bitmap[at >> 3] |= np.uint8(1 << (at & 7))


@_compiled
def _clear(bitmap: U8, place: np.uint64) -> None:
    at = np.int64(place)
    bitmap[at >> 3] &= np.uint8(255 ^ (1 << (at & 7)))


@_compiled
def _there(bitmap: U8, place: np.uint64) -> bool:
    at = np.int64(place)
    return bool((np.int64(bitmap[at >> 3]) >> (at & 7)) & 1)


@_compiled
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


@_compiled
def _rich(reg: np.uint64, parts: int) -> bool:
    """Whether a gram has at least four different values: `aaaaaaaaa` says nothing."""
    seen = np.uint64(0)
    rest = reg
    for _ in range(parts):
        seen |= _ONE << (rest & np.uint64(31))
        rest >>= _FIVE
    distinct = 0
    while seen:
        seen &= seen - _ONE
        distinct += 1
    return distinct >= 4


@_compiled
def _letter(fold: U8, wide: I64, lane: int, byte: Any) -> int:
    """The code of a byte that an encoding spells; bytes of one sign in UTF-8 are gathered."""
    if byte < 128:
        wide[1, lane] = 0
        return int(fold[byte])
    if byte < 192:
        if wide[1, lane] == 0:
            return 0
        wide[0, lane] = wide[0, lane] << 6 | (byte & 63)
        wide[1, lane] -= 1
        point = wide[0, lane]
        return int(fold[point]) if wide[1, lane] == 0 and point < len(fold) else 0
    more = 1 if byte < 224 else (2 if byte < 240 else 3)
    wide[0, lane] = byte & (63 >> more)
    wide[1, lane] = more
    return 0


@_compiled
def _put(todo: I64, many: int, lane: int, code: Any) -> int:
    """Note a code for a lane."""
    if code == 0 or many == len(todo):
        return many
    todo[many, 0] = lane
    todo[many, 1] = code
    return many + 1


@_compiled
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
    value = ((sreg[lane] << _SIX) | np.uint64(code)) & _MASK_36
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
    mixed = value * _SPREAD
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


@_compiled
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
        pattern = _pattern(small, signs, seen, reg[SHAPE])
        reg[SHAPE] = pattern
        at = np.int64(((pattern ^ _SALT_P) * _SPREAD) >> by)
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
            word = (word ^ np.uint64(code)) * _FNV
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
                many = _put(todo, many, WORDS, code)
            if new_line:
                new_line = 0
                many = _put(todo, many, LINES, code)
            last = code
        elif space:
            if in_word:
                in_word = 0
                many = _put(todo, many, LASTS, last)
            if point == 10:
                new_line = 1
        if code:
            many = _put(todo, many, SKELETON, _skeleton(code))
        elif point == 36:
            many = _put(todo, many, SKELETON, 19)
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
                    many = _coded(before, fold, tables, morse, state, wide, todo, many)
            gate = LASTS_FOR
        if gate > 0:
            gate -= 1
            sign = np.int64(point)
            if point == 183 or point == 8226 or point == 8901:  # dots and dashes of typographers
                sign = np.int64(46)
            elif point == 8211 or point == 8212 or point == 8722:
                sign = np.int64(45)
            if sign < 128:
                many = _coded(sign, fold, tables, morse, state, wide, todo, many)
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
                    value = ((reg[lane] << _FIVE) | np.uint64(code)) & _MASK_S
                else:
                    diff = code - numbers[1, lane]
                    diff += 26 if diff < 0 else 0
                    value = ((reg[lane] << _FIVE) | np.uint64(diff)) & _MASK
                numbers[1, lane] = code
                reg[lane] = value
                at = np.int64((value * _SPREAD) >> by)
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


@_compiled
def _coded(
    point: Any, fold: U8, tables: I16, morse: U8, state: I64, wide: I64, todo: I64, many: int
) -> int:
    """One character for the lanes that decode."""
    space = point == 32 or point == 10 or point == 13 or point == 9
    # hexadecimal: pairs of digits, anything between pairs
    digit = int(tables[2, point])
    if digit >= 0:
        if state[NIBBLE] > 0:
            byte = (state[NIBBLE] - 1) * 16 + digit
            state[NIBBLE] = 0
            many = _put(todo, many, HEX, _letter(fold, wide, HEX, byte))
        else:
            state[NIBBLE] = digit + 1
    else:
        state[NIBBLE] = 0
    # decimal and octal: numbers of up to three digits; 1 to 26 are letters of the alphabet
    if 48 <= point <= 57:
        state[NUMBER] = state[NUMBER] * 10 + point - 48
        state[OCT] = state[OCT] * 8 + point - 48 if point < 56 else -1_000_000
        state[DIGITS] += 1
    if state[DIGITS] and (point < 48 or point > 57 or state[DIGITS] == 3):
        number = state[NUMBER]
        if 1 <= number <= 26:
            number += 96
        if 32 <= number < 128:
            many = _put(todo, many, DECIMAL, _letter(fold, wide, DECIMAL, number))
        if state[DIGITS] >= 2 and 32 <= state[OCT] < 128:
            many = _put(todo, many, OCTAL, _letter(fold, wide, OCTAL, state[OCT]))
        state[NUMBER] = state[DIGITS] = state[OCT] = 0
    # binary: eight of 0 and 1, spaces between
    if point == 48 or point == 49:
        state[BITS] = (state[BITS] << 1 | (point - 48)) & 255
        state[COUNT_BITS] += 1
        if state[COUNT_BITS] == 8:
            state[COUNT_BITS] = 0
            many = _put(todo, many, BINARY, _letter(fold, wide, BINARY, state[BITS]))
    elif not space or state[COUNT_BITS] == 7:
        if state[COUNT_BITS] == 7 and space:
            many = _put(todo, many, BINARY, _letter(fold, wide, BINARY, state[BITS] & 127))
        state[COUNT_BITS] = 0
    # morse
    if point == 46 or point == 45:
        state[CODE] = (max(state[CODE], 1) << 1 | (1 if point == 45 else 0)) & 63
    else:
        if state[CODE] and (space or point == 47 or point == 124):
            letter = int(morse[state[CODE]])
            if letter:
                many = _put(todo, many, MORSE, letter)
        state[CODE] = 0
    # rot47
    if 33 <= point <= 126:
        many = _put(todo, many, ROT47, _letter(fold, wide, ROT47, 33 + (point - 33 + 47) % 94))
    # base32: eight characters, five bytes; lines may be wrapped
    value = int(tables[1, point])
    if value >= 0:
        state[ACC32] = (state[ACC32] << 5 | value) & 0xFFF
        state[N32] += 5
        if state[N32] >= 8:
            state[N32] -= 8
            many = _put(
                todo, many, B32, _letter(fold, wide, B32, (state[ACC32] >> state[N32]) & 255)
            )
        state[COUNT_WORD] += 1
    elif not space or state[COUNT_WORD] % 8:
        state[N32] = state[COUNT_WORD] = 0
    # base85, two alphabets: five characters, four bytes
    for row in range(2):
        acc, n, lane = (ACC85, N85, B85) if row == 0 else (ACC_A, N_A, A85)
        value = int(tables[3 + row, point])
        if value >= 0:
            state[acc] = state[acc] * 85 + value
            state[n] += 1
            if state[n] == 5:
                for k in range(4):
                    many = _put(
                        todo,
                        many,
                        lane,
                        _letter(fold, wide, lane, (state[acc] >> (24 - 8 * k)) & 255),
                    )
                state[acc] = state[n] = 0
        elif point != 10 and point != 13:
            state[acc] = state[n] = 0
    # uuencode: a length, then four characters, three bytes
    if point == 10:
        state[LINE_AT] = state[ACC_U] = state[N_U] = 0
    else:
        state[LINE_AT] += 1
        value = int(tables[5, point])
        if value >= 0 and state[LINE_AT] > 1:
            state[ACC_U] = (state[ACC_U] << 6 | value) & 0xFFFFFF
            state[N_U] += 1
            if state[N_U] == 4:
                state[N_U] = 0
                for k in range(3):
                    many = _put(
                        todo,
                        many,
                        UU,
                        _letter(fold, wide, UU, (state[ACC_U] >> (16 - 8 * k)) & 255),
                    )
    # base64: four characters, three bytes, from any beginning
    value = int(tables[0, point])
    if value >= 0:
        state[ACC64] = (state[ACC64] << 6 | value) & 0xFFFFFF
        state[N64] = (state[N64] + 1) & 3
        for k in range(3):
            many = _put(
                todo,
                many,
                B64 + state[N64],
                _letter(fold, wide, B64 + state[N64], (state[ACC64] >> (16 - 8 * k)) & 255),
            )
    return many
