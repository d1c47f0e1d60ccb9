"""The arithmetic of budgets: what is spent, how long to wait, and how it is said in headers.

Six budgets, in this order everywhere: requests, tokens in, tokens out per minute; the same per
day. A cell is fourteen numbers: the number of the minute and of the day, then three counts of
this minute, three of the minute before, three of this day, three of the day before. Nothing here
touches a file or a clock.

Worked example: 100 requests a minute; 80 in the previous minute, 30 in this one, of which 15 s
are over: the sliding minute still covers 45/60 of the previous one, so 80 * 0.75 + 30 = 90 are
used and 10 remain.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

from titer.access.limits import Amounts
from titer.core.wire import Problem

#: Windows in microseconds. Days begin at midnight UTC.
MINUTE = 60_000_000
DAY = 86_400_000_000
_WINDOWS = (MINUTE, MINUTE, MINUTE, DAY, DAY, DAY)
#: Where in a cell a budget's current and previous counts are.
_AT = ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13))
_INPUT = (1, 4)
_OUTPUT = (2, 5)
_NAMES = (
    "requests per minute",
    "input tokens per minute",
    "output tokens per minute",
    "requests per day",
    "input tokens per day",
    "output tokens per day",
)


class Use(NamedTuple):
    """Cells (see above) turned to `now` (microseconds); what counts is their sum."""

    cells: Sequence[Sequence[int]]
    now: int

    def counts(self, budget: int) -> tuple[int, int]:
        """(in the current window, in the previous one) of one of the six budgets."""
        current, previous = _AT[budget]
        return sum(c[current] for c in self.cells), sum(c[previous] for c in self.cells)

    def used(self, budget: int) -> float:
        """The sliding-window count of one of the six budgets."""
        window = _WINDOWS[budget]
        left = window - self.now % window
        current, previous = self.counts(budget)
        return current + previous * left / window


class Spent(NamedTuple):
    """A budget that has no room, and the seconds until it has (None: never enough)."""

    budget: int
    wait: float | None


def find_spent(limits: Amounts, use: Use, tokens_in: int) -> Spent | None:
    """The budget without room for one more request, the one with the longest wait of several.

    Output is not known beforehand: its budget must merely not be spent yet.
    """
    worst: Spent | None = None
    for budget, limit in limits:
        need = tokens_in if budget in _INPUT else 1
        current, previous = _AT[budget]
        most = need
        for cell in use.cells:
            most += cell[current] + cell[previous]
        if most <= limit:  # even if the previous window counted in full: the common case
            continue
        if use.used(budget) + need > limit:
            wait = _wait(use, budget, limit - need)
            if wait is None:
                return Spent(budget, None)
            if worst is None or wait > (worst.wait or 0.0):
                worst = Spent(budget, wait)
    return worst


def _wait(use: Use, budget: int, room: int) -> float | None:
    """Seconds until at most `room` is used, if nothing else comes; None for a negative room."""
    if room < 0:
        return None
    window = _WINDOWS[budget]
    elapsed = use.now % window
    current, previous = use.counts(budget)
    if current <= room:  # the previous window must fade
        until = window - (room - current) * window / previous
    else:  # this window must become the previous one, then fade
        until = 2 * window - room * window / current
    return max(1, math.ceil((until - elapsed) / 1000)) / 1000


def problem(scope: str, spent: Spent) -> Problem:
    """The refusal for a spent budget of a `key` or an `org`."""
    whose = "this API key" if scope == "key" else "your organisation"
    name = _NAMES[spent.budget]
    if spent.wait is None:
        message = (
            f"This request alone is larger than the budget of {whose} for {name}; "
            "send a shorter prompt."
        )
    else:
        message = f"The budget of {whose} for {name} is spent; retry after {spent.wait:.0f} s."
    return Problem(
        kind="rate_limit",
        message=message,
        code=f"{scope}_{name.replace(' ', '_')}",
        retry_after=spent.wait,
    )


class _Row(NamedTuple):
    """What headers say of one budget: `reset` in microseconds from `now`."""

    remaining: int
    limit: int
    reset: int
    now: int


def headers(uses: Sequence[tuple[Amounts, Use]], family: str) -> tuple[tuple[str, str], ...]:
    """Headers of the tightest budget per kind, over key and organisation, minute and day.

    `openai`: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, resets as durations
    (`6m0s`). `anthropic`: `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-
    {limit,remaining,reset}`, resets as RFC 3339 times. A reset is when the budget is whole
    again, as both vendors define it. `tokens` is whichever of input and output is tighter.
    """
    out: list[tuple[str, str]] = []
    for (limit, remaining, reset), budgets in _HEADERS[family]:
        row = _tightest(uses, budgets)
        if row is not None:
            at = row.now + row.reset
            when = _duration(row.reset) if family == "openai" else _rfc3339(-(-at // 1_000_000))
            out += ((limit, str(row.limit)), (remaining, str(row.remaining)), (reset, when))
    return tuple(out)


def _names(form: str, kind: str) -> tuple[str, str, str]:
    limit, remaining, reset = (
        form.format(kind=kind, field=field) for field in ("limit", "remaining", "reset")
    )
    return limit, remaining, reset


_REQUESTS = (0, 3)
_TOKENS = (*_INPUT, *_OUTPUT)
_HEADERS = {
    "openai": tuple(
        (_names("x-ratelimit-{field}-{kind}", kind), budgets)
        for kind, budgets in (("requests", _REQUESTS), ("tokens", _TOKENS))
    ),
    "anthropic": tuple(
        (_names("anthropic-ratelimit-{kind}-{field}", kind), budgets)
        for kind, budgets in (
            ("requests", _REQUESTS),
            ("tokens", _TOKENS),
            ("input-tokens", _INPUT),
            ("output-tokens", _OUTPUT),
        )
    ),
}


def _tightest(uses: Sequence[tuple[Amounts, Use]], budgets: tuple[int, ...]) -> _Row | None:
    rows = []
    for limits, use in uses:
        for budget, limit in limits:
            if budget in budgets:
                remaining = max(0, math.floor(limit - use.used(budget)))
                rows.append(_Row(remaining, limit, _reset(use, budget), use.now))
    return min(rows, default=None)


def _reset(use: Use, budget: int) -> int:
    """Microseconds until nothing counts any more."""
    window = _WINDOWS[budget]
    left = window - use.now % window
    current, previous = use.counts(budget)
    if current:
        return left + window
    return left if previous else 0


def _duration(micros: int) -> str:
    """A duration as OpenAI writes it: `0s`, `20ms`, `1s`, `6m0s`, `1h0m0s`."""
    if 0 < micros < 1_000_000:
        return f"{max(1, micros // 1000)}ms"
    minutes, seconds = divmod(-(-micros // 1_000_000), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


@functools.lru_cache(maxsize=256)
def _rfc3339(seconds: int) -> str:
    """A time of RFC 3339, UTC. Resets fall on the ends of windows: few differ."""
    at = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
