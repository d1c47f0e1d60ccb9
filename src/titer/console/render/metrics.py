"""How wide text is in the fonts that every PDF reader has (Adobe's core metrics, per mille)."""

from __future__ import annotations

import unicodedata
from typing import Literal

from titer.console.render.model import plain

Font = Literal["F1", "F2", "F3"]
#: Resource names: Helvetica, Helvetica-Bold, Courier.
BODY: Font = "F1"
BOLD: Font = "F2"
MONO: Font = "F3"
FONTS: dict[Font, str] = {BODY: "Helvetica", BOLD: "Helvetica-Bold", MONO: "Courier"}

#: Widths of the characters from the space to the tilde.
_PLAIN = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_BOLD = (
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667,
    611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556,
    278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
)  # fmt: skip
_WIDE = 600
#: Characters of one paragraph or cell.
MAX_TEXT = 10_000


def _table(known: tuple[int, ...]) -> dict[str, int]:
    made = {chr(32 + n): width for n, width in enumerate(known)}
    for code in range(0xA0, 0x100):  # accented letters are as wide as their letter
        base = unicodedata.normalize("NFD", chr(code))[0]
        made[chr(code)] = made.get(base, _WIDE)
    return made


_WIDTHS: dict[Font, dict[str, int]] = {BODY: _table(_PLAIN), BOLD: _table(_BOLD), MONO: {}}


def width(text: str, font: Font, size: float) -> float:
    """The width of a line in points."""
    if font == MONO:
        return len(text) * _WIDE * size / 1000
    table = _WIDTHS[font]
    return sum(table.get(c, _WIDE) for c in text) * size / 1000


def spelt(text: str) -> str:
    """Text in the characters that these fonts have; others are spelt as their number."""
    text = plain(text, MAX_TEXT)
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return "".join(c if _has(c) else f"\\u{{{ord(c):x}}}" for c in text)
    return text


def _has(character: str) -> bool:
    try:
        character.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def wrapped(text: str, font: Font, size: float, room: float) -> list[str]:
    """Lines of at most `room` points; a word that is wider is cut."""
    lines: list[str] = []
    line, used = "", 0.0
    space = width(" ", font, size)
    for whole in spelt(text).split(" "):
        word = whole
        wide = width(word, font, size)
        if line and used + space + wide <= room:
            line, used = f"{line} {word}", used + space + wide
            continue
        if line:
            lines.append(line)
        while wide > room:
            fits = max(1, int(len(word) * room / wide))
            while fits > 1 and width(word[:fits], font, size) > room:
                fits -= 1
            lines.append(word[:fits])
            word = word[fits:]
            wide = width(word, font, size)
        line, used = word, wide
    return [*lines, line]
