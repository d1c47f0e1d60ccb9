"""When a text looks encoded, and in what: shares and runs of characters of each alphabet.

Eight small counters stand in one 64-bit word, so that a character costs a table and a few
operations for all of them: *shares* (exponential, over about 16 characters, of 112) and *runs*
(characters in a row, up to 128). A decoder is asked only where its own alphabet is at work, which
leaves program text, tables and JSON to the lanes that read text as it stands.
"""

from __future__ import annotations

import functools
import string

import numpy as np
import numpy.typing as npt

from titer.respond.leak_guard.fold import decoders

#: Bytes of the shares: digits; 0 and 1; dots and dashes; capitals and their neighbours.
DIGIT, BIT, DASH, UPPER = range(4)
#: Bytes of the runs: the alphabets of base64, base32, base85, Ascii85.
RUN64, RUN32, RUN85, RUN_A = range(4)

#: What opens the decoders: shares in percent, runs in characters.
_SHARES = {DIGIT: 33, BIT: 60, DASH: 45, UPPER: 35}
_RUNS = {RUN64: 24, RUN32: 24, RUN85: 24, RUN_A: 24}

#: The decoders that a place opens, as bits: see `decoding.decode`.
(OPEN_HEX, OPEN_NUMBERS, OPEN_BITS, OPEN_MORSE, OPEN_ROT47, OPEN_UU, OPEN_32, OPEN_64, OPEN_85,
 OPEN_A85) = (1 << n for n in range(10))  # fmt: skip
EVERY = (1 << 10) - 1

#: Characters of a table row: ASCII, and everything else as one.
KINDS = 129
BEYOND = 128

HIGH = 0x8080_8080_8080_8080
NIBBLES = 0x0F0F_0F0F_0F0F_0F0F
ONES = 0x0101_0101_0101_0101
#: What a member adds to a share; without end it comes to 112 to 127.
STEP = 7
_FULL = 16 * STEP

#: Letters that follow each letter in English, German, French, Spanish or Swahili in at least 0.18
#: % of all pairs: 94 to 97 % of the pairs of a text, 90 % of a program's.
_FOLLOW = (
    "aabcdfghijklmnopqrstuvwyz baeiloruy caehiklortu daeioru eabcdefghiklmnprstuvyz faeiortu"
    " gaehioru haeilnortu iacdefghklmnopqrstvwyz jaeiou kaeiouw laeilostuy mabeilmopuw"
    " nacdeginostuyz obcdfijklmnoprstuvw paeiloru qu racdeinorstu saceghiostuw taehiorstuz"
    " uacefiklmnprstwxz vaeioy waehio x yaeos zaeiou"
)
#: From which share of unusual pairs on (of 1,024, over 32 pairs) letters follow each other as in
#: no language, and below which they do again.
GARBLED_FROM, GARBLED_TO = 265, 155


@functools.cache
def steps() -> npt.NDArray[np.uint64]:
    """What a kind of character adds to the shares."""
    members = {
        DIGIT: string.digits, BIT: "01", DASH: ".-/",
        UPPER: string.ascii_uppercase + ":;<=>?@",
    }  # fmt: skip
    return _table(members, STEP)


@functools.cache
def runs() -> npt.NDArray[np.uint64]:
    """Which runs a kind of character leaves unbroken."""
    alphabets = decoders()
    members = {
        place: "".join(chr(c) for c in range(33, 127) if alphabets[row, c] >= 0)
        for place, row in ((RUN64, 0), (RUN32, 1), (RUN85, 3), (RUN_A, 4))
    }
    return _table(members, 255)


def _table(members: dict[int, str], value: int) -> npt.NDArray[np.uint64]:
    table = np.zeros(KINDS, np.uint64)
    for place, chars in members.items():
        for char in chars:
            table[ord(char)] |= np.uint64(value << 8 * place)
    table.setflags(write=False)
    return table


def _reach(wanted: dict[int, int], full: int) -> int:
    """What lifts a byte to 128 once it is at its threshold; others never get there."""
    return sum((128 - full * percent // 100) << 8 * place for place, percent in wanted.items())


SHARES_REACH = _reach(_SHARES, _FULL)
RUNS_REACH = _reach(_RUNS, 100)

#: Which decoders the high bits of shares and of runs open, by the byte.
_OPENED = (
    OPEN_HEX | OPEN_NUMBERS, OPEN_BITS, OPEN_MORSE,
    OPEN_ROT47 | OPEN_UU | OPEN_32 | OPEN_64,
    OPEN_64, OPEN_32, OPEN_85, OPEN_A85,
)  # fmt: skip


@functools.cache
def opens() -> npt.NDArray[np.int64]:
    """Which decoders are opened, by the high bits of four shares and four runs."""
    table = np.zeros(256, np.int64)
    for bits in range(256):
        for place, opened in enumerate(_OPENED):
            if bits >> place & 1:
                table[bits] |= opened
        if not bits >> UPPER & 1:  # both alphabets of base85 have most signs of program text
            table[bits] &= ~(OPEN_85 | OPEN_A85)
    table.setflags(write=False)
    return table


@functools.cache
def follows() -> npt.NDArray[np.uint8]:
    """Whether a letter (1..26) follows another one in a language: [27 * before + after]."""
    table = np.zeros(27 * 27, np.uint8)
    for word in _FOLLOW.split():
        for char in word[1:]:
            table[27 * (ord(word[0]) - 96) + ord(char) - 96] = 1
    table.setflags(write=False)
    return table


@functools.cache
def quiet() -> npt.NDArray[np.uint8]:
    """Characters (a byte each) that are no signs: space, punctuation, marks, invisible ones."""
    import unicodedata  # noqa: PLC0415 - once a process

    from titer.respond.leak_guard.fold import SIZE  # noqa: PLC0415

    table = np.array([unicodedata.category(chr(p))[0] in "CZMP" for p in range(SIZE)], np.uint8)
    table.setflags(write=False)
    return table
