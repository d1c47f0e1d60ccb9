"""A campaign lived through: accounts that harvest, titer beside them, and what each does about it.

    world, a day at a time -> Attacker.sends -> Defence.answers -> the hunt, weigher and ladder

The world is `titer.lab.world`'s: honest accounts, and a campaign of far more accounts than it
uses at once. The attacker begins with some; the others are on sale: they exist, have looked honest
since they were made, and send nothing until they are bought. What it is served is decided by the
product: `LiveHunt` looks every few hours of log time, `Weigher.join` and the default ladder
decide, the mitigation `throttle` delays and refuses, and where a person takes part, the person
refuses every member of a campaign that is not under review, so many hours after the hunt named it.

A world is smaller than the campaign that it stands for (25,000 accounts). Bounds of one account
scale with the number of accounts by themselves; the bucket that a campaign shares does not, so it
is given to the smaller campaign in proportion: its clock runs slower by that factor, and what the
campaign has taken counts that much more.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, Protocol

import msgspec
import numpy as np

from evals.lower.honest import Queue
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign, Decision, Dose, Exchange, Usage
from titer.core.sketch import Sketcher
from titer.engine import Weigher
from titer.gateway.feeds import Maker
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.hunt import LiveHunt
from titer.lab.world.make import Made
from titer.lab.world.plan import Campaign as Crew
from titer.lab.world.plan import World
from titer.respond.ladder import default_ladder, in_force

NAMES = Pseudonyms(b"evaluation key, fixed and public")
HOUR = 3_600_000_000
DAY = 24 * HOUR

#: Accounts of the campaign of the public record, which the worlds stand for.
RECORD = 25_000
#: Lines that are read together.
BATCH = 512
#: Accounts that an attacker buys in a day at most, as many times as it uses at once.
MOST_A_DAY = 6
#: A person's refusal stands for a month.
BAN_S = 30 * 86_400

Answer = Literal["off", "shadow", "ladder", "person"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One world. `on_sale` accounts can be bought; `own` is the share of own exchanges."""

    seed: int
    own: float = 0.5
    accounts: int = 200
    on_sale: int = 3200
    honest: int = 1000
    days: float = 5.0
    per_day: float = 26.0
    paraphrase: Literal["none", "jitter", "half", "most"] = "none"
    #: Whether accounts that are bought go on with the texts of the others, or with new ones.
    texts: Literal["same", "new"] = "same"

    @property
    def scale(self) -> float:
        """How many times larger the campaign is that this one stands for."""
        return RECORD / self.accounts

    def world(self) -> World:
        sizes = [self.accounts + self.on_sale]
        if self.texts == "new":
            sizes = [self.accounts, self.on_sale]
        crews = tuple(
            Crew(
                name=f"c{n}", accounts=size, mix=self.own, per_day=self.per_day,
                paraphrase=self.paraphrase, pool=max(50, self.accounts // 10),
            )
            for n, size in enumerate(sizes, 1)
        )  # fmt: skip
        return World(
            name="cost", seed=self.seed, honest=self.honest, days=self.days, pace=0.4, whale=0.2,
            campaigns=crews,
        )  # fmt: skip


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One request of the world: who sends it (a number), and whether it is a harvest."""

    exchange: Exchange
    who: int
    own: bool


class Attacker:
    """Which accounts send. `buys` replaces an account as soon as it sees that it is dosed."""

    def __init__(self, members: list[int], size: int, *, buys: bool, react: int) -> None:
        self._stock = members
        self._buys, self._react = buys, react
        self.active = set(members[:size])
        self.next = size
        self.hit: set[int] = set()
        self._due: list[int] = []
        self.bought: list[int] = []  # when, beyond those of the beginning
        self.sold_out = False

    def sends(self, who: int, at: int, *, own: bool) -> bool:
        """Whether this account sends now. One that is known drops its cover."""
        while self._due and self._due[0] <= at:
            heapq.heappop(self._due)
            if self.next == len(self._stock):
                self.sold_out = True
                continue
            self.active.add(self._stock[self.next])
            self.next += 1
            self.bought.append(at)
        return who in self.active and (own or who not in self.hit)

    def dosed(self, who: int, at: int) -> None:
        """The account has met a dose that it can see."""
        if who in self.hit:
            return
        self.hit.add(who)
        if self._buys:
            self.active.discard(who)
            heapq.heappush(self._due, at + self._react)


class Finder(Protocol):
    """Who belongs to a campaign, when asked."""

    def add(self, exchanges: list[Exchange]) -> None: ...

    def run(self) -> list[Campaign]: ...

    def returned(self, now: int) -> list[Campaign]: ...


class Defence:
    """titer, as far as it bears on a campaign. `person_h` are the hours until a person decides;
    `returns` says whether callers who come back are told between hunts.
    """

    def __init__(
        self,
        answer: Answer,
        finder: Finder,
        *,
        scale: float = 1.0,
        person_h: float = 0.0,
        returns: bool = False,
    ) -> None:
        self._answer = answer
        self._returns = returns
        self._finder = finder
        self._scale = scale
        self._delay = int(person_h * HOUR)
        self._weigher = Weigher((), None, default_ladder(shadow=answer == "shadow"))
        self._alone, self._shared = Queue(), Queue()
        self._hunted: dict[str, tuple[tuple[str, ...], float]] = {}
        self._waiting: list[tuple[int, str]] = []
        self._asked: set[str] = set()
        self.named: dict[str, int] = {}  # subject: when a hunt first named it
        self.dosed: set[str] = set()  # subjects that a dose reached, or would have in shadow
        self.most_bits = 0.0

    def answers(self, asked: Asked) -> tuple[bool, bool]:
        """(is served, sees that it is dosed) of one request; it is recorded and weighed."""
        exchange = asked.exchange
        served, seen = self._dose(exchange)
        if not served:
            exchange = msgspec.structs.replace(
                exchange, status=429, usage=Usage(exchange.usage.tokens_in, 0)
            )
        self._weigher.weigh(exchange)
        self._finder.add([exchange])
        if self._returns:
            for campaign in self._finder.returned(exchange.at):
                self._tell(campaign.members, exchange.at)
                self._weigher.join(campaign)
        return served, seen

    def _dose(self, exchange: Exchange) -> tuple[bool, bool]:
        subject = exchange.principal.subject
        held = self._weigher.decisions.get(subject)
        if held is None or not held.doses or not in_force(held, exchange.at):
            return True, False
        self.dosed.add(subject)
        if held.shadow:
            return True, False
        given = {dose.mitigation: dose.strength for dose in held.doses}
        if "refuse" in given:
            return False, True
        if "throttle" not in given:
            return True, False
        standing = self._weigher.standings[subject]
        queue = self._alone
        if standing.campaign:
            queue = self._shared
            exchange = msgspec.structs.replace(exchange, at=int(exchange.at / self._scale))
            standing = msgspec.structs.replace(standing, shared=int(standing.shared * self._scale))
        wait = queue.ask(exchange, given["throttle"], standing)
        return wait is not None, wait is None or wait > 0

    def look(self, now: int) -> None:
        """One hunt, as `gateway.analysis` does with what it finds."""
        for campaign in self._finder.run():
            if not campaign.review:
                self._tell(campaign.members, now)
                self.most_bits = max(self.most_bits, campaign.bits)
            seen = (campaign.members, campaign.bits)
            if self._hunted.get(campaign.id) != seen:
                self._hunted[campaign.id] = seen
                self._weigher.join(campaign)

    def _tell(self, members: tuple[str, ...], now: int) -> None:
        for member in members:
            self.named.setdefault(member, now)
            if self._answer == "person" and member not in self._asked:
                self._asked.add(member)
                heapq.heappush(self._waiting, (now + self._delay, member))

    def decide(self, now: int) -> None:
        """What the person has got to by now."""
        while self._waiting and self._waiting[0][0] <= now:
            at, member = heapq.heappop(self._waiting)
            self._weigher.decisions[member] = Decision(
                f"d-{member}", at, member, "refuse", (Dose("refuse", 1.0),), "acts as one",
                until=at + BAN_S * 1_000_000, by="person",
            )  # fmt: skip


class Run:
    """One answer to one campaign, and what became of it."""

    def __init__(self, name: str, attacker: Attacker, defence: Defence | None) -> None:
        self.name = name
        self.attacker, self.defence = attacker, defence
        self.pairs: list[int] = []  # when each harvest was answered
        self.tokens = 0
        self.sent = 0
        self.honest_refused = 0
        self.honest_touched: set[str] = set()  # a request of theirs waited or was refused
        self.subjects: dict[str, bool] = {}  # subject: whether it is of the campaign

    def see(self, asked: Asked, *, campaign: bool) -> None:
        """One request of the world, if it is sent in this run."""
        exchange, attacker = asked.exchange, self.attacker
        if campaign and not attacker.sends(asked.who, exchange.at, own=asked.own):
            return
        served, seen = True, False
        if self.defence is not None:
            self.subjects.setdefault(exchange.principal.subject, campaign)
            served, seen = self.defence.answers(asked)
        if not campaign:
            self.honest_refused += not served
            if seen:
                self.honest_touched.add(exchange.principal.subject)
            return
        if served:
            self.sent += 1
            self.tokens += exchange.usage.tokens_out
            if asked.own:
                self.pairs.append(exchange.at)
        if seen:
            attacker.dosed(asked.who, exchange.at)


def crowd(made: Made) -> tuple[list[bool], list[int]]:
    """Of every account whether it is of the campaign, and the campaign's in the order of sale."""
    of = [bool(account.campaign) for account in made.accounts]
    members = [who for who, campaign in enumerate(of) if campaign]
    random.Random(f"sale-{made.plan.seed}").shuffle(members)
    members.sort(key=lambda who: made.accounts[who].campaign)  # new texts are sold last
    return of, members


def requests(made: Made, wanted: np.ndarray, number: int) -> Iterator[list[Asked]]:
    """One day's requests of the accounts that are wanted (a mask), read as the product reads."""
    day = made.day(number)
    keep = wanted[day.who]
    day = type(day)(*(column[keep] for column in day))
    maker = Maker(ExchangeLog(NAMES), sketcher=Sketcher(NAMES.key("sketch")), pseudonyms=NAMES)
    lines = [line.encode("utf-8", "surrogateescape") for line in made.rendered(number, day)]
    for first in range(0, len(lines), BATCH):
        part = slice(first, first + BATCH)
        exchanges, bad = maker.many(lines[part])
        if bad:
            raise RuntimeError(f"the world wrote a line that is none: {bad[0][1]}")
        yield [
            Asked(exchange, who, own)
            for exchange, who, own in zip(
                exchanges, day.who[part].tolist(), day.own[part].tolist(), strict=True
            )
        ]


#: A day's requests of the accounts that are wanted, in pieces.
Source = Callable[[Made, np.ndarray, int], Iterable[list[Asked]]]


def live(made: Made, runs: list[Run], *, every_h: float, source: Source = requests) -> None:
    """Live through a world; every run hunts every so many hours of log time."""
    of, members = crowd(made)
    place = {who: number for number, who in enumerate(members)}
    size = len(runs[0].attacker.active)
    due = 0
    for number in made.span:
        sold = max(run.attacker.next for run in runs) + MOST_A_DAY * size
        wanted = np.array([not campaign or place[who] < sold for who, campaign in enumerate(of)])
        for batch in source(made, wanted, number):
            for asked in batch:
                now = asked.exchange.at
                due = due or now + int(every_h * HOUR)
                if now >= due:
                    due += int(every_h * HOUR)
                    for run in runs:
                        if run.defence is not None:
                            run.defence.look(now)
                for run in runs:
                    if run.defence is not None:
                        run.defence.decide(now)
                    run.see(asked, campaign=of[asked.who])
        if max(run.attacker.next for run in runs) > sold:
            raise RuntimeError("more accounts were bought in a day than were made to send")


def made_runs(plan: Plan, members: list[int], *, react_h: float) -> list[Run]:
    """Every answer that is compared: titer off, in shadow, the ladder alone, and with a person;
    against an attacker that goes on with what it has, and one that buys new accounts.
    """

    def run(
        name: str, answer: Answer, *, buys: bool, person_h: float = 0.0, returns: bool = False
    ) -> Run:
        attacker = Attacker(members, plan.accounts, buys=buys, react=int(react_h * HOUR))
        defence = None
        if answer != "off":
            defence = Defence(
                answer, LiveHunt(), scale=plan.scale, person_h=person_h, returns=returns
            )
        return Run(name, attacker, defence)

    return [
        run("off", "off", buys=True),
        run("shadow", "shadow", buys=True),
        run("ladder, stays", "ladder", buys=False),
        run("ladder, buys", "ladder", buys=True),
        run("ladder and returns, stays", "ladder", buys=False, returns=True),
        run("ladder and returns, buys", "ladder", buys=True, returns=True),
        *(run(f"person {h} h, buys", "person", buys=True, person_h=h) for h in (0, 4, 24)),
    ]
