"""SGLang's watermark, recognised: Gumbel-max by Murmur3 over 32-bit words, with one key or two.

Bit for bit what `WatermarkDetector` of SGLang 0.5.23 scores. With two keys a coin per context,
tossed by both, says which one marked it; the statistic is the detector's `combined`. It speaks of
the pair: to tell accounts apart, which have keys A of their own, leave key B out. The engine
marks at most 4,096 distinct contexts of a request and no greedy one; without the prompt's ids the
first `width` tokens are not scored (put its last `width` ids before the text to score them).
Murmur is no cipher, as SGLang's documentation says. The key comes with the request
(`watermark.key`), which is what `respond.mark` forces.
"""

from __future__ import annotations

import numpy as np

from titer.core.errors import InputError
from titer.marks.compiled import compiled, inlined, mix32
from titer.marks.contract import F64, I64, U32, U64, GammaNull, Keyed, Null
from titer.marks.gumbel import exponential, exponential_sums

#: Key B of a server in dual-key mode is one for all its requests, hence a parameter.
_HEX = 16


class SglangMurmur(Keyed, frozen=True):
    """The scheme. `width` is SGLang's `context_window`; `key_b` (up to 16 hex digits, empty for
    none) and `mixing` are the server's `key_b` and `mixing_probability`. Raises ValueError.
    """

    name = "sglang-murmur"
    secret = frozenset({"key_b"})

    width: int = 4
    key_b: str = ""
    mixing: float = 0.5

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 64:
            raise ValueError("sglang-murmur: width is 1 to 64, the server's context_window")
        if not 0 < self.mixing < 1:
            raise ValueError("sglang-murmur: mixing lies between 0 and 1")
        if self.key_b and (len(self.key_b) > _HEX or not set(self.key_b.lower()) <= set(_DIGITS)):
            raise ValueError("sglang-murmur: key_b is up to 16 hex digits, without 0x")

    @property
    def null(self) -> Null:
        return GammaNull()

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        context = _contexts(tokens, positions, self.width)
        return exponential(self._drawn(context, tokens[positions], key))

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        place = np.array([len(context)], np.int64)
        hashed = np.repeat(_contexts(context, place, self.width), vocabulary)
        return exponential(self._drawn(hashed, np.arange(vocabulary, dtype=np.uint32), key))

    def sums(self, tokens: U32, positions: I64, keys: U64) -> F64:
        if self.key_b:  # key B is common to all: its marks would count for every key A
            raise InputError(
                "key_b belongs to all accounts: leave it out to trace an account's own key A"
            )
        context = _contexts(tokens, positions, self.width).astype(np.uint64)
        return exponential_sums(_draws_of_keys, context, tokens[positions], keys)

    def _drawn(self, context: U32, tokens: U32, key: int) -> U32:
        drawn = _draws(context, tokens, np.uint64(key))
        if not self.key_b:
            return drawn
        key_b = np.uint64(int(self.key_b, 16))
        tossed = _coins(context, np.uint64(key), key_b)
        heads = tossed < int(self.mixing * (1 << 32))
        return np.where(heads, drawn, _draws(context, tokens, key_b))


_DIGITS = "0123456789abcdef"


@inlined
def _step(state: np.uint32, word: np.uint32) -> np.uint32:
    """One word of Murmur3_x86_32 (Appleby's, public domain)."""
    x = np.uint32(word * np.uint32(0xCC9E_2D51))
    x = np.uint32(np.uint32(x << np.uint32(15)) | (x >> np.uint32(17)))
    state = np.uint32(state ^ np.uint32(x * np.uint32(0x1B87_3593)))
    state = np.uint32(np.uint32(state << np.uint32(13)) | (state >> np.uint32(19)))
    return np.uint32(np.uint32(state * np.uint32(5)) + np.uint32(0xE654_6B64))


@inlined
def _end(state: np.uint32, words: int) -> np.uint32:
    return mix32(np.uint32(state ^ np.uint32(4 * words)))


@inlined
def _draw(context: np.uint32, token: np.uint32, low: np.uint32, high: np.uint32) -> np.uint32:
    state = _step(_step(np.uint32(0), low), high)
    return _end(_step(_step(state, context), token), 4)


@compiled
def _contexts(tokens: U32, positions: I64, width: int) -> U32:
    out = np.empty(len(positions), np.uint32)
    for i in range(len(positions)):
        state = np.uint32(0)
        begin = max(0, positions[i] - width)
        for j in range(begin, positions[i]):
            state = _step(state, tokens[j])
        out[i] = _end(state, positions[i] - begin)
    return out


@compiled
def _draws(context: U32, tokens: U32, key: np.uint64) -> U32:
    low, high = np.uint32(key), np.uint32(key >> np.uint64(32))
    out = np.empty(len(context), np.uint32)
    for i in range(len(context)):
        out[i] = _draw(context[i], tokens[i], low, high)
    return out


@compiled
def _coins(context: U32, key_a: np.uint64, key_b: np.uint64) -> U32:
    state = _step(np.uint32(0), np.uint32(key_a))
    state = _step(state, np.uint32(key_a >> np.uint64(32)))
    state = _step(state, np.uint32(key_b))
    state = _step(state, np.uint32(key_b >> np.uint64(32)))
    out = np.empty(len(context), np.uint32)
    for i in range(len(context)):
        out[i] = _end(_step(state, context[i]), 5)
    return out


@compiled
def _draws_of_keys(context: np.uint64, token: np.uint32, low: U32, high: U32, out: U32) -> None:
    hashed = np.uint32(context)
    for k in range(len(low)):
        out[k] = _draw(hashed, token, low[k], high[k])
