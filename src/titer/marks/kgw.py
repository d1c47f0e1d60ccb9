"""Green lists by a counter (after Kirchenbauer et al., ICML 2023, arXiv 2301.10226).

A keyed function of (context, token) says whether a token is green; the planter adds `delta` to
the logits of green ones. The original shuffles the vocabulary for every context; a counter needs
no list, so a row costs little more than reading and writing it, and one token can be judged alone.

    c     = 64-bit hash of the last `width` tokens          (not keyed: shared by all keys)
    a, b  = HalfSipHash-1-3(key, c), two 32-bit words       (Aumasson and Bernstein's, 2012)
    x     = mix32(mix32(token * PHI + a) ^ b);   green where x < gamma * 2^32

`mix32` is no cipher: who learns the green tokens of one context may learn its two words, but not
those of another. The distribution that is sampled from changes (a *radioactive* mark, for
subjects under a dose); students learn it at width 1 or 2 (docs/explanation/marks.md).
"""

# ruff: noqa: PLR0917 - compiled functions are called by position
from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from titer.marks.compiled import PHI32, compiled, inlined, mix32
from titer.marks.contexts import context_hash, hashes
from titer.marks.contract import F64, I64, U32, U64, BinomialNull

F32 = npt.NDArray[np.float32]

#: Keys that are held against a text at once in `sums`: their words and counts stay in the
#: processor's first cache.
_KEYS = 1024


class Kgw(msgspec.Struct, frozen=True):
    """The scheme. `width` in 1, 2, 4; `gamma` the share of green tokens; `delta` in logits.

    Raises ValueError on parameters that make no mark.
    """

    width: Literal[1, 2, 4] = 2
    gamma: float = 0.25
    delta: float = 2.0

    def __post_init__(self) -> None:
        if self.width not in {1, 2, 4}:
            raise ValueError("kgw: width is 1, 2 or 4")
        if not 0.01 <= self.gamma <= 0.99 or not 0 <= self.delta <= 20:
            raise ValueError("kgw: gamma lies in 0.01 to 0.99 and delta in 0 to 20")

    @property
    def name(self) -> str:
        return "kgw"

    @property
    def parameters(self) -> dict[str, Any]:
        return {"width": self.width, "gamma": self.gamma, "delta": self.delta}

    @property
    def start(self) -> int:
        return self.width

    @property
    def unit(self) -> Literal["ngram", "context"]:
        return "ngram"

    @property
    def threshold(self) -> int:
        """Of 2^32, below which a token is green."""
        return int(self.gamma * (1 << 32))

    @property
    def null(self) -> BinomialNull:
        return BinomialNull(self.threshold / (1 << 32))

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        return _at(tokens, positions, self.width, np.uint64(key), np.uint32(self.threshold))

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        seed = context_hash(context, len(context), self.width)
        out = np.zeros((1, vocabulary), np.float32)
        seeds, keys = np.array([seed], np.uint64), np.array([key], np.uint64)
        _plant(out, np.zeros(1, np.int64), seeds, keys, np.uint32(self.threshold), np.float32(1))
        values: F64 = out[0].astype(np.float64)
        return values

    def sums(self, tokens: U32, positions: I64, keys: U64) -> F64:
        context, _ = hashes(tokens, positions, self.width)
        return _sums(context, tokens[positions], keys, np.uint32(self.threshold))

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


