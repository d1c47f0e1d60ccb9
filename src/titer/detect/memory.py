"""Small memories of one subject: frequent tokens, and whether a content was seen before."""

from __future__ import annotations

#: Tokens whose counts are kept. A token in more than 1 in 12 exchanges (8 tokens each) stays.
FREQUENT = 96
#: 64-bit words of the set of contents: 8,192 bits, about 1.1 kB encoded. After 5,000 contents
#: about half of the new ones look old: evidence then comes slower, never faster.
CONTENT_WORDS = 128

_MASK = (1 << 64) - 1


def count(counts: dict[int, int], tokens: tuple[int, ...]) -> int:
    """Counts tokens in place; returns how often the most frequent of them was seen before.

    Misra and Gries, "Finding repeated elements" (1982): a count is low by at most the number
    of times that the table overflowed, never high.
    """
    best = 0
    for token in tokens:
        seen = counts.get(token, 0)
        counts[token] = seen + 1
        if seen > best:  # noqa: PLR1730 - max() would double the cost
            best = seen
    if len(counts) > FREQUENT:
        for token in [token for token, seen in counts.items() if seen == 1]:
            del counts[token]
        for token in counts:
            counts[token] -= 1
    return best


def blank() -> list[int]:
    """No content seen yet."""
    return [0] * CONTENT_WORDS


def is_new(contents: list[int], content: int) -> bool:
    """Whether a keyed hash was not seen before; remembers it.

    A Bloom filter of one hash: it may say old for new, never new for old.
    """
    mixed = ((content ^ (content >> 29)) * 0x9E37_79B9_7F4A_7C15) & _MASK
    word, bit = (mixed >> 50) % CONTENT_WORDS, 1 << (mixed >> 40 & 63)
    if contents[word] & bit:
        return False
    contents[word] |= bit
    return True
