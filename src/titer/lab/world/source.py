"""Where a world's words come from: grammars of a seed, or published prompts of one split."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Protocol

from titer.lab.bodies import CHAT
from titer.lab.published import Published, Split
from titer.lab.world import templates, wording
from titer.lab.world.phrases import FULL, LIGHT, escape, reword
from titer.lab.world.stuff import Draw, Stuff
from titer.lab.world.talk import Coder, Person, Speaker, Talker, Tongue
from titer.lab.world.templates import Template

#: Published seeds and items kept of each set: enough variety, little memory.
KEPT = 20_000


class Source(Protocol):
    """Talkers, templates and items of one world."""

    name: str
    stuff: Stuff
    tongue: Tongue

    def person(self, rng: random.Random) -> Talker: ...

    def coder(self, rng: random.Random) -> Talker: ...

    def template(self, rng: random.Random, *, params: str = "") -> Template: ...

    def batch(self, rng: random.Random) -> Template: ...

    def benchmark(self, rng: random.Random) -> tuple[Template, list[str]]: ...

    def support(self, rng: random.Random) -> Template: ...

    def harvest(
        self, rng: random.Random, *, families: tuple[str, ...], size: int
    ) -> list[Template]: ...


class BuiltIn:
    """Words of our own; another seed, other templates, topics and languages."""

    name = "built-in"

    def __init__(self, rng: random.Random) -> None:
        self.stuff = Stuff(rng)
        self.tongue = Tongue(rng, self.stuff)
        self._foreign = rng.uniform(0.2, 0.45)
        kept = list(wording.HONEST)
        rng.shuffle(kept)
        self._families = kept[: rng.randint(8, len(kept))]

    def person(self, rng: random.Random) -> Talker:
        """Somebody who chats, in one of many languages."""
        if rng.random() < self._foreign:
            return Speaker(rng, self.tongue)
        return Person(rng, self.tongue)

    def coder(self, rng: random.Random) -> Talker:
        """Somebody who writes code."""
        return Coder(rng, self.tongue)

    def template(self, rng: random.Random, *, params: str = "") -> Template:
        """One honest template."""
        return templates.compose(rng, rng.choice(self._families), self.stuff, params=params)

    def batch(self, rng: random.Random) -> Template:
        """One template of a batch job."""
        names = ("digest", "sort", "fields", "translate", "copy", "samples", "judge")
        chosen = [family for family in wording.HONEST if family.name in names]
        return templates.compose(rng, rng.choice(chosen), self.stuff)

    def benchmark(self, rng: random.Random) -> tuple[Template, list[str]]:
        """A public benchmark: its few-shot prefix and its items, the same for everybody."""
        stuff = self.stuff
        draw = rng.choice((stuff.question, stuff.question, stuff.sentence, stuff.code))
        shots = "".join(
            f"Q: {draw(rng)}\\nA: {rng.randint(1, 90)}\\n\\n" for _ in range(rng.randint(0, 5))
        )
        head = rng.choice(("Answer the question.\\n\\n", "Questions with answers.\\n\\n", ""))
        items = [draw(rng) for _ in range(rng.choice((100, 200, 400, 800)))]
        template = Template(
            system="",
            head=f"{head}{shots}Q: ",
            tail="\\nA:",
            item=draw,
            reply=rng.choice((3, 5, 30, 200)),
            params=',"temperature":0',
        )
        return template, items

    def support(self, rng: random.Random) -> Template:
        """A customer's assistant: one long system prompt, short questions."""
        base = templates.compose(rng, wording.HONEST[3], self.stuff)
        rules = "\\n- ".join(self.stuff.sentence(rng) for _ in range(rng.randint(6, 18)))
        said = f"{base.system or base.head}\\n- {rules}"
        person = Person(rng, self.tongue)
        return Template(system=said, head="", tail="", item=person.opening, reply=70, params="")

    def harvest(
        self, rng: random.Random, *, families: tuple[str, ...], size: int
    ) -> list[Template]:
        """`size` templates of a campaign, with the settings that it always uses."""
        kinds = ["", *(templates.settings(rng, endpoint=CHAT) for _ in range(2))]
        return [
            templates.compose(
                rng,
                wording.ATTACK[families[n % len(families)]],
                self.stuff,
                params=kinds[n % len(kinds)],
            )
            for n in range(size)
        ]


