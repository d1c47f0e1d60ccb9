"""Throttle: the more was taken and the surer we are, the slower a caller is served.

Four bounds, each by strength and exposure; the accounts of one campaign share all of them:

    requests     a leaky bucket (the generic cell rate algorithm): each request moves the "next
                 free slot" on by an interval; one that comes early waits, upstream untouched
    tokens       a bucket that replies empty by their tokens and that time fills again
    at once      how many requests may be under way
    tarpit       above TARPIT_FROM a refusal is answered late, one at a time

    interval = FASTEST_S * (SLOWEST_S / FASTEST_S) ** strength
               * (1 + log2(1 + exposure / EXPOSURE_UNIT))
    tokens/s = FASTEST_TOKENS * (SLOWEST_TOKENS / FASTEST_TOKENS) ** strength / (the same factor)

All workers of a machine share these (`respond.rows`). Waiting costs us a socket and a timer, so
it is bounded three ways: by time, per subject, and per worker. Beyond a bound the caller gets 429
with `Retry-After`. Time is monotonic: a wall clock that jumps moves nothing.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from typing import NoReturn

import msgspec

from titer.core.errors import Refused
from titer.core.nouns import Card, Standing
from titer.core.wire import Ended, Problem, Request, Settle, Transform
from titer.respond.rows import Rows

#: Seconds between requests at strength near 0 and at 1, before exposure counts.
FASTEST_S = 0.1
SLOWEST_S = 30.0

#: Tokens of replies a second at strength near 0 and at 1: ten fast streams, and less than one
#: page a minute.
FASTEST_TOKENS = 500.0
SLOWEST_TOKENS = 5.0

#: Seconds of that rate that a full bucket holds.
BUCKET_S = 60.0

#: Tokens after which the interval doubles (then at 3, 7, 15 ... times as many it grows by as
#: much again). About a day of a busy developer.
EXPOSURE_UNIT = 100_000

#: Requests served at once after a quiet time.
BURST = 3

#: Requests under way at once at strength near 0 and at 1: more than BURST, so that a page that
#: asks for a few things at a time is not refused.
MOST_AT_ONCE = 32
LEAST_AT_ONCE = 4

#: A request waits at most this long: the official SDKs give up after 600 s, proxies after 60.
MAX_WAIT_S = 20.0

#: A wait below this is noise of the arithmetic, and not worth a timer.
LEAST_WAIT_S = 0.001

#: Waiting requests per subject and per worker: each costs a socket and about 8 KB.
MAX_WAITING = 4
MAX_WAITING_ALL = 512

#: From this strength on a refusal comes late, by so many seconds, one at a time per subject and
#: while less than half of a worker's waiting places are taken.
TARPIT_FROM = 0.75
TARPIT_S = 5.0

#: Seconds that `Retry-After` says at most.
MAX_RETRY_S = 3600.0

#: A row: when the next request is due, until when the bucket is overdrawn, until when a refusal
#: waits (monotonic seconds), and how many are under way in each worker.
_SLOT, _EMPTY, _TARRED = range(3)
FIELDS = 3


class Throttle:
    """The mitigation. `clock` gives monotonic seconds; without `rows` (of `FIELDS` numbers, and
    own ones) the state is this object's.
    """

    card = Card(
        name="throttle",
        version="2",
        technique="AML.T0024",
        measures="spaces a caller's requests and its replies' tokens by strength and by what it, "
        "or its campaign, has already taken",
        blind_to="callers who were slow anyway, or who spread over keys that are not yet linked",
        benign_causes="a batch job or an evaluation run; it finishes later, with the same answers",
        cost="12 us a request and its end; at most 512 waiting sockets a worker",
        lifecycle="calibrated",
        stage="pace",
        apart=True,
    )

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, rows: Rows | None = None
    ) -> None:
        self._clock = clock
        self._rows = rows if rows is not None else Rows(fields=FIELDS, own=True)
        self._waiting: list[float] = []

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """The request with a delay; raises `Refused` (rate_limit) where waiting is at its cap."""
        if strength <= 0:
            return request
        now = self._clock()
        key = standing.campaign or standing.subject
        exposure = max(standing.exposure, standing.shared)
        step = interval(strength, exposure)
        waiting = self._waiting
        while waiting and waiting[0] <= now:
            heapq.heappop(waiting)
        with self._rows.hold(key) as row:
            slot = max(row[_SLOT], now)
            wait = max(slot - now - (BURST - 1) * step, row[_EMPTY] - now - BUCKET_S)
            if wait < LEAST_WAIT_S:
                wait = 0.0
            if wait > 0 and (
                wait > min(MAX_WAIT_S, MAX_WAITING * step + LEAST_WAIT_S)
                or len(waiting) >= MAX_WAITING_ALL
            ):
                self._refuse(row, max(wait, step), strength, now)
            if self._rows.under_way(row) >= at_once(strength):
                self._refuse(row, step, strength, now)
            row[_SLOT] = slot + step
            row[self._rows.own] += 1
        if wait > 0:
            heapq.heappush(waiting, now + wait)
        settle: Settle = _Settle(self._rows, key, token_rate(strength, exposure), self._clock)
        return msgspec.structs.replace(
            request, delay=max(request.delay, wait), settle=(*request.settle, settle)
        )

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """Replies pass untouched: a stream that has begun is not worth holding up."""
        del strength, standing
        return None

    def _refuse(self, row: list[float], seconds: float, strength: float, now: float) -> NoReturn:
        late = 0.0
        if (
            strength >= TARPIT_FROM
            and row[_TARRED] <= now
            and len(self._waiting) < MAX_WAITING_ALL // 2
        ):
            late = min(TARPIT_S, seconds)
            row[_TARRED] = now + late
            heapq.heappush(self._waiting, now + late)
        after = min(math.ceil(seconds), MAX_RETRY_S)
        raise Refused(
            Problem(
                kind="rate_limit",
                message=f"too many requests at once; try again in {after:.0f} s",
                code="throttled",
                retry_after=after,
                wait=late,
            )
        )


class _Settle:
    """Ends one request: its place is free, and its tokens are taken from the bucket."""

    __slots__ = ("_clock", "_key", "_rate", "_rows")

    def __init__(self, rows: Rows, key: str, rate: float, clock: Callable[[], float]) -> None:
        self._rows = rows
        self._key = key
        self._rate = rate
        self._clock = clock

    def __call__(self, ended: Ended | None) -> None:
        with self._rows.hold(self._key) as row:
            row[self._rows.own] = max(0.0, row[self._rows.own] - 1)
            if ended is not None and ended.tokens_out > 0:
                row[_EMPTY] = max(row[_EMPTY], self._clock()) + ended.tokens_out / self._rate


def interval(strength: float, exposure: int) -> float:
    """Seconds between two requests; rises with both arguments."""
    base = FASTEST_S * math.pow(SLOWEST_S / FASTEST_S, min(strength, 1.0))
    return base * _factor(exposure)


def token_rate(strength: float, exposure: int) -> float:
    """Tokens of replies a second; falls with both arguments."""
    base = FASTEST_TOKENS * math.pow(SLOWEST_TOKENS / FASTEST_TOKENS, min(strength, 1.0))
    return base / _factor(exposure)


def at_once(strength: float) -> int:
    """Requests that may be under way; falls with strength."""
    gentle = 1.0 - min(strength, 1.0)
    return LEAST_AT_ONCE + round((MOST_AT_ONCE - LEAST_AT_ONCE) * gentle * gentle)


def _factor(exposure: int) -> float:
    return 1.0 + math.log2(1.0 + max(exposure, 0) / EXPOSURE_UNIT)
