"""How strongly a marked token shows its mark, worked out from what could have come in its place.

A mark has room where a model hesitates. Given the probabilities p of the next token, a token's
value under the right key has

    gumbel      mean sum p H(1/p), H the harmonic numbers: the value of the token that was taken is
                -log(1 - u), and u has the distribution function x^(1/p)
    kgw         the chance that a green token is taken, over random green lists
    tournament  the ones of the token that is left, over random bits; both by seeded simulation

Where only the mean entropy is known, rows of a stated kind stand for the model's: many tokens are
nearly certain and a few are wide open (entropies of places are drawn from an exponential law with
that mean), and what follows at a place obeys a law of Zipf. That is an assumption.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import numpy as np

from titer.core.errors import InputError
from titer.marks.contract import F64, Scheme
from titer.marks.gumbel import Gumbel
from titer.marks.hf_kgw import HfKgw
from titer.marks.hf_synthid import HfSynthid
from titer.marks.kgw import Kgw
from titer.marks.sglang_murmur import SglangMurmur
from titer.marks.tournament import Tournament
from titer.marks.vllm_philox import VllmPhilox

Family = Literal["kgw", "gumbel", "tournament"]

#: Most and least mean entropy of a token that is worked with (nats).
LEAST_ENTROPY, MOST_ENTROPY = 0.01, 5.0
#: What transformers adds to green logits unless told otherwise; its detector need not know it.
_HF_DELTA = 2.0
#: Places and tokens of assumed rows, and random keys a place.
_PLACES, _TOKENS, _KEYS = 32, 1024, 32
_SEED = 20_261_128


class Strength(msgspec.Struct, frozen=True):
    """Moments of a marked token's value (`mean`, `variance`) and of one under another key."""

    mean: float
    variance: float
    null_mean: float
    null_variance: float

    @property
    def effect(self) -> float:
        """Standard deviations that a marked token lies above chance."""
        return (self.mean - self.null_mean) / math.sqrt(self.null_variance)


def family(scheme: Scheme) -> Family:
    """Which of the three kinds of marks a scheme is: schemes of one kind differ in their function
    alone, which is as good as random in all of them.
    """
    if isinstance(scheme, Kgw | HfKgw):
        return "kgw"
    return "tournament" if isinstance(scheme, Tournament | HfSynthid) else "gumbel"


def strength(scheme: Scheme, rows: F64) -> Strength:
    """The moments over places with these probabilities (places, tokens), each row summing to 1."""
    null = scheme.null
    if isinstance(scheme, Kgw):
        mean, square = _kgw(rows, scheme.gamma, scheme.delta)
    elif isinstance(scheme, HfKgw):
        mean, square = _kgw(rows, scheme.ratio, _HF_DELTA)
    elif isinstance(scheme, Tournament):
        mean, square = _tournament(rows, scheme.layers)
    elif isinstance(scheme, HfSynthid):
        mean, square = _tournament(rows, scheme.depth)
    elif isinstance(scheme, Gumbel | VllmPhilox):
        mean, square = _gumbel(rows, scheme.alpha or 0.0)
    elif isinstance(scheme, SglangMurmur):  # by one key or, by a coin that the test knows, two
        mean, square = _gumbel(rows, 0.0)
    else:
        raise InputError(f"the strength of {scheme.name} is not known")
    return Strength(mean, square - mean * mean, null.mean, null.variance)


def assumed(entropy: float) -> F64:
    """Rows (places, tokens) of that mean entropy in nats, of the kind that the module describes.

    Raises InputError outside `LEAST_ENTROPY` to `MOST_ENTROPY`.
    """
    if not LEAST_ENTROPY <= entropy <= MOST_ENTROPY:
        raise InputError(
            f"--entropy is nats a token, {LEAST_ENTROPY:g} to {MOST_ENTROPY:g}; measure that of "
            "your model's replies"
        )
    quantiles = -np.log1p(-(np.arange(_PLACES) + 0.5) / _PLACES)
    most = 0.98 * math.log(_TOKENS)
    low, high = 0.0, 64.0
    for _ in range(60):  # what is cut off at the top is made up for below
        middle = (low + high) / 2
        if np.minimum(middle * quantiles, most).mean() < entropy:
            low = middle
        else:
            high = middle
    wanted = np.minimum(high * quantiles, most)
    ranks = np.log(np.arange(1, _TOKENS + 1))
    steep, flat = np.full(_PLACES, 64.0), np.zeros(_PLACES)
    for _ in range(60):
        middle_ = (steep + flat) / 2
        below = entropies(_zipf(middle_, ranks)) < wanted
        steep, flat = np.where(below, middle_, steep), np.where(below, flat, middle_)
    return _zipf(flat, ranks)


