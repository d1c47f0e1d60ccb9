"""Characters as the guard compares them: case, accents, look-alikes and decoration are gone.

`FOLD[c]` is 1..26 for whatever a reader takes for a Latin letter, by the character's own Unicode
name and decomposition (full width, circled, small capital, turned, mathematical, regional
indicator, tag), and for Cyrillic and Greek look-alikes inside Latin words; other letters of the
world fall on 1..26 by a fixed hash, which loses nothing over nine of them. 27..36 are digits, 0 is
skipped: space, punctuation, zero-width characters, combining marks.
"""

from __future__ import annotations

import functools
import re
import unicodedata

import numpy as np
import numpy.typing as npt

#: Code points with an entry; those beyond (tags apart) are skipped.
SIZE = 0x2_0000

_NAME = re.compile(
    r"(?:LETTER|SYMBOL)(?: SMALL| CAPITAL| TURNED| REVERSED| INVERTED| SIDEWAYS| DOTLESS)*"
    r" ([A-Z])(?: WITH .*)?$"
)
#: Look-alikes of a, b, c ... that no decomposition gives: Cyrillic, Greek, Armenian, phonetic.
_LOOKS = (
    "\u0430\u0432\u0441\u0501\u0435\u0451\u0493\u043d\u0456\u0457\u0458\u043a\u04cf\u043c"
    "\u043e\u0440\u051b\u0433\u0455\u0442\u04bb\u0446\u0443\u0475\u051d\u0445\u03b1\u03b2"
    "\u03b5\u03b7\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03c9\u0131\u0251\u0261"
    "\u029c\u00df\u00f8\u0111\u0142\u01dd\u0250\u0254\u025f\u0183\u0265\u027e\u029e\u026f"
    "\u0279\u0287\u028c\u028d\u028e\u0569\u0578\u057d"
)
_AS = "abcdeefhiijklmopqrsthuyvwxabenikvoptuxwiaghsodleacfghjkmrtvwypnu"
_ALIKE = dict(zip(_LOOKS, _AS, strict=True))
#: Letters by category that nobody sees.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u17b4\u17b5")
#: Braille cells 1 to 26 as offsets of U+2800 (grade 1 English braille).
_BRAILLE = (
    1, 3, 9, 25, 17, 11, 27, 19, 10, 26, 5, 7, 13, 29, 21, 15, 31, 23, 14, 30, 37, 39, 58, 45, 61,
    53,
)  # fmt: skip


@functools.cache
def fold_table() -> npt.NDArray[np.uint8]:
    """The table, made once a process (about 0.2 s)."""
    table = np.zeros(SIZE, np.uint8)
    for point in range(SIZE):
        table[point] = _code(chr(point))
    for offset, code in zip(_BRAILLE, range(1, 27), strict=True):
        table[0x2800 + offset] = code
    table.setflags(write=False)
    return table


def _code(char: str) -> int:
    kind = unicodedata.category(char)
    low = _ALIKE.get(char.lower(), "")
    if char in _FILLERS:
        return 0
    if low:
        return ord(low) - 96
    if kind[0] in "CZM" or (kind[0] == "P"):
        return 0
    base = unicodedata.normalize("NFKD", char)[:1].casefold()[:1]
    base = _ALIKE.get(base, base)
    if "a" <= base <= "z":
        return ord(base) - 96
    if base.isascii() and base.isdigit():
        return 27 + int(base)
    found = _NAME.search(unicodedata.name(char, ""))
    if found is not None:
        return ord(found[1]) - 64
    if kind[0] == "L":
        return 1 + ((ord(char) * 2_654_435_761) >> 16) % 26
    return 0


@functools.cache
def decoders() -> npt.NDArray[np.int16]:
    """Values of ASCII characters by alphabet, -1 where there is none: rows are base64 (also its
    URL form), base32, hexadecimal, RFC 1924 base85, Ascii85, uuencode.
    """
    table = np.full((6, 128), -1, np.int16)
    upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    rows = (
        upper + upper.lower() + "0123456789+/",
        upper + "234567",
        "0123456789abcdef",
        "0123456789" + upper + upper.lower() + "!#$%&()*+-;<=>?@^_`{|}~",
        "".join(chr(33 + n) for n in range(85)),
        "".join(chr(32 + n) for n in range(64)),
    )
    for row, alphabet in enumerate(rows):
        for value, char in enumerate(alphabet):
            table[row, ord(char)] = value
    table[0, ord("-")], table[0, ord("_")] = 62, 63
    for char in upper:
        table[1, ord(char.lower())] = table[1, ord(char)]
    for char in "ABCDEF":
        table[2, ord(char)] = table[2, ord(char.lower())]
    table[5, ord("`")] = 0
    table.setflags(write=False)
    return table


@functools.cache
def morse_table() -> npt.NDArray[np.uint8]:
    """Letters 1..26 by their signs in binary behind a leading 1 (dot 0, dash 1)."""
    signs = (
        ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...-"
        " .-- -..- -.-- --.."
    )
    table = np.zeros(64, np.uint8)
    for code, letter in enumerate(signs.split(), 1):
        table[int("1" + letter.replace(".", "0").replace("-", "1"), 2)] = code
    table.setflags(write=False)
    return table
