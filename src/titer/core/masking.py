"""Which tokens of a text are literals: what changes while the template stays.

    a token with a digit in it               numbers, dates, hashes, identifiers
    between a pair of quotes on one line     "..."  '...'  `...`  and typographic pairs
    between a pair of fences                 three backticks or three double quotes
    in a word with `://` or an inner `@`     URLs and e-mail addresses
    in a block of worked examples            lines that open with `Q:` and `A:` again and again

A JSON blob needs no rule of its own: its strings and numbers are masked, and neighbouring masks
are one. Rules look at one request alone and cost time linear in its bytes.
An unpaired quote masks nothing; a writer who quotes only to hide hides the template as well.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Byte classes. From `LETTER` upwards a byte belongs to a token; `WIDE` always opens one.
SPACE, PUNCT, LETTER, DIGIT, WIDE = range(5)

#: Zero bytes behind a batch, so that eight can be read at any token.
MARGIN = b"\x00" * 8

#: A label opens at least so many lines of a text of examples, beside another that does: two
#: examples and the question.
REPEATED = 3
#: Bytes of a line within which a label's word begins, and within which its colon stands.
LABEL_BEGINS, LABEL_ENDS = 8, 32
#: Tokens that must be left outside of examples; with fewer, the examples are the template.
LEFT = 6

#: Bytes that a pair of apostrophes may span; longer is two unrelated apostrophes.
APOSTROPHE_SPAN = 400

Bytes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.intp]
Spans = tuple[Index, Index]


def _class_of(byte: int) -> int:
    char = chr(byte)
    if byte == 1:  # opens a role token
        return LETTER
    if byte < 0x21 or byte == 0x7F:
        return SPACE
    if byte < 0x80:
        return DIGIT if char.isdigit() else LETTER if char.isalpha() or char == "_" else PUNCT
    return WIDE if byte >= 0xE0 else LETTER


#: For `bytes.translate`: the class of each byte, and lower case for ASCII.
CLASSES = bytes(map(_class_of, range(256)))
FOLD = bytes(range(256)).lower()

# Typographic marks become ASCII ones of the same length, so that no offset moves: for each
# pair of leading bytes, what stands for the marks that end in a given third byte.
_MARKS = {
    (0xE2, 0x80): {
        0x9C: '"', 0x9D: '"', 0x9E: '"', 0x98: "'", 0x99: "'", 0x93: " ", 0x94: " ", 0xA6: " ",
    },
    (0xEF, 0xBC): {0x9A: ":"},
    (0xE3, 0x80): {0x8C: '"', 0x8D: '"', 0x8E: '"', 0x8F: '"', 0x81: " ", 0x82: " "},
}  # fmt: skip
_ANGLES = {0xAB: '"', 0xBB: '"', 0xA0: " "}


def _lookup(marks: dict[int, str]) -> npt.NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    for code, plain in marks.items():
        table[code] = ord(plain)
    return table


_PLAIN = {lead: _lookup(marks) for lead, marks in _MARKS.items()}
_PLAIN_ANGLES = _lookup(_ANGLES)


def plain_marks(data: bytearray) -> None:
    """Makes typographic quotes, dashes and spaces ASCII in place. Ends in `MARGIN`."""
    values = np.frombuffer(data, dtype=np.uint8)
    for (lead, second), table in _PLAIN.items():
        at = np.flatnonzero(values == lead)
        if len(at):
            at = at[values[at + 1] == second]
            plain = table[values[at + 2]]
            at, plain = at[plain != 0], plain[plain != 0]
            values[at], values[at + 1], values[at + 2] = plain, 32, 32
    at = np.flatnonzero(values == 0xC2)
    if len(at):
        plain = _PLAIN_ANGLES[values[at + 1]]
        at, plain = at[plain != 0], plain[plain != 0]
        values[at], values[at + 1] = plain, 32


def masked_tokens(
    data: bytes | bytearray, classes: Bytes, starts: Index, offsets: Index
) -> npt.NDArray[np.bool_]:
    """Which tokens are literals.

    `data` is a batch of texts joined, each opening with a newline at its offset; `classes` the
    class of each byte; `starts` where tokens start.
    """
    values = np.frombuffer(data, dtype=np.uint8)
    masked = np.zeros(len(starts), dtype=np.bool_)
    digits = classes == DIGIT
    digits[1:] &= ~digits[:-1]
    masked[np.searchsorted(starts, np.flatnonzero(digits), side="right") - 1] = True
    spans = _quoted(data, values, classes, offsets)
    if spans:
        depth = np.zeros(len(starts) + 1, dtype=np.int32)
        for begins, ends in spans:
            np.add.at(depth, np.searchsorted(starts, begins), 1)
            np.add.at(depth, np.searchsorted(starts, ends), -1)
        masked |= np.cumsum(depth[:-1]) > 0
    # A text's opening role token stands outside every literal.
    masked[np.searchsorted(starts, offsets)] = False
    return masked


def examples(
    data: bytes | bytearray, starts: Index, hashes: npt.NDArray[np.uint64], offsets: Index
) -> npt.NDArray[np.bool_] | None:
    """Which tokens stand in worked examples (a few-shot block), labels and question included.

    A line opens with a label when its first word and a colon stand near its beginning. Where two
    labels or more open `REPEATED` lines each, all from such a line to the next blank line is an
    example. `hashes` tells tokens apart. None when no text has any.
    """
    values = np.frombuffer(data, dtype=np.uint8)
    colons = np.flatnonzero(values == 58)
    if len(colons) < 2 * REPEATED:
        return None
    # A turn's first line begins behind its role.
    lines = np.flatnonzero((values == 10) | (values == 2))
    first = np.searchsorted(starts, lines)
    first[first == len(starts)] = 0
    colon = np.searchsorted(colons, starts[first])
    known = colon < len(colons)
    ends = colons[np.where(known, colon, 0)]
    follows = np.append(lines[1:], len(values))
    known &= (starts[first] - lines <= LABEL_BEGINS) & (starts[first] > lines)
    known &= (ends - lines <= LABEL_ENDS) & (ends < follows)
    opens = np.flatnonzero(known)
    if len(opens) < 2 * REPEATED:
        return None
    text = np.searchsorted(offsets, lines[opens], side="right") - 1
    names = hashes[first[opens]] ^ text.astype(np.uint64)
    _, which, count = np.unique(names, return_inverse=True, return_counts=True)
    often = count[which] >= REPEATED
    # Labels of each text that are repeated: each occurrence counts for its share.
    kinds = np.bincount(text[often], 1.0 / count[which[often]], len(offsets))
    often &= kinds[text] > 1.5
    if not often.any():
        return None
    blank = np.append(lines[:-1][(np.diff(lines) == 1) & (values[lines[1:]] == 10)], len(values))
    begins = lines[opens[often]]
    stops = blank[np.searchsorted(blank, begins, side="right")]
    depth = np.zeros(len(starts) + 1, dtype=np.int32)
    np.add.at(depth, np.searchsorted(starts, begins), 1)
    np.add.at(depth, np.searchsorted(starts, stops), -1)
    inside = np.cumsum(depth[:-1]) > 0
    inside[np.searchsorted(starts, offsets)] = False
    return inside


def _quoted(data: bytes | bytearray, values: Bytes, classes: Bytes, offsets: Index) -> list[Spans]:
    """Byte spans of quoted strings, code and addresses."""
    spans: list[Spans] = []
    lines: Index | None = None
    for mark in (b'"', b"`"):
        if mark not in data:
            continue
        lines = np.flatnonzero(values == 10) if lines is None else lines
        heads, lengths = _runs(np.flatnonzero(values == mark[0]))
        spans.append(_pairs(heads[lengths == 1], lines))
        spans.append(_pairs(heads[lengths >= 3], offsets))
    if b"'" in data:
        lines = np.flatnonzero(values == 10) if lines is None else lines
        spans.append(_apostrophes(np.flatnonzero(values == 39), classes, lines))
    if b"://" in data or b"@" in data:
        spans.append(_addresses(values, classes))
    return [span for span in spans if len(span[0])]


def _runs(at: Index) -> Spans:
    """Where runs of neighbouring positions start, and how long each is."""
    if not len(at):
        return at, at
    first = np.flatnonzero(np.diff(at, prepend=at[0] - 2) != 1)
    return at[first], np.diff(first, append=len(at))


def _pairs(at: Index, bounds: Index) -> Spans:
    """The 1st with the 2nd, the 3rd with the 4th ... of the marks between two bounds."""
    if len(at) < 2:
        return at[:0], at[:0]
    group = np.searchsorted(bounds, at, side="right")
    index = np.arange(len(at))
    head = np.flatnonzero(np.diff(group, prepend=-1))
    rank = index - np.repeat(head, np.diff(head, append=len(at)))
    opens = (rank[:-1] & 1 == 0) & (group[1:] == group[:-1])
    where = np.flatnonzero(opens)
    return at[where], at[where + 1]


def _apostrophes(at: Index, classes: Bytes, lines: Index) -> Spans:
    """Quotations in apostrophes: opened before a word, closed behind one, on one line."""
    after = classes[np.minimum(at + 1, len(classes) - 1)]
    before_word = classes[np.maximum(at - 1, 0)] >= LETTER
    opens = at[~before_word & (after != SPACE)]
    closes = at[(after < LETTER) & (classes[np.maximum(at - 1, 0)] != SPACE)]
    if not len(opens) or not len(closes):
        return at[:0], at[:0]
    nearest = np.searchsorted(closes, opens, side="right")
    found = nearest < len(closes)
    opens, ends = opens[found], closes[nearest[found]]
    same = np.searchsorted(lines, opens) == np.searchsorted(lines, ends)
    same &= ends - opens <= APOSTROPHE_SPAN
    return opens[same], ends[same]


def _addresses(values: Bytes, classes: Bytes) -> Spans:
    """The words, from space to space, that hold `://` or an `@` between word characters."""
    colons = np.flatnonzero(values[:-2] == 58)
    colons = colons[(values[colons + 1] == 47) & (values[colons + 2] == 47)]
    ats = np.flatnonzero(values[:-1] == 64)
    ats = ats[(classes[ats + 1] >= LETTER) & (classes[np.maximum(ats - 1, 0)] >= LETTER)]
    at = np.concatenate((colons, ats))
    if not len(at):
        return at, at
    spaces = np.flatnonzero(classes == SPACE)
    place = np.searchsorted(spaces, at)
    # Every text opens and the batch closes with a space, so both neighbours exist.
    return spaces[place - 1], spaces[np.minimum(place, len(spaces) - 1)]
