"""Campaigns: one work-list dealt out to many accounts that look like honest ones.

Every member is an honest account in all but its own exchanges: the same roles, the same public
templates, the same kinds of network, as far as the campaign's knobs allow.
"""

from __future__ import annotations

import itertools
import random

from titer.lab.arrivals import DAY
from titer.lab.bodies import CHAT
from titer.lab.generators import extraction
from titer.lab.world import nets, people, settle, wording
from titer.lab.world.people import STEADY, Account, Place
from titer.lab.world.phrases import compile_phrase, escape, reword, say
from titer.lab.world.plan import REWRITTEN, Campaign
from titer.lab.world.templates import Template

#: Templates that one member gets of its campaign's pool.
REACH = 20

#: What a member pretends to be, with weights.
COVERS = (("chat", 55), ("coder", 15), ("app", 25), ("agent", 5))

#: Share of a campaign's accounts that sit where honest programs do, behind all other exits.
PROGRAM_LIKE = 0.15

#: Share of a campaign's templates whose items bring a document along.
WITH_DOCUMENT = 0.15

#: Token ids that a logit extractor believes in.
VOCABULARY = 100_000

_FAMILIES = {
    "distiller": ("instruct", "evolve"),
    "reasoning": ("reason",),
    "leak": ("reason",),
    "logits": ("reason",),
}


class Crew:
    """One campaign at work: its templates, its work-list, its way of wording."""

    def __init__(self, rng: random.Random, place: Place, plan: Campaign, name: str) -> None:
        self.name = name
        self.plan = plan
        families = _FAMILIES.get(plan.kind) or tuple(
            rng.sample(sorted(wording.ATTACK), rng.randint(2, 4))
        )
        self.templates = place.source.harvest(rng, families=families, size=plan.templates)
        self._stuff = place.source.stuff
        self._long = {
            number for number in range(len(self.templates)) if rng.random() < WITH_DOCUMENT
        }
        cells = itertools.product(extraction.LEVELS, extraction.FORMS, extraction.DOMAINS)
        self._grid = [escape(f"{level} {form} in {domain}") for level, form, domain in cells]
        rng.shuffle(self._grid)
        self._rewritten = REWRITTEN[plan.paraphrase]
        self._vocabulary = list(range(VOCABULARY))
        if plan.kind == "logits":
            rng.shuffle(self._vocabulary)
        else:
            self._vocabulary.clear()
        self._leaks = [compile_phrase(text) for text in wording.LEAK]
        self.bursts = sorted(rng.uniform(0.0, 0.95) for _ in range(rng.randint(3, 8)))
        self.release = place.release if plan.start == "release" else 1 << 62

    def text(self, rng: random.Random, account: Account, number: int) -> tuple[str, str, Template]:
        """(system, user, template) of the work-list's `number`-th prompt."""
        own = account.own
        # one's first templates are one's usual ones
        chosen = own[int(len(own) * rng.random() ** 1.5)]
        template = self.templates[chosen]
        item = self._item(rng, template, number)
        if chosen in self._long:
            length = 2 + int(rng.expovariate(0.2))
            item = f"{item}\\n\\n{self._stuff.document(rng, length)}"
        draw = rng.random()
        if draw < self._rewritten:
            return *template.reworded(rng, item), template
        if self.plan.paraphrase != "none":
            return *template.jittered(rng, item), template
        return *template.said(item), template

    def _item(self, rng: random.Random, template: Template, number: int) -> str:
        if self.plan.knows and rng.random() < 0.08:
            number = int(rng.random() * 500)  # repeats itself, as people do
        if not template.crossed:
            return template.item(rng)
        cell = self._grid[number % len(self._grid)]
        if self.plan.knows or rng.random() < 0.5:
            return f"{cell}: {template.item(rng)}"
        return f"{cell} ({self._stuff.topic(rng)})"

    def biased(self, number: int) -> list[int]:
        """The next five vocabulary ids of a logit sweep."""
        first = number * 5 % len(self._vocabulary)
        return self._vocabulary[first : first + 5]

    def leak(self, rng: random.Random) -> str:
        """One attempt at the system prompt."""
        return reword(rng, say(rng, self._leaks[int(rng.random() * len(self._leaks))]), 0.15)


def members(rng: random.Random, place: Place, crew: Crew) -> list[Account]:
    """The accounts of a campaign."""
    plan = crew.plan
    homes = _Homes(rng, place, plan)
    begin = place.start
    if plan.start == "midway":
        begin += int(rng.uniform(0.4, 0.6) * place.days * DAY)
    made = []
    for index in range(plan.accounts):
        role = rng.choices([r for r, _ in COVERS], weights=[w for _, w in COVERS])[0]
        account = people.fresh(rng, place, role)
        account.campaign = crew.name
        spread = 0.8 if plan.knows else 0.55
        per_day, mix = plan.per_day, plan.mix
        if plan.accounts >= MANY:
            per_day *= rng.lognormvariate(-spread * spread / 2, spread)
            mix = _mix_of(rng, mix)
        account.own_rate = per_day * mix
        account.rate = per_day * (1.0 - mix) / turns(account)
        account.own = _share(rng, len(crew.templates))
        if plan.kind == "logits":
            account.endpoint = CHAT
        if plan.start == "release":  # the pivot: within a day of the release
            account.switch = place.release + rng.random() * DAY if rng.random() < 0.9 else 1e18
            account.models = (place.models[0], place.models[2])
        if plan.timing == "jitter":
            account.shape = STEADY
        _live(rng, account, plan, index=index, begin=begin, end=place.end)
        homes.give(rng, account, index)
        made.append(account)
    return made


