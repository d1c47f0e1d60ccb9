"""What the compiled loops of the guard share: lanes, the places of their state, letters and grams.

numba keeps machine code by the date of the file that a function stands in: after a change here or
in a file that `kernel` or `learning` calls, touch those two.
"""

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
#: octal, binary, morse, rot47, base32, base85, ascii85, uuencode, base64 (4 phases).
PLAIN, SKELETON, SECOND, THIRD, WORDS, LINES, LASTS = 0, 1, 2, 4, 7, 8, 9
HEX, DECIMAL, OCTAL, BINARY, MORSE, ROT47, B32, B85, A85, UU, B64 = (
    10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
)  # fmt: skip
#: Long words in any order; patterns of repetition, which no exchange of signs changes: of all
#: signs, of letters alone, of words as signs, of the lengths of words; words by their letters in
#: any order, three in a row.
BAG, SHAPE, LETTERS_ALONE, TOKENS, LENGTHS, WORD_SETS = range(24, 30)
#: Where letters follow each other as in no language: orders of columns and rails, and differences
#: between letters 2 to 8 apart, which a key of that length does not change.
SCRAMBLED, LAGS = 30, 31
#: What an encoding inside an encoding spells: the lanes from `HEX` to `B64` once more.
DEEP = 38
UNDER = DEEP - HEX
#: What an encoding spells: every second letter of it (2 phases), its consonants; Morse backward.
SECOND_UNDER, BONES_UNDER, MORSE_BACK = 52, 54, 55
#: By how much each word is longer than the one before; bytes packed into signs of any kind; how
#: many signs or tokens stand between separators; the first letters of the text's own words, and
#: their last ones.
RHYTHM, PACKED, SPANS, INITIALS, FINALS = range(56, 61)
#: Patterns of repetition of groups of signs, by how many are one group: codes of so many signs.
GROUPS, WIDTHS = 61, (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16)
LANES = GROUPS + len(WIDTHS)

#: Ways to pack bytes into signs: bytes, signs, and how many different signs: base64 (and uuencode,
#: xxencode), base32, base85 (and Ascii85, Z85), base45.
PACKINGS = ((3, 4, 64), (5, 8, 32), (4, 5, 85), (2, 3, 45))

#: How far apart letters are compared at least and at most.
LAG_FROM, LAG_TO = 2, 8

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

#: Places in the state vector of a text ...
(ACTIVE, HIT, AGE, LETTERS, THREE, IN_WORD, NEW_LINE, LAST, RUN, PLACE, READ, PERCENT,
 WORD_LETTERS, SIGNS, LONE, TOKEN_SIGNS, TOKEN_AT, SIZE, SIZES, SIZE_BEFORE, GROUP_RUN, GROUPED,
 GARBLED, PRIOR, OPENED, OPENING, OPENED_BEFORE, TOKENS_SEEN, LETTERS_SEEN, IS_GARBLED,
 NOTED, PACKING, PACKED_SIGNS, MOST_RUN, APART, BLANK, INITIAL, FINAL, SPAN, SPAN_SIGNS,
 SPANS_SEEN, UNSEEN, UNSEEN_BEFORE) = range(43)  # fmt: skip
STATE = 43
#: ... and in that of the decoders, one for each of two levels.
(NIBBLE, NUMBER, DIGITS, OCT, BITS, COUNT_BITS, CODE, ACC64, N64, ACC32, N32, ACC85, N85, ACC_A,
 N_A, ACC_U, N_U, LINE_AT, COUNT_WORD, PHASE) = range(20)  # fmt: skip
CODED_STATE = 20
#: Words in registers of 64 bits: the word, the two before it, the token.
WORD, WORD_1, WORD_2, TOKEN, SHARES, RUNS = range(6)

#: Letters of a word that says something by itself, and words remembered: said again, they say
#: nothing.
LONG_WORD = 5
SAID = 64
#: Grams of scrambled letters remembered for the same reason, and what a hash is shifted by for it.
HEARD, HEARD_BY = 256, np.uint64(56)
#: Signs of a pattern of repetition, how far back a repetition is seen, and signs told apart.
PATTERN, FAR, ALPHABET = 10, 31, 2048
MASK_P = np.uint64((1 << 50) - 1)
#: The same for lengths of words.
PATTERN_L, FAR_L = 8, 16
MASK_L = np.uint64((1 << 40) - 1)
SALT_P, SALT_W = np.uint64(0x5851_F42D_4C95_7F2D), np.uint64(0x1405_7B7E_F767_814F)
SALT_L, SALT_3 = np.uint64(0x2545_F491_4F6C_DD1D), np.uint64(0x6C62_272E_07BB_0142)
SALT_R = np.uint64(0x9FB2_1C65_1E98_DF25)
SALT_I, SALT_F = np.uint64(0xD6E8_FEB8_6659_FD93), np.uint64(0xA076_1D64_78BD_642F)
#: Rows of what was seen of signs: all, letters alone, words, lengths, packed, spans; then the
#: groups.
(SEEN_ALL, SEEN_ALONE, SEEN_TOKENS, SEEN_LENGTHS, SEEN_PACKED, SEEN_SPANS,
 SEEN_GROUPS) = range(7)  # fmt: skip
