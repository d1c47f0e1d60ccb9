"""Hugging Face's green lists (KGW), recognised: `lefthash` and `selfhash`.

Bit for bit which tokens `WatermarkLogitsProcessor` of transformers 5.23 makes green. It shuffles
the vocabulary for every context; here only the scored token is followed through the shuffle,
which still costs a number per green place: this is the slow, legacy path (some ten thousand
tokens a second). Tokens after one context are drawn without replacement, which only makes the
binomial null a little strict.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import msgspec
import numpy as np

from titer.marks.compiled import compiled
from titer.marks.contract import F64, I64, U32, U64, BinomialNull, Null
from titer.marks.mersenne import among_first, shuffled

#: Entries of the table that `selfhash` hashes with.
_TABLE = 1_000_003
_MODULUS = (1 << 64) - 1


class HfKgw(msgspec.Struct, frozen=True):
    """The scheme. `vocabulary` is the model's `vocab_size`; the others are
    `WatermarkingConfig`'s `greenlist_ratio`, `seeding_scheme`, `context_width`. Its key is the
    `hashing_key`, below 2^63. Raises ValueError.
    """

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
    def name(self) -> str:
        return "hf-kgw"

    @property
    def parameters(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)

    @property
    def width(self) -> int:
        """Tokens before the scored one that decide: selfhash's last one is itself."""
        return 1 if self.seeding == "lefthash" else self.context_width - 1

    @property
    def start(self) -> int:
        return self.width

    @property
    def unit(self) -> Literal["ngram", "context"]:
        return "ngram"

    @property
    def green(self) -> int:
        """Tokens on a green list."""
        return int(self.vocabulary * self.ratio)

    @property
    def null(self) -> BinomialNull:
        return BinomialNull(self.green / self.vocabulary)

    def null_for(self, tokens: U32, positions: I64) -> Null:
        del tokens, positions
        return self.null

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        seeds = np.array([self._seed(tokens, int(p), key) for p in positions], np.uint64)
        return _green(seeds, tokens[positions], self.vocabulary, self.green)

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        values = np.zeros(max(vocabulary, self.vocabulary))
        if self.seeding == "lefthash":
            seed = self._seed(context, len(context), key)
            values[shuffled(np.uint64(seed), self.vocabulary, self.green)] = 1.0
        else:
            after = np.append(context, np.uint32(0)).astype(np.uint32)
            for token in range(vocabulary):
                after[-1] = token
                values[token] = self.at(after, np.array([len(context)]), key)[0]
        return values[:vocabulary]

    def sums(self, tokens: U32, positions: I64, keys: U64) -> F64:
        return np.array([self.at(tokens, positions, int(key)).sum() for key in keys])

    def _seed(self, tokens: U32, position: int, key: int) -> int:
        if self.seeding == "lefthash":
            return key * int(tokens[position - 1]) % _MODULUS
        table = _table(key)
        window = tokens[position - self.width : position + 1]
        a = [int(table[t % _TABLE]) + 1 for t in window.astype(np.int64)]
        # torch multiplies in 64 signed bits, and takes the smallest of what wraps around
        return min(_signed(_signed(key * x) * a[-1]) for x in a) % _MODULUS


def _signed(x: int) -> int:
    x &= (1 << 64) - 1
    return x - (1 << 64) if x >> 63 else x


@lru_cache(maxsize=8)
def _table(key: int) -> U32:
    return shuffled(np.uint64(key & _MODULUS), _TABLE, _TABLE)


@compiled
def _green(seeds: U64, tokens: U32, vocabulary: int, green: int) -> F64:
    out = np.empty(len(seeds), np.float64)
    for i in range(len(seeds)):
        out[i] = 1.0 if among_first(seeds[i], vocabulary, green, tokens[i]) else 0.0
    return out