@inlined
def _round(
    v0: np.uint32, v1: np.uint32, v2: np.uint32, v3: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """HalfSipHash's round."""
    v0 = np.uint32(v0 + v1)
    v1 = np.uint32(_rotated(v1, 5) ^ v0)
    v0 = _rotated(v0, 16)
    v2 = np.uint32(v2 + v3)
    v3 = np.uint32(_rotated(v3, 8) ^ v2)
    v0 = np.uint32(v0 + v3)
    v3 = np.uint32(_rotated(v3, 7) ^ v0)
    v2 = np.uint32(v2 + v1)
    v1 = np.uint32(_rotated(v1, 13) ^ v2)
    return v0, v1, _rotated(v2, 16), v3


@inlined
def _rotated(x: np.uint32, by: int) -> np.uint32:
    return np.uint32(np.uint32(x << np.uint32(by)) | (x >> np.uint32(32 - by)))


@inlined
def words(
    c_low: np.uint32, c_high: np.uint32, k_low: np.uint32, k_high: np.uint32
) -> tuple[np.uint32, np.uint32]:
    """HalfSipHash-1-3 with 64 bits of output, of a context's hash: its low and high word."""
    v0, v1 = k_low, k_high
    v2 = np.uint32(np.uint32(0x6C79_6765) ^ k_low)
    v3 = np.uint32(np.uint32(0x7465_6462) ^ k_high)
    v1 = np.uint32(v1 ^ np.uint32(0xEE))
    v3 = np.uint32(v3 ^ c_low)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0 = np.uint32(v0 ^ c_low)
    v3 = np.uint32(v3 ^ c_high)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0 = np.uint32(v0 ^ c_high)
    length = np.uint32(8 << 24)
    v3 = np.uint32(v3 ^ length)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0 = np.uint32(v0 ^ length)
    v2 = np.uint32(v2 ^ np.uint32(0xEE))
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)  # written out, to vectorise
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    first = np.uint32(v1 ^ v3)
    v1 = np.uint32(v1 ^ np.uint32(0xDD))
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return first, np.uint32(v1 ^ v3)


@inlined
def keyed(context: np.uint64, key: np.uint64) -> tuple[np.uint32, np.uint32]:
    """The two words that the tokens after a context are judged with."""
    high = np.uint64(32)
    return words(
        np.uint32(context), np.uint32(context >> high), np.uint32(key), np.uint32(key >> high)
    )


@inlined
def draw(token: np.uint32, a: np.uint32, b: np.uint32) -> np.uint32:
    """32 bits for a token after the context whose words are `a` and `b`."""
    return mix32(np.uint32(mix32(np.uint32(np.uint32(token * PHI32) + a)) ^ b))


@compiled
def _at(tokens: U32, positions: I64, width: int, key: np.uint64, threshold: np.uint32) -> F64:
    out = np.empty(len(positions), np.float64)
    for i in range(len(positions)):
        a, b = keyed(context_hash(tokens, positions[i], width), key)
        out[i] = 1.0 if draw(tokens[positions[i]], a, b) < threshold else 0.0
    return out


@compiled
def _plant(
    logits: F32, rows: I64, contexts: U64, keys: U64, threshold: np.uint32, delta: np.float32
) -> None:
    """`contexts` belong to `rows`; `keys` and `logits` are those of all rows."""
    nothing = np.float32(0)
    for i in range(len(rows)):
        a, b = keyed(contexts[i], keys[rows[i]])
        row = logits[rows[i]]
        for token in range(len(row)):
            x = draw(np.uint32(token), a, b)
            row[token] += delta if x < threshold else nothing


@compiled
def _sums(context: U64, tokens: U32, keys: U64, threshold: np.uint32) -> F64:
    out = np.zeros(len(keys), np.float64)
    counts = np.empty(_KEYS, np.uint32)
    low = np.empty(_KEYS, np.uint32)
    high = np.empty(_KEYS, np.uint32)
    for begin in range(0, len(keys), _KEYS):
        many = min(_KEYS, len(keys) - begin)
        for k in range(many):
            low[k] = np.uint32(keys[begin + k])
            high[k] = np.uint32(keys[begin + k] >> np.uint64(32))
            counts[k] = 0
        for i in range(len(context)):
            c_low = np.uint32(context[i])
            c_high = np.uint32(context[i] >> np.uint64(32))
            token = tokens[i]
            for k in range(many):  # in 32-bit lanes
                a, b = words(c_low, c_high, low[k], high[k])
                counts[k] += np.uint32(1) if draw(token, a, b) < threshold else np.uint32(0)
        for k in range(many):
            out[begin + k] = counts[k]
    return out
