"""Gumbel-max sampling by a key, distortion-free (Aaronson 2022; Kuditipudi, arXiv 2307.15593).

The token with the largest log p + gumbel(u) is taken, u the key's draw for (context, token): over
random keys that is a sample from p. What the sampler adds to that is what it would lack:

    repeated contexts   are sampled at random: their draws were used, and loops would follow
    a second key        is used for a share `alpha` of tokens, at random, so that the same prompt
                        gives different answers; both keys are derived from one

A token's value is (1 - alpha) E_A + alpha E_B with E = -log(1 - u): exponential under any other
key, hence an exact null whatever alpha is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from titer.marks.compiled import compiled, inlined
from titer.marks.contexts import context_hash, hashes
from titer.marks.contract import F32, F64, I64, U32, U64, GammaNull, Keyed, Null, TwoGammasNull
from titer.marks.keyed import draw, draws_at, draws_of_row, halves, words
from titer.marks.keys import derived
from titer.marks.sha256 import first_64_bits

#: Keys whose draws are made at once in `exponential_sums`, and in `_sums` without storing them.
_KEYS, _IN_CACHE = 8192, 1024
#: Values of 1 - u, at least 2^-33 each, that are multiplied before powers of two are taken out.
_PRODUCTS = 16
_LN2 = np.log(2.0)
#: What the two keys of one are derived with.
_DOMAINS = (b"key_a", b"key_b")
#: Tokens that are ruled out together when a token is chosen.
_BLOCK = 512
#: Contexts that a sampler remembers; older ones are marked again, as vLLM does.
MAX_HISTORY = 8192


class Gumbel(Keyed, frozen=True):
    """The scheme. `width` in 1, 2, 4; `alpha` the share of the second key, 0 for none.

    Raises ValueError on parameters that make no mark.
    """

    name = "gumbel"

    width: Literal[1, 2, 4] = 4
    alpha: float = 0.1

    def __post_init__(self) -> None:
        if self.width not in {1, 2, 4} or not 0 <= self.alpha <= 1:
            raise ValueError("gumbel: width is 1, 2 or 4, and alpha lies in 0 to 1")

    @property
    def null(self) -> Null:
        return GammaNull() if self.alpha in {0, 1} else TwoGammasNull(self.alpha)

    def at(self, tokens: U32, positions: I64, key: int) -> F64:
        values = np.zeros(len(positions))
        for part, weight in weighted(key, self.alpha):
            drawn = draws_at(tokens, positions, self.width, np.uint64(part))
            values += weight * exponential(drawn)
        return values

    def row(self, context: U32, key: int, vocabulary: int) -> F64:
        seed = int(context_hash(context, len(context), self.width))
        values = np.zeros(vocabulary)
        for part, weight in weighted(key, self.alpha):
            values += weight * exponential(self._drawn(seed, part, vocabulary))
        return values

    def sums(self, tokens: U32, positions: I64, keys: U64) -> F64:
        context, _ = hashes(tokens, positions, self.width)
        total = np.zeros(len(keys))
        for part, weight in weighted_all(keys, self.alpha):
            total += weight * _sums(context, tokens[positions], *halves(part))
        return total

    def sampler(self, key: int, seed: int) -> GumbelSampler:
        """A sampler for one request; `seed` makes what is left to chance reproducible."""
        return GumbelSampler(self, key, seed)

    def _drawn(self, context: int, key: int, vocabulary: int) -> U32:
        out = np.empty(vocabulary, np.uint32)
        draws_of_row(np.uint64(context), np.uint64(key), out)
        return out


class GumbelSampler:
    """Draws the tokens of one request."""

    def __init__(self, scheme: Gumbel, key: int, seed: int) -> None:
        self._scheme = scheme
        self._keys = pair(key)
        self._rng = np.random.default_rng(seed)
        self._seen: dict[int, None] = {}

    def sample(self, logits: F32, context: U32) -> int:
        """The next token. `logits` is float32 (vocabulary), already divided by temperature and cut
        to top-k or top-p by -inf; `context` the tokens so far.
        """
        width = self._scheme.width
        seed = int(context_hash(context, len(context), width))
        if len(context) < width or seed in self._seen:
            noise = self._rng.gumbel(size=len(logits))
            return int(np.argmax(logits + noise))
        self._seen[seed] = None
        if len(self._seen) > MAX_HISTORY:
            del self._seen[next(iter(self._seen))]
        second = self._scheme.alpha > 0 and self._rng.random() < self._scheme.alpha
        drawn = self._scheme._drawn(seed, self._keys[second], len(logits))  # noqa: SLF001
        return int(likeliest(logits, drawn))


def pair(key: int) -> tuple[int, int]:
    """The two keys of one: as vLLM derives them, so that one key has one commitment."""
    return derived(key, _DOMAINS[0]), derived(key, _DOMAINS[1])


def weighted(key: int, alpha: float) -> list[tuple[int, float]]:
    """Both keys of one with their weights, without one of weight 0."""
    parts = zip(_DOMAINS, (1 - alpha, alpha), strict=True)
    return [(derived(key, domain), weight) for domain, weight in parts if weight > 0]


def weighted_all(keys: U64, alpha: float) -> list[tuple[U64, float]]:
    """The same of many keys: all of one kind, and their weight."""
    parts = zip(_DOMAINS, (1 - alpha, alpha), strict=True)
    return [(first_64_bits(domain, keys), weight) for domain, weight in parts if weight > 0]


@compiled
def _sums(context: U64, tokens: U32, low: U32, high: U32) -> F64:
    """Sums of -log(1 - u) for many keys; one logarithm is taken, of the product."""
    out = np.empty(len(low), np.float64)
    product, exponent = np.empty(_IN_CACHE, np.float64), np.empty(_IN_CACHE, np.int64)
    drawn = np.empty(_IN_CACHE, np.uint32)  # apart from the product, to fill 32-bit lanes
    for begin in range(0, len(low), _IN_CACHE):
        many = min(_IN_CACHE, len(low) - begin)
        some, more = low[begin : begin + many], high[begin : begin + many]
        product[:] = 1.0
        exponent[:] = 0
        for i in range(len(context)):
            c_low = np.uint32(context[i])
            c_high = np.uint32(context[i] >> np.uint64(32))
            token = tokens[i]
            for k in range(many):
                a, b = words(c_low, c_high, some[k], more[k])
                drawn[k] = draw(token, a, b)
            for k in range(many):
                product[k] *= (4294967295.5 - np.float64(drawn[k])) * 2.0**-32
            if i % _PRODUCTS == _PRODUCTS - 1:
                take_exponents(product, exponent)
        for k in range(many):
            out[begin + k] = -np.log(product[k]) - exponent[k] * _LN2
    return out


@inlined
def take_exponents(product: F64, exponent: I64) -> None:
    """Move the powers of two in normal, positive numbers over, so that products do not vanish."""
    bits = product.view(np.int64)
    for k in range(len(product)):
        exponent[k] += (bits[k] >> 52) - 1023
        bits[k] = (bits[k] & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000


def exponential(drawn: U32) -> F64:
    """-log(1 - u) with u = (x + 1/2) / 2^32."""
    u = (drawn + 0.5) / 4294967296.0
    return np.asarray(-np.log1p(-u))


def exponential_sums(
    draws: Callable[[np.uint64, np.uint32, U32, U32, U32], None],
    context: U64,
    tokens: U32,
    keys: U64,
) -> F64:
    """Sums of -log(1 - u) for many keys. `draws(context, token, low, high, out)` draws for a block
    of keys; logarithms are taken of products, so that they cost a sixteenth.
    """
    low, high = halves(keys)
    total = np.zeros(len(keys))
    drawn = np.empty(_KEYS, np.uint32)
    for begin in range(0, len(keys), _KEYS):
        some, more = low[begin : begin + _KEYS], high[begin : begin + _KEYS]
        product = np.ones(len(some))
        for i in range(len(context)):
            draws(context[i], tokens[i], some, more, drawn[: len(some)])
            _times(product, drawn)
            if i % _PRODUCTS == _PRODUCTS - 1:
                total[begin : begin + _KEYS] -= np.log(product)
                product[:] = 1.0
        total[begin : begin + _KEYS] -= np.log(product)
    return total


@compiled
def _times(product: F64, drawn: U32) -> None:
    for k in range(len(product)):
        product[k] *= (4294967295.5 - np.float64(drawn[k])) / 4294967296.0


@compiled
def likeliest(logits: F32, drawn: U32) -> int:
    """Where logit - log(-log u) is largest.

    A token beats `best` only where -log u < exp(logit - best), and 1 - u <= -log u always: so two
    vector operations rule out all but some ten tokens, which are computed exactly.
    """
    best = -np.inf
    found = 0
    for token in range(len(logits)):  # the likeliest token's score is a good one to begin with
        if logits[token] > best:
            best = logits[token]
            found = token
    best = _score(logits[found], drawn[found])
    bound = np.empty(_BLOCK, np.int32)
    power = bound.view(np.float32)
    for begin in range(0, len(logits), _BLOCK):
        many = min(_BLOCK, len(logits) - begin)
        base = np.float32(best)
        for i in range(many):  # bits of a float: 2^floor(y) (1 + y - floor(y)), at least 2^y
            y = (logits[begin + i] - base) * np.float32(1.442695)
            y = min(max(y, np.float32(-126)), np.float32(126))
            bound[i] = np.int32((y + np.float32(127)) * np.float32(8388608))
        hits = 0
        for i in range(many):
            short = np.float32(4294967295.5 - drawn[begin + i]) * np.float32(2.0**-32)
            # a thousandth is more than rounding may have cost
            hits += 1 if short < power[i] * np.float32(1.001) else 0
        if hits:
            for i in range(begin, begin + many):
                short = np.float32(4294967295.5 - drawn[i]) * np.float32(2.0**-32)
                if short < power[i - begin] * np.float32(1.001):
                    score = _score(logits[i], drawn[i])
                    if score > best:
                        best = score
                        found = i
    return found


@compiled
def _score(logit: np.float32, drawn: np.uint32) -> float:
    u = (np.float64(drawn) + 0.5) / 4294967296.0
    return float(np.float64(logit) - np.log(-np.log(u)))
