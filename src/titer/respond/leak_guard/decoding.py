"""One character at a time for the lanes that read encodings: what letters does it complete?"""

# ruff: noqa: PLR0917, PLR1714 - compiled functions are called by position, and compare fastest so
from __future__ import annotations

from typing import Any

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
    CODE,
    COUNT_BITS,
    COUNT_WORD,
    DECIMAL,
    DIGITS,
    HEX,
    I16,
    I64,
    LINE_AT,
    MORSE,
    N32,
    N64,
    N85,
    N_A,
    N_U,
    NIBBLE,
    NUMBER,
    OCT,
    OCTAL,
    ROT47,
    U8,
    UU,
    compiled,
)


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


@compiled
def put(todo: I64, many: int, lane: int, code: Any) -> int:
    """Note a code for a lane."""
    if code == 0 or many == len(todo):
        return many
    todo[many, 0] = lane
    todo[many, 1] = code
    return many + 1


@compiled
def coded(
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
            many = put(todo, many, HEX, letter_of(fold, wide, HEX, byte))
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
            many = put(todo, many, DECIMAL, letter_of(fold, wide, DECIMAL, number))
        if state[DIGITS] >= 2 and 32 <= state[OCT] < 128:
            many = put(todo, many, OCTAL, letter_of(fold, wide, OCTAL, state[OCT]))
        state[NUMBER] = state[DIGITS] = state[OCT] = 0
    # binary: eight of 0 and 1, spaces between
    if point == 48 or point == 49:
        state[BITS] = (state[BITS] << 1 | (point - 48)) & 255
        state[COUNT_BITS] += 1
        if state[COUNT_BITS] == 8:
            state[COUNT_BITS] = 0
            many = put(todo, many, BINARY, letter_of(fold, wide, BINARY, state[BITS]))
    elif not space or state[COUNT_BITS] == 7:
        if state[COUNT_BITS] == 7 and space:
            many = put(todo, many, BINARY, letter_of(fold, wide, BINARY, state[BITS] & 127))
        state[COUNT_BITS] = 0
    # morse
    if point == 46 or point == 45:
        state[CODE] = (max(state[CODE], 1) << 1 | (1 if point == 45 else 0)) & 63
    else:
        if state[CODE] and (space or point == 47 or point == 124):
            letter = int(morse[state[CODE]])
            if letter:
                many = put(todo, many, MORSE, letter)
        state[CODE] = 0
    # rot47
    if 33 <= point <= 126:
        many = put(todo, many, ROT47, letter_of(fold, wide, ROT47, 33 + (point - 33 + 47) % 94))
    # base32: eight characters, five bytes; lines may be wrapped
    value = int(tables[1, point])
    if value >= 0:
        state[ACC32] = (state[ACC32] << 5 | value) & 0xFFF
        state[N32] += 5
        if state[N32] >= 8:
            state[N32] -= 8
            many = put(
                todo, many, B32, letter_of(fold, wide, B32, (state[ACC32] >> state[N32]) & 255)
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
                    many = put(
                        todo,
                        many,
                        lane,
                        letter_of(fold, wide, lane, (state[acc] >> (24 - 8 * k)) & 255),
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
                    many = put(
                        todo,
                        many,
                        UU,
                        letter_of(fold, wide, UU, (state[ACC_U] >> (16 - 8 * k)) & 255),
                    )
    # base64: four characters, three bytes, from any beginning
    value = int(tables[0, point])
    if value >= 0:
        state[ACC64] = (state[ACC64] << 6 | value) & 0xFFFFFF
        state[N64] = (state[N64] + 1) & 3
        for k in range(3):
            many = put(
                todo,
                many,
                B64 + state[N64],
                letter_of(fold, wide, B64 + state[N64], (state[ACC64] >> (16 - 8 * k)) & 255),
            )
    return many
