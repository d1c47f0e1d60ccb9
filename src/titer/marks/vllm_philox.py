"""vLLM's watermark, recognised: Gumbel-max by Philox4x32-10, with one key or two.

Bit for bit what `GumbelWatermarkDetector` and `DualKeyGumbelWatermarkDetector` of vLLM 0.33 score
(function `philox4x32-10-v1`; Salmon et al., SC 2011), many times faster and with an exact
log p: theirs underflows to 0, and approximates for two keys. A text is scored from its first
token on, as a reply: what lies before it is the word 2^32 - 1. Planting is the engine's own
(`--watermark-config`), with one key for all its requests.
"""

# ruff: noqa: PLR0917 - compiled functions are called by position
from __future__ import annotations

import numpy as np

from titer.marks.compiled import compiled, inlined
from titer.marks.contract import F32, F64, I64, U32, U64, GammaNull, Keyed, Null, TwoGammasNull
from titer.marks.gumbel import take_exponents, weighted, weighted_all

_M0, _M1 = np.uint64(0xD251_1F53), np.uint64(0xCD9E_8D57)
_W0, _W1 = np.uint64(0x9E37_79B9), np.uint64(0xBB67_AE85)
_CONTEXT, _TOKEN = np.uint64(0x574D_4358), np.uint64(0x574D_544B)
_NONE = np.uint64(0xFFFF_FFFF)
_LOW, _HIGH = np.uint64(0xFFFF_FFFF), np.uint64(32)
#: Positions, and keys, that are worked on at once: what is kept of them stays in the first cache.
_AT_ONCE = 512
#: Values of 1 - u, at least 2^-24 each, that are multiplied before powers of two are taken out.
_PRODUCTS = 16
_LN2 = np.log(2.0)


class VllmPhilox(Keyed, frozen=True):
    """The scheme. `width` is vLLM's `context_width`, `alpha` its own (dual_key_gumbel), or None
    for the algorithm `gumbel`. Raises ValueError.
    """

    name = "vllm-philox"

    width: int = 4
    alpha: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 64:
            raise ValueError("vllm-philox: width is 1 to 64, the server's context_width")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise ValueError("vllm-philox: alpha lies in 0 to 1, the server's alpha")

    @property
    def start(self) -> int:
        return 0

    @property
    def null(self) -> Null:
        return GammaNull() if self.alpha in {None, 0, 1} else TwoGammasNull(self.alpha or 0.0)

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        parts = self._parts(key)
        keys = np.array([part for part, _ in parts], np.uint64)
        drawn = _drawn_at(tokens, positions, self.width, keys)
        return _weighed(drawn, parts)

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        parts = self._parts(key)
        words = np.empty(_words(self.width), np.uint64)
        _context(np.append(context, np.uint32(0)), len(context), self.width, words)
        every = np.arange(vocabulary, dtype=np.uint64)
        drawn = [_drawn_after(words, every, self.width, np.uint64(part)) for part, _ in parts]
        return _weighed(np.array(drawn), parts)

    def sums(self, tokens: U32, positions: I64, keys: U64) -> F64:
        if self.alpha is None:
            return _sums(tokens, positions, self.width, keys)
        total = np.zeros(len(keys))
        for part, weight in weighted_all(keys, self.alpha):
            total += weight * _sums(tokens, positions, self.width, part)
        return total

    def _parts(self, key: int) -> list[tuple[int, float]]:
        """The Philox keys that are scored, with their weights."""
        return [(key, 1.0)] if self.alpha is None else weighted(key, self.alpha)


# Numbers of 32 bits lie in lanes of 64, whatever stands above them: a product needs its factors'
# low halves alone, which is one vector instruction.