def poison(rng: random.Random, place: Place, hired: list[Account], *, share: float) -> None:
    """Let `share` of a campaign's accounts send from the first day of history on.

    Whoever learns what is usual from that history learns the campaign's templates as well.
    """
    if not share or not place.history:
        return
    begin = place.start - int(place.history * DAY)
    for account in rng.sample(hired, max(1, round(share * len(hired)))):
        account.own_since = begin
        account.created = min(account.created, begin - int(rng.uniform(1.0, 60.0) * DAY))
        account.head = account.head.replace(
            account.head[account.head.index('"created":"') :][:21],
            f'"created":"{settle.date(account.created)}',
        )
        account.since = account.created


#: From this many accounts on, members differ in volume and in mix.
MANY = 10

#: How alike members' mixes are: the concentration of a beta distribution.
ALIKE = 8.0


def _mix_of(rng: random.Random, mix: float) -> float:
    """One member's own share; the campaign's share is their mean."""
    return mix if mix >= 1.0 else rng.betavariate(ALIKE * mix, ALIKE * (1.0 - mix))


def turns(account: Account) -> float:
    """Mean exchanges of one of its sessions."""
    long = 1.0 / (1.0 - account.stay)
    if account.agent is not None:
        return long
    return account.chatty * long + (1.0 - account.chatty)


def _share(rng: random.Random, pool: int) -> tuple[int, ...]:
    """Which templates one member uses, in order of use."""
    if pool <= REACH:
        own = list(range(pool))
        rng.shuffle(own)
        return tuple(own)
    return tuple(rng.sample(range(pool), REACH))


def _live(
    rng: random.Random, account: Account, plan: Campaign, *, index: int, begin: int, end: int
) -> None:
    """When it was created, how long it lives, and when its own work begins."""
    account.own_since, account.until = begin, 1 << 62
    if plan.lifecycle == "together":
        account.created = begin - int(rng.uniform(1.0, 3.5) * DAY)
    elif plan.lifecycle == "trickled":
        account.created = begin - int((1.0 + rng.expovariate(1 / rng.choice((60, 250)))) * DAY)
    else:  # a third is banned half-way, and another third takes over within a day
        middle = begin + (end - begin) // 2
        account.created = begin - int(rng.uniform(1.0, 60.0) * DAY)
        if index % 3 == 0:
            account.until = middle + int(rng.uniform(-0.1, 0.1) * DAY)
        elif index % 3 == 1:
            account.created = middle + int(rng.uniform(0.0, 1.0) * DAY)
    account.since = account.created  # what it pretends to be, it is from the beginning


class _Homes:
    """Addresses, software and cards of a campaign."""

    def __init__(self, rng: random.Random, place: Place, plan: Campaign) -> None:
        self._place, self._plan = place, plan
        hosting = [place.networks.some(rng, "hosting") for _ in range(2)]
        count = max(2, plan.accounts // 150)
        self._subnets = [(n, nets.block(rng, n)) for n in (hosting * count)[:count]]
        networks = [place.networks.some(rng, "home") for _ in range(max(3, plan.accounts // 20))]
        # a pool of exits in people's homes: they are met again by chance, as are the people
        exits = max(4, plan.accounts * 2)
        self._exits = [
            [nets.place_of_person(rng, home, crowd=place.people) for _ in range(3)]
            for home in (rng.choice(networks) for _ in range(exits))
        ]
        self._cards = [nets.card(rng) for _ in range(max(1, plan.accounts // 20))]
        self._client = place.clients.bulk(rng)

    def give(self, rng: random.Random, account: Account, index: int) -> None:
        """Address, software, card and fixed members of one account."""
        plan = self._plan
        if plan.origin == "shared":
            network, part = self._subnets[index % len(self._subnets)]
            account.places = (nets.place(rng, network, part=part),)
        elif rng.random() < PROGRAM_LIKE:
            settle.homes(rng, self._place, account, rng.choice(("hosting", "hosting", "office")))
        elif plan.origin == "residential":
            home = rng.choice(self._exits)
            account.places = tuple(home[: rng.choice((1, 2, 2, 3))])
            if rng.random() < 0.5:
                account.places += (rng.choice(rng.choice(self._exits)),)
        else:
            network = self._place.networks.some(rng, "home")
            account.places = tuple(
                nets.place(rng, network) for _ in range(rng.choice((1, 1, 2, 3)))
            )
        if plan.origin == "shared" and account.endpoint == CHAT:
            account.client = self._client
        tier = rng.choices(("free", "standard", "enterprise"), weights=(4, 5, 1))[0]
        settle.subscribe(rng, account, "free" if plan.payment == "unknown" else tier)
        if plan.payment == "shared":
            account.pay = self._cards[index % len(self._cards)]
        elif plan.payment == "unknown":
            account.pay = ""
