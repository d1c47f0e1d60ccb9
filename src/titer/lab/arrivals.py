"""When people and programs call: sessions over the day, heavy-tailed volumes, steady jobs.

All times are microseconds since 1970. Volumes follow Zipf's law (a Pareto tail), as production
traces do: a few callers make most of the traffic.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterator, Sequence

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR

#: Relative activity of people by local hour; nights are quiet, never silent.
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 12, 10, 11, 12, 12, 11, 10, 10, 11, 12, 10, 7, 4)
_CUMULATIVE = tuple(itertools.accumulate(HOURS))

#: A person's share of requests is capped: nobody types faster than this per day.
MAX_PER_DAY = 400.0


def volume(rng: random.Random, *, median: float, tail: float = 1.3) -> float:
    """Sessions a day of one caller: Pareto with the given median, capped at `MAX_PER_DAY`."""
    low = median / 2 ** (1 / tail)
    return float(min(MAX_PER_DAY, low * (1.0 - rng.random()) ** (-1.0 / tail)))


def sessions(
    rng: random.Random, *, start: int, days: float, per_day: float, zone: int
) -> Iterator[int]:
    """Start times of one person's sessions, in order. `zone` shifts the day by whole hours."""
    for day in range(max(1, round(days))):
        weekend = (day + 4) % 7 in (5, 6)
        count = _poisson(rng, per_day * (0.6 if weekend else 1.0))
        yield from sorted(start + day * DAY + _moment(rng, zone) for _ in range(count))


def _moment(rng: random.Random, zone: int) -> int:
    hour = bisect.bisect(_CUMULATIVE, rng.random() * _CUMULATIVE[-1])
    return ((hour - zone) % 24) * HOUR + int(rng.random() * HOUR)


def _poisson(rng: random.Random, mean: float) -> int:
    count, left = 0, mean
    while (left := left - rng.expovariate(1.0)) > 0:
        count += 1
    return count


def pause(rng: random.Random) -> int:
    """Microseconds until the same person's next message: reading, thinking, typing."""
    return int(min(rng.lognormvariate(4.0, 0.9), 1500.0) * SECOND) + SECOND


def steady(
    rng: random.Random, *, start: int, count: int, gap: float, jitter: float
) -> Iterator[int]:
    """`count` times, about `gap` seconds apart; `jitter` 0..1 of the gap is random."""
    at = start
    for _ in range(count):
        yield at
        at += max(1, int(gap * SECOND * (1.0 + jitter * (2.0 * rng.random() - 1.0))))


def following(
    rng: random.Random,
    windows: Sequence[tuple[float, float]],
    *,
    start: int,
    days: float,
    count: int,
) -> list[int]:
    """`count` times that follow a real client's windows, squeezed or stretched to `days`."""
    first, last = windows[0][0], windows[-1][0] + 600.0
    scale = days * DAY / max(1.0, last - first)
    weights = list(itertools.accumulate(share for _, share in windows))
    times = []
    for _ in range(count):
        index = min(bisect.bisect(weights, rng.random() * weights[-1]), len(windows) - 1)
        within = windows[index][0] - first + 600.0 * rng.random()
        times.append(start + int(within * scale))
    return sorted(times)
