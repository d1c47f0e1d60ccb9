"""Green lists by a counter (after Kirchenbauer et al., ICML 2023, arXiv 2301.10226).

A keyed function of (context, token) says whether a token is green; the planter adds `delta` to
the logits of green ones. The original shuffles the vocabulary for every context; a counter needs
no list, so a row costs little more than reading and writing it, and one token can be judged alone.

A token is green where its draw (`keyed.py`) is below gamma * 2^32. The distribution that is
sampled from changes: a *radioactive* mark, for subjects under a dose; students learn it at width
1 or 2 (docs/explanation/marks.md).
"""

# ruff: noqa: PLR0917 - compiled functions are called by position
from __future__ import annotations

from typing import Literal

import numpy as np

from titer.marks.compiled import compiled
from titer.marks.contexts import context_hash, hashes
from titer.marks.contract import F32, F64, I64, U32, U64, BinomialNull, Keyed
from titer.marks.keyed import counts_of_keys, draw, draws_at, halves, of_context


class Kgw(Keyed, frozen=True):
    """The scheme. `width` in 1, 2, 4; `gamma` the share of green tokens; `delta` in logits.

    Raises ValueError on parameters that make no mark.
    """

    name = "kgw"
    unit = "ngram"

    width: Literal[1, 2, 4] = 2
    gamma: float = 0.25
    delta: float = 2.0

    def __post_init__(self) -> None:
        if self.width not in {1, 2, 4}:
            raise ValueError("kgw: width is 1, 2 or 4")
        if not 0.01 <= self.gamma <= 0.99 or not 0 <= self.delta <= 20:
            raise ValueError("kgw: gamma lies in 0.01 to 0.99 and delta in 0 to 20")

    @property
    def threshold(self) -> int:
        """Of 2^32, below which a token is green."""
        return int(self.gamma * (1 << 32))

    @property
    def null(self) -> BinomialNull:
        return BinomialNull(self.threshold / (1 << 32))

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        drawn = draws_at(tokens, positions, self.width, np.uint64(key))
        return (drawn < self.threshold).astype(np.float64)

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        seed = context_hash(context, len(context), self.width)
        out = np.zeros((1, vocabulary), np.float32)
        seeds, keys = np.array([seed], np.uint64), np.array([key], np.uint64)
        _plant(out, np.zeros(1, np.int64), seeds, keys, np.uint32(self.threshold), np.float32(1))
        values: F64 = out[0].astype(np.float64)
        return values

    def sums(self, tokens: U32, positions: I64, keys: U64) -> F64:
        context, _ = hashes(tokens, positions, self.width)
        below = np.uint32(self.threshold)
        return counts_of_keys(context, tokens[positions], *halves(keys), below, False)

    def plant(self, logits: F32, contexts: list[U32], keys: U64) -> None:
        """Add `delta` to the green logits, in place: one row, context and key a sequence.

        `logits` is float32 (batch, vocabulary), C-contiguous; a row whose context is shorter than
        `width` stays as it is. What is -inf (a masked token) stays -inf.
        """
        marked = [i for i, context in enumerate(contexts) if len(context) >= self.width]
        seeds = [context_hash(contexts[i], len(contexts[i]), self.width) for i in marked]
        _plant(
            logits, np.array(marked, np.int64), np.array(seeds, np.uint64), keys,
            np.uint32(self.threshold), np.float32(self.delta),
        )  # fmt: skip


@compiled
def _plant(
    logits: F32, rows: I64, contexts: U64, keys: U64, threshold: np.uint32, delta: np.float32
) -> None:
    """`contexts` belong to `rows`; `keys` and `logits` are those of all rows."""
    nothing = np.float32(0)
    for i in range(len(rows)):
        a, b = of_context(contexts[i], keys[rows[i]])
        row = logits[rows[i]]
        for token in range(len(row)):
            x = draw(np.uint32(token), a, b)
            row[token] += delta if x < threshold else nothing
