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
#: Values of 2^32 (1 - u), 1/2 to 2^32, that are multiplied before powers of two are taken out.
_PRODUCTS = 16
#: 2^32 (1 - u) is this less what was drawn.
_WHOLE = 4294967295.5
_LN2 = np.log(2.0)
#: What the two keys of one are derived with.
_DOMAINS = (b"key_a", b"key_b")
#: Tokens that are ruled out together when a token is chosen.
_BLOCK = 512
#: A thousandth is more than rounding may have cost.
_MORE = np.float32(1.001)
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
        return int(likeliest(logits, drawn, int(np.argmax(logits))))


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
    """Sums of -log(1 - u) for many keys; one logarithm is taken, of the product of 2^32 (1 - u).

    Two tokens are drawn for in one loop over keys: what depends on the key alone is made once for
    both, and the processor fills the waits of one with the other.
    """
    out = np.empty(len(low), np.float64)
    product, exponent = np.empty(_IN_CACHE, np.float64), np.empty(_IN_CACHE, np.int64)
    first = np.empty(_IN_CACHE, np.uint32)  # apart from the product, to fill 32-bit lanes
    second = np.empty(_IN_CACHE, np.uint32)
    above = np.uint64(32)
    pairs = len(context) // 2 * 2
    for begin in range(0, len(low), _IN_CACHE):
        many = min(_IN_CACHE, len(low) - begin)
        some, more = low[begin : begin + many], high[begin : begin + many]
        product[:] = 1.0
        exponent[:] = 0
        for i in range(0, pairs, 2):
            one_low, one_high = np.uint32(context[i]), np.uint32(context[i] >> above)
            two_low, two_high = np.uint32(context[i + 1]), np.uint32(context[i + 1] >> above)
            token, after = tokens[i], tokens[i + 1]
            for k in range(many):
                a, b = words(one_low, one_high, some[k], more[k])
                c, d = words(two_low, two_high, some[k], more[k])
                first[k] = draw(token, a, b)
                second[k] = draw(after, c, d)
            for k in range(many):
                product[k] *= (_WHOLE - np.float64(first[k])) * (_WHOLE - np.float64(second[k]))
            if i % _PRODUCTS == _PRODUCTS - 2:
                take_exponents(product, exponent)
        for i in range(pairs, len(context)):
            one_low, one_high = np.uint32(context[i]), np.uint32(context[i] >> above)
            token = tokens[i]
            for k in range(many):
                a, b = words(one_low, one_high, some[k], more[k])
                first[k] = draw(token, a, b)
            for k in range(many):
                product[k] *= _WHOLE - np.float64(first[k])
        for k in range(many):
            out[begin + k] = -np.log(product[k]) - (exponent[k] - 32 * len(context)) * _LN2
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
def likeliest(logits: F32, drawn: U32, found: int) -> int:
    """Where logit - log(-log u) is largest. `found` is the likeliest token, whose score is a good
    one to begin with.

    A token beats `best` only where -log u < exp(logit - best), and 1 - u <= -log u always: so two
    vector operations rule out all but some ten tokens, which are computed exactly.
    """
    best = _score(logits[found], drawn[found])
    bound = np.empty(_BLOCK, np.int32)
    power = bound.view(np.float32)
    for begin in range(0, len(logits), _BLOCK):
        row, draws = logits[begin : begin + _BLOCK], drawn[begin : begin + _BLOCK]
        base = np.float32(best)
        for i in range(len(row)):  # bits of a float: 2^floor(y) (1 + y - floor(y)), at least 2^y
            y = (row[i] - base) * np.float32(1.442695)
            # Selects: calls of max and min do not vectorise.
            y = y if y > np.float32(-126) else np.float32(-126)  # noqa: FURB136
            y = y if y < np.float32(126) else np.float32(126)  # noqa: FURB136
            bound[i] = np.int32((y + np.float32(127)) * np.float32(8388608))
        hits = np.uint32(0)
        for i in range(len(row)):
            hit = _short(draws[i]) < power[i] * _MORE
            hits = np.uint32(hits + (np.uint32(1) if hit else np.uint32(0)))
        if hits:
            for i in range(len(row)):
                if _short(draws[i]) < power[i] * _MORE:
                    score = _score(row[i], draws[i])
                    if score > best:
                        best = score
                        found = begin + i
    return found


@inlined
def _short(drawn: np.uint32) -> np.float32:
    """1 - u, or 2^-33 less."""
    return np.float32(np.uint32(~drawn)) * np.float32(2.0**-32)


@compiled
def _score(logit: np.float32, drawn: np.uint32) -> float:
    u = (np.float64(drawn) + 0.5) / 4294967296.0
    return float(np.float64(logit) - np.log(-np.log(u)))
