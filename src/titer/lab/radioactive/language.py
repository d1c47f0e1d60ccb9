"""An artificial language: after each word some words are likely, by a law of Zipf.

The next word depends on the last one, with a part that depends on nothing (frequent words). Its
entropy is set by how many words may follow; the whole distribution is known, so that it can serve
as a teacher without training. Same seed, same language.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from titer.lab.radioactive.words import Words
from titer.marks.contract import U32

F32 = NDArray[np.float32]


class Language:
    """A source of text with known probabilities. `window` is what its next word depends on."""

    window = 1

    def __init__(
        self, *, seed: int, vocabulary: int = 512, followers: int = 48, loose: float = 0.1
    ) -> None:
        """`followers`: words that are likely after a word; `loose`: weight of frequent words."""
        rng = np.random.default_rng(seed)
        self.words = Words.made(vocabulary)
        ranks = 1.0 / np.arange(1, vocabulary + 1)
        common = rng.permutation(ranks / ranks.sum())
        after = 1.0 / np.arange(1, followers + 1) ** 0.8
        table = np.tile(loose * common, (vocabulary, 1))
        taste = common**0.5 / (common**0.5).sum()
        for row in table:
            chosen = rng.choice(vocabulary, followers, replace=False, p=taste)
            row[chosen] += (1 - loose) * after / after.sum()
        self._logits: F32 = np.log(table).astype(np.float32)

    def logits(self, contexts: U32) -> F32:
        """Logits (batch, vocabulary) after contexts (batch, window)."""
        return self._logits[contexts[:, -1]].copy()
