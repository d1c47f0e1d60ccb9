"""Recall on transforms that other people published and wrote: CyberChef's and codext's.

    python -m evals.leaks.published --texts 20 > texts.json      # 20 of each English source
    (cd CHECKOUT && node --no-warnings .../cyberchef.mjs) < texts.json > cyberchef.jsonl
    PYTHON evals/leaks/codext_writes.py < texts.json > codext.jsonl
    python -m evals.leaks.published --half tune cyberchef.jsonl codext.jsonl
    python -m evals.leaks.published --half report --write cyberchef.jsonl codext.jsonl

Which half a transform is in is told by a hash of its tool and its name, before anything was run:
the guard may be changed by what is seen of `tune`; `report` was run once, after the last change of
the guard, and its list of names was printed with that run for the first time.

Among the transforms are many that the guard's page names (base64, hexadecimal, Morse): that is
what such lists hold. They are told apart by the words in their names, as in `leak_guard.others`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from evals.leaks.cases import ENGLISH, SEED, caught, protected, telling
from titer.core.interval import clopper_pearson
from titer.respond.leak_guard.index import Index

OUT = Path(__file__).with_suffix(".json")
HALVES = ("tune", "report")


def half_of(tool: str, name: str) -> str:
    """The half that a transform was put into before it was run."""
    return HALVES[hashlib.sha256(f"{tool}:{name}".encode()).digest()[0] & 1]


def texts_of(each: int) -> list[str]:
    """So many texts of each English source."""
    texts = protected()
    return [text for source in ENGLISH for text in texts[source][:each]]


def cases(files: Iterable[Path], half: str) -> Iterator[dict[str, Any]]:
    """The cases of one half; those of the other are not looked at."""
    for file in files:
        for line in filter(None, file.read_text("utf-8").split("\n")):
            case = json.loads(line)
            if half_of(case["tool"], case["name"]) == half:
                yield case


def measure(files: list[Path], half: str, texts: list[str]) -> dict[str, Any]:
    """Caught by transform, and in all; `named` are those that a list of ours names."""
    draw = random.Random(SEED)
    indexes = [Index([text]) for text in texts]
    known = telling()
    table: dict[str, dict[str, Any]] = {}
    for case in cases(files, half):
        ok, left = caught(indexes[case["at"]], case["written"], draw)
        row = table.setdefault(
            f"{case['tool']}: {case['name']}",
            {"named": bool(telling(case["name"]) & known), "caught": 0, "of": 0, "left": []},
        )  # fmt: skip
        row["caught"] += ok
        row["of"] += 1
        row["left"].append(left)
    for row in table.values():
        row["median_left"] = round(sorted(row.pop("left"))[row["of"] // 2], 3)
    return {
        "texts": len(texts), "table": dict(sorted(table.items())),
        "all": total(table.values()),
        "not named in a list of ours": total(r for r in table.values() if not r["named"]),
    }  # fmt: skip


def total(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Caught of all cases (each transform with as many), and transforms caught mostly."""
    some = list(rows)
    hits, tried = sum(r["caught"] for r in some), sum(r["of"] for r in some)
    most = sum(2 * r["caught"] >= r["of"] for r in some)
    return {
        "writings": len(some), "caught": hits, "of": tried,
        "share": round(hits / tried, 4) if tried else 0.0,
        "writings_caught_mostly": most, "writings_interval": clopper_pearson(most, len(some)),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="what tools wrote")
    parser.add_argument("--texts", type=int, metavar="N", help="print N texts of each source")
    parser.add_argument("--each", type=int, default=20, help="the N that was given to --texts")
    parser.add_argument("--half", choices=HALVES)
    parser.add_argument("--write", action="store_true", help="keep it in published.json")
    given = parser.parse_args()
    if given.texts:
        print(json.dumps(texts_of(given.texts)))
        return 0
    if not given.half or not given.files:
        parser.error("give --texts N, or --half and the files that the tools wrote")
    found = measure(given.files, given.half, texts_of(given.each))
    for name, row in found["table"].items():
        print(f"{row['caught']:4} of {row['of']:3}  left {row['median_left']:.2f}  {name}")
    for name in ("all", "not named in a list of ours"):
        print(f"{given.half}, {name}: {found[name]}")
    if given.write:
        result = json.loads(OUT.read_text("utf-8")) if OUT.exists() else {}
        result |= {"seed": SEED, given.half: found}
        OUT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
