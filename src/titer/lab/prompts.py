"""Where the lab's words come from: our own generators, or published prompts when they are there.

`BuiltIn` needs nothing. `Published` reads a folder of prompt sets (`prompts/benign/*.jsonl.zst`,
`prompts/attack/*`), which is never part of this project; `find_data` says whether one is near.
Both give the same kinds of talkers, so that a scenario does not care.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Protocol

from titer.lab.generators import chat, extraction, making, study, tongues, work


class Talker(Protocol):
    """One person or program: first messages, and later ones of the same conversation."""

    def opening(self, rng: random.Random) -> str: ...

    def follow_up(self, rng: random.Random) -> str: ...


class Job(Protocol):
    """One repeated piece of work: a fixed part and what changes."""

    fixed: str

    def item(self, rng: random.Random) -> str: ...


class Harvest(Protocol):
    """One campaign's templates over one campaign's work-list."""

    seeds: list[str]

    def prompt(self, rng: random.Random, seed: str) -> str: ...


class Prompts(Protocol):
    """A source of words. Every draw takes the caller's random state."""

    name: str

    def person(self, rng: random.Random) -> Talker: ...

    def coder(self, rng: random.Random) -> Talker: ...

    def batch(self, rng: random.Random) -> Job: ...

    def evaluation(self, rng: random.Random) -> Job: ...

    def support(self, rng: random.Random) -> Job: ...

    def harvest(self, rng: random.Random, *, families: tuple[str, ...], size: int) -> Harvest: ...


class _Batch:
    def __init__(self, rng: random.Random) -> None:
        self.fixed = work.template(rng)
        self._sentences = rng.randint(6, 30)

    def item(self, rng: random.Random) -> str:
        return work.document(rng, sentences=max(2, self._sentences + rng.randint(-3, 4)))


class _Evaluation:
    def __init__(self, rng: random.Random) -> None:
        self.fixed = study.few_shot_prefix(rng, shots=rng.randint(0, 5))

    def item(self, rng: random.Random) -> str:
        return study.item(rng) + "\nA:"


class _Support:
    def __init__(self, rng: random.Random) -> None:
        self.fixed = work.system_prompt(rng)

    def item(self, rng: random.Random) -> str:
        return work.support_question(rng)


class _Harvest:
    def __init__(self, rng: random.Random, families: tuple[str, ...], size: int) -> None:
        self._pipeline = extraction.Pipeline(rng, families)
        self.seeds = extraction.work_list(rng, size=size)

    def prompt(self, rng: random.Random, seed: str) -> str:
        return self._pipeline.prompt(rng, seed)


class BuiltIn:
    """Words of our own; needs no files."""

    name = "built-in"

    def person(self, rng: random.Random) -> Talker:
        return tongues.Speaker(rng) if rng.random() < 0.25 else chat.Chatter(rng)

    def coder(self, rng: random.Random) -> Talker:
        return making.Coder(rng)

    def batch(self, rng: random.Random) -> Job:
        return _Batch(rng)

    def evaluation(self, rng: random.Random) -> Job:
        return _Evaluation(rng)

    def support(self, rng: random.Random) -> Job:
        return _Support(rng)

    def harvest(self, rng: random.Random, *, families: tuple[str, ...], size: int) -> Harvest:
        return _Harvest(rng, families, size)


def find_data(given: str = "") -> Path | None:
    """The folder of published prompts: `given`, else $TITER_DATA, else `../shared/data`.

    The last is looked for beside the current directory and beside a checkout of this project.
    A `given` folder that does not look right raises FileNotFoundError; otherwise None.
    """
    if given:
        folder = Path(given)
        if not (folder / "prompts" / "benign").is_dir():
            raise FileNotFoundError(f"{folder} has no prompts/benign: name a data set")
        return folder
    checkout = Path(__file__).resolve().parents[3]
    near = [Path("..") / "shared" / "data", checkout.parent / "shared" / "data"]
    named = os.environ.get("TITER_DATA", "")
    for folder in ([Path(named)] if named else []) + near:
        if (folder / "prompts" / "benign").is_dir():
            return folder
    return None