STIR, DOWN = np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(29)

#: Characters that are read again where text begins to look encoded, back to the last space.
RECENT = 64
#: Characters for which that look lasts at least, and at most twice (a power of two).
LASTS_FOR = 16

#: Grams in a row that a text must share with what is protected before they are forgotten. By
#: chance one in 16 is there: letters by the page would empty the bitmap one by one.
FORGET = 6

#: Regions told of one call, checks, and checks that one character can add at most: each lane can
#: end as many secrets as are pending there.
REGIONS = 64
CHECKS = 512
SPARE = 4 * LANES
OPEN = -1
BEFORE = -1_000_000_000


#: numba's decorator; its stub does not know the option that turns counting of references off.
_NJIT: Any = numba.njit


def compiled(function: F) -> F:
    """Compile on first use; keep the machine code on disk where there is a place for it. Nothing
    may be allocated in it: counting references to arrays would take most of its time.
    """
    return _compile(function, _nrt=False)


def allocating(function: F) -> F:
    """The same for functions that make arrays."""
    return _compile(function)


def inlined(function: F) -> F:
    """The same for what is too small to be called."""
    return cast("F", _NJIT(inline="always", _nrt=False)(function))


def _compile(function: F, **options: bool) -> F:
    try:
        return cast("F", _NJIT(cache=True, nogil=True, **options)(function))
    except RuntimeError:  # no writable place beside the package nor in the user's cache
        return cast("F", _NJIT(nogil=True, **options)(function))


@inlined
def there(bitmap: U8, place: Any) -> Any:
    """The bit of a bitmap."""
    at = np.int64(place)
    return (np.int64(bitmap[at >> 3]) >> (at & 7)) & 1


@inlined
def score(numbers: I64, limit: I64, lane: int, hit: Any, down: Any) -> int:
    """One more gram of a lane, there or not; by how many the suspicions have become more."""
    old = numbers[2, lane]
    if hit:
        new = min(old + 2, limit[2, lane])
        numbers[2, lane] = new
        return 1 if old < limit[0, lane] and limit[0, lane] <= new else 0
    if old > 0:
        new = max(old - down, 0)
        numbers[2, lane] = new
        return -1 if new < limit[0, lane] and limit[0, lane] <= old else 0
    return 0


@inlined
def anew(heard: U64, value: Any) -> bool:
    """Whether a gram was not read lately: what repeats itself would hit by one chance."""
    at = np.int64((value * SPREAD) >> HEARD_BY)
    if heard[at] == value:
        return False
    heard[at] = value
    return True


@compiled
def calm(numbers: I64, limit: I64, first: int, last: int) -> int:
    """Lanes from `first` up to `last` read no more; by how many the suspicions become fewer."""
    fewer = 0
    for lane in range(first, last):
        if numbers[2, lane] >= limit[0, lane]:
            fewer += 1
        numbers[2, lane] = 0
    return fewer


#: The consonant that each code stands for, digits as in leetspeak (5 s, 7 t, 8 b, 6 and 9 g, 2 z);
#: 0 for vowels, l and what looks like i. A table, as which letter comes next no branch foretells.
_BONES = np.array(
    [0 if code in {1, 5, 9, 12, 15, 21} else code for code in range(27)]
    + [0, 0, 26, 0, 0, 19, 7, 20, 2, 7],
    np.int64,
)


@inlined
def skeleton(code: Any) -> Any:
    """A consonant of 1..26, or a digit that stands for one; else 0 (vowels, l and i-like)."""
    return _BONES[code]


@inlined
def weight(code: Any) -> Any:
    """What a letter adds to a word: words are told apart by their letters, whatever the order."""
    value = np.uint64(code) * SPREAD
    return (value ^ (value >> DOWN)) * STIR


@compiled
def three_words(first: Any, second: Any, third: Any) -> Any:
    """Three words in a row as one number."""
    value = (first * SALT_P) ^ (second * SALT_W) ^ third
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
