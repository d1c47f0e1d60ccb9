"""How much of a copied text it takes: exact, by the null of its scheme."""

from __future__ import annotations

import math

from titer.audit.strength import Strength
from titer.marks.contract import Scheme

#: Contexts beyond which no text is looked for: what one recognition holds.
MOST = 1 << 26


def shown(marked: Strength, share: float) -> Strength:
    """The moments of a value in a text of which a share is marked."""
    apart = marked.mean - marked.null_mean
    variance = (
        share * marked.variance
        + (1 - share) * marked.null_variance
        + share * (1 - share) * apart**2
    )
    mean = marked.null_mean + share * apart
    return Strength(mean, variance, marked.null_mean, marked.null_variance)


def contexts(scheme: Scheme, text: Strength, target: float, *, caution: float = 0.0) -> int | None:
    """The least number of distinct contexts whose expected sum has that log10 p, less `caution`
    standard deviations of it; None when no number up to `MOST` has.
    """
    null, goal = scheme.null, target * math.log(10)
    spread = caution * math.sqrt(text.variance)

    def proves(n: int) -> bool:
        total = n * text.mean - spread * math.sqrt(n)
        return total > n * null.mean and null.log_p(total, n) <= goal

    high = 1
    while not proves(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if proves(middle) else (middle, high)
    return high
