"""The honest population of a world, with what naive rules take for attackers.

Beside people who chat: teams that share templates, networks and cards without declaring it,
classes on one assignment, thousands behind one campus or VPN, a promotion's wave of new
accounts, users of public frameworks old and new, batch jobs, benchmark runs, resellers, one
client with a large share of all traffic, and an in-house distillation that holds a grant.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from titer.lab.arrivals import DAY
from titer.lab.bodies import CHAT, MESSAGES, RESPONSES
from titer.lab.world import nets, templates
from titer.lab.world.source import Source
from titer.lab.world.talk import Pupil, Talker, class_of
from titer.lab.world.templates import Template

#: Accounts of a thousand, by role. Group roles count accounts; chat takes what is left.
MIX = {
    "coder": 150,
    "app": 240,
    "agent": 30,
    "team": 80,
    "class": 30,
    "support": 10,
    "batch": 14,
    "evaluation": 8,
    "reseller": 4,
}
#: Smallest population that gets an in-house distillation.
IN_HOUSE_FROM = 400

#: How events are spread: see `schedule`.
PEOPLE, STEADY, BURSTY, RUNS = range(4)

Jobs = list[tuple[Template, float]]


class Account:
    """One account: how it looks, what it sends, and how much of it."""

    __slots__ = (
        "agent", "campaign", "chatty", "client", "created", "endpoint", "head", "jobs", "models",
        "name", "own", "own_rate", "own_since", "params", "pay", "places", "rate", "role", "run",
        "shape", "since", "stay", "stream", "switch", "talk", "team", "tools", "until", "wordy",
        "zone",
    )  # fmt: skip

    def __init__(self, name: str, role: str) -> None:
        self.name = name
        self.role = role
        self.team = ""
        self.campaign = ""
        self.head = ""  # JSON members org, tier, created, grants
        self.places: tuple[str, ...] = ()
        self.client = ""
        self.pay = ""
        self.endpoint = CHAT
        self.models = ("", "")  # before and after it moves to the new release
        self.switch = 1e18  # when it moves, microseconds
        self.created = 0
        self.since = -(1 << 62)
        self.until = 1 << 62
        self.rate = 1.0  # sessions a day
        self.shape = PEOPLE
        self.zone = 0
        self.stay = 0.0  # chance of one more turn
        self.chatty = 1.0  # share of sessions that are talk
        self.params = ""  # JSON members of its usual settings, each with a leading comma
        self.stream = False
        self.wordy = 1.0  # length of its replies, against the usual
        self.talk: Talker | None = None
        self.jobs: tuple[tuple[float, Jobs], ...] = ()  # (cumulative share, templates and days)
        self.agent: Template | None = None
        self.tools = ""
        self.run: tuple[int, ...] = ()  # benchmarks that it runs
        self.own: tuple[int, ...] = ()  # templates of its campaign
        self.own_since = 1 << 62  # when its campaign begins
        self.own_rate = 0.0  # its campaign's exchanges a day


class Place:
    """What everybody in a world shares: time, networks, software, public templates, models."""

    def __init__(
        self,
        rng: random.Random,
        source: Source,
        *,
        start: int,
        days: float,
        history: float,
        people: int,
    ) -> None:
        self.source = source
        self.people = people
        self.start = start
        self.days = days
        self.history = history
        self.end = start + int(days * DAY)
        self.networks = nets.Networks(rng)
        self.clients = nets.Clients(rng)
        self.catalogue = templates.Catalogue(
            rng,
            source.template,
            size=min(3000, max(60, people // 6)),
            first_day=-history,
            days=days,
        )
        self.benchmarks = [source.benchmark(rng) for _ in range(12)]
        self.agents = [
            (source.template(rng), templates.tools(rng)) for _ in range(max(8, people // 200))
        ]
        tree = rng.choice(("alder", "birch", "cedar", "dune", "ember", "fjord"))
        brand = f"{tree}-{rng.randint(2, 5)}"
        self.models = (f"{brand}-large", f"{brand}-small", f"{brand}.5-large")
        self.release = start + int(rng.uniform(0.35, 0.55) * days * DAY)
        self.campus = [self.networks.some(rng, "campus") for _ in range(max(1, people // 4000))]


def volume(rng: random.Random, median: float, *, tail: float = 1.25, cap: float = 2500.0) -> float:
    """Sessions a day: a Pareto tail with the given median."""
    low = median / 2 ** (1 / tail)
    return float(min(cap, low * (1.0 - rng.random()) ** (-1.0 / tail)))


def name_of(rng: random.Random) -> str:
    """An account's name, which tells nothing."""
    return f"acct-{rng.getrandbits(44):011x}"


