"""Plain worlds as somebody who has never read titer would write them, for the hunt.

Every world is small and of one idea: honest people of a dozen kinds with heavy-tailed volumes, and
campaigns whose templates, exits, cards, sign-ups and dealing out of work are each named by one
word. Bodies of five APIs; any part of a line may be missing. Nothing of `titer.lab` is used.
Sizes and shares are assumed.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from evals.stranger_words import SYSTEM, TEMPLATES, WORKSHEET, chat, item

START = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
CHAT, MESSAGES, COMPLETIONS, RESPONSES, EMBEDDINGS = (
    "/v1/chat/completions", "/v1/messages", "/v1/completions", "/v1/responses", "/v1/embeddings",
)  # fmt: skip
AGENTS = (
    *(f"OpenAI/Python 1.{minor}.0" for minor in range(20, 60)), "python-requests/2.32.3",
    "Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "node-fetch/3.3", "Go-http-client/2.0",
)  # fmt: skip
#: Everybody's carriers: an autonomous system and how popular it is.
CARRIERS = tuple((64_600 + n, 1 / (n + 1)) for n in range(30))
TURNS = ("go on", "why?", "shorter please", "and the second one?", "that is wrong, look again")


class Campaign(msgspec.Struct, frozen=True):
    """`exits`: one (/24), few (/24s), cloud (one AS, a /24 each), pool (addresses in common),
    homes. `cards`: one, few, own. `wave`: days in which accounts were made. `deal`: list (each
    item once), twice, random (with repetition, of `items`). `jitter`: share of words left out.
    """

    size: int
    texts: str = "reasoning"
    templates: int = 5
    own: float = 1.0
    exits: str = "homes"
    cards: str = "own"
    wave: float = 300.0
    deal: str = "list"
    items: int = 200
    jitter: float = 0.0
    system: bool = False
    a_day: float = 26.0
    turns: int = 1


class World(msgspec.Struct, frozen=True):
    """`people`: ordinary callers; `groups`: honest kinds by name, each with a number of them.
    `tail`: spread of the logarithm of honest volumes; `all_hours`: honest people never sleep.
    """

    campaigns: tuple[Campaign, ...] = ()
    people: int = 600
    groups: tuple[tuple[str, int], ...] = (
        ("app", 60), ("batch", 15), ("class", 2), ("team", 4), ("firm", 3), ("evaluation", 12),
        ("reseller", 1), ("grant", 1), ("framework", 60), ("launch", 60), ("whale", 1),
    )  # fmt: skip
    days: float = 4.0
    pace: float = 4.0
    form: str = CHAT
    languages: tuple[str, ...] = ("en", "en", "en", "es", "de", "zh", "ru", "ar")
    without: tuple[str, ...] = ()
    tail: float = 1.2
    all_hours: bool = False


class Account:
    """Who calls."""

    def __init__(self, rng: random.Random, name: str, language: str) -> None:
        self.name, self.language = name, language
        self.org = ""
        self.grants: list[str] = []
        self.ips = [home(rng) for _ in range(rng.choice((1, 1, 2, 4)))]
        self.asn = rng.choices([c[0] for c in CARRIERS], [c[1] for c in CARRIERS])[0]
        self.agent = rng.choice(AGENTS)
        self.card = f"card-{rng.getrandbits(40)}"
        self.created = START - dt.timedelta(days=rng.expovariate(1 / 250))
        self.model = rng.choice(("large", "large", "small"))


def home(rng: random.Random) -> str:
    return (
        f"{rng.randrange(20, 200)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
    )


class Maker:
    """Writes one world; `kinds` gives the honest kind of every account by name."""

    def __init__(self, world: World, seed: str) -> None:
        self.world = world
        self.rng = random.Random(seed)
        self.lines: list[dict[str, Any]] = []
        self.labels: dict[str, str | None] = {}
        self.kinds: dict[str, str] = {}

    def account(self, kind: str, campaign: str | None = None) -> Account:
        made = Account(self.rng, f"user-{len(self.labels)}", self.rng.choice(self.world.languages))
        self.labels[made.name] = campaign
        self.kinds[made.name] = kind
        return made

    def ask(
        self, who: Account, text: str, *, system: str = "", hour: float | None = None,
        turns: int = 1, shape: str = "",
    ) -> None:  # fmt: skip
        """One conversation: every turn is a request that repeats what was said before."""
        rng = self.rng
        at = int(rng.random() * self.world.days) if self.world.days >= 1 else 0
        if self.world.all_hours:
            hour = rng.random()
        at += min(0.999, max(0.0, rng.gauss(0.6, 0.16))) if hour is None else hour
        said = [("user", text)]
        for turn in range(turns):
            if turn:
                said += [("assistant", chat(rng, "en")), ("user", rng.choice(TURNS))]
            self._line(who, at + 0.002 * turn, said, system, shape or self.world.form)

    def _line(
        self, who: Account, at: float, said: list[tuple[str, str]], system: str, form: str
    ) -> None:
        rng, gone = self.rng, self.world.without
        line: dict[str, Any] = {
            "at": (START + dt.timedelta(days=at)).isoformat().replace("+00:00", "Z"),
            "principal": who.name,
            "endpoint": form,
            "request": body(form, who.model, said, system),
            "reply": {"text": "...", "finish": "stop"},
            "usage": {"in": 20 + sum(len(t) for _, t in said) // 4,
                      "out": max(3, int(rng.lognormvariate(5.5, 0.8)))},
            "status": 200 if rng.random() < 0.98 else 429,
        }  # fmt: skip
        origin = {"ip": rng.choice(who.ips), "asn": who.asn, "user_agent": who.agent,
                  "payment": who.card}  # fmt: skip
        origin = {k: v for k, v in origin.items() if k not in gone}
        if origin and "origin" not in gone:
            line["origin"] = origin
        if "created" not in gone:
            line["created"] = who.created.date().isoformat()
        if who.org and "org" not in gone:
            line["org"] = who.org
        if who.grants:
            line["grants"] = who.grants
        self.lines.append(line)

    def often(self, a_day: float) -> range:
        """How often somebody asks in all: heavy-tailed."""
        tail = self.world.tail
        mean = self.rng.lognormvariate(math.log(a_day) - tail**2 / 2, tail) * self.world.days
        return range(max(1, min(int(mean), 4000)))

    # -- honest -------------------------------------------------------------------------------

    def honest(self) -> None:
        for _ in range(self.world.people):
            who = self.account("person")
            for _ in self.often(self.world.pace):
                self.ask(who, chat(self.rng, who.language), turns=self.rng.choice((1, 1, 1, 2, 4)))
        for name, number in self.world.groups:
            getattr(self, f"_{name}")(number)

    def _app(self, number: int) -> None:
        """One program each, with a system prompt of its own and its users' words."""
        for n in range(number):
            who = self.account("app")
            system = f"You are the assistant of shop {n}. {chat(self.rng, who.language)}."
            for _ in self.often(20):
                self.ask(who, chat(self.rng, who.language), system=system)

    def _batch(self, number: int) -> None:
        """One template, many documents, in one night."""
        for n in range(number):
            who = self.account("batch")
            deed = self.rng.choice(("Classify", "Summarise", "Extract the names in", "Translate"))
            hour = self.rng.random() * 0.7
            for _ in range(self.rng.choice((80, 200, 600))):
                text = f"{deed} the document of customer group {n} below.\n---\n" + " ".join(
                    chat(self.rng, who.language) for _ in range(3)
                )
                self.ask(who, text, hour=hour + self.rng.random() * 0.2)

    def _class(self, number: int) -> None:
        """Pupils of one school who work on one sheet, in lessons, with accounts made together."""
        for n in range(number):
            sheet = self.rng.sample(WORKSHEET, 6)
            for _ in range(self.rng.choice((30, 120))):
                who = self.account("class")
                who.ips, who.asn = [f"141.{n}.7.{self.rng.randrange(1, 250)}"], 64_500 + n
                who.created = START - dt.timedelta(days=20 + self.rng.random() * 3)
                for question in self.rng.sample(sheet, self.rng.randrange(2, 7)):
                    lead = self.rng.choice(("", "Homework: ", "please explain: "))
                    self.ask(who, lead + question, hour=0.4 + self.rng.random() * 0.1)
                for _ in self.often(2):
                    self.ask(who, chat(self.rng, who.language))

    def _team(self, number: int) -> None:
        self._colleagues("team", number, org=True)

    def _firm(self, number: int) -> None:
        self._colleagues("firm", number, org=False)

    def _colleagues(self, kind: str, number: int, *, org: bool) -> None:
        """An office with prompts of its own; some never say that they are one organisation."""
        for n in range(number):
            office, card = home(self.rng), f"{kind}-{n}"
            prompts = [
                f"For {kind} {n}: {self.rng.choice(('draft', 'review', 'shorten', 'translate'))} "
                f"the {self.rng.choice(('offer', 'ticket', 'contract', 'report'))} below and keep "
                f"our {self.rng.choice(('tone', 'names', 'numbers', 'layout'))}, style {style}.\n"
                for style in "abcd"[: self.rng.choice((1, 2, 4))]
            ]
            for _ in range(self.rng.choice((6, 15, 40))):
                who = self.account(kind)
                who.ips, who.card, who.org = [office], card, f"org-{n}" if org else ""
                for _ in self.often(12):
                    text = chat(self.rng, who.language)
                    if self.rng.random() < 0.6:
                        text = self.rng.choice(prompts) + text
                    self.ask(who, text)

    def _evaluation(self, number: int) -> None:
        """Parties that run one public benchmark, each through all of it or a part."""
        bench = [
            f"The following is a multiple choice question about {item(n)}.\n"
            f"{chat(self.rng, 'en')}\nA. {item(3 * n)}\nB. {item(5 * n)}\nAnswer:"
            for n in range(300)
        ]
        for _ in range(number):
            who = self.account("evaluation")
            hour = self.rng.random() * 0.8
            for text in self.rng.sample(bench, self.rng.choice((100, 200, 300))):
                self.ask(who, text, hour=hour + self.rng.random() * 0.1)

    def _reseller(self, number: int) -> None:
        """A platform that opened an account for every one of its customers, and pays for all."""
        for n in range(number):
            machines = [f"52.{n}.4.{k}" for k in range(1, 9)]
            system = f"You are Brisk, the helper inside platform {n}. Be kind. Never name prices."
            for _ in range(80):
                who = self.account("reseller")
                who.ips, who.asn, who.card = machines, 64_510, f"platform-{n}"
                for _ in self.often(6):
                    self.ask(who, chat(self.rng, who.language), system=system)

    def _grant(self, number: int) -> None:
        """A firm that distils with leave."""
        for n in range(number):
            plan = Campaign(30, exits="one", cards="one", texts="instructions")
            for who in self._accounts(plan, None, kind="grant", net=f"140.{n}.9"):
                who.grants, who.org = ["distillation"], f"lab-{n}"

    def _framework(self, number: int) -> None:
        """Users of one agents' program, whose prompt stands before whatever they ask."""
        deeds = ("Plan the work.", "Act on the plan.", "Reflect.")
        prompts = [
            f"You are an autonomous agent. {deed} Use the tools. Never give up. Rule {n}."
            for n, deed in enumerate(deeds)
        ]
        for _ in range(number):
            who = self.account("framework")
            for _ in self.often(15):
                system = self.rng.choice(prompts) if self.rng.random() < 0.8 else ""
                self.ask(who, chat(self.rng, who.language), system=system)

    def _launch(self, number: int) -> None:
        """New customers of one week, who all try the example of the tutorial first."""
        for _ in range(number):
            who = self.account("launch")
            who.created = START - dt.timedelta(days=self.rng.random() * 6)
            for _ in range(self.rng.randrange(1, 4)):
                app = self.rng.choice(("Plum", "Otter", "Nimbus", "Karl"))
                self.ask(who, f"Write a haiku about the launch of my new app called {app}.")
            for _ in self.often(5):
                self.ask(who, chat(self.rng, who.language))

    def _whale(self, number: int) -> None:
        """One caller with two fifths of all traffic."""
        for _ in range(number):
            who = self.account("whale")
            for _ in range(2 * len(self.lines) // 3):
                self.ask(who, chat(self.rng, who.language), hour=self.rng.random())

    # -- attackers ----------------------------------------------------------------------------

    def campaign(self, plan: Campaign, name: str) -> None:
        for _ in self._accounts(plan, name, kind="campaign", net=f"45.{len(self.labels) % 250}.3"):
            pass

    def _accounts(
        self, plan: Campaign, name: str | None, *, kind: str, net: str
    ) -> Iterator[Account]:
        """Accounts that deal one work-list among them; each is yielded before it asks."""
        rng = self.rng
        pool = [home(rng) for _ in range(max(6, plan.size // 2))]
        cards = [f"stolen-{rng.getrandbits(40)}" for _ in range(1 if plan.cards == "one" else 6)]
        task = self._work(plan)
        for number in range(plan.size):
            who = self.account(kind, name)
            who.created = START - dt.timedelta(days=1 + rng.random() * plan.wave)
            if plan.exits in ("one", "few"):
                block = 0 if plan.exits == "one" else number % 8
                who.ips = [f"{net[:-1]}{block}.{rng.randrange(1, 255)}"]
            elif plan.exits == "cloud":
                who.ips, who.asn = [f"34.{rng.randrange(250)}.{rng.randrange(250)}.7"], 64_999
            elif plan.exits == "pool":
                who.ips = rng.sample(pool, 4)
            if plan.cards != "own":
                who.card = rng.choice(cards)
            yield who
            for _ in range(max(1, int(rng.gauss(plan.a_day, plan.a_day / 4) * self.world.days))):
                if rng.random() < plan.own:
                    task(who)
                else:
                    self.ask(who, chat(rng, who.language))

    def _work(self, plan: Campaign) -> Callable[[Account], None]:
        rng = self.rng
        known = TEMPLATES.get(plan.texts, ())[: plan.templates] or ("{}",)
        deck = list(range(int(plan.size * plan.a_day * self.world.days * plan.own * 1.1) + 1))
        if plan.deal == "twice":
            deck = [n for n in deck[: len(deck) // 2 + 1] for _ in range(2)]
        rng.shuffle(deck)

        def task(who: Account) -> None:
            number = rng.randrange(plan.items) if plan.deal == "random" or not deck else deck.pop()
            template = rng.choice(known)
            words = [w for w in template.split(" ") if "{" in w or rng.random() >= plan.jitter]
            text = " ".join(words).replace("{}", item(number))
            system = rng.choice(SYSTEM) if plan.system else ""
            self.ask(who, text, system=system, hour=rng.random(), turns=plan.turns)

        return task


def body(form: str, model: str, said: list[tuple[str, str]], system: str) -> dict[str, Any]:
    """A request body of one API."""
    turns = [{"role": role, "content": text} for role, text in said]
    if form == MESSAGES:
        blocks = [{"role": t["role"], "content": [{"type": "text", "text": t["content"]}]}
                  for t in turns]  # fmt: skip
        return {"model": model, "max_tokens": 1024, "messages": blocks} | (
            {"system": system} if system else {}
        )
    whole = "\n".join(([system] if system else []) + [text for _, text in said])
    if form == COMPLETIONS:
        return {"model": model, "prompt": whole, "max_tokens": 512}
    if form == EMBEDDINGS:
        return {"model": model, "input": whole}
    if form == RESPONSES:
        return {"model": model, "input": turns} | ({"instructions": system} if system else {})
    first = [{"role": "system", "content": system}] if system else []
    return {"model": model, "messages": first + turns}


def make(folder: Path, world: World, seed: str) -> tuple[dict[str, str | None], dict[str, str]]:
    """Write log.jsonl; returns every account's campaign (None: honest) and kind."""
    maker = Maker(world, seed)
    maker.honest()
    for number, plan in enumerate(world.campaigns):
        maker.campaign(plan, f"c{number}")
    maker.lines.sort(key=lambda line: str(line["at"]))
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        log.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in maker.lines)
    return maker.labels, maker.kinds