@inlined
def _round(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    p0 = _M0 * (c0 & _LOW)
    p1 = _M1 * (c2 & _LOW)
    return (p1 >> _HIGH) ^ c1 ^ k0, p1, (p0 >> _HIGH) ^ c3 ^ k1, p0


@inlined
def _nine(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Nine rounds of Philox4x32, written out, to vectorise."""
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0 + _W0, k1 + _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0 + np.uint64(2) * _W0, k1 + np.uint64(2) * _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0 + np.uint64(3) * _W0, k1 + np.uint64(3) * _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0 + np.uint64(4) * _W0, k1 + np.uint64(4) * _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0 + np.uint64(5) * _W0, k1 + np.uint64(5) * _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0 + np.uint64(6) * _W0, k1 + np.uint64(6) * _W1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0 + np.uint64(7) * _W0, k1 + np.uint64(7) * _W1)
    return _round(c0, c1, c2, c3, k0 + np.uint64(8) * _W0, k1 + np.uint64(8) * _W1)


@inlined
def _philox(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Philox4x32 with ten rounds."""
    c0, c1, c2, c3 = _nine(c0, c1, c2, c3, k0, k1)
    return _round(c0, c1, c2, c3, k0 + np.uint64(9) * _W0, k1 + np.uint64(9) * _W1)


def _words(width: int) -> int:
    """Words of a context in whole blocks."""
    return (width + 3) // 4 * 4


def _weighed(drawn: F32, parts: list[tuple[int, float]]) -> F64:
    """The weighted sum of -log(1 - u) over keys, (keys, tokens) to (tokens,)."""
    total = np.zeros(drawn.shape[1])
    for row, (_, weight) in zip(drawn, parts, strict=True):
        total += weight * -np.log1p(-row.astype(np.float64))
    return total


@inlined
def _context(tokens: U32, position: int, width: int, out: U64) -> None:
    """The words before a position; what is missing is filled up."""
    for word in range(len(out)):
        at = position - width + word
        if word >= width:
            out[word] = _NONE - np.uint64(word % 4)
        else:
            out[word] = np.uint64(tokens[at]) if at >= 0 else _NONE


@inlined
def _word(
    token: np.uint64,
    s0: np.uint64,
    s1: np.uint64,
    s2: np.uint64,
    s3: np.uint64,
    k0: np.uint64,
    k1: np.uint64,
) -> np.uint32:
    """What is drawn for a token after the context whose state is s: one of four words, so that of
    the last round one product is made.
    """
    k0, k1 = k0 ^ s3, k1 ^ _TOKEN
    c0, c1, c2, c3 = _nine(token >> np.uint64(2), s0, s1, s2, k0, k1)
    which = token & np.uint64(3)
    if which < np.uint64(2):
        product = _M1 * (c2 & _LOW)
        high = (product >> _HIGH) ^ c1 ^ (k0 + np.uint64(9) * _W0)
    else:
        product = _M0 * (c0 & _LOW)
        high = (product >> _HIGH) ^ c3 ^ (k1 + np.uint64(9) * _W1)
    return np.uint32(high if which & np.uint64(1) == 0 else product)


@inlined
def _u(word: np.uint32) -> np.float32:
    """The u of a word, rounded to 32 bits as the engine's quotient is: for all 2^24 values the
    product gives the same bits, at a fraction of the time.
    """
    above = np.float64(np.int32(word >> np.uint32(8))) + 1.0
    return np.float32(above * (1.0 / 16777217.0))


@inlined
def _begun(
    b0: np.uint64,
    b1: np.uint64,
    b2: np.uint64,
    b3: np.uint64,
    width: int,
    k0: np.uint64,
    k1: np.uint64,
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """The state after a context's first block."""
    return _philox(_CONTEXT ^ b0, np.uint64(width) ^ b1, b2, b3, k0, k1)


@compiled
def _drawn_at(tokens: U32, positions: I64, width: int, keys: U64) -> F32:
    """The u of each token at `positions` under each key: (keys, positions)."""
    n = len(positions)
    out = np.empty((len(keys), n), np.float32)
    words = np.empty(((width + 3) // 4 * 4, _AT_ONCE), np.uint64)
    state = np.empty((4, _AT_ONCE), np.uint64)
    some = np.empty(_AT_ONCE, np.uint64)
    for begin in range(0, n, _AT_ONCE):
        many = min(_AT_ONCE, n - begin)
        for i in range(many):
            _context(tokens, positions[begin + i], width, words[:, i])
            some[i] = tokens[positions[begin + i]]
        for which in range(len(keys)):
            k0, k1 = keys[which] & _LOW, keys[which] >> _HIGH
            s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
            for i in range(many):
                s0[i], s1[i], s2[i], s3[i] = _begun(
                    words[0, i], words[1, i], words[2, i], words[3, i], width, k0, k1
                )
            for block in range(4, len(words), 4):
                b0, b1, b2, b3 = words[block], words[block + 1], words[block + 2], words[block + 3]
                for i in range(many):
                    s0[i], s1[i], s2[i], s3[i] = _philox(
                        s0[i] ^ b0[i], s1[i] ^ b1[i], s2[i] ^ b2[i], s3[i] ^ b3[i],
                        k0 ^ np.uint64(block), k1,
                    )  # fmt: skip
            row = out[which, begin : begin + many]
            for i in range(many):
                row[i] = _u(_word(some[i], s0[i], s1[i], s2[i], s3[i], k0, k1))
    return out


@compiled
def _drawn_after(words: U64, tokens: U64, width: int, key: np.uint64) -> F32:
    """The u of each token after one context."""
    k0, k1 = key & _LOW, key >> _HIGH
    s0, s1, s2, s3 = _begun(words[0], words[1], words[2], words[3], width, k0, k1)
    for block in range(4, len(words), 4):
        s0, s1, s2, s3 = _philox(
            s0 ^ words[block], s1 ^ words[block + 1], s2 ^ words[block + 2],
            s3 ^ words[block + 3], k0 ^ np.uint64(block), k1,
        )  # fmt: skip
    out = np.empty(len(tokens), np.float32)
    for i in range(len(tokens)):
        out[i] = _u(_word(tokens[i], s0, s1, s2, s3, k0, k1))
    return out


@compiled
def _sums(tokens: U32, positions: I64, width: int, keys: U64) -> F64:
    """The sum of -log(1 - u) over all positions, under each key."""
    out = np.empty(len(keys), np.float64)
    words = np.empty((width + 3) // 4 * 4, np.uint64)
    state = np.empty((4, _AT_ONCE), np.uint64)
    low, high = np.empty(_AT_ONCE, np.uint64), np.empty(_AT_ONCE, np.uint64)
    product, exponent = np.empty(_AT_ONCE, np.float64), np.empty(_AT_ONCE, np.int64)
    drawn = np.empty(_AT_ONCE, np.uint32)
    for begin in range(0, len(keys), _AT_ONCE):
        many = min(_AT_ONCE, len(keys) - begin)
        for i in range(many):
            low[i], high[i] = keys[begin + i] & _LOW, keys[begin + i] >> _HIGH
        s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
        product[:] = 1.0
        exponent[:] = 0
        for t in range(len(positions)):
            _context(tokens, positions[t], width, words)
            token = np.uint64(tokens[positions[t]])
            b0, b1, b2, b3 = words[0], words[1], words[2], words[3]
            if len(words) == 4:
                for i in range(many):
                    a0, a1, a2, a3 = _begun(b0, b1, b2, b3, width, low[i], high[i])
                    drawn[i] = _word(token, a0, a1, a2, a3, low[i], high[i])
            else:
                for i in range(many):
                    s0[i], s1[i], s2[i], s3[i] = _begun(b0, b1, b2, b3, width, low[i], high[i])
                for block in range(4, len(words), 4):
                    b0, b1 = words[block], words[block + 1]
                    b2, b3 = words[block + 2], words[block + 3]
                    for i in range(many):
                        s0[i], s1[i], s2[i], s3[i] = _philox(
                            s0[i] ^ b0, s1[i] ^ b1, s2[i] ^ b2, s3[i] ^ b3,
                            low[i] ^ np.uint64(block), high[i],
                        )  # fmt: skip
                for i in range(many):
                    drawn[i] = _word(token, s0[i], s1[i], s2[i], s3[i], low[i], high[i])
            for i in range(many):
                product[i] *= 1.0 - np.float64(_u(drawn[i]))
            if t % _PRODUCTS == _PRODUCTS - 1:
                take_exponents(product, exponent)
        for i in range(many):
            out[begin + i] = -np.log(product[i]) - exponent[i] * _LN2
    return out
