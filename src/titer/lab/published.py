"""Published prompts and real arrival traces, read at run time from a folder that is not ours.

The sets are split **by source** (`tune` takes every second source in sorted order, `test` the
others), so that what was tuned on one half is judged on another; a set with a single source is
split by record. Attack templates are split by pipeline in the same way.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal

import duckdb
import zstandard

from titer.core.errors import InputError
from titer.lab.generators import making
from titer.lab.prompts import Harvest, Job, Talker

Split = Literal["all", "tune", "test"]

#: Texts longer than this are cut: the lab plays callers, it does not test body limits.
MAX_CHARS = 8_000

_SLOT_NAMES = ("instruction", "prompt", "question", "problem", "input", "query", "task")
#: Slots of other kinds than ours, and control lines, of published template languages.
_OTHER_SLOT = re.compile(r"\{\{[^{}]{0,80}\}\}|\{[\w.]{0,40}\}")
_CONTROL = re.compile(r"\{%[^%]{0,200}%\}")
_FILLED = ("5", "10", "several", "one")
_WINDOWS = """
    SELECT client, t_s, rate_rps, sum(rate_rps) OVER (PARTITION BY client) AS total
    FROM read_parquet($path) ORDER BY total DESC, client, t_s
"""
_CHAT = ("hh_harmless_turns", "oasst_en_fr", "mtbench_vicuna_xstest")
_SEEDS = ("gsm8k_train", "gpteacher", "seed_tasks_multi")
_FAMILIES = {
    "instruct": "self_instruct",
    "evolve": "evol_instruct",
    "reason": "reasoning_distill",
    "grade": "judge_scoring",
}


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as raw, contextlib.ExitStack() as stack:
        stream: IO[bytes] = raw
        if path.suffix == ".zst":
            stream = stack.enter_context(zstandard.ZstdDecompressor().stream_reader(raw))
        for number, line in enumerate(stack.enter_context(io.TextIOWrapper(stream, "utf-8")), 1):
            try:
                record = json.loads(line)
            except ValueError:
                raise InputError(f"{path}:{number}: not a JSON line") from None
            yield record


def _split(records: list[dict[str, Any]], by: str, split: Split) -> list[dict[str, Any]]:
    """The records of one half; see the module's head for the rule."""
    if split == "all":
        return records
    half = 0 if split == "tune" else 1
    sources = sorted({str(record.get(by)) for record in records})
    if len(sources) == 1:
        return [r for r in records if zlib.crc32(str(r["text"]).encode()) % 2 == half]
    chosen = set(sources[half::2])
    return [record for record in records if str(record.get(by)) in chosen]


class _Conversations:
    """One person who says what somebody once said, conversation by conversation."""

    def __init__(self, rng: random.Random, conversations: list[list[str]]) -> None:
        self._all = rng.sample(conversations, min(len(conversations), 64))
        self._rest: list[str] = []

    def opening(self, rng: random.Random) -> str:
        self._rest = list(rng.choice(self._all))
        return self._rest.pop(0)

    def follow_up(self, rng: random.Random) -> str:
        return self._rest.pop(0) if self._rest else rng.choice(("Why?", "Go on.", "Shorter."))


class _Repeated:
    def __init__(self, fixed: str, items: list[str]) -> None:
        self.fixed = fixed
        self._items = items

    def item(self, rng: random.Random) -> str:
        return rng.choice(self._items)


class _Rendered:
    def __init__(self, templates: list[str], seeds: list[str]) -> None:
        self._templates = templates
        self.seeds = seeds

    def prompt(self, rng: random.Random, seed: str) -> str:
        template = rng.choice(self._templates)
        for name in _SLOT_NAMES:
            slot = "{" + name + "}"
            if slot in template:
                return template.replace(slot, seed)[:MAX_CHARS]
        return f"{template}\n{seed}"[:MAX_CHARS]


