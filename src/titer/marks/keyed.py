"""The keyed function of our own schemes: 32 bits for a token after a context.

    c     = 64-bit hash of the last tokens (`contexts.context_hash`; not keyed)
    a, b  = HalfSipHash-1-3(key, c), two 32-bit words   (Aumasson and Bernstein, INDOCRYPT 2012)
    x     = mix32(mix32(token * PHI + a) ^ b)

`mix32` is no cipher: who learns the draws of one context may learn its two words, but not those
of another. A row of 128,000 draws costs little more than writing it.
"""

# ruff: noqa: PLR0917 - compiled functions are called by position
from __future__ import annotations

import numpy as np

from titer.marks.compiled import PHI32, compiled, inlined, mix32
from titer.marks.contexts import context_hash
from titer.marks.contract import F64, I64, U32, U64

#: Positions, or keys, that are worked on at once: what is kept of them stays in the first
#: cache.
_AT_ONCE = 1024


@inlined
def _rotated(x: np.uint32, by: int) -> np.uint32:
    return np.uint32(np.uint32(x << np.uint32(by)) | (x >> np.uint32(32 - by)))


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
def of_context(context: np.uint64, key: np.uint64) -> tuple[np.uint32, np.uint32]:
    """The two words that the tokens after a context are drawn with."""
    high = np.uint64(32)
    return words(
        np.uint32(context), np.uint32(context >> high), np.uint32(key), np.uint32(key >> high)
    )


@inlined
def draw(token: np.uint32, a: np.uint32, b: np.uint32) -> np.uint32:
    """32 bits for a token after the context whose words are `a` and `b`."""
    return mix32(np.uint32(mix32(np.uint32(np.uint32(token * PHI32) + a)) ^ b))


@compiled
def draws_at(tokens: U32, positions: I64, width: int, key: np.uint64) -> U32:
    """The draw of each token at `positions`."""
    out = np.empty(len(positions), np.uint32)
    low, high, some = np.empty((3, _AT_ONCE), np.uint32)
    k_low, k_high = np.uint32(key), np.uint32(key >> np.uint64(32))
    for begin in range(0, len(positions), _AT_ONCE):
        many = min(_AT_ONCE, len(positions) - begin)
        for i in range(many):
            context = context_hash(tokens, positions[begin + i], width)
            low[i], high[i] = np.uint32(context), np.uint32(context >> np.uint64(32))
            some[i] = tokens[positions[begin + i]]
        row = out[begin : begin + many]
        for i in range(many):  # in 32-bit lanes
            a, b = words(low[i], high[i], k_low, k_high)
            row[i] = draw(some[i], a, b)
    return out


@compiled
def draws_of_row(context: np.uint64, key: np.uint64, out: U32) -> None:
    """The draw of every token below `len(out)` after one context."""
    a, b = of_context(context, key)
    for token in range(len(out)):
        out[token] = draw(np.uint32(token), a, b)


@inlined
def _ones(x: np.uint32) -> np.uint32:
    """Ones of 32 bits: of pairs, of fours, of bytes, and all bytes by a product."""
    x = np.uint32(x - ((x >> np.uint32(1)) & np.uint32(0x5555_5555)))
    x = np.uint32((x & np.uint32(0x3333_3333)) + ((x >> np.uint32(2)) & np.uint32(0x3333_3333)))
    x = np.uint32(np.uint32(x + (x >> np.uint32(4))) & np.uint32(0x0F0F_0F0F))
    return np.uint32(np.uint32(x * np.uint32(0x0101_0101)) >> np.uint32(24))


@compiled
def counts_of_keys(
    context: U64, tokens: U32, low: U32, high: U32, bound: np.uint32, ones: bool
) -> F64:
    """For each key (its low and high word), over all contexts and the tokens after them: the ones
    of the draws under the mask `bound`, or how many draws lie below `bound`.
    """
    out = np.zeros(len(low), np.float64)
    counts = np.empty(_AT_ONCE, np.uint32)
    for begin in range(0, len(low), _AT_ONCE):
        many = min(_AT_ONCE, len(low) - begin)
        some, more = low[begin : begin + many], high[begin : begin + many]
        counts[:] = 0
        for i in range(len(context)):
            c_low = np.uint32(context[i])
            c_high = np.uint32(context[i] >> np.uint64(32))
            token = tokens[i]
            for k in range(many):  # in 32-bit lanes; what is counted is decided before the loop
                a, b = words(c_low, c_high, some[k], more[k])
                x = draw(token, a, b)
                if ones:
                    counts[k] += _ones(np.uint32(x & bound))
                else:
                    counts[k] += np.uint32(1) if x < bound else np.uint32(0)
        for k in range(many):
            out[begin + k] = counts[k]
    return out


def halves(keys: U64) -> tuple[U32, U32]:
    """The low and high words of keys, for loops over 32-bit lanes."""
    high = (keys >> np.uint64(32)).astype(np.uint32)
    return (keys & np.uint64(0xFFFF_FFFF)).astype(np.uint32), high
