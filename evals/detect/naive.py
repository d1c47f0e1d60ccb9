"""The baseline that is wrong: a classifier of single prompts and an e-process on its mean.

Each request is flagged or not by a classifier (naive Bayes over words and pairs of words, trained
on the `tune` sources, set to flag `RATE` of honest requests there). Flags of one account enter a
mixture of Bernoulli alternatives against the *mean* honest rate, and an alarm at level alpha is
Ville's: E >= 1 / alpha. Valid if all honest accounts flagged alike; they do not.
"""

from __future__ import annotations

import itertools
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

#: Share of honest requests that the classifier flags where it was trained.
RATE = 0.014
#: Rates of flags that the mixture bets on.
ALTERNATIVES = (0.02, 0.03, 0.05, 0.1, 0.2, 0.4, 0.8)
#: Hashed features; characters of a prompt that are read.
SIZE, READ = 1 << 18, 1500
_WORD = re.compile(r"\w+")


def trained(attack: Sequence[str], honest: Sequence[str]) -> Callable[[str], bool]:
    """The classifier of single prompts, as a function of a text."""
    held_out = honest[::2]
    weights = _log_counts(attack) - _log_counts(honest[1::2])

    def score(text: str) -> float:
        seen = _features(text)
        return float(weights[seen].sum() / math.sqrt(len(seen) + 1)) if seen else -math.inf

    scores = sorted(map(score, held_out))
    bound = scores[min(len(scores) - 1, int((1 - RATE) * len(scores)))]
    return lambda text: score(text) > bound


def wealth(flags: Iterable[bool], rate: float) -> np.ndarray:
    """log2 of the running maximum of the mixture e-process after each request."""
    flagged = np.fromiter(flags, dtype=float)
    steps = [
        np.where(flagged > 0, math.log2(q / rate), math.log2((1 - q) / (1 - rate)))
        for q in ALTERNATIVES
        if q > rate
    ]
    if not steps or not len(flagged):
        return np.zeros(len(flagged))
    sums = np.cumsum(np.array(steps), axis=1)
    top = sums.max(axis=0)
    mixed = top + np.log2(np.exp2(sums - top).mean(axis=0))
    return np.maximum(np.maximum.accumulate(mixed), 0.0)


def _features(text: str) -> list[int]:
    words = _WORD.findall(text[:READ].lower())
    pairs = itertools.pairwise(words)
    found = {zlib.crc32(word.encode()) % SIZE for word in words}
    found |= {zlib.crc32(f"{a} {b}".encode()) % SIZE for a, b in pairs}
    return sorted(found)


def _log_counts(texts: Sequence[str]) -> np.ndarray:
    counts = Counter(feature for text in texts for feature in _features(text))
    array = np.full(SIZE, 0.5)
    for feature, count in counts.items():
        array[feature] += count
    return np.log(array / (len(texts) + 1.0))
