"""Honest crowds: many kinds of people and programs, with the heavy tails that real traffic has.

Shares of accounts are in `MIX`. Most are light chat users; the rest are what naive rules take
for attackers: batch jobs (one template, thousands of documents), evaluation runs, support bots,
teams that share templates, classes on one task, agents, and a reseller that carries strangers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from titer.lab import arrivals, bodies, origins
from titer.lab.events import Account, Event, Member, reply_tokens
from titer.lab.generators import making, study, work
from titer.lab.prompts import Prompts, Talker

#: Relative numbers of accounts by role. Group roles (team, class) count accounts, not groups.
MIX = {
    "chat": 800,
    "coder": 80,
    "agent": 25,
    "team": 45,
    "class": 20,
    "support": 10,
    "batch": 10,
    "evaluation": 6,
    "reseller": 4,
}

MODELS = ("demo-large", "demo-large", "demo-large", "demo-small")
PUPILS = 30

Behaviour = Callable[[Account, random.Random], Iterator[Event]]


class Span:
    """When and at what pace a crowd lives: start (microseconds), days, requests by volume."""

    __slots__ = ("days", "pace", "start", "windows")

    def __init__(
        self,
        *,
        start: int,
        days: float,
        pace: float = 1.0,
        windows: Sequence[Sequence[tuple[float, float]]] = (),
    ) -> None:
        self.start = start
        self.days = days
        self.pace = pace
        self.windows = windows


def honest(
    rng: random.Random, prompts: Prompts, span: Span, *, accounts: int, prefix: str = "h"
) -> list[Member]:
    """`accounts` honest members of every kind in `MIX`. Names carry no hint of the role."""
    roles = _roles(rng, accounts)
    members: list[Member] = []
    for index, (role, team) in enumerate(roles):
        name = f"{prefix}{index:05d}"
        seed = f"{rng.getrandbits(64):x}"
        members.append(
            _member(name=name, role=role, team=team, seed=seed, prompts=prompts, span=span)
        )
    return members


def _roles(rng: random.Random, accounts: int) -> list[tuple[str, str]]:
    """(role, team) of every account, shuffled; every role appears when there is room."""
    total = sum(MIX.values())
    counts = {role: max(1, accounts * share // total) for role, share in MIX.items()}
    counts["class"] = counts["class"] // PUPILS * PUPILS or (PUPILS if accounts >= 300 else 0)
    counts["chat"] = 0
    counts["chat"] = max(0, accounts - sum(counts.values()))
    roles: list[tuple[str, str]] = []
    for role, count in counts.items():
        left, group = count, 0
        while left > 0:
            size = {"team": rng.randint(3, 9), "class": PUPILS}.get(role, 1)
            team = f"{role}-{group}-{rng.getrandbits(24):06x}" if size > 1 else ""
            roles += [(role, team)] * min(size, left)
            left -= size
            group += 1
    roles = roles[:accounts]
    rng.shuffle(roles)
    return roles


def _member(*, name: str, role: str, team: str, seed: str, prompts: Prompts, span: Span) -> Member:
    rng = random.Random(f"{seed}/home")
    shared = random.Random(f"{team}/home") if team else rng
    endpoint = rng.choices((bodies.CHAT, bodies.MESSAGES, bodies.RESPONSES), weights=(62, 26, 12))[
        0
    ]
    if role == "agent":
        endpoint = bodies.CHAT
    program = origins.software(rng, endpoint)
    kind = {"chat": "home", "class": "office", "team": "office"}.get(role, "hosting")
    if role == "coder":
        kind = rng.choice(("home", "office"))
    account = Account(
        name=name,
        role=role,
        org=f"org-{team}" if role == "team" else f"org-{name}",
        tier=rng.choice(("free", "standard", "standard", "enterprise")),
        created=span.start - int(rng.expovariate(1 / 200) + 1) * arrivals.DAY,
        origin=origins.home(
            rng,
            kind=kind,
            program=program,
            network=shared.randrange(1000) if team else -1,
            payment=f"card-{team}" if role == "team" else "",
        ),
        team=team,
    )
    return Member(account, seed, _Plan(prompts, span, endpoint, rng.choice(MODELS)).of(role))


class _Plan:
    """The behaviours, each a generator of one account's events."""

    def __init__(self, prompts: Prompts, span: Span, endpoint: str, model: str) -> None:
        self._prompts = prompts
        self._span = span
        self._endpoint = endpoint
        self._model = model

    def of(self, role: str) -> Behaviour:
        return {
            "chat": self.chat,
            "coder": self.code,
            "agent": self.agent,
            "team": self.team,
            "class": self.pupil,
            "support": self.support,
            "batch": self.batch,
            "evaluation": self.evaluation,
            "reseller": self.reseller,
        }[role]

    def chat(self, account: Account, rng: random.Random) -> Iterator[Event]:
        return self._converse(account, rng, self._prompts.person(rng), per_day=2.0, streams=0.5)

    def code(self, account: Account, rng: random.Random) -> Iterator[Event]:
        return self._converse(account, rng, self._prompts.coder(rng), per_day=4.0, streams=0.7)

    def pupil(self, account: Account, rng: random.Random) -> Iterator[Event]:
        task = study.assignment(random.Random(account.team))
        return self._converse(account, rng, _Pupil(task), per_day=2.0, streams=0.5)

    def reseller(self, account: Account, rng: random.Random) -> Iterator[Event]:
        """Strangers behind one key: every session is another person."""
        crowd = _Strangers([self._prompts.person(rng) for _ in range(40)])
        return self._converse(account, rng, crowd, per_day=60.0, streams=0.5)

    def _converse(
        self, account: Account, rng: random.Random, who: Talker, *, per_day: float, streams: float
    ) -> Iterator[Event]:
        span = self._span
        stream = rng.random() < streams
        stay = 0.3 + 0.4 * rng.random()
        rate = arrivals.volume(rng, median=per_day) * span.pace
        zone = rng.randrange(-10, 13)
        last = 0
        for begin in arrivals.sessions(
            rng, start=span.start, days=span.days, per_day=rate, zone=zone
        ):
            at = max(begin, last + arrivals.SECOND)
            turns: list[bodies.Turn] = [("user", who.opening(rng))]
            while True:
                body = bodies.conversation(
                    self._endpoint, model=self._model, turns=turns, stream=stream
                )
                tokens = reply_tokens(rng, median=180)
                yield Event(at, account, self._endpoint, body, tokens)
                last = at
                if rng.random() > stay or len(turns) >= 15:
                    break
                at += arrivals.pause(rng)
                turns = [
                    *turns,
                    ("assistant", work.document(rng, sentences=2)),
                    ("user", who.follow_up(rng)),
                ]

    def team(self, account: Account, rng: random.Random) -> Iterator[Event]:
        """A colleague: half own questions, half one of the team's few templates."""
        shared = random.Random(account.team)
        jobs = [self._prompts.batch(shared) for _ in range(shared.randint(2, 6))]
        mine = self._converse(account, rng, self._prompts.person(rng), per_day=4.0, streams=0.2)
        for event in mine:
            if rng.random() < 0.5:
                yield event
            else:
                job = rng.choice(jobs)
                yield self._once(event.at, account, rng, job.fixed + job.item(rng), median=120)

    def support(self, account: Account, rng: random.Random) -> Iterator[Event]:
        job = self._prompts.support(rng)
        for at in self._times(rng, median=80.0):
            yield self._once(at, account, rng, job.item(rng), system=job.fixed, median=70)

    def batch(self, account: Account, rng: random.Random) -> Iterator[Event]:
        job = self._prompts.batch(rng)
        median = rng.choice((4, 12, 25, 40))  # a label, some fields, a line, a summary
        extra = self._labels(rng) if median == 4 else None
        for at in self._times(rng, median=150.0):
            text = job.fixed + job.item(rng)
            yield self._once(at, account, rng, text, median=median, spread=0.4, extra=extra)

    def _labels(self, rng: random.Random) -> dict[str, Any] | None:
        """Some classifiers push the model to their few labels: an honest `logit_bias`."""
        if self._endpoint != bodies.CHAT or rng.random() < 0.6:
            return None
        labels = {str(rng.randrange(100_000)): 8 for _ in range(rng.randint(2, 6))}
        return {"max_tokens": 4, "logit_bias": labels}

    def evaluation(self, account: Account, rng: random.Random) -> Iterator[Event]:
        job = self._prompts.evaluation(rng)
        median = 6 if rng.random() < 0.7 else 30  # an option's letter, or a short working
        count = int(min(2000.0, 120 * self._span.pace * rng.paretovariate(1.2)))
        begin = self._span.start + int(rng.random() * arrivals.DAY)
        extra: dict[str, Any] = {"temperature": 0}
        if self._endpoint == bodies.CHAT and rng.random() < 0.4:  # scored by log-likelihood
            extra |= {"logprobs": True, "top_logprobs": 5}
        for at in arrivals.steady(rng, start=begin, count=count, gap=3.0, jitter=0.5):
            text = job.fixed + job.item(rng)
            yield self._once(at, account, rng, text, median=median, spread=0.5, extra=extra)

    def _times(self, rng: random.Random, *, median: float) -> Iterator[int]:
        """Times of a program's calls: after a real client's when traces are there."""
        span = self._span
        per_day = arrivals.volume(rng, median=median) * span.pace
        count = max(1, int(per_day * span.days))
        if span.windows:
            windows = rng.choice(span.windows)
            times = arrivals.following(rng, windows, start=span.start, days=span.days, count=count)
            return iter(times)
        begin = span.start + int(rng.random() * arrivals.DAY / 2)
        gap = span.days * 86_400 * 0.45 / count
        return arrivals.steady(rng, start=begin, count=count, gap=gap, jitter=0.9)

    def agent(self, account: Account, rng: random.Random) -> Iterator[Event]:
        system = work.system_prompt(rng)
        tools = making.tools(rng)
        names = [tool["function"]["name"] for tool in tools]
        for begin in self._times(rng, median=8.0):
            steps: list[bodies.Turn] = []
            goal = making.goal(rng)
            at = begin
            for _ in range(rng.randint(2, 8)):
                body = bodies.agent_turn(
                    model=self._model, system=system, goal=goal, tools=tools, steps=steps
                )
                tokens = reply_tokens(rng, median=30, spread=0.5)
                yield Event(at, account, bodies.CHAT, body, tokens, finish="tool_calls")
                steps = [*steps, (rng.choice(names), making.tool_result(rng))]
                at += int(rng.uniform(1.0, 4.0) * arrivals.SECOND)

    def _once(
        self,
        at: int,
        account: Account,
        rng: random.Random,
        text: str,
        *,
        median: float,
        spread: float = 0.9,
        system: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> Event:
        body = bodies.conversation(
            self._endpoint, model=self._model, turns=[("user", text)], system=system, extra=extra
        )
        tokens = reply_tokens(rng, median=median, spread=spread)
        return Event(at, account, self._endpoint, body, tokens)


class _Pupil:
    def __init__(self, task: str) -> None:
        self._task = task

    def opening(self, rng: random.Random) -> str:
        return study.pupil_question(rng, self._task)

    def follow_up(self, rng: random.Random) -> str:
        return rng.choice(("shorter", "why", "make it simpler", study.pupil_question(rng, "it")))


class _Strangers:
    def __init__(self, people: list[Talker]) -> None:
        self._people = people
        self._now = people[0]

    def opening(self, rng: random.Random) -> str:
        self._now = rng.choice(self._people)
        return self._now.opening(rng)

    def follow_up(self, rng: random.Random) -> str:
        return self._now.follow_up(rng)
