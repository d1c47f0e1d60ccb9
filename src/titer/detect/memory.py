"""Small memories of one subject: frequent tokens, and whether a content was seen before."""

from __future__ import annotations

#: Tokens whose counts are kept. A token in more than 1 in 12 exchanges (8 tokens each) stays.
FREQUENT = 96
#: Bits of a token that are kept as its key: three bytes where eight would be nine. Two of 96
#: tokens are taken for one another in 7 % of the states, and both must be the same caller's.
KEY = 0xFFFF
#: Bytes of the set of contents: 4,096 bits. After 2,800 contents about half of the new ones look
#: old: evidence then comes slower, never faster.
CONTENT_BYTES = 512

_MASK = (1 << 64) - 1


def count(counts: dict[int, int], tokens: tuple[int, ...]) -> int:
    """Counts tokens in place by their `KEY`; returns how often the most frequent was seen before.

    Misra and Gries, "Finding repeated elements" (1982): a count is low by at most the number
    of times that the table overflowed, never high.
    """
    best = 0
    for token in tokens:
        token &= KEY  # noqa: PLW2901 - another name would cost more
        seen = counts.get(token, 0)
        counts[token] = seen + 1
        if seen > best:  # noqa: PLR1730 - max() would double the cost
            best = seen
    if len(counts) > FREQUENT:
        kept = {token: seen - 1 for token, seen in counts.items() if seen > 1}
        counts.clear()
        counts.update(kept)
    return best


def blank() -> bytearray:
    """No content seen yet."""
    return bytearray(CONTENT_BYTES)


def place(content: int) -> tuple[int, int]:
    """Where a keyed hash of a content is remembered: a byte of the set, and its bit."""
    mixed = ((content ^ (content >> 29)) * 0x9E37_79B9_7F4A_7C15) & _MASK
    word, bit = (mixed >> 50) % (CONTENT_BYTES // 8), mixed >> 40 & 63
    return word * 8 + (bit >> 3), 1 << (bit & 7)


def is_new(contents: bytearray, where: tuple[int, int]) -> bool:
    """Whether the content of a place was not seen before; remembers it.

    A Bloom filter of one hash: it may say old for new, never new for old.
    """
    at, bit = where
    held = contents[at]
    if held & bit:
        return False
    contents[at] = held | bit
    return True
