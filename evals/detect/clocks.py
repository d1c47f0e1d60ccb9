"""When an organisation calls, and from where: people, services, jobs."""

from __future__ import annotations

import bisect
import itertools
import random

from titer.core.nouns import Origin

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
#: Days that a crowd is watched, and the day on which a new model is released.
DAYS, RELEASE_DAY = 28, 15
START = 20_000 * DAY
MODELS = ("m-1", "m-2", "m-mini")
#: Relative activity by local hour of people.
_HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 12, 10, 11, 12, 12, 11, 10, 10, 11, 12, 10, 7, 4)
_SUMS = tuple(itertools.accumulate(_HOURS))
_AGENTS = {
    "person": ("browser", "Mozilla", "python-httpx", "app-ios", "app-android"),
    "program": ("python-httpx", "OpenAI/Python", "OpenAI/JS", "node-fetch", "Go-http-client",
                "langchain", "AsyncOpenAI/Python", "okhttp"),
}  # fmt: skip


def people(rng: random.Random, count: int) -> list[int]:
    """Sessions in the hours of one time zone, with pauses to read and type."""
    zone, weekends = rng.randrange(24), rng.random() < 0.6
    times: list[int] = []
    while len(times) < count:
        day = rng.randrange(DAYS)
        if not weekends and day % 7 in (5, 6):
            continue
        at = START + day * DAY + _hour(rng, zone)
        for _ in range(min(count - len(times), 1 + int(rng.expovariate(0.2)))):
            times.append(at)
            at += int(min(rng.lognormvariate(4.0, 0.9), 1500.0) * SECOND) + SECOND
    times.sort()
    return times


def service(rng: random.Random, count: int) -> list[int]:
    """Traffic of an application's own users: the day's rhythm, flat for a world-wide one."""
    zone, flat = rng.randrange(24), rng.random() < 0.35
    first = rng.randrange(DAYS - 3) if rng.random() < 0.4 else 0
    return sorted(
        START
        + rng.randrange(first, DAYS) * DAY
        + (rng.randrange(DAY) if flat else _hour(rng, zone))
        for _ in range(count)
    )


def runs(rng: random.Random, count: int) -> list[int]:
    """One to a few runs, steady within: batches, evaluations, content at scale."""
    number = rng.choice((1, 1, 2, 3, 5))
    gap, jitter = rng.uniform(0.05, 12.0) * SECOND, rng.choice((0.02, 0.2, 0.8))
    starts = [START + int(rng.random() * (DAYS - 1) * DAY) for _ in range(number)]
    times = []
    for i in range(count):
        k = i % number
        times.append(starts[k])
        starts[k] += max(1, int(gap * (1.0 + jitter * (2.0 * rng.random() - 1.0))))
    times.sort()
    return times


def cron(rng: random.Random, count: int) -> list[int]:
    """The same minute of every hour or every day, some requests each time."""
    every = rng.choice((HOUR, 6 * HOUR, DAY))
    offset = rng.randrange(every)
    slots = DAYS * DAY // every
    times = [
        START + (i * slots // count) * every + offset + int(rng.random() * 90 * SECOND)
        for i in range(count)
    ]
    times.sort()
    return times


def around(rng: random.Random, count: int) -> list[int]:
    """Steadily around the clock for some days, lightly jittered: a harvest."""
    days = rng.uniform(0.5, DAYS - 1)
    at = START + int(rng.random() * (DAYS - days) * DAY)
    gap = days * DAY / count
    spread = rng.choice((0.1, 0.5, 1.0))
    return sorted(int(at + gap * (i + spread * rng.random())) for i in range(count))


def copied(rng: random.Random, count: int) -> list[int]:
    """A harvest that keeps the hours of an office."""
    return service(rng, count) if rng.random() < 0.5 else people(rng, count)


def _hour(rng: random.Random, zone: int) -> int:
    hour = bisect.bisect(_SUMS, rng.random() * _SUMS[-1])
    return ((hour - zone) % 24) * HOUR + rng.randrange(HOUR)


def origins(rng: random.Random, *, program: bool, kinds: dict[str, int]) -> list[Origin]:
    """The places that one organisation calls from: a few addresses of one or two networks."""
    agents = _AGENTS["program" if program else "person"]
    number = 1 + min(int(rng.expovariate(0.9)), 6)
    asn = rng.randrange(64_500, 64_900)
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    agent, ja4 = rng.choice(agents), f"t13d{rng.randrange(12):04d}"
    headers = f"h{rng.randrange(20)}"
    found = []
    for _ in range(number):
        net = f"n{rng.randrange(10**7)}"
        found.append(
            Origin(
                ip=f"{net}-{rng.randrange(250)}", net=net, asn=asn, ja4=ja4, headers=headers,
                agent=agent, kind=kind,
            )
        )  # fmt: skip
        if rng.random() < 0.15:
            agent, headers = rng.choice(agents), f"h{rng.randrange(20)}"
    return found


class Choice:
    """Which model an organisation calls at a time: most follow a release slowly or never."""

    def __init__(self, rng: random.Random, *, eager: float = 0.08) -> None:
        self._release = START + RELEASE_DAY * DAY
        self._old = MODELS[0] if rng.random() < 0.7 else MODELS[2]
        draw = rng.random()
        if draw < eager:
            self._moves = self._release + int(rng.random() * DAY)
        elif draw < 0.55:
            self._moves = self._release + int(rng.expovariate(1 / 6.0) * DAY)
        else:
            self._moves = 1 << 62

    def at(self, at: int) -> str:
        return MODELS[1] if at >= self._moves else self._old