class _Said:
    """One person of a published conversation set."""

    __slots__ = ("_all", "_rest")

    def __init__(self, talks: list[list[str]]) -> None:
        self._all = talks
        self._rest: list[str] = []

    def opening(self, rng: random.Random) -> str:
        self._rest = self._all[int(rng.random() * len(self._all))]
        return self._rest[0]

    def follow_up(self, rng: random.Random) -> str:
        if len(self._rest) > 1:
            return self._rest[1 + int(rng.random() * (len(self._rest) - 1))]
        return ("Why?", "Go on.", "Shorter.", "And then?")[int(rng.random() * 4)]


class FromPublished(BuiltIn):
    """Words of others where there are some, our own for the rest (agents, teams' templates)."""

    def __init__(self, rng: random.Random, folder: Path, split: Split) -> None:
        super().__init__(rng)
        self._from = Published(folder, split=split)
        self.name = self._from.name
        self._talks: list[list[str]] = []
        self._seeds: list[str] = []

    def person(self, rng: random.Random) -> Talker:
        """Somebody who says what somebody once said; scripts without a set come from grammars."""
        if rng.random() < self._foreign * 0.6:
            return Speaker(rng, self.tongue)
        if not self._talks:
            self._talks = [[escape(text) for text in talk] for talk in self._from.talks()]
        return _Said(rng.sample(self._talks, min(len(self._talks), 48)))

    def batch(self, rng: random.Random) -> Template:
        """A published batch template with its documents."""
        job = self._from.batch(rng)
        return _repeat("", job.item, reply=rng.choice((4, 12, 25, 40)))

    def benchmark(self, rng: random.Random) -> tuple[Template, list[str]]:
        """A published benchmark as an evaluation harness sends it."""
        job = self._from.evaluation(rng)
        items = [escape(job.item(rng)) for _ in range(rng.choice((100, 200, 400, 800)))]
        return _repeat("", job.item, reply=rng.choice((3, 5, 30))), items

    def support(self, rng: random.Random) -> Template:
        """A published role prompt over published customers' questions."""
        job = self._from.support(rng)
        return _repeat(job.fixed, job.item, reply=70)

    def harvest(
        self, rng: random.Random, *, families: tuple[str, ...], size: int
    ) -> list[Template]:
        """Published pipeline templates, varied until there are `size`, over published seeds."""
        known = tuple(f for f in families if f in ("instruct", "evolve", "reason", "grade"))
        bases = self._from.pipeline(rng, known or ("reason",))
        if not self._seeds:
            self._seeds = [escape(text) for text in self._from.seeds()[:KEPT]]
        kinds = [templates.settings(rng, endpoint=CHAT) for _ in range(3)]
        made = []
        for number in range(size):
            head, tail = bases[number % len(bases)]
            rate = 0.0 if number < len(bases) else (LIGHT + FULL) / 2
            head, tail = escape(head), escape(tail)
            made.append(
                Template(
                    system="",
                    head=reword(rng, head, rate),
                    tail=reword(rng, tail, rate),
                    item=_one_of(self._seeds),
                    reply=700,
                    params=kinds[number % len(kinds)],
                )
            )
        return made


def _one_of(texts: list[str]) -> Draw:
    return lambda rng: texts[int(rng.random() * len(texts))]


def _repeat(system: str, item: Draw, *, reply: float) -> Template:
    return Template(
        system=escape(system),
        head="",
        tail="",
        item=lambda rng: escape(item(rng)),
        reply=reply,
    )
