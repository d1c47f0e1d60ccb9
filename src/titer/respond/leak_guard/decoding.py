"""One character at a time for the lanes that read encodings: what letters does it complete?

What an encoding spells is looked at for one more encoding: once more than `CLEAR` bytes in a row
of one lane are printable they are read by the same decoders on a second level, and by lanes of
every second letter and of consonants.
"""

# ruff: noqa: PLR0917, PLR1714 - compiled functions are called by position, and compare fastest so
from __future__ import annotations

from typing import Any

import numpy as np

from titer.respond.leak_guard.gates import (
    EVERY,
    OPEN_32,
    OPEN_64,
    OPEN_85,
    OPEN_A85,
    OPEN_BITS,
    OPEN_HEX,
    OPEN_MORSE,
    OPEN_NUMBERS,
    OPEN_ROT47,
    OPEN_UU,
)
from titer.respond.leak_guard.lanes import (
    A85,
    ACC32,
    ACC64,
    ACC85,
    ACC_A,
    ACC_U,
    B32,
    B64,
    B85,
    BINARY,
    BITS,
    BONES_UNDER,
    CODE,
    COUNT_BITS,
    COUNT_WORD,
    DECIMAL,
    DIGITS,
    HEX,
    I16,
    I32,
    I64,
    LINE_AT,
    MORSE,
    MORSE_BACK,
    N32,
    N64,
    N85,
    N_A,
    N_U,
    NIBBLE,
    NUMBER,
    OCT,
    OCTAL,
    PHASE,
    RECENT,
    ROT47,
    SECOND_UNDER,
    U8,
    UNDER,
    UU,
    compiled,
    inlined,
    skeleton,
)

#: Printable bytes in a row of one lane after which they are read once more: whole groups of
#: hexadecimal, base32, base64 and binary, so that the rest is read from the beginning of one.
CLEAR = 16
#: Places of `deep`: the lane that is read once more (-1 none), bytes that wait, the bytes.
SOURCE, WAITING, FIRST = 0, 1, 2


@compiled
def letter_of(fold: U8, wide: I64, lane: int, byte: Any) -> int:
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


@inlined
def put(todo: I64, many: int, lane: int, code: Any) -> int:
    """Note a code for a lane."""
    if code == 0 or many == len(todo):
        return many
    todo[many, 0] = lane
    todo[many, 1] = code
    return many + 1


@compiled
def spell(
    fold: U8, wide: I64, lane: int, byte: Any, todo: I64, many: int, deep: I64, under: int
) -> int:
    """One byte that a lane spells, for its letters and, on the first level, for what is in it."""
    if under == 0:
        if (byte >= 32 and byte < 127) or byte == 10:
            wide[2, lane] += 1
            if wide[2, lane] > CLEAR:
                if deep[SOURCE] < 0:
                    deep[SOURCE] = lane
                if deep[SOURCE] == lane and deep[WAITING] < len(deep) - FIRST:
                    deep[FIRST + deep[WAITING]] = byte
                    deep[WAITING] += 1
        else:
            wide[2, lane] = 0
            if deep[SOURCE] == lane:
                deep[SOURCE] = -1
    return put(todo, many, lane + under, letter_of(fold, wide, lane + under, byte))


@inlined
def hexadecimal(
    point: Any, fold: U8, tables: I16, state: I64, wide: I64, todo: I64, many: int, deep: I64,
    under: int,
) -> int:  # fmt: skip
    """Pairs of hexadecimal digits, anything between pairs."""
    digit = np.int64(tables[2, point])
    if digit >= 0:
        if state[NIBBLE] > 0:
            byte = (state[NIBBLE] - 1) * 16 + digit
            state[NIBBLE] = 0
            many = spell(fold, wide, HEX, byte, todo, many, deep, under)
        else:
            state[NIBBLE] = digit + 1
    else:
        state[NIBBLE] = 0
    return many