class Published:
    """Words of others, from `folder`, of one `split`."""

    def __init__(self, folder: Path, *, split: Split = "all") -> None:
        self.name = f"published ({split})"
        self._folder = folder / "prompts"
        self._split_name: Split = split
        self._cache: dict[str, list[dict[str, Any]]] = {}
        self._talks: list[list[str]] = []

    def _set(self, kind: str, name: str, by: str = "source") -> list[dict[str, Any]]:
        if name not in self._cache:
            path = self._folder / kind / f"{name}.jsonl.zst"
            if not path.exists():
                path = path.with_suffix("")
            if not path.exists():
                raise InputError(f"{path} is missing: use --prompts built-in or complete the set")
            chosen = _split(list(_records(path)), by, self._split_name)
            self._cache[name] = chosen
        return self._cache[name]

    def person(self, rng: random.Random) -> Talker:
        return _Conversations(rng, self.talks())

    def talks(self) -> list[list[str]]:
        """The messages of every published conversation of this split."""
        if not self._talks:
            grouped: dict[str, list[str]] = defaultdict(list)
            for name in _CHAT:
                for index, record in enumerate(self._set("benign", name)):
                    key = str(record.get("conv") or f"{name}-{index}")
                    grouped[key].append(str(record["text"])[:MAX_CHARS])
            self._talks = list(grouped.values())
        return self._talks

    def coder(self, rng: random.Random) -> Talker:
        return making.Coder(rng)

    def batch(self, rng: random.Random) -> Job:
        records = self._set("benign", "batch_etl_p3", by="template")
        template = rng.choice(sorted({str(r["template"]) for r in records}))
        return _Repeated("", [r["text"][:MAX_CHARS] for r in records if r["template"] == template])

    def evaluation(self, rng: random.Random) -> Job:
        records = self._set("benign", "eval_harness")
        source = rng.choice(sorted({str(r["source"]) for r in records}))
        return _Repeated("", [r["text"][:MAX_CHARS] for r in records if r["source"] == source])

    def support(self, rng: random.Random) -> Job:
        records = self._set("benign", "support_short")
        prompts = self._set("benign", "role_system_prompts")
        sample = [str(r["text"]) for r in rng.sample(records, min(len(records), 500))]
        return _Repeated(str(rng.choice(prompts)["text"]), sample)

    def seeds(self) -> list[str]:
        """Problems and instructions that published pipelines work through."""
        return [str(r["text"])[:MAX_CHARS] for name in _SEEDS for r in self._set("attack", name)]

    def pipeline(self, rng: random.Random, families: tuple[str, ...]) -> list[tuple[str, str]]:
        """One published pipeline's templates of `families`: what stands before and after an item.

        Raises InputError when this split has none.
        """
        parts = []
        for template in self._pipeline(rng, families):
            text = _CONTROL.sub("", template)[:MAX_CHARS]
            slots = [(text.find("{" + name + "}"), len(name) + 2) for name in _SLOT_NAMES]
            slots = [slot for slot in slots if slot[0] >= 0]
            other = _OTHER_SLOT.search(text)
            if not slots and other is not None:
                slots = [(other.start(), len(other.group()))]
            at, length = min(slots, default=(len(text), 0))
            head = _OTHER_SLOT.sub(rng.choice(_FILLED), text[:at])
            parts.append((head or "\n", _OTHER_SLOT.sub("", text[at + length :])))
        return parts

    def harvest(self, rng: random.Random, *, families: tuple[str, ...], size: int) -> Harvest:
        templates = self._pipeline(rng, families)
        pool = [r["text"] for name in _SEEDS for r in self._set("attack", name)]
        seeds = rng.sample(pool, min(size, len(pool)))
        return _Rendered(templates, [str(seed)[:MAX_CHARS] for seed in seeds])

    def _pipeline(self, rng: random.Random, families: tuple[str, ...]) -> list[str]:
        wanted = {_FAMILIES[family] for family in families}
        half = [
            record
            for record in _split(self._templates(), "pipeline", self._split_name)
            if record["family"] in wanted and "{" in record["text"]
        ]
        if not half:
            raise InputError(f"no published template for {families} in this split")
        pipeline = rng.choice(sorted({str(r["pipeline"]) for r in half}))
        return [str(r["text"]) for r in half if r["pipeline"] == pipeline]

    def _templates(self) -> list[dict[str, Any]]:
        path = self._folder / "attack" / "templates.jsonl"
        return [{**record, "text": record["template"]} for record in _records(path)]


def arrival_windows(folder: Path) -> list[list[tuple[float, float]]]:
    """Per real client, its (window start in seconds, share of its traffic) list.

    From ServeGen's production traces (10-minute windows); clients in order of volume.
    """
    path = folder / "traces" / "servegen_m-small_rates.parquet"
    if not path.exists():
        return []
    with duckdb.connect() as memory:
        rows = memory.execute(_WINDOWS, {"path": str(path)}).fetchall()
    clients: dict[int, list[tuple[float, float]]] = {}
    for client, at, rate, total in rows:
        if total > 0:
            clients.setdefault(client, []).append((float(at), float(rate) / float(total)))
    return list(clients.values())