def measured(places: Iterable[Sequence[float]]) -> F64:
    """Rows from the probabilities that a server gave at places of its replies. What they leave is
    counted as one token more. Raises InputError.
    """
    given = [np.asarray(place, np.float64) for place in places]
    if not given:
        raise InputError("there is no place with probabilities: ask for top_logprobs")
    if any(p.ndim != 1 or not len(p) or not (p >= 0).all() for p in given):
        raise InputError("probabilities of a place are numbers of at least 0")
    if any(p.sum() > 1.01 for p in given):
        raise InputError("probabilities of a place sum up to more than 1")
    rows = np.zeros((len(given), max(map(len, given)) + 1))
    for row, p in zip(rows, given, strict=True):
        row[: len(p)] = p
        row[-1] = max(0.0, 1.0 - p.sum())
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def entropies(rows: F64) -> F64:
    """The entropy of each row (nats)."""
    return np.asarray(-(rows * np.log(np.maximum(rows, 1e-300))).sum(axis=1))


def _zipf(exponents: F64, ranks: F64) -> F64:
    heights = -exponents[:, None] * ranks
    rows = np.exp(heights - heights.max(axis=1, keepdims=True))
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def _gumbel(rows: F64, alpha: float) -> tuple[float, float]:
    """First and second moment of a value; with two keys the taken one is right by chance."""
    p = rows[rows > 0]
    weight = p / len(rows)
    psi, slope = _digamma(1.0 + 1.0 / p)
    harmonic = psi + np.euler_gamma
    one = float((weight * harmonic).sum())
    two = float((weight * (harmonic**2 + math.pi**2 / 6 - slope)).sum())
    mean = square = 0.0
    for chance, right in ((1 - alpha, 1 - alpha), (alpha, alpha)):
        other = 1 - right
        mean += chance * (right * one + other)
        square += chance * (right**2 * two + 2 * right * other * one + 2 * other**2)
    return mean, square


def _digamma(x: F64) -> tuple[F64, F64]:
    """The digamma function and its derivative at x >= 1 (Abramowitz and Stegun 6.3, 6.4)."""
    psi, slope = np.zeros_like(x), np.zeros_like(x)
    for _ in range(8):  # moved up, where the series is good to twelve digits
        psi -= 1 / x
        slope += 1 / x**2
        x = x + 1
    y = 1 / x**2
    psi += np.log(x) - 0.5 / x - y * (1 / 12 - y * (1 / 120 - y / 252))
    slope += (1 + (0.5 + (1 / 6 - y * (1 / 30 - y / 42)) / x) / x) / x
    return psi, slope


def _kgw(rows: F64, gamma: float, delta: float) -> tuple[float, float]:
    rng = np.random.default_rng(_SEED)
    total = 0.0
    for row in rows:
        p = row[row > 0]
        green = rng.random((_KEYS, len(p))) < gamma
        mass = green @ p
        lifted = mass * math.exp(delta)
        total += float((lifted / (lifted + 1 - mass) - mass).mean())
    mean = gamma + total / len(rows)  # the mean of `mass` is known: less is left to chance
    return mean, mean  # a value is 0 or 1


def _tournament(rows: F64, layers: int) -> tuple[float, float]:
    rng = np.random.default_rng(_SEED)
    mean = square = 0.0
    for row in rows:
        alive = row[row > 0]
        p = np.repeat(alive[None, :], _KEYS, axis=0)
        ones = np.zeros(p.shape)
        for _ in range(layers):
            bits = rng.random(p.shape) < 0.5
            p *= 1 + bits - (p * bits).sum(axis=1, keepdims=True)
            ones += bits
        mean += float((p * ones - alive * ones).sum(axis=1).mean())
        square += float((p * ones**2 - alive * ones**2).sum(axis=1).mean())
    half = layers / 2  # what the unmarked token has is known: less is left to chance
    return half + mean / len(rows), half**2 + layers / 4 + square / len(rows)
