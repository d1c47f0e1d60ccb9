"""Exact upper tails in log space: binomial, Gamma, two Gammas, Poisson-binomial.

All return the natural logarithm of a probability P(X >= observed), never above 0, and stay finite
where the probability itself would underflow (log p = -10^6 is a number). Nothing here is a
normal approximation: with one key and repetitive text that made a nominal 1 in 1,000 four times
as frequent as it says. What rounding leaves is a relative error of p below 10^-6 for up to 10^8
trials (tests hold it against exact fractions).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from titer.marks.compiled import compiled

F64 = npt.NDArray[np.float64]

#: A term this far below the sum so far (natural logarithm) changes no digit of it.
NEGLIGIBLE = -45.0
#: Rounds of a series or continued fraction; they converge in about 10 sqrt(shape).
MAX_ROUNDS = 10_000_000


def binomial(successes: int, trials: int, chance: float) -> float:
    """Of P(X >= successes), X ~ Binomial(trials, chance). Raises ValueError off its domain."""
    if trials < 0 or not 0 < chance < 1:
        raise ValueError("trials must not be negative, and a chance lies between 0 and 1")
    return float(_binomial(float(successes), float(trials), chance))


def gamma(total: float, shape: float) -> float:
    """Of P(G >= total), G ~ Gamma(shape, 1); a whole shape is Erlang's. Raises ValueError.

    The sum of `n` values of -log(1 - u), u uniform, follows shape n.
    """
    if shape < 0 or math.isnan(total):
        raise ValueError("a shape must not be negative, and the total must be a number")
    return float(_gamma(total, shape))


def two_gammas(total: float, shape: int, heavy: float, light: float) -> float:
    """Of P(heavy G1 + light G2 >= total), both independent Gamma(shape, 1), heavy >= light > 0.

    Gamma(n, scale r) with r > 1 is Gamma(n + K, 1) with K negative binomial (Moschopoulos,
    Ann. Inst. Statist. Math. 1985), hence a sum of positive terms. Raises ValueError.
    """
    if not heavy >= light > 0 or shape < 0:
        raise ValueError("weights must be positive, the heavier one first")
    return float(_two_gammas(total, float(shape), heavy, light))


def binomials(successes: npt.NDArray[np.int64], trials: int, chance: float) -> F64:
    """`binomial` of many observations over the same number of trials."""
    distinct, where = np.unique(successes, return_inverse=True)
    found = np.array([_binomial(float(k), float(trials), chance) for k in distinct])
    return found[where].reshape(successes.shape)


@compiled
def gammas(totals: F64, shape: float) -> F64:
    """`gamma` of many totals of the same shape."""
    out = np.empty_like(totals)
    for i in range(len(totals)):
        out[i] = _gamma(totals[i], shape)
    return out


def poisson_binomial(successes: int, chances: npt.ArrayLike) -> float:
    """Of P(X >= successes), X a sum of independent trials with their own chances in (0, 1).

    The distribution is tilted until `successes` is its mean, where its probabilities are large
    enough for a convolution by FFT, and tilted back term by term. Raises ValueError.
    """
    p = np.asarray(chances, np.float64).ravel()
    if len(p) and not (p.min() > 0 and p.max() < 1):
        raise ValueError("a chance lies between 0 and 1")
    n = len(p)
    if successes <= 0:
        return 0.0
    if successes > n:
        return -math.inf
    if successes <= p.sum():  # the lower tail is the smaller one: P(X >= k) = 1 - P(n - X > n - k)
        return _complement(poisson_binomial(n - successes + 1, 1 - p))
    if successes == n:
        return float(np.log(p).sum())
    odds = np.log(p) - np.log1p(-p)
    low, high = 0.0, 60.0 + float(-odds.min())
    for _ in range(200):
        tilt = (low + high) / 2
        if _logistic(odds + tilt).sum() < successes:
            low = tilt
        else:
            high = tilt
    pmf = np.maximum(_convolved(_logistic(odds + tilt)), 0.0)
    grown = float(np.logaddexp(0.0, odds + tilt).sum() - np.logaddexp(0.0, odds).sum())
    k = np.arange(successes, n + 1)
    with np.errstate(divide="ignore"):
        terms = np.log(pmf[successes:]) - tilt * k + grown
    return min(0.0, float(np.logaddexp.reduce(terms)))


def repeated(total: int, pmf: F64, times: int) -> float:
    """Of P(X >= total), X the sum of `times` independent draws from `pmf` on 0, 1, 2, ...

    Tilted as in `poisson_binomial`; exact while `pmf` is. Raises ValueError.
    """
    values = np.flatnonzero(pmf > 0)
    if times < 0 or not len(values):
        raise ValueError("the distribution must hold something, and times must not be negative")
    if total <= times * values[0]:
        return 0.0
    if total > times * values[-1]:
        return -math.inf
    logs = np.log(pmf[values])
    mean = times * float((pmf[values] * values).sum())
    if total <= mean:
        mirrored = np.zeros(values[-1] + 1)
        mirrored[values[-1] - values] = pmf[values]
        return _complement(repeated(times * int(values[-1]) - total + 1, mirrored, times))
    low, high = 0.0, 1.0
    while _tilted_mean(logs, values, high) * times < total and high < 1e6:
        high *= 2
    for _ in range(100):
        tilt = (low + high) / 2
        if _tilted_mean(logs, values, tilt) * times < total:
            low = tilt
        else:
            high = tilt
    grown = float(np.logaddexp.reduce(logs + tilt * values))
    one = np.zeros(values[-1] + 1)
    one[values] = np.exp(logs + tilt * values - grown)
    length = 1 << (times * int(values[-1])).bit_length()
    pmf_all = np.fft.irfft(np.fft.rfft(one, length) ** times, length)
    k = np.arange(total, times * int(values[-1]) + 1)
    with np.errstate(divide="ignore"):
        terms = np.log(np.maximum(pmf_all[k], 0.0)) - tilt * k + times * grown
    return min(0.0, float(np.logaddexp.reduce(terms)))


def _tilted_mean(logs: F64, values: npt.NDArray[np.int64], tilt: float) -> float:
    weights = logs + tilt * values
    weights = np.exp(weights - weights.max())
    return float((weights * values).sum() / weights.sum())


def holm(log_ps: npt.ArrayLike, family: int = 0) -> F64:
    """Holm-adjusted log p-values, in the order given (Holm, Scand. J. Statist. 1979).

    Each may be held against the level that the whole family may err with; unlike Bonferroni's
    it is no less strict for the smallest and less strict for the others. `family` is the number of
    hypotheses when these are only the smallest of them: they do not depend on the others.
    """
    given = np.asarray(log_ps, np.float64)
    order = np.argsort(given, kind="stable")
    steps = given[order] + np.log((family or len(given)) - np.arange(len(given)))
    out = np.empty_like(given)
    out[order] = np.minimum(np.maximum.accumulate(steps), 0.0)
    return out


def _complement(log_p: float) -> float:
    """log(1 - p)."""
    return math.log1p(-math.exp(log_p)) if log_p < 0 else -math.inf


def _logistic(x: F64) -> F64:
    return 1 / (1 + np.exp(-x))


def _convolved(p: F64) -> F64:
    """The probabilities of 0 to n successes; halves are convolved until one is left."""
    parts: list[F64] = [np.array([1 - q, q]) for q in p]
    while len(parts) > 1:
        odd = [parts[-1]] if len(parts) % 2 else []
        pairs = zip(parts[0::2], parts[1::2], strict=False)
        parts = [_convolve(a, b) for a, b in pairs] + odd
    return parts[0]


def _convolve(a: F64, b: F64) -> F64:
    size = len(a) + len(b) - 1
    if size < 512:
        return np.convolve(a, b)
    length = 1 << (size - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(a, length) * np.fft.rfft(b, length), length)[:size]


@compiled
def _binomial(k: float, n: float, p: float) -> float:
    if k <= 0:
        return 0.0
    if k > n:
        return -np.inf
    if k <= n * p:  # the lower tail is the smaller one
        below = _upper(n - k + 1, n, 1 - p)
        return math.log1p(-math.exp(below)) if below < 0 else -np.inf
    return _upper(k, n, p)


@compiled
def _upper(k: float, n: float, p: float) -> float:
    """The tail from k > np on: its terms fall faster and faster."""
    if k > n:
        return -np.inf
    first = (
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + k * math.log(p) + (n - k) * math.log1p(-p)
    )  # fmt: skip
    odds = p / (1 - p)
    term = 1.0
    total = 1.0
    while k < n and term > 1e-18 * total:
        term *= (n - k) / (k + 1) * odds
        total += term
        k += 1
    return min(0.0, first + math.log(total))


@compiled
def _gamma(x: float, a: float) -> float:
    """Natural log of Q(a, x): a series below the mean, a continued fraction above (Lentz)."""
    if x <= 0 or a == 0:
        return 0.0 if x <= 0 else -np.inf
    if math.isinf(x):
        return -np.inf
    front = a * math.log(x) - x - math.lgamma(a)
    if x < a + 1:
        term = 1 / a
        total = term
        step = a
        for _ in range(MAX_ROUNDS):
            step += 1
            term *= x / step
            total += term
            if term < 1e-17 * total:
                break
        below = front + math.log(total)
        return math.log1p(-math.exp(below)) if below < 0 else -np.inf
    b = x + 1 - a
    c = 1e300
    d = 1 / b
    fraction = d
    for i in range(1, MAX_ROUNDS):
        an = -i * (i - a)
        b += 2
        d = an * d + b
        d = 1e-300 if d == 0 else d
        c = b + an / c
        c = 1e-300 if c == 0 else c
        d = 1 / d
        change = d * c
        fraction *= change
        if abs(change - 1) < 1e-16:
            break
    return min(0.0, front + math.log(fraction))


@compiled
def _two_gammas(s: float, n: float, heavy: float, light: float) -> float:
    if s <= 0 or n == 0:
        return 0.0 if s <= 0 else -np.inf
    x = s / light
    if heavy == light:
        return _gamma(x, 2 * n)
    log_p = math.log(light / heavy)
    log_q = math.log1p(-light / heavy)
    weight = n * log_p  # log P(K = 0)
    shape = 2 * n
    tail = _gamma(x, shape)
    jump = shape * math.log(x) - x - math.lgamma(shape + 1)  # log of Q(a + 1, x) - Q(a, x)
    top = weight + tail
    total = 1.0
    left = 0.0  # P(K <= k): what is left of it bounds what is left of the sum
    k = 0.0
    while k < MAX_ROUNDS:
        left += math.exp(weight)
        tail = max(tail, jump) + math.log1p(math.exp(-abs(tail - jump)))
        weight += log_q + math.log((n + k) / (k + 1))
        shape += 1
        jump += math.log(x) - math.log(shape)
        k += 1
        term = weight + min(tail, 0.0)
        if term > top:
            total = total * math.exp(top - term) + 1
            top = term
        else:
            total += math.exp(term - top)
            if term < top + NEGLIGIBLE + math.log(total):
                break
    return min(0.0, top + math.log(total))
