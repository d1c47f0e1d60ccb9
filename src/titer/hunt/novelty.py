"""Which texts are news: more callers use them now than their history explains.

Numbers of users are over-dispersed: a new template of one team has 3, of a framework 3,000. So
the null is a negative binomial (a Poisson whose rate differs from text to text), fitted on the
history itself: how many units used a text in its second half, given how many had in its first.
A text's bits are a Chernoff bound on the chance of at least as many users as it has now.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from titer.hunt.modalities import Bools, Floats, Ints
from titer.hunt.source import EVER, HOUR, Source, Span, Tokens, Totals

#: Bits beyond the logarithm of the number of texts looked at, from which a text is news.
NEWS = 7.0
#: Texts in a class of earlier use that a class of its own needs; else it is joined to the next.
FEWEST = 50
#: Units that use a text for it to be known at all.
KNOWN = 2
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
    period = Period(totals.begin, totals.end + 1)
    ever, before = history.users(tokens.value, (EVER, period.after))
    past = history.uses((period.before, period.after), least=KNOWN)
    now = np.diff(tokens.start)
    return _novelty(now, ever, before, fit(*past.users), period, span=span)


def within(tokens: Tokens, source: Source, totals: Totals) -> Novelty | None:
    """Of the tokens of a log, against its own beginning; None when it is too short for that.

    What was there from the beginning is not old by this: a campaign may have been, too.
    """
    span = totals.end - totals.begin
    if span < SHORTEST:
        return None
    cut = totals.begin + int(span * BEGINNING)
    period = Period(totals.begin, cut)
    past = source.uses((period.before, period.after, (cut, 0)), least=KNOWN)
    # Each of these tokens has users enough to be among those.
    _, before, now = past.users[:, np.searchsorted(past.value, tokens.value)]
    nothing = np.zeros(len(now), np.int64)
    classes = fit(*past.users[:2])
    found = _novelty(now, nothing, before, classes, period, span=totals.end - cut)
    return msgspec.structs.replace(found, old=nothing.astype(np.bool_))


class Period(msgspec.Struct, frozen=True):
    """A past to compare with, from `begin` up to `end` (microseconds)."""

    begin: int
    end: int

    @property
    def before(self) -> Span:
        """Its first half."""
        return self.begin, (self.begin + self.end) // 2

    @property
    def after(self) -> Span:
        """Its second half."""
        return (self.begin + self.end) // 2, self.end


def _novelty(
    now: Ints, ever: Ints, before: Ints, classes: Sequence[Class], period: Period, *, span: int
) -> Novelty:
    """Users now, against what texts with as many users before had half a period later.

    `before` are users in the second half of the period: what a log can be compared with is as
    long as the null was fitted on.
    """
    middle, end = period.after
    lows = np.array([c.low for c in classes])
    place = np.searchsorted(lows, before, side="right") - 1
    mean = np.array([c.mean for c in classes])[place]
    dispersion = np.array([(c.variance - c.mean) / c.mean**2 for c in classes])[place]
    # More earlier users than any class that could be fitted: they stay as many as they were.
    scale = max(1.0, span / max(1, end - middle))
    mean = np.maximum(mean, before) * scale
    variance = mean + dispersion * mean**2
    bits = tail_bits(now.astype(np.float64), mean, variance)
    floor = NEWS + np.log2(max(2, len(now)))
    news = bits >= floor
    return Novelty(news, (ever >= KNOWN) & ~news, bits, tuple(classes))


def fit(first: Ints, second: Ints) -> tuple[Class, ...]:
    """The null by classes of earlier use: 0, 1, 2-3, 4-7, ... units. Of every text that several
    units use: how many do in the first half of a period, and in the second.
    """
    classes: list[Class] = []
    low, top = 0, int(first.max()) if len(first) else 0
    while low <= top:
        high = max(1, 2 * low)
        inside = (first >= low) & (first < high)
        # Texts that were never seen again do not count for those never seen before.
        if low == 0:
            inside &= second > 0
        if inside.sum() >= FEWEST:
            values = second[inside].astype(np.float64)
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
