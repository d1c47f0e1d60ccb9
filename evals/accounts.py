"""Accounts made of real prompts, for the evaluation of detectors of one caller.

Every prompt source belongs to one side: `tune` sources may be looked at while building,
`report` sources are used for the figures that are published. Nothing here is seen by titer
itself; prompts stay in the data directory.
"""

from __future__ import annotations

import io
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard

from titer.core.nouns import Exchange, Principal, ReplyFacts, RequestFacts, Usage

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

#: Which side a source may be used on.
HONEST = {
    "tune": {
        "chat": ("hh-rlhf/harmless-base/test", "OpenAssistant/en"),
        "support": ("clinc150",),
        "evaluation": ("BBH/cot-fewshot",),
        "agent": ("BFCL/multi_turn_base", "BFCL/live_multiple", "glaive_toolcall_en"),
        "batch": "even",
        "roles": ("awesome-chatgpt-prompts(copy)",),
    },
    "report": {
        "chat": ("mt_bench", "vicuna_bench", "xstest_safe", "OpenAssistant/fr",
                 "OpenAssistant/realistic_seed", "self-instruct/user_oriented"),
        "support": ("banking77",),
        "evaluation": ("MGSM", "HumanEval", "gsm8k/test 8-shot"),
        "agent": ("tau-bench/airline", "BFCL/live_irrelevance", "glaive_toolcall_zh"),
        "batch": "odd",
        "roles": ("awesome-chatgpt-prompts-zh",),
    },
}  # fmt: skip
#: Pipelines whose templates attackers use, and what they fill them with.
ATTACK = {
    "tune": (("distilabel", "WizardLM"), ("GPTeacher/Codegen", "GPTeacher/Toolformer")),
    "report": (
        ("camel", "rulm", "vigogne", "self-instruct", "stanford_alpaca", "open-r1"),
        ("gsm8k/train", "GPTeacher/Roleplay", "self-instruct/seed_tasks"),
    ),
}
#: What honest organisations do, and how often one does it.
KINDS = {
    "chat": 0.50, "application": 0.18, "support": 0.08, "agent": 0.08,
    "batch": 0.06, "evaluation": 0.05, "writer": 0.05,
}  # fmt: skip
DAY = 86_400_000_000
SPAN = 14 * DAY
Texts = list[tuple[str, str]]


class Prompts:
    """The prompts of one side, by what they are for."""

    def __init__(self, side: str) -> None:
        rows = list(_rows("benign")) + list(_rows("attack"))
        self.by_source: dict[str, list[dict]] = defaultdict(list)
        for row in rows:
            self.by_source[row["source"]].append(row)
        names = HONEST[side]
        self.chats = _conversations(self._of(names["chat"]))
        self.support = _intents(self._of(names["support"]))
        self.agents = _conversations(self._of(names["agent"]))
        self.evaluations = _grouped(self._of(names["evaluation"]), "task")
        self.roles = [row["text"] for row in self._of(names["roles"])]
        batches: dict[str, list[str]] = defaultdict(list)
        for source, found in sorted(self.by_source.items()):
            if source.startswith("P3/"):
                batches[re.split(r"[_/]", source)[1]] += [row["text"] for row in found]
        order = sorted(batches)
        self.batches = [batches[name] for name in order[names["batch"] == "odd" :: 2]]
        pipelines, seeds = ATTACK[side]
        self.templates = [
            row for row in _templates() if row["pipeline"] in pipelines and "{" in row["template"]
        ]
        self.seeds = [row["text"] for row in self._of(seeds)]

    def _of(self, sources: tuple[str, ...]) -> list[dict]:
        return [row for source in sources for row in self.by_source[source]]


