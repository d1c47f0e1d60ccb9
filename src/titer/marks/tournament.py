"""Tournament sampling as in SynthID-Text (Dathathri et al., Nature 634, 2024), by our function.

Layer after layer, two candidates meet and the one whose bit is 1 wins. In the limit of many
candidates that reweights the distribution, p <- p (1 + g - sum(g p)), which is what is done here;
over random keys it changes nothing on average. One 32-bit draw holds the bits of all layers, where
SynthID hashes once per layer; a token's value is the number of its ones.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from titer.marks.compiled import compiled
from titer.marks.contexts import context_hash, hashes
from titer.marks.contract import F32, F64, I64, U32, U64, BinomialNull, Keyed
from titer.marks.keyed import counts_of_keys, draw, draws_at, draws_of_row, halves, of_context


class Tournament(Keyed, frozen=True):
    """The scheme. `width` in 1, 2, 4; `layers` up to 32. Raises ValueError."""

    name = "tournament"

    width: Literal[1, 2, 4] = 4
    layers: int = 30

    def __post_init__(self) -> None:
        if self.width not in {1, 2, 4} or not 1 <= self.layers <= 32:
            raise ValueError("tournament: width is 1, 2 or 4, and layers are 1 to 32")

    @property
    def null(self) -> BinomialNull:
        return BinomialNull(0.5, self.layers)

    def _ones(self, drawn: U32) -> F64:
        """Ones among the bits of the layers."""
        mask = np.uint32((1 << self.layers) - 1)
        return np.asarray(np.bitwise_count(drawn & mask), np.float64)

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        return self._ones(draws_at(tokens, positions, self.width, np.uint64(key)))

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        drawn = np.empty(vocabulary, np.uint32)
        seed = context_hash(context, len(context), self.width)
        draws_of_row(np.uint64(seed), np.uint64(key), drawn)
        return self._ones(drawn)

    def sums(self, tokens: U32, positions: I64, keys: U64) -> F64:
        context, _ = hashes(tokens, positions, self.width)
        mask = np.uint32((1 << self.layers) - 1)
        return counts_of_keys(context, tokens[positions], *halves(keys), mask, True)

    def plant(self, logits: F32, context: U32, key: int) -> None:
        """Reweight one row in place: float32 log-probabilities (vocabulary,), then to be sampled.

        What is -inf stays so, and costs nothing: cut to top-k first. A context that is shorter
        than `width` leaves the row as it is; so must the caller where a context repeats.
        """
        if len(context) >= self.width:
            alive = np.flatnonzero(np.isfinite(logits))
            seed = context_hash(context, len(context), self.width)
            _reweigh(logits, alive, np.uint64(seed), np.uint64(key), self.layers)


@compiled
def _reweigh(logits: F32, alive: I64, context: np.uint64, key: np.uint64, layers: int) -> None:
    a, b = of_context(context, key)
    n = len(alive)
    drawn = np.empty(n, np.uint32)
    p = np.empty(n, np.float64)
    top = -np.inf
    for i in range(n):
        drawn[i] = draw(np.uint32(alive[i]), a, b)
        top = max(top, np.float64(logits[alive[i]]))
    total = 0.0
    for i in range(n):
        p[i] = np.exp(logits[alive[i]] - top)
        total += p[i]
    for i in range(n):
        p[i] /= total
    for layer in range(layers):
        bit = np.uint32(layer)
        mass = 0.0
        for i in range(n):
            mass += p[i] * np.float64((drawn[i] >> bit) & np.uint32(1))
        for i in range(n):
            p[i] *= 1.0 + np.float64((drawn[i] >> bit) & np.uint32(1)) - mass
    for i in range(n):
        logits[alive[i]] = np.log(p[i]) if p[i] > 0 else -np.inf