@inlined
def numbers_in(
    point: Any, fold: U8, state: I64, wide: I64, todo: I64, many: int, deep: I64, under: int
) -> int:
    """Decimal and octal: numbers of up to three digits; 1 to 26 are letters of the alphabet."""
    digit = point >= 48 and point <= 57
    if digit:
        state[NUMBER] = state[NUMBER] * 10 + point - 48
        state[OCT] = state[OCT] * 8 + point - 48 if point < 56 else -1_000_000
        state[DIGITS] += 1
    if state[DIGITS] and (not digit or state[DIGITS] == 3):
        number = state[NUMBER]
        if number >= 1 and number <= 26:
            number += 96
        if number >= 32 and number < 128:
            many = spell(fold, wide, DECIMAL, number, todo, many, deep, under)
        if state[DIGITS] >= 2 and state[OCT] >= 32 and state[OCT] < 128:
            many = spell(fold, wide, OCTAL, state[OCT], todo, many, deep, under)
        state[NUMBER] = state[DIGITS] = state[OCT] = 0
    return many


@compiled
def _turned(code: Any) -> int:
    """Signs of Morse behind a leading 1, in reverse order."""
    turned = 1
    while code > 1:
        turned = turned << 1 | (code & 1)
        code >>= 1
    return turned


@compiled
def _bits(
    point: Any, space: Any, fold: U8, state: I64, wide: I64, todo: I64, many: int, deep: I64,
    under: int,
) -> int:  # fmt: skip
    """Binary: eight of 0 and 1, spaces between."""
    if point == 48 or point == 49:
        state[BITS] = (state[BITS] << 1 | (point - 48)) & 255
        state[COUNT_BITS] += 1
        if state[COUNT_BITS] == 8:
            state[COUNT_BITS] = 0
            many = spell(fold, wide, BINARY, state[BITS], todo, many, deep, under)
    elif not space or state[COUNT_BITS] == 7:
        if state[COUNT_BITS] == 7 and space:
            many = spell(fold, wide, BINARY, state[BITS] & 127, todo, many, deep, under)
        state[COUNT_BITS] = 0
    return many


@compiled
def _base85(
    point: Any, tables: I16, row: int, acc: int, n: int, lane: int, fold: U8, state: I64,
    wide: I64, todo: I64, many: int, deep: I64, under: int,
) -> int:  # fmt: skip
    """Base85 in one of two alphabets: five characters, four bytes."""
    value = int(tables[row, point])
    if value >= 0:
        state[acc] = state[acc] * 85 + value
        state[n] += 1
        if state[n] == 5:
            for k in range(4):
                byte = (state[acc] >> (24 - 8 * k)) & 255
                many = spell(fold, wide, lane, byte, todo, many, deep, under)
            state[acc] = state[n] = 0
    elif point != 10 and point != 13:
        state[acc] = state[n] = 0
    return many


@compiled
def _uu(
    point: Any, tables: I16, fold: U8, state: I64, wide: I64, todo: I64, many: int, deep: I64,
    under: int,
) -> int:  # fmt: skip
    """Uuencode: a length, then four characters, three bytes."""
    if point == 10:
        state[LINE_AT] = state[ACC_U] = state[N_U] = 0
        return many
    state[LINE_AT] += 1
    value = int(tables[5, point])
    if value >= 0 and state[LINE_AT] > 1:
        state[ACC_U] = (state[ACC_U] << 6 | value) & 0xFFFFFF
        state[N_U] += 1
        if state[N_U] == 4:
            state[N_U] = 0
            for k in range(3):
                byte = (state[ACC_U] >> (16 - 8 * k)) & 255
                many = spell(fold, wide, UU, byte, todo, many, deep, under)
    return many