def honest(prompts: Prompts, name: str, rng: random.Random) -> tuple[str, Iterator[Exchange]]:
    """One honest organisation: what it does, and its exchanges (texts in place of a sketch)."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    volume = min(600, int(4 + rng.paretovariate(0.9) * 6))
    if kind in ("batch", "evaluation", "writer"):
        volume = rng.randint(40, 600)
    maker: Callable[[Prompts, random.Random], Callable[[], tuple]] = _MAKERS[kind]
    return kind, _exchanges(name, volume, maker(prompts, rng), rng)


def attacker(
    prompts: Prompts, name: str, mix: float, volume: int, rng: random.Random
) -> tuple[str, Iterator[Exchange]]:
    """One key that harvests with one template; a share 1 - mix of its requests is chat."""
    row = rng.choice(prompts.templates)
    cover = _chat(prompts, rng)
    seeds = rng.sample(prompts.seeds, min(volume, len(prompts.seeds)))
    settings = {"temperature": rng.choice((0.0, 0.7, 1.0)), "max_tokens": 2048}
    state = iter(range(10**9))

    def make() -> tuple:
        if rng.random() >= mix:
            return cover()
        text = _filled(row["template"], seeds[next(state) % len(seeds)], rng)
        return [("user", text)], int(rng.lognormvariate(6.2, 0.6)), settings

    return row["pipeline"] + "/" + row["name"], _exchanges(name, volume, make, rng)


def _exchanges(
    name: str, volume: int, make: Callable[[], tuple], rng: random.Random
) -> Iterator[tuple[Exchange, Texts]]:
    start = rng.random() * SPAN * 0.7
    gap = (SPAN - start) / (volume + 1)
    at = start
    principal = Principal(name)
    for number in range(volume):
        at += rng.expovariate(1.0) * gap * 0.9
        texts, out, settings = make()
        tokens = sum(len(text) for _, text in texts) // 4
        yield (
            Exchange(
                f"{name}-{number}", int(min(at, SPAN - 1)), principal, "/v1/chat/completions", "m",
                request=RequestFacts(
                    roles=tuple(role for role, _ in texts), turns=len(texts), params=settings
                ),
                usage=Usage(tokens, out), reply=ReplyFacts(finish="stop"),
            ),
            texts,
        )  # fmt: skip


def _chat(prompts: Prompts, rng: random.Random) -> Callable[[], tuple]:
    settings = {"temperature": 1.0} if rng.random() < 0.3 else {}
    system = [("system", rng.choice(prompts.roles))] if rng.random() < 0.3 else []
    turns: list[str] = []
    said: Texts = []

    def make() -> tuple:
        nonlocal turns, said
        if not turns:
            turns, said = list(rng.choice(prompts.chats)), list(system)
        said = [*said, ("user", turns.pop(0))]
        texts = said
        said = [*said, ("assistant", "I see. " + " ".join(rng.choices(_WORDS, k=30)))]
        return texts, int(rng.lognormvariate(5.2, 0.9)), settings

    return make


def _application(prompts: Prompts, rng: random.Random) -> Callable[[], tuple]:
    """One system prompt, single questions, some asked again; long or short replies."""
    system = ("system", rng.choice(prompts.roles))
    pool = [turns[0] for turns in rng.sample(prompts.chats, min(200, len(prompts.chats)))]
    again, length = rng.betavariate(1, 4), rng.uniform(3.0, 6.2)
    settings = {"temperature": rng.choice((0.0, 0.3, 0.7)), "max_tokens": 1024}
    asked: list[str] = [pool[0]]

    def make() -> tuple:
        text = rng.choice(asked) if rng.random() < again else rng.choice(pool)
        asked.append(text)
        return [system, ("user", text)], int(rng.lognormvariate(length, 0.6)), settings

    return make


def _support(prompts: Prompts, rng: random.Random) -> Callable[[], tuple]:
    system = ("system", "You answer customers of our company. " + rng.choice(prompts.roles)[:200])
    weights = [rng.paretovariate(1.0) for _ in prompts.support]
    length = rng.choice((1.0, 4.8))

    def make() -> tuple:
        intent = rng.choices(prompts.support, weights)[0]
        text = rng.choice(intent[: rng.randint(1, len(intent))])
        out = int(rng.lognormvariate(length, 0.5)) + 1
        return [system, ("user", text)], out, {"temperature": 0.0, "max_tokens": 256}

    return make


def _agent(prompts: Prompts, rng: random.Random) -> Callable[[], tuple]:
    said: Texts = []
    turns: list[str] = []

    def make() -> tuple:
        nonlocal said, turns
        if not turns:
            turns = list(rng.choice(prompts.agents))
            said = [("system", "You are an agent with tools. Call one at a time.")]
        said = [*said, ("user", turns.pop(0))]
        texts = said
        said = [*said, ("assistant", "calling"), ("tool", '{"ok": true, "id": 12}')]
        return texts, int(rng.lognormvariate(4.0, 0.7)), {"temperature": 0.0}

    return make


def _batch(prompts: Prompts, rng: random.Random) -> Callable[[], tuple]:
    documents = list(rng.choice(prompts.batches))
    rng.shuffle(documents)
    length = rng.choice((0.7, 3.0, 5.0))
    state = iter(range(10**9))

    def make() -> tuple:
        text = documents[next(state) % len(documents)]
        out = int(rng.lognormvariate(length, 0.5)) + 1
        return [("user", text)], out, {"temperature": 0.0, "max_tokens": 512}

    return make


def _evaluation(prompts: Prompts, rng: random.Random) -> Callable[[], tuple]:
    items = rng.choice(prompts.evaluations)
    length = rng.choice((1.5, 5.0, 6.0))
    state = iter(range(10**9))

    def make() -> tuple:
        text = items[next(state) % len(items)]
        out = int(rng.lognormvariate(length, 0.4)) + 1
        return [("user", text)], out, {"temperature": 0.0, "max_tokens": 1024}

    return make


def _writer(_: Prompts, rng: random.Random) -> Callable[[], tuple]:
    """Content at scale from one template: the same conduct as an extraction, but for a shop."""
    frame = rng.choices(_WORDS, k=rng.randint(15, 60))

    def make() -> tuple:
        thing = " ".join(rng.choices(_WORDS, k=rng.randint(3, 40)))
        text = " ".join(frame) + "\n\n" + thing
        return [("user", text)], int(rng.lognormvariate(5.5, 0.5)), {"temperature": 0.7}

    return make


_MAKERS = {
    "chat": _chat, "application": _application, "support": _support, "agent": _agent,
    "batch": _batch, "evaluation": _evaluation, "writer": _writer,
}  # fmt: skip
_WORDS = (  # noqa: SIM905 - prose is easier to read than a list
    "write short product text for our shop with a friendly tone and name its size colour "
    "material price warm light garden kitchen chair table lamp summer winter blue green red "
    "wool cotton steel wood glass small large new old soft hard quick slow morning evening "
    "customer order parcel return label brand story page title list point benefit water sun "
    "travel city river mountain coffee bread music school child family team office paper"
).split()


def _filled(template: str, seed: str, rng: random.Random) -> str:
    """A template with its first slot taken by a seed prompt and others by scraps of it."""
    first = True

    def fill(_: re.Match) -> str:
        nonlocal first
        if first:
            first = False
            return seed
        words = seed.split()
        start = rng.randrange(max(1, len(words) - 8))
        return " ".join(words[start : start + 8])

    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{[\w ]*\}", fill, template)


def records(data: Path, name: str) -> list[dict]:
    """The records of one prompt set, such as `attack/gpteacher`, under a data folder."""
    packed = data / "prompts" / f"{name}.jsonl.zst"
    if not packed.exists():
        path = packed.with_suffix("")
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    with packed.open("rb") as raw:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw), "utf-8")
        return [json.loads(line) for line in lines]


def _rows(folder: str) -> Iterator[dict]:
    for path in sorted((DATA / "prompts" / folder).glob("*.jsonl.zst")):
        if not path.name.startswith(("recorded", "logit", "system_prompt")):
            yield from records(DATA, f"{folder}/{path.name.removesuffix('.jsonl.zst')}")


def _templates() -> list[dict]:
    return records(DATA, "attack/templates")


def _grouped(rows: list[dict], field: str) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        groups[row["source"] + str(row.get(field))].append(row["text"])
    return [group for _, group in sorted(groups.items()) if len(group) >= 20]


def _conversations(rows: list[dict]) -> list[list[str]]:
    talks: dict[str, list[str]] = defaultdict(list)
    for number, row in enumerate(rows):
        talks[row["source"] + str(row.get("conv", number))].append(row["text"])
    return [turns for _, turns in sorted(talks.items())]


def _intents(rows: list[dict]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        groups[str(row["intent"])].append(row["text"])
    return [group for _, group in sorted(groups.items())]
