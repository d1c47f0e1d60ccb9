"""Attackers made to order: a distiller, a logit extractor, and a hydra of light accounts.

distiller   one key works through one work-list with a pipeline's templates
logits      one key sweeps the vocabulary with logit_bias and top_logprobs
hydra       many light accounts share one work-list, a few frames and similar networks,
            and hide among everyday questions (`cover` is the share that is cover)
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from titer.lab import arrivals, bodies, origins
from titer.lab.crowd import Span
from titer.lab.events import Account, Event, Member, reply_tokens
from titer.lab.generators import extraction
from titer.lab.prompts import Harvest, Prompts

MODEL = "demo-large"

#: Vocabulary that the logit extractor believes in, and ids per query (the APIs' usual top 5).
VOCABULARY = 100_000
BIASED_PER_QUERY = 5
BIAS = 100.0


def _account(
    rng: random.Random,
    span: Span,
    *,
    name: str,
    role: str,
    campaign: str,
    endpoint: str = bodies.CHAT,
    network: int = -1,
    subnet: int = -1,
    payment: str = "",
    age_days: int = 3,
) -> Account:
    program = origins.OPENAI_ASYNC if endpoint != bodies.MESSAGES else origins.ANTHROPIC_ASYNC
    return Account(
        name=name,
        role=role,
        org=f"org-{name}",
        tier="standard",
        created=span.start - age_days * arrivals.DAY,
        origin=origins.home(
            rng,
            kind="hosting",
            program=program,
            network=network,
            subnet=subnet,
            payment=payment,
        ),
        campaign=campaign,
    )


def distiller(
    rng: random.Random,
    prompts: Prompts,
    span: Span,
    *,
    name: str,
    per_day: int,
    families: tuple[str, ...] = ("instruct", "evolve", "reason", "grade"),
    campaign: str = "c-distil",
) -> Member:
    """One key that sends `per_day` prompts of one pipeline, day and night."""
    account = _account(rng, span, name=name, role="distiller", campaign=campaign)
    count = max(1, int(per_day * span.days))
    harvest = prompts.harvest(rng, families=families, size=count)

    def play(who: Account, own: random.Random) -> Iterator[Event]:
        gap = span.days * 86_400 / count
        times = arrivals.steady(own, start=span.start, count=count, gap=gap, jitter=0.3)
        for number, at in enumerate(times):
            yield _harvest_event(at, who, own, harvest, number)

    return Member(account, f"{rng.getrandbits(64):x}", play)


def _harvest_event(
    at: int, account: Account, rng: random.Random, harvest: Harvest, number: int
) -> Event:
    text = harvest.prompt(rng, harvest.seeds[number % len(harvest.seeds)])
    body = bodies.conversation(
        bodies.CHAT,
        model=MODEL,
        turns=[("user", text)],
        system="You are a helpful assistant.",
        extra={"temperature": 0.7, "top_p": 0.95, "max_tokens": 2048},
    )
    tokens = reply_tokens(rng, median=700, spread=0.4)
    return Event(at, account, bodies.CHAT, body, tokens, attack=True)


def logits(
    rng: random.Random, span: Span, *, name: str, per_day: int, campaign: str = "c-logits"
) -> Member:
    """One key that asks for one token at a time with a bias on the next few vocabulary ids."""
    account = _account(rng, span, name=name, role="logits", campaign=campaign)
    count = max(1, int(per_day * span.days))

    def play(who: Account, own: random.Random) -> Iterator[Event]:
        ids = list(range(VOCABULARY))
        own.shuffle(ids)
        text = extraction.short_prompt(own)
        gap = span.days * 86_400 / count
        times = arrivals.steady(own, start=span.start, count=count, gap=gap, jitter=0.2)
        for number, at in enumerate(times):
            first = number * BIASED_PER_QUERY % VOCABULARY
            biased = ids[first : first + BIASED_PER_QUERY]
            body = bodies.logit_query(
                model=MODEL, text=text, biased=biased, bias=BIAS, top=BIASED_PER_QUERY
            )
            yield Event(at, who, bodies.CHAT, body, 1, finish="length", attack=True)

    return Member(account, f"{rng.getrandbits(64):x}", play)


def hydra(
    rng: random.Random,
    prompts: Prompts,
    span: Span,
    *,
    accounts: int,
    per_day: float,
    cover: float,
    prefix: str = "x",
    subnets: int = 5,
    cards: int = 6,
    families: tuple[str, ...] = ("reason", "evolve"),
    campaign: str = "c-hydra",
) -> list[Member]:
    """`accounts` light members who deal one work-list out among themselves.

    Each sends about `per_day` requests, of which the share `cover` is everyday chat; they sit in
    `subnets` /24s of one hosting network, pay with `cards` cards, and were signed up within the
    same few days.
    """
    if not 0.0 <= cover < 1.0:
        raise ValueError("cover must be 0 or more and below 1")
    each = max(1, int(per_day * span.days))
    harvest = prompts.harvest(rng, families=families, size=accounts * each)
    network = rng.randrange(1000)
    parts = [rng.randrange(256) for _ in range(subnets)]
    paid = [f"card-{rng.getrandbits(40):010x}" for _ in range(cards)]
    members = []
    for index in range(accounts):
        account = _account(
            rng,
            span,
            name=f"{prefix}{index:04d}",
            role="hydra",
            campaign=campaign,
            network=network,
            subnet=parts[index % subnets],
            payment=paid[index % cards],
            age_days=rng.randint(4, 8),
        )
        play = _Head(
            prompts, span, harvest, index=index, accounts=accounts, each=each, cover=cover
        ).play
        members.append(Member(account, f"{rng.getrandbits(64):x}", play))
    return members


class _Head:
    """One account of a hydra: every `accounts`-th seed is its share."""

    def __init__(
        self,
        prompts: Prompts,
        span: Span,
        harvest: Harvest,
        *,
        index: int,
        accounts: int,
        each: int,
        cover: float,
    ) -> None:
        self._prompts = prompts
        self._span = span
        self._harvest = harvest
        self._number = index
        self._accounts = accounts
        self._each = each
        self._cover = cover

    def play(self, account: Account, rng: random.Random) -> Iterator[Event]:
        span = self._span
        cover = self._prompts.person(rng)
        number = self._number
        begin = span.start + int(rng.random() * arrivals.HOUR)
        gap = span.days * 86_400 / self._each
        for at in arrivals.steady(rng, start=begin, count=self._each, gap=gap, jitter=0.9):
            if rng.random() < self._cover:
                turns = [("user", cover.opening(rng))]
                body = bodies.conversation(bodies.CHAT, model=MODEL, turns=turns)
                yield Event(at, account, bodies.CHAT, body, reply_tokens(rng, median=180))
            else:
                yield _harvest_event(at, account, rng, self._harvest, number)
                number += self._accounts
