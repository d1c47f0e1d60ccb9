"""What the compiled loops of the guard share: lanes, the places of their state, letters and grams.

numba keeps machine code by the date of the file that a function stands in: after a change here or
in `decoding`, touch `kernel` and `learning`, which call it.
"""

# ruff: noqa: PLR1714 - compiled functions are called by position, and compare fastest so
from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

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
MASK = np.uint64((1 << 40) - 1)
MASK_S = np.uint64((1 << 45) - 1)
SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)
FIVE = np.uint64(5)
ONE = np.uint64(1)
SIX = np.uint64(6)
MASK_36 = np.uint64((1 << 36) - 1)
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
MASK_P = np.uint64((1 << 50) - 1)
SALT_P, SALT_W = np.uint64(0x5851_F42D_4C95_7F2D), np.uint64(0x1405_7B7E_F767_814F)
STIR, DOWN = np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(29)

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


def compiled(function: F) -> F:
    """Compile on first use; keep the machine code on disk where there is a place for it."""
    try:
        return cast("F", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no writable place beside the package nor in the user's cache
        return cast("F", numba.njit(nogil=True)(function))


@compiled
def skeleton(code: Any) -> int:
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


@compiled
def pattern_of(point: Any, now: int, seen: I32, reg: Any) -> Any:
    """The pattern of the last ten signs, each by how long ago it was there."""
    slot = (point * 2_654_435_761 >> 16) & (ALPHABET - 1)
    ago = now - seen[slot]
    if seen[slot] == 0 or ago > FAR:
        ago = 0
    seen[slot] = now
    return ((reg << FIVE) | np.uint64(ago)) & MASK_P


@compiled
def weight(code: Any) -> Any:
    """What a letter adds to a word: words are told apart by their letters, whatever the order."""
    value = np.uint64(code) * SPREAD
    return (value ^ (value >> DOWN)) * STIR


@compiled
def set_bit(bitmap: U8, place: np.uint64) -> None:
    at = np.int64(place)
    bitmap[at >> 3] |= np.uint8(1 << (at & 7))


@compiled
def rich(reg: np.uint64, parts: int) -> bool:
    """Whether a gram has at least four different values: `aaaaaaaaa` says nothing."""
    seen = np.uint64(0)
    rest = reg
    for _ in range(parts):
        seen |= ONE << (rest & np.uint64(31))
        rest >>= FIVE
    distinct = 0
    while seen:
        seen &= seen - ONE
        distinct += 1
    return distinct >= 4