@compiled
def decode(
    opened: int, point: Any, fold: U8, tables: I16, morse: U8, state: I64, wide: I64, todo: I64,
    many: int, deep: I64, under: int,
) -> int:  # fmt: skip
    """One ASCII character for the decoders that are `opened` (bits, `gates`)."""
    space = point == 32 or point == 10 or point == 13 or point == 9
    if opened & OPEN_HEX:
        many = hexadecimal(point, fold, tables, state, wide, todo, many, deep, under)
    if opened & OPEN_NUMBERS:
        many = numbers_in(point, fold, state, wide, todo, many, deep, under)
    if opened & OPEN_BITS:
        many = _bits(point, space, fold, state, wide, todo, many, deep, under)
    if opened & OPEN_MORSE:
        if point == 46 or point == 45:
            state[CODE] = (max(state[CODE], 1) << 1 | (1 if point == 45 else 0)) & 63
        else:
            if state[CODE] and (space or point == 47 or point == 124):
                code = int(morse[state[CODE]])
                if code:
                    many = spell(fold, wide, MORSE, 96 + code, todo, many, deep, under)
                if under == 0:
                    many = put(todo, many, MORSE_BACK, int(morse[_turned(state[CODE])]))
            state[CODE] = 0
    if opened & OPEN_ROT47 and point >= 33 and point <= 126:
        turned = 33 + (point - 33 + 47) % 94
        many = put(todo, many, ROT47 + under, letter_of(fold, wide, ROT47 + under, turned))
    if opened & OPEN_32:  # eight characters, five bytes; lines may be wrapped
        value = int(tables[1, point])
        if value >= 0:
            state[ACC32] = (state[ACC32] << 5 | value) & 0xFFF
            state[N32] += 5
            if state[N32] >= 8:
                state[N32] -= 8
                byte = (state[ACC32] >> state[N32]) & 255
                many = spell(fold, wide, B32, byte, todo, many, deep, under)
            state[COUNT_WORD] += 1
        elif not space or state[COUNT_WORD] % 8:
            state[N32] = state[COUNT_WORD] = 0
    if opened & OPEN_85:
        many = _base85(point, tables, 3, ACC85, N85, B85, fold, state, wide, todo, many, deep,
                       under)  # fmt: skip
    if opened & OPEN_A85:
        many = _base85(point, tables, 4, ACC_A, N_A, A85, fold, state, wide, todo, many, deep,
                       under)  # fmt: skip
    if opened & OPEN_UU:
        many = _uu(point, tables, fold, state, wide, todo, many, deep, under)
    if opened & OPEN_64:  # four characters, three bytes, from any beginning
        value = int(tables[0, point])
        if value >= 0:
            state[ACC64] = (state[ACC64] << 6 | value) & 0xFFFFFF
            state[N64] = (state[N64] + 1) & 3
            lane = B64 + state[N64]
            for k in range(3):
                byte = (state[ACC64] >> (16 - 8 * k)) & 255
                many = spell(fold, wide, lane, byte, todo, many, deep, under)
    return many


@compiled
def numbers_line(recent: I32, place: Any) -> bool:
    """Whether what stands before this place is the number of a line."""
    back = 1
    while back < 6:
        before = recent[(place - back) & (RECENT - 1)]
        if before < 48 or before > 57:
            return back > 1 and before == 10
        back += 1
    return False


@compiled
def catch_up(
    fresh: int, recent: I32, place: Any, run: Any, fold: U8, tables: I16, morse: U8, state: I64,
    wide: I64, todo: I64, many: int, deep: I64,
) -> int:  # fmt: skip
    """Decoders that have just been opened read what stands before this place, without a space."""
    if fresh & OPEN_UU:
        state[LINE_AT] = 0
    for back in range(min(run, RECENT) - 1, 0, -1):
        before = np.int64(recent[(place - 1 - back) & (RECENT - 1)])
        if before < 128:
            many = decode(fresh, before, fold, tables, morse, state, wide, todo, many, deep, 0)
    return many


@compiled
def once_more(
    fold: U8, tables: I16, morse: U8, state: I64, wide: I64, todo: I64, many: int, deep: I64
) -> int:
    """What one lane has spelt, for the second level and for the lanes of its letters."""
    for k in range(deep[WAITING]):
        byte = deep[FIRST + k]
        many = decode(EVERY, byte, fold, tables, morse, state, wide, todo, many, deep, UNDER)
        code = int(fold[byte])
        if code and code <= 26:
            many = put(todo, many, SECOND_UNDER + state[PHASE], code)
            state[PHASE] = 1 - state[PHASE]
        if code:
            many = put(todo, many, BONES_UNDER, skeleton(code))
    deep[WAITING] = 0
    return many
