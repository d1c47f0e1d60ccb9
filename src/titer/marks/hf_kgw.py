"""Hugging Face's green lists (KGW), recognised: `lefthash` and `selfhash`.

Bit for bit which tokens `WatermarkLogitsProcessor` of transformers 5.24 makes green. It shuffles
the vocabulary for every context. Here the swaps of a shuffle are drawn once for all tokens that
follow a context, and only the places where these tokens lie are followed through them. What
cannot be saved is a number of the twister for each green place of each distinct context: some
2.5 microseconds at a vocabulary of 32,000, 10 at 128,000. Tokens after one context are drawn
without replacement, which only makes the binomial null a little strict. `lefthash` depends on one
token whatever `context_width` is: each pair of it and the next counts once, where transformers'
detector counts such a pair again after other tokens, which is no new evidence.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

from titer.marks.compiled import compiled
from titer.marks.contract import F64, I64, U32, U64, BinomialNull, Keyed
from titer.marks.mersenne import among_first, shuffled

#: Entries of the table that `selfhash` hashes with.
_TABLE = 1_000_003
_MODULUS = np.uint64((1 << 64) - 1)


class HfKgw(Keyed, frozen=True):
    """The scheme. `vocabulary` is the model's `vocab_size`; the others are
    `WatermarkingConfig`'s `greenlist_ratio`, `seeding_scheme`, `context_width`. Its key is the
    `hashing_key`, below 2^63. Raises ValueError.
    """

    name = "hf-kgw"
    unit = "ngram"

    vocabulary: int
    ratio: float = 0.25
    seeding: Literal["lefthash", "selfhash"] = "lefthash"
    context_width: int = 1

    def __post_init__(self) -> None:
        if not 2 <= self.vocabulary <= 1 << 24 or not 0 < self.ratio < 1:
            raise ValueError("hf-kgw: vocabulary is the model's vocab_size, ratio lies in 0 to 1")
        if self.seeding not in {"lefthash", "selfhash"} or not 1 <= self.context_width <= 64:
            raise ValueError("hf-kgw: seeding is lefthash or selfhash, context_width 1 to 64")

    @property
    def width(self) -> int:
        """Tokens before the scored one that decide: selfhash's last one is itself."""
        return 1 if self.seeding == "lefthash" else self.context_width - 1

    @property
    def green(self) -> int:
        """Tokens on a green list."""
        return int(self.vocabulary * self.ratio)

    @property
    def null(self) -> BinomialNull:
        return BinomialNull(self.green / self.vocabulary)

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        seeds = self._seeds(tokens, positions, key).astype(np.uint32)  # torch takes 32 bits of it
        order = np.argsort(seeds)
        green = among_first(seeds, order, tokens[positions], self.vocabulary, self.green)
        return np.asarray(green, np.float64)

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        values = np.zeros(max(vocabulary, self.vocabulary))
        if self.seeding == "lefthash":
            seed = self._seeds(context, np.array([len(context)]), key)[0]
            values[shuffled(seed, self.vocabulary, self.green)] = 1.0
        else:
            after = np.append(context, np.uint32(0)).astype(np.uint32)
            for token in range(vocabulary):
                after[-1] = token
                values[token] = self.at(after, np.array([len(context)]), key)[0]
        return values[:vocabulary]

    def _seeds(self, tokens: U32, positions: I64, key: int) -> U64:
        """What torch's generator is seeded with at each position."""
        if self.seeding == "lefthash":
            return _product(tokens[positions - 1].astype(np.uint64), np.uint64(key))
        table = _table(key).astype(np.int64) + 1
        hashed = table[tokens.astype(np.int64) % _TABLE]
        wrapped = np.int64(key) * hashed  # torch multiplies in 64 signed bits
        last = hashed[positions]
        smallest = wrapped[positions] * last
        for back in range(1, self.width + 1):
            smallest = np.minimum(smallest, wrapped[positions - back] * last)
        unsigned = smallest.astype(np.uint64)  # a negative one, modulo 2^64 - 1, is one less
        return np.asarray(unsigned - (smallest < 0))


@compiled
def _product(numbers: U64, key: np.uint64) -> U64:
    """Products with the key, modulo 2^64 - 1, for numbers below 2^32 and a key below 2^63."""
    out = np.empty(len(numbers), np.uint64)
    half = np.uint64(32)
    k_low, k_high = key & np.uint64(0xFFFF_FFFF), key >> half
    for i in range(len(numbers)):
        low, high = numbers[i] * k_low, numbers[i] * k_high
        whole = (high << half) + low
        total = whole + (high >> half) + (np.uint64(1) if whole < low else np.uint64(0))
        total += np.uint64(1) if total < whole else np.uint64(0)
        out[i] = np.uint64(0) if total == _MODULUS else total
    return out


@lru_cache(maxsize=8)
def _table(key: int) -> U32:
    return shuffled(np.uint64(key), _TABLE, _TABLE)
