"""Which texts are news: more callers use them now than their history explains.

Numbers of users are over-dispersed: a new template of one team has 3, of a framework 3,000. So
the null is a negative binomial (a Poisson whose rate differs from text to text), fitted on the
history itself: how many units used a text in its second half, given how many had in its first.
A text's bits are a Chernoff bound on the chance of at least as many users as it has now.
"""

from __future__ import annotations

import msgspec
import numpy as np

from titer.hunt.modalities import Bools, Floats, Ints
from titer.hunt.source import HOUR, Source, Tokens, Totals

#: Bits beyond the logarithm of the number of texts looked at, from which a text is news.
NEWS = 7.0
#: Texts in a class of earlier use that a class of its own needs; else it is joined to the next.
FEWEST = 50
#: Variance over mean below which the null is not believed: people differ.
LEAST_DISPERSION = 2.0


#: Share of a log that serves as the past of the rest, when no history is given.
BEGINNING = 0.25
#: Shortest log that has a past of its own (microseconds): four days.
SHORTEST = 96 * HOUR


class Class(msgspec.Struct, frozen=True):
    """Texts that `low` or more units used before: mean and variance of their users after."""

    low: int
    texts: int
    mean: float
    variance: float


#: Used for texts without users before where the history has too few of them: half of the new
#: texts of two users or more stay below three, one in a hundred passes ten.
DRAFT = Class(0, 0, 2.0, 8.0)


class Novelty(msgspec.Struct, frozen=True):
    """Per token: whether it is news, whether it is old (known, and no news), and its bits."""

    news: Bools
    old: Bools
    bits: Floats
    classes: tuple[Class, ...]


def against_history(tokens: Tokens, history: Source, *, span: int) -> Novelty:
    """Of the tokens of a log of `span` microseconds, against a history before it."""
    totals = history.totals()
    period = Period(history, totals.begin, totals.end + 1)
    ever = history.users(tokens.value)
    return _novelty(np.diff(tokens.start), ever, tokens, period, span=span)


def within(tokens: Tokens, source: Source, totals: Totals) -> Novelty | None:
    """Of the tokens of a log, against its own beginning; None when it is too short for that.

    What was there from the beginning is not old by this: a campaign may have been, too.
    """
    span = totals.end - totals.begin
    if span < SHORTEST:
        return None
    cut = totals.begin + int(span * BEGINNING)
    period = Period(source, totals.begin, cut)
    now = source.users(tokens.value, since=cut)
    found = _novelty(now, np.zeros(len(now), np.int64), tokens, period, span=totals.end - cut)
    return msgspec.structs.replace(found, old=np.zeros(len(now), np.bool_))


class Period(msgspec.Struct, frozen=True):
    """A past to compare with: the rows of `source` from `begin` up to `end` (microseconds)."""

    source: Source
    begin: int
    end: int

    @property
    def middle(self) -> int:
        """Where its second half begins."""
        return (self.begin + self.end) // 2


def _novelty(now: Ints, ever: Ints, tokens: Tokens, period: Period, *, span: int) -> Novelty:
    """Users now, against what texts with as many users before had half a period later."""
    classes = fit(period)
    # What the log can be compared with is as long as the null was fitted on: the second half.
    before = period.source.users(tokens.value, since=period.middle, until=period.end)
    lows = np.array([c.low for c in classes])
    place = np.searchsorted(lows, before, side="right") - 1
    mean = np.array([c.mean for c in classes])[place]
    dispersion = np.array([(c.variance - c.mean) / c.mean**2 for c in classes])[place]
    # More earlier users than any class that could be fitted: they stay as many as they were.
    scale = max(1.0, span / max(1, period.end - period.middle))
    mean = np.maximum(mean, before) * scale
    variance = mean + dispersion * mean**2
    bits = tail_bits(now.astype(np.float64), mean, variance)
    floor = NEWS + np.log2(max(2, len(now)))
    news = bits >= floor
    return Novelty(news, (ever >= 2) & ~news, bits, classes)


def fit(period: Period) -> tuple[Class, ...]:
    """The null by classes of earlier use: 0, 1, 2-3, 4-7, ... units."""
    source = period.source
    units = len(source.callers().subjects)
    seen = source.tokens(
        least=2, most=max(2, units), active=np.ones(units, np.bool_), without=np.empty(0, np.int64)
    )
    first = source.users(seen.value, since=period.begin, until=period.middle)
    second = source.users(seen.value, since=period.middle, until=period.end).astype(np.float64)
    classes: list[Class] = []
    low, top = 0, int(first.max()) if len(first) else 0
    while low <= top:
        high = max(1, 2 * low)
        inside = (first >= low) & (first < high)
        # Texts that were never seen again do not count for those never seen before.
        if low == 0:
            inside &= second > 0
        if inside.sum() >= FEWEST:
            values = second[inside]
            mean = max(float(values.mean()), 1.0)
            variance = max(float(values.var()), LEAST_DISPERSION * mean)
            classes.append(Class(low, int(inside.sum()), mean, variance))
        low = high
    if not classes or classes[0].low > 0:
        classes.insert(0, DRAFT)
    return tuple(classes)


def tail_bits(count: Floats, mean: Floats, variance: Floats) -> Floats:
    """-log2 of the Chernoff bound on P(X >= count), X negative binomial; 0 up to the mean."""
    size = mean**2 / np.maximum(variance - mean, 1e-9)
    x = np.maximum(count, mean)
    nats = x * np.log(x / mean) - (x + size) * np.log((x + size) / (mean + size))
    bits: Floats = np.maximum(nats, 0.0) / np.log(2)
    return bits