def fresh(rng: random.Random, place: Place, role: str) -> Account:
    """An account of `role` with a body and habits, but no home yet."""
    account = Account(name_of(rng), role)
    source = place.source
    endpoint = rng.choices((CHAT, MESSAGES, RESPONSES), weights=(62, 26, 12))[0]
    account.endpoint = CHAT if role == "agent" else endpoint
    account.client = place.clients.some(rng, messages=account.endpoint == MESSAGES)
    account.stream = rng.random() < 0.4
    account.params = templates.settings(rng, endpoint=account.endpoint)
    account.wordy = rng.lognormvariate(0.0, 0.6)
    account.zone = rng.choices((-8, -6, -5, -3, 0, 1, 2, 3, 5, 8, 9), k=1)[0]
    model = place.models[0] if rng.random() < 0.7 else place.models[1]
    account.models = (model, place.models[2] if model == place.models[0] else model)
    if rng.random() < 0.55:  # people move to a new release over weeks, a few at once
        account.switch = place.release + rng.expovariate(1 / 12) * DAY
    account.stay = 0.25 + 0.4 * rng.random()
    {
        "chat": _chat, "coder": _coder, "app": _app, "agent": _agent, "support": _support,
        "batch": _batch, "evaluation": _evaluation, "reseller": _reseller, "team": _coder,
        "class": _chat,
    }[role](rng, place, account, source)  # fmt: skip
    return account


def _public(rng: random.Random, place: Place, count: int) -> Jobs:
    """Templates of public frameworks that this account uses, each from a day on."""
    jobs: Jobs = []
    for _ in range(count):
        rank = place.catalogue.pick(rng)
        jobs += [(template, -1e9) for template in place.catalogue.templates[rank]]
    new = place.catalogue.adopt(rng)
    if new is not None:
        jobs += [(template, new[1]) for template in place.catalogue.templates[new[0]]] * 2
    return jobs


def _chat(rng: random.Random, place: Place, account: Account, source: Source) -> None:
    account.talk = source.person(rng)
    account.rate = volume(rng, 2.5, tail=1.4)
    share = rng.betavariate(1, 6)
    account.chatty = 1.0 - share
    account.jobs = ((1.0, _public(rng, place, 1)),)


def _coder(rng: random.Random, place: Place, account: Account, source: Source) -> None:
    account.talk = source.coder(rng) if rng.random() < 0.8 else source.person(rng)
    account.rate = volume(rng, 4.5)
    account.chatty = 1.0 - rng.betavariate(1, 3)
    account.jobs = ((1.0, _public(rng, place, rng.randint(1, 3))),)


def _app(rng: random.Random, place: Place, account: Account, source: Source) -> None:
    """Somebody's program: public frameworks, some templates of its own, tried by hand."""
    account.talk = source.person(rng)
    account.rate = volume(rng, 14.0)
    account.shape = rng.choice((PEOPLE, PEOPLE, STEADY, BURSTY))
    account.chatty = rng.betavariate(1, 3)
    framework = rng.betavariate(1, 2)
    mine: Jobs = [(source.template(rng), -1e9) for _ in range(rng.randint(1, 5))]
    account.jobs = ((framework, _public(rng, place, rng.randint(1, 4))), (1.0, mine))


def _agent(rng: random.Random, place: Place, account: Account, source: Source) -> None:
    rank = min(len(place.agents) - 1, int(rng.paretovariate(0.8)) - 1)
    account.agent, account.tools = place.agents[rank]
    account.rate = volume(rng, 3.0)
    account.shape = rng.choice((PEOPLE, STEADY, BURSTY))
    account.stay = 0.55 + 0.3 * rng.random()
    account.talk = source.coder(rng)


def _support(rng: random.Random, _: Place, account: Account, source: Source) -> None:
    account.jobs = ((1.0, [(source.support(rng), -1e9)]),)
    account.rate, account.chatty = volume(rng, 25.0), 0.0
    account.shape = PEOPLE


def _batch(rng: random.Random, _: Place, account: Account, source: Source) -> None:
    account.jobs = ((1.0, [(source.batch(rng), -1e9) for _ in range(rng.randint(1, 2))]),)
    account.rate, account.chatty = volume(rng, 40.0), 0.0
    account.shape = rng.choice((STEADY, BURSTY, BURSTY))


def _evaluation(rng: random.Random, place: Place, account: Account, _: Source) -> None:
    account.run = tuple(
        min(len(place.benchmarks), int(rng.paretovariate(0.7))) - 1
        for _ in range(rng.randint(1, 3))
    )
    account.shape, account.rate, account.chatty = RUNS, 0.35, 0.0


def _reseller(rng: random.Random, place: Place, account: Account, source: Source) -> None:
    """Strangers behind one key: other people's talk and other people's templates."""
    account.talk = _Strangers([source.person(rng) for _ in range(40)])
    account.rate = volume(rng, 40.0)
    account.shape, account.chatty = rng.choice((PEOPLE, BURSTY)), 0.7
    account.jobs = ((1.0, _public(rng, place, 8)),)


class _Strangers:
    __slots__ = ("_people",)

    def __init__(self, people: Sequence[Talker]) -> None:
        self._people = people

    def opening(self, rng: random.Random) -> str:
        return self._people[int(rng.random() * len(self._people))].opening(rng)

    def follow_up(self, rng: random.Random) -> str:
        return self._people[int(rng.random() * len(self._people))].follow_up(rng)


def pupils(rng: random.Random, place: Place) -> Talker:
    """The talk of one class; everybody in it shares it."""
    brief, asks = class_of(rng, place.source.tongue)
    return Pupil(place.source.tongue, brief, asks)
