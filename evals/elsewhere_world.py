"""A world by another maker than `titer lab world`: published prompts, other people and attackers.

Nothing of `titer.lab.world` is used, so that rules made on its worlds are judged on something
else. Honest accounts are of ten kinds, among them those that have been mistaken: users of a
framework's dozen chain prompts, of a prompt library, evaluation runs, firms that never declared
themselves, classes. Campaigns draw their pipeline, size, share of own traffic, exits, hours and
wording from the seed. Volumes, shares and sizes are assumed.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evals.accounts import records

START = dt.datetime(2026, 9, 7, tzinfo=dt.UTC)
AGENTS = (
    *(f"OpenAI/Python 1.{minor}.0" for minor in range(40, 99)),
    *(f"OpenAI/JS 4.{minor}.1" for minor in range(20, 70)),
    "python-httpx/0.27.0", "axios/1.7.2", "curl/8.5.0", "Go-http-client/2.0", "okhttp/4.12.0",
)  # fmt: skip
#: First octets of addresses that are dealt out.
NETWORKS = (24, 31, 46, 62, 71, 78, 82, 86, 91, 93, 98, 109, 176, 188, 201)
VERBS = ("Given", "Extract", "List", "Score", "Route", "Plan", "Reflect on", "Condense", "Verify",
         "Decompose", "Label", "Merge", "Rank", "Draft", "Critique", "Map", "Reduce", "Refine",
         "Judge", "Split")  # fmt: skip
#: What campaigns ask with, by name: the family of published templates, and what fills them.
PIPELINES = {
    "evol": ("evol_instruct", "gpteacher"), "reasoning": ("reasoning_distill", "gsm8k"),
    "judge": ("judge_scoring", "gpteacher"), "self-instruct": ("self_instruct", "seeds"),
    "embedding": ("embedding_data_gen", "gpteacher"), "roleplay": ("roleplay_gen", "gpteacher"),
    "plain": ("", "gpteacher"),
}  # fmt: skip
#: Instructions that a campaign without templates puts before its questions.
SYSTEMS = (
    "You are a helpful assistant. Think step by step and explain in detail.",
    "Answer with reasoning, then the final answer after '####'.",
    "Give a thorough solution. Show all work.",
)
SLOT = re.compile(r"\{\{? ?[a-zA-Z_0-9]+ ?\}?\}|<[a-z_]+>")


class Prompts:
    """The published prompts, by what people do with them."""

    def __init__(self, data: Path) -> None:
        def texts(*names: str) -> list[str]:
            return [row["text"] for name in names for row in records(data, name)]

        self.talk = texts("benign/oasst_en_fr", "benign/hh_harmless_turns",
                          "benign/mtbench_vicuna_xstest")  # fmt: skip
        self.support = texts("benign/support_short")
        self.agents = texts("benign/agents")
        self.roles = texts("benign/role_system_prompts")
        self.jobs = _by(records(data, "benign/batch_etl_p3"), "template")
        self.tasks = _by(records(data, "benign/eval_harness"), "task")
        self.work = {"gpteacher": texts("attack/gpteacher"), "gsm8k": texts("attack/gsm8k_train"),
                     "seeds": texts("attack/seed_tasks_multi", "attack/gpteacher")}  # fmt: skip
        self.templates: dict[str, list[str]] = {}
        for row in records(data, "attack/templates"):
            self.templates.setdefault(row["family"], []).append(row["template"])


def _by(rows: list[dict[str, Any]], key: str) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(str(row.get(key) or row["source"]), []).append(row["text"])
    return [found[name] for name in sorted(found)]


class Account:
    """Who calls: always the same program, card and few addresses."""

    def __init__(self, rng: random.Random, name: str, org: str = "") -> None:
        self.name, self.org = name, org
        self.addresses = [address(rng) for _ in range(rng.choice([1, 1, 2, 3, 6]))]
        self.agent = rng.choice(AGENTS)
        self.card = f"card-{rng.getrandbits(40)}"
        self.created = START - dt.timedelta(days=rng.expovariate(1 / 200))


def address(rng: random.Random) -> str:
    return (
        f"{rng.choice(NETWORKS)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    )


class Maker:
    """Fills a log. `scale` multiplies the number of honest accounts."""

    def __init__(self, seed: int, prompts: Prompts, days: float, scale: float) -> None:
        self.rng = random.Random(seed)
        self.prompts, self.days, self.scale = prompts, days, scale
        self.lines: list[dict[str, Any]] = []
        self.labels: list[dict[str, Any]] = []

    # -- parts --------------------------------------------------------------------------------

    def account(self, *, campaign: str = "", team: str = "", org: str = "") -> Account:
        made = Account(self.rng, f"a-{len(self.labels):05d}", org)
        self.labels.append(
            {"principal": made.name, "campaign": campaign or None, "team": team or None}
        )
        return made

    def ask(self, who: Account, text: str, *, system: str = "", night: bool = False) -> None:
        """One exchange, at an hour of the caller's day or at any."""
        rng = self.rng
        day = int(rng.random() * self.days)
        hour = rng.random() if night else min(0.999, max(0.0, rng.gauss(0.58, 0.17)))
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": text})
        line = {
            "at": (START + dt.timedelta(days=day + hour)).isoformat(),
            "principal": who.name,
            "created": who.created.date().isoformat(),
            "origin": {"ip": rng.choice(who.addresses), "user_agent": who.agent,
                       "payment": who.card},
            "endpoint": "/v1/chat/completions",
            "request": {"model": rng.choice(["large", "large", "small"]), "messages": messages},
            "usage": {"in": sum(len(m["content"]) for m in messages) // 4 + 3,
                      "out": max(5, int(rng.lognormvariate(5.3, 0.9)))},
            "status": 200,
        }  # fmt: skip
        if who.org:
            line["org"] = who.org
        self.lines.append(line)

    def times(self, a_day: float) -> range:
        """How often a caller asks in all, with a heavy tail."""
        mean = max(1, int(self.rng.lognormvariate(math.log(a_day), 1.1)))
        return range(int(mean * self.days))

    def many(self, number: int) -> range:
        return range(max(1, int(number * self.scale)))

    def popular(self, things: list[Any], steep: float) -> Any:
        return things[min(len(things) - 1, int(self.rng.paretovariate(steep)) - 1)]

    def small_talk(self) -> str:
        return self.rng.choice(self.prompts.talk if self.rng.random() < 0.8 else
                               self.prompts.support)  # fmt: skip

    # -- honest people ------------------------------------------------------------------------

    def honest(self) -> None:
        rng, prompts = self.rng, self.prompts
        for _ in self.many(900):
            who = self.account()
            for _ in self.times(5):
                self.ask(who, self.small_talk())
        systems = [rng.choice(prompts.roles) for _ in self.many(40)]
        for _ in self.many(260):  # apps: one system prompt each, some of them well known
            who, system = self.account(), self.popular(systems, 0.9)
            asked = rng.choice([prompts.support, prompts.agents, prompts.talk])
            for _ in self.times(9):
                self.ask(who, rng.choice(asked), system=system)
        for _ in self.many(110):  # batch jobs: one template, many documents
            who, job = self.account(), self.popular(prompts.jobs, 0.8)
            for _ in self.times(25):
                self.ask(who, rng.choice(job), night=True)
        for _ in self.many(100):  # evaluation runs over public benchmarks
            who = self.account()
            for task in rng.sample(prompts.tasks, min(len(prompts.tasks), rng.choice([1, 3, 10]))):
                for text in rng.sample(task, min(len(task), rng.choice([20, 60, 200]))):
                    self.ask(who, text, night=True)
        library = [f"Act as a {role}. I paste a text, and you give me {what}."
                   for role in ("proofreader", "tutor", "lawyer", "editor", "chef", "critic")
                   for what in ("a corrected version", "three questions")]  # fmt: skip
        for _ in self.many(160):  # users of a prompt library
            who, mine = self.account(), rng.sample(library, rng.choice([1, 1, 2, 4]))
            for _ in self.times(7):
                self.ask(who, f"{rng.choice(mine)}\n\n{rng.choice(prompts.talk)}")
        for number, (users, steps) in enumerate([(220, 12), (90, 5), (60, 20)]):
            self.framework(number, users, steps)
        for number in self.many(12):
            self.firm(number)
        for number in self.many(6):
            self.school_class(number)

    def framework(self, number: int, users: int, steps: int) -> None:
        """A program whose chain prompts everybody fills with inputs of his own."""
        rng = self.rng
        chain = [
            f"[framework {'ABC'[number]}] {verb} the following input. "
            + ("Return JSON with keys result and why." if step % 2 else
               "Use only the context, and say unknown if it is not there.")
            + f" This is step {'abcdefghijklmnopqrst'[step]} of the chain.\n---\n"
            for step, verb in enumerate(VERBS[:steps])
        ]  # fmt: skip
        for _ in self.many(users):
            who, share = self.account(), rng.choice([0.2, 0.5, 0.9, 1.0])
            mine = rng.sample(chain, rng.randrange(1, min(steps, 9) + 1))
            for _ in self.times(10):
                text = rng.choice(self.prompts.talk)
                self.ask(who, rng.choice(mine) + text if rng.random() < share else text)

    def firm(self, number: int) -> None:
        """Colleagues with templates of their own, in one office; some never declare themselves."""
        rng = self.rng
        templates = [
            f"{rng.choice(['Summarise', 'Classify', 'Rewrite', 'Check', 'Translate'])} the "
            f"{rng.choice(['ticket', 'contract', 'review', 'email', 'report'])} below for team "
            f"{number}, keep {rng.choice(['names', 'dates', 'numbers'])}, version {version}:\n"
            for version in range(rng.choice([2, 5, 9]))
        ]
        org = f"org-{number}" if rng.random() < 0.6 else ""
        office, card = address(rng), f"firm-{number}"
        for _ in range(rng.choice([6, 12, 30])):
            who = self.account(team=f"firm-{number}", org=org)
            who.addresses = [office]
            who.card = card if rng.random() < 0.7 else who.card
            for _ in self.times(10):
                text = rng.choice(self.prompts.talk)
                self.ask(who, rng.choice(templates) + text if rng.random() < 0.7 else text)

    def school_class(self, number: int) -> None:
        """Pupils who paste one assignment, on one campus."""
        rng = self.rng
        task = (f"Assignment {number}: explain in your own words "
                f"{rng.choice(['photosynthesis', 'inflation', 'recursion', 'osmosis'])} with two "
                "examples. My draft: ")  # fmt: skip
        for _ in range(rng.choice([20, 60])):
            who = self.account(team=f"class-{number}")
            who.addresses = [f"130.{number}.1.{rng.randrange(1, 200)}"]
            for _ in range(rng.randrange(1, 5)):
                self.ask(who, task + rng.choice(self.prompts.talk))
            for _ in range(rng.randrange(6)):
                self.ask(who, self.small_talk())

    # -- attackers ----------------------------------------------------------------------------

    def campaign(self, pipeline: str, size: int, own: float) -> dict[str, Any]:
        """Light accounts that deal a pipeline's work among them. Returns what was drawn."""
        rng = self.rng
        exits = rng.choice(["own", "own", "pool", "subnets"])
        pool = [address(rng) for _ in range(max(8, size // 2))]
        again, jitter = rng.choice([1, 1, 1, 2, 3]), rng.choice([0.0, 0.0, 0.04])
        ask = self.worker(pipeline, int(size * 30 * self.days * own), again, jitter)
        waves = rng.choice([7.0, 60.0, 365.0])
        about = {"pipeline": pipeline, "size": size, "own": own, "exits": exits, "waves": waves,
                 "again": again, "jitter": jitter}  # fmt: skip
        name = f"{pipeline}-{len(self.labels)}"
        for _ in range(size):
            who = self.account(campaign=name)
            who.created = START - dt.timedelta(days=rng.uniform(1, 1 + waves))
            if exits == "pool":
                who.addresses = rng.sample(pool, 4)
            elif exits == "subnets":
                who.addresses = [f"45.{size % 250}.{rng.randrange(12)}.{rng.randrange(1, 255)}"]
            for _ in range(max(1, int(rng.gauss(26, 8) * self.days))):
                if rng.random() < own:
                    ask(who)
                else:
                    self.ask(who, self.small_talk(), night=rng.random() < 0.3)
        return {"name": name, **about}

    def worker(
        self, pipeline: str, requests: int, again: int, jitter: float
    ) -> Callable[[Account], None]:
        """How an account of a campaign asks: whatever comes next on a list that all share.

        Each prompt stands `again` times on it, as for several samples of one answer. `jitter` is
        the share of a template's words that is left out, anew each time.
        """
        rng = self.rng
        family, name = PIPELINES[pipeline]
        work = self.prompts.work[name]
        once = rng.sample(work, len(work))
        while len(once) * again < requests:  # more than there are: two in one
            once.append(f"{rng.choice(work)}\n\n{rng.choice(work)}")
        known = self.prompts.templates.get(family, [])
        templates = rng.sample(known, min(len(known), rng.choice([8, 16, 40])))
        deck = [(item, rng.choice(templates or SYSTEMS)) for item in once[: requests // again + 1]]
        deck *= again
        rng.shuffle(deck)
        tasks = itertools.cycle(deck)

        def ask(who: Account) -> None:
            item, template = next(tasks)
            if not templates:
                self.ask(who, item, system=template, night=rng.random() < 0.5)
                return
            template = " ".join(w for w in template.split(" ") if rng.random() >= jitter)
            filled = SLOT.sub(lambda _: item, template, count=1)
            text = filled if filled != template else f"{template}\n\n{item}"
            self.ask(who, text, night=rng.random() < 0.5)

        return ask


def make(folder: Path, prompts: Prompts, seed: int, *, days: float, scale: float) -> list[dict]:
    """Write log.jsonl and labels.jsonl; returns what each of five campaigns is like."""
    maker = Maker(seed, prompts, days, scale)
    maker.honest()
    rng = maker.rng
    drawn = [
        maker.campaign(pipeline, int(math.exp(rng.uniform(math.log(30), math.log(400)))), own)
        for pipeline, own in zip(
            rng.sample(sorted(PIPELINES), 5), rng.sample([1.0, 0.5, 0.5, 0.25, 0.15], 5),
            strict=True,
        )
    ]  # fmt: skip
    maker.lines.sort(key=lambda line: str(line["at"]))
    with (folder / "log.jsonl").open("w", encoding="utf-8") as log:
        log.writelines(json.dumps(line) + "\n" for line in maker.lines)
    with (folder / "labels.jsonl").open("w", encoding="utf-8") as labels:
        labels.writelines(json.dumps(label) + "\n" for label in maker.labels)
    return drawn
