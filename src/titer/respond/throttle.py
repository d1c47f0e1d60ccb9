"""Throttle: the more was taken and the surer we are, the further apart requests are served.

One leaky bucket per subject (the generic cell rate algorithm): each request moves the subject's
"next free slot" on by an interval; a request that comes early waits for its slot, upstream
untouched. Waiting costs us a socket and a timer, so it is bounded three ways: by time, per
subject, and per worker. Beyond a bound the caller gets 429 with `Retry-After`.

    interval = FASTEST_S * (SLOWEST_S / FASTEST_S) ** strength
               * (1 + log2(1 + exposure / EXPOSURE_UNIT))
"""

from __future__ import annotations

import heapq
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NoReturn

import msgspec

from titer.core.errors import Refused
from titer.core.nouns import Card, Standing
from titer.core.wire import Problem, Request, Transform

#: Seconds between requests at strength near 0 and at 1, before exposure counts.
FASTEST_S = 0.1
SLOWEST_S = 30.0

#: Tokens after which the interval doubles (then at 3, 7, 15 ... times as many it grows by as
#: much again). About a day of a busy developer.
EXPOSURE_UNIT = 100_000

#: Requests served at once after a quiet time.
BURST = 3

#: A request waits at most this long: the official SDKs give up after 600 s, proxies after 60.
MAX_WAIT_S = 20.0

#: A wait below this is noise of the arithmetic, and not worth a timer.
LEAST_WAIT_S = 0.001

#: Waiting requests per subject and per worker: each costs a socket and about 8 KB.
MAX_WAITING = 4
MAX_WAITING_ALL = 512

#: Seconds that `Retry-After` says at most.
MAX_RETRY_S = 3600.0

#: Subjects remembered; only subjects under a dose are.
MAX_SUBJECTS = 65_536


class Throttle:
    """The mitigation. State lives in this worker; `clock` gives monotonic seconds."""

    card = Card(
        name="throttle",
        version="1",
        technique="AML.T0024",
        measures="spaces a caller's requests by strength and by what it has already taken",
        blind_to="callers who were slow anyway, or who spread over keys that are not yet linked",
        benign_causes="a batch job or an evaluation run; it finishes later, with the same answers",
        cost="2 us a request; at most 512 waiting sockets a worker",
        lifecycle="calibrated",
    )

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slots: OrderedDict[str, float] = OrderedDict()
        self._waiting: list[float] = []

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """The request with a delay; raises `Refused` (rate_limit) where waiting is at its cap."""
        if strength <= 0:
            return request
        now = self._clock()
        step = interval(strength, standing.exposure)
        subject = standing.subject
        slot = max(self._slots.get(subject, 0.0), now)
        wait = slot - now - (BURST - 1) * step
        if wait < LEAST_WAIT_S:
            wait = 0.0
        while self._waiting and self._waiting[0] <= now:
            heapq.heappop(self._waiting)
        if wait > 0 and (
            wait > min(MAX_WAIT_S, MAX_WAITING * step + LEAST_WAIT_S)
            or len(self._waiting) >= MAX_WAITING_ALL
        ):
            _refuse(max(wait, step))
        self._remember(subject, slot + step)
        if wait > 0:
            heapq.heappush(self._waiting, now + wait)
            return msgspec.structs.replace(request, delay=max(request.delay, wait))
        return request

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """Replies pass untouched: a stream that has begun is not worth holding up."""
        del strength, standing
        return None

    def _remember(self, subject: str, slot: float) -> None:
        self._slots[subject] = slot
        self._slots.move_to_end(subject)
        if len(self._slots) > MAX_SUBJECTS:
            self._slots.popitem(last=False)


def interval(strength: float, exposure: int) -> float:
    """Seconds between two requests; rises with both arguments."""
    base = FASTEST_S * math.pow(SLOWEST_S / FASTEST_S, min(strength, 1.0))
    return base * (1.0 + math.log2(1.0 + max(exposure, 0) / EXPOSURE_UNIT))


def _refuse(seconds: float) -> NoReturn:
    after = min(math.ceil(seconds), MAX_RETRY_S)
    raise Refused(
        Problem(
            kind="rate_limit",
            message=f"too many requests at once; try again in {after:.0f} s",
            code="throttled",
            retry_after=after,
        )
    )
