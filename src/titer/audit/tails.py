"""Upper tails of T = sum of w_i * g_i under "this model is independent of the key".

`g_i` are the key's values at distinct (context, token) pairs: independent draws of a known law,
because the key was drawn at random and the suspect does not depend on it. `w_i >= 0` are what the
suspect says (1 for a token that it wrote, a probability where it gives probabilities). So the
randomness is that of our own key and nothing is assumed about the suspect's text. Two bounds,
both of which hold exactly, neither of which approximates by a normal law:

`fixed`    the pairs and weights do not depend on the key (the suspect's own words). Chernoff's
           bound: log p <= min over theta of K(theta) - theta * T, with K(theta) the sum of
           log E exp(theta w g). Where all weights are 1, the scheme's exact
           tail (binomial, Gamma) is used instead.
`uniform`  which pairs are scored depends on the key, because they follow our own marked text
           (the filter by logged contexts, or marked text that the suspect reads). Each value is
           fresh when its pair is reached, so exp(theta T - K(theta)) is a martingale;
           p <= 1 / (its mean over a fixed grid of theta) by Ville's inequality.

The mean in `uniform` is an e-value, so log2 of it is what titer calls bits. K is evaluated on
binned weights: each weight is shared out linearly between two grid points, which can only raise a
sum of convex functions, so binning makes p larger, never smaller.

Shapes: weights (n,), totals any shape. All logs are natural, except where a name says `log10`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from titer.marks.contract import BinomialNull, GammaNull, Null, TwoGammasNull

#: Bins of weights in [0, 1]; 2,048 of them cost less than 0.1 % of a log p in the cases measured.
BINS = 2048
#: Exponents of the grid of theta for `uniform`: 2 ** (k / 2), fixed once and for all. Small ones
#: serve weak effects on many tokens, large ones small weights.
GRID = np.exp2(np.arange(-14, 19) / 2.0)
#: Halvings of the bracket in which the best theta of `fixed` is sought.
STEPS = 60

Floats = NDArray[np.float64]


class Law:
    """How one value g is distributed under a random key: the scheme's own null, with its log-mgf.

    A value is a count among `layers` coins (green lists, g-bits), or a sum of exponential draws
    (the scores of Gumbel-type marks). Raises TypeError for a null that is of neither kind.
    """

    def __init__(self, null: Null) -> None:
        if not isinstance(null, BinomialNull | GammaNull | TwoGammasNull):
            raise TypeError(f"no tail bound is known for {type(null).__name__}")
        self.null = null
        self.mean, self.variance = float(null.mean), float(null.variance)

    @property
    def ceiling(self) -> float:
        """Below this, theta * w has a finite moment generating function."""
        if isinstance(self.null, BinomialNull):
            return math.inf
        return 1.0 if isinstance(self.null, GammaNull) else 1 / max(_shares(self.null))

    def cgf(self, x: Floats) -> Floats:
        """Log E exp(x g); convex, 0 at 0."""
        null = self.null
        if isinstance(null, BinomialNull):  # log(1 - c + c e^x), without overflow for large x
            one = np.logaddexp(math.log1p(-null.chance), math.log(null.chance) + x)
            return np.asarray(null.layers * one)
        if isinstance(null, GammaNull):
            return -np.log1p(-x)
        return np.asarray(sum(-np.log1p(-share * x) for share in _shares(null)))


def _shares(null: TwoGammasNull) -> tuple[float, float]:
    return 1 - null.alpha, null.alpha


class Weights:
    """Weights of one statistic, binned. Raises ValueError for weights outside [0, 1]."""

    def __init__(self, weights: Floats) -> None:
        weights = np.asarray(weights, np.float64)
        if weights.size and not (weights.min() >= 0.0 and weights.max() <= 1.0 + 1e-9):
            raise ValueError("weights must lie in [0, 1]")
        self.n = int(np.count_nonzero(weights))
        self.sum = float(weights.sum())
        self.squares = float(np.square(weights).sum())
        place = np.clip(weights, 0.0, 1.0) * BINS
        left = np.minimum(place.astype(np.int64), BINS - 1)
        right = place - left
        mass = np.bincount(left, 1.0 - right, BINS + 1) + np.bincount(left + 1, right, BINS + 1)
        used = np.flatnonzero(mass)
        self._at = used / BINS
        self._mass = mass[used]
        self.equal = bool(weights.size == self.n and (weights == 1.0).all())

    def cgf(self, theta: float, law: Law) -> float:
        """K(theta), rounded up."""
        return float(self._mass @ law.cgf(theta * self._at))

    @property
    def top(self) -> float:
        """The largest grid point in use."""
        return float(self._at[-1]) if len(self._at) else 0.0


def z(total: float, weights: Weights, law: Law | Null) -> float:
    """How many standard deviations `total` lies above its mean; for reading, never for p."""
    if weights.squares == 0.0:
        return 0.0
    return (total - weights.sum * law.mean) / math.sqrt(weights.squares * law.variance)


def fixed(totals: Floats, weights: Weights, law: Law) -> Floats:
    """Natural logs of upper bounds on P(T >= total), for weights that do not depend on the key.

    Where all weights are 1 it is the scheme's exact tail.
    """
    if weights.equal and weights.n:
        return law.null.log_ps(np.asarray(totals, np.float64), weights.n)
    found = np.zeros(np.shape(totals))
    flat = found.reshape(-1)
    for i, total in enumerate(np.asarray(totals, np.float64).reshape(-1)):
        flat[i] = _chernoff(float(total), weights, law)
    return found


def _chernoff(total: float, weights: Weights, law: Law) -> float:
    """The minimum over theta of a convex function, by golden section on log theta."""
    if weights.n == 0 or total <= weights.sum * law.mean:
        return 0.0

    def height(at: float) -> float:
        theta = math.exp(at)
        return weights.cgf(theta, law) - theta * total

    top = law.ceiling / weights.top if weights.top else math.inf
    low, high = math.log(1e-6), math.log(min(1e5, top * (1 - 1e-9)))
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    fa, fb = height(a), height(b)
    for _ in range(STEPS):
        if fa < fb:
            high, b, fb = b, a, fa
            a = high - ratio * (high - low)
            fa = height(a)
        else:
            low, a, fa = a, b, fb
            b = low + ratio * (high - low)
            fb = height(b)
    return min(0.0, fa, fb)  # any theta gives a bound: a search that is not exact stays valid


def uniform(totals: Floats, weights: Weights, law: Law) -> Floats:
    """Natural logs of upper bounds on p that hold however the scored pairs were stopped."""
    return np.minimum(0.0, -log_e_values(totals, weights, law))


def log_e_values(totals: Floats, weights: Weights, law: Law) -> Floats:
    """Natural logs of the e-values mean_theta exp(theta T - K(theta))."""
    totals = np.asarray(totals, np.float64)
    usable = [t for t in GRID if t * weights.top < law.ceiling]
    if weights.n == 0 or not usable:
        return np.zeros(totals.shape)
    thetas = np.array(usable)
    heights = np.array([weights.cgf(t, law) for t in thetas])
    rows = np.multiply.outer(totals, thetas) - heights
    top = rows.max(axis=-1)
    # The grid's share that the law does not allow counts as 0 in the mean: still an e-value.
    mean = np.exp(rows - top[..., None]).sum(axis=-1) / len(GRID)
    return np.asarray(top + np.log(mean))
