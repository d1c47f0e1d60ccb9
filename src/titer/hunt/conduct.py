"""How a group's requests are shared out: over its members, over questions, over the day.

People who have something in common (an office, a course, a platform) still ask as much as each of
them cares to: volumes differ by factors, most are asleep at the same time, and whoever asks a
question twice asks his own. A program that deals work to its accounts loads them evenly, knows no
night, and where its questions come up again they come up in any account. None of this formed the
group, so it can tell the two apart where text and origin cannot.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from titer.hunt.modalities import Floats, Ints
from titer.hunt.source import I32

#: Members from which the spread of their loads is known well enough.
MEMBERS = 24
#: Requests of the median member from which there is a load to speak of: pupils do a task or two.
EACH = 8.0
#: Standard deviation of the logarithm of loads up to which they are even. Seen: programs 0.17 to
#: 0.36, groups of people 0.5 to 1.3. And the share of what is usual in the log up to which it says
#: something: where all callers carry like loads, it does not.
EVEN = 0.42
OF_USUAL = 0.6
#: Likeness of content and length that members of one program have, at least. Seen: 0.88 to 1, in
#: conversations of three turns 0.84; offices and platforms whose people are not alike 0.3 to 0.9.
ALIKE = 0.75
#: Share of requests in the quietest six hours of the day from which a group knows no night (a
#: quarter would be even), and requests of the median member from which it is no homework.
NO_NIGHT = 0.06
MANY_EACH = 20.0
#: How much likelier one member may repeat a question than another to ask it, either way, and
#: different questions, for them to be drawn from one list by a program.
DRAWN = 1.5
QUESTIONS = 100
#: Chance that another member asked the same from which nothing lifts the explanation: a probe, a
#: greeting.
ALL_THE_SAME = 0.5
#: Share of a member's requests that another made too, from which it works through what is public.
SHARING = 0.5
#: Hours in a day, hours of a night, and hours that a log must last to tell.
DAY, NIGHT, TOLD = 24, 6, 20
_HOUR = 3_600_000_000


class Conduct(msgspec.Struct, frozen=True):
    """Of the requests that carry a group's texts: how many the median member sent (`each`), the
    standard deviation of the logarithm of these loads beyond what counting explains (`spread`),
    the share whose content another member asked as well (`shared`), different contents
    (`questions`), the chance that two requests of one member are the same over that of requests
    of two (`again`; 0 if none of two are), and the share in the quietest six hours (`quiet`, 0 if
    the requests do not last a day). `usual` is the spread of ordinary callers' loads in the log.
    `sharers`: units (by number) most of whose requests another made too.
    """

    members: int = 0
    each: float = 0.0
    spread: float = math.inf
    shared: float = 0.0
    questions: int = 0
    again: float = 0.0
    quiet: float = 0.0
    usual: float = math.inf
    sharers: tuple[int, ...] = ()

    @property
    def even(self) -> bool:
        """Whether members carry like loads, as accounts of one program do and people do not."""
        most = min(EVEN, OF_USUAL * self.usual)
        return self.members >= MEMBERS and self.each >= EACH and self.spread < most

    @property
    def sleepless(self) -> bool:
        """Whether a night's rest is missing, or there is too much work for a class's homework."""
        return self.quiet >= NO_NIGHT or self.each >= MANY_EACH

    @property
    def drawn(self) -> bool:
        """Whether questions that come up again come up in any member alike, and there are many."""
        return self.questions >= QUESTIONS and 1 / DRAWN <= self.again <= DRAWN


def conduct(
    of: I32,
    content: Ints,
    at: Ints,
    seen: Floats,
    *,
    within: float,
    between: float,
    usual: float = math.inf,
) -> Conduct:
    """Of rows by their unit, content and time (microseconds); `seen` is the share of the unit's
    rows that was looked at. `within`, `between`: chances that two rows of one member, and of two,
    have the same content. `usual`: the spread of ordinary callers' loads.
    """
    if not len(of):
        return Conduct()
    units, unit = np.unique(of, return_inverse=True)
    count = len(units)
    _, item = np.unique(content, return_inverse=True)
    asked = np.bincount(np.unique(item * count + unit) // count)
    shared = asked[item] > 1
    rows = np.bincount(unit, minlength=count)
    of_unit = np.bincount(unit, weights=shared, minlength=count)
    load: Floats = np.bincount(unit, weights=1.0 / np.maximum(seen, 1e-9), minlength=count).astype(
        np.float64
    )
    hours = at // _HOUR
    quiet = 0.0
    if int(hours.max() - hours.min()) >= TOLD:
        by_hour = np.bincount(hours % DAY, minlength=DAY)
        around = np.concatenate((by_hour, by_hour[: NIGHT - 1]))
        quiet = float(np.convolve(around, np.ones(NIGHT), "valid").min() / len(unit))
    return Conduct(
        members=count,
        each=float(np.median(load)),
        spread=spread(load, rows),
        shared=float(shared.mean()),
        questions=len(asked),
        again=within / between if between > 0 else 0.0,
        quiet=quiet,
        usual=usual,
        sharers=tuple(units[(of_unit >= SHARING * rows) & (rows >= EACH)].tolist()),
    )


def spread(loads: Floats, counted: Ints) -> float:
    """The standard deviation of the logarithm of loads, less what counting so many rows adds.

    From half the width of the middle two thirds, so that a few strays count for nothing.
    """
    low, high = np.quantile(np.log(loads), (0.16, 0.84))
    beyond = ((high - low) / 2) ** 2 - float(np.median(1.0 / counted))
    return math.sqrt(max(0.0, float(beyond)))


def usual_spread(texts: Ints) -> float:
    """The spread of ordinary callers' loads, by their requests with text; of those with `EACH` or
    more. Infinite where there are too few of them to tell.
    """
    some = texts[texts >= EACH]
    return spread(some.astype(np.float64), some) if len(some) >= MEMBERS else math.inf
