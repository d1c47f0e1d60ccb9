"""A tokenizer of words: every run of non-space, with the space before it, is one token.

What a model writes is read back into exactly the ids that it wrote, which is what the marks need.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from titer.marks.contract import U32


class Words:
    """A vocabulary; ids are places in it, and the id after the last stands for all other words."""

    def __init__(self, words: Sequence[str]) -> None:
        if not words or any(not w or w != "".join(w.split()) for w in words):
            raise ValueError("a vocabulary is words without spaces")
        self.words = tuple(words)
        self._ids = {word: i for i, word in enumerate(self.words)}
        self.fingerprint = hashlib.sha256("\n".join(self.words).encode()).hexdigest()

    @classmethod
    def made(cls, count: int) -> Words:
        """`count` made-up words that can be told apart and pronounced."""
        heads, tails = "bdfgklmnprstvz", ("an", "el", "ir", "om", "us", "ay", "e", "o")
        syllables = [h + t for h in heads for t in tails]
        size = len(syllables)
        return cls([syllables[i % size] + syllables[(i // size * 37 + i * 11) % size] + _tail(i)
                    for i in range(count)])  # fmt: skip

    @classmethod
    def frequent(cls, texts: Iterable[str], count: int) -> Words:
        """The `count` most frequent words of some texts (ties by spelling)."""
        counts = Counter(word for text in texts for word in text.split())
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(ranked[:count])

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> U32:
        """Ids of a text."""
        other = len(self.words)
        return np.array([self._ids.get(word, other) for word in text.split()], np.uint32)

    def known(self, text: str) -> U32:
        """Ids of the words that are in the vocabulary; others are left out."""
        ids = self.encode(text)
        return ids[ids < len(self.words)]

    def pieces(self, ids: Iterable[int], *, begin: bool = True) -> list[str]:
        """Tokens as spelt: a space before each, save the first of a text."""
        spelt = [" " + self.words[i] for i in ids]
        return [spelt[0][1:], *spelt[1:]] if begin and spelt else spelt

    def text(self, ids: Iterable[int]) -> str:
        """A whole text."""
        return "".join(self.pieces(ids))


def _tail(i: int) -> str:
    """Distinguishes words beyond the number of pairs of syllables."""
    return "" if i < 12_000 else f"n{i // 12_000}"
