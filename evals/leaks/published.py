"""Recall on transforms that other people published and wrote: CyberChef's, codext's, packages'.

    python -m evals.leaks.published --texts 20 > texts.json      # 20 of each English source
    (cd CHECKOUT && node --no-warnings .../cyberchef.mjs) < texts.json > cyberchef.jsonl
    PYTHON evals/leaks/codext_writes.py < texts.json > codext.jsonl
    python -m evals.leaks.published --half tune cyberchef.jsonl codext.jsonl
    python -m evals.leaks.published --half report --write cyberchef.jsonl codext.jsonl

    PYTHON evals/leaks/packages_write.py < texts.json > packages.jsonl
    python -m evals.leaks.published --half tune packages.jsonl
    python -m evals.leaks.published --half report --as packages --write packages.jsonl

Which half a transform is in is told by a hash of its tool and its name, before anything was run:
the guard may be changed by what is seen of `tune`; `report` was run once, after the last change of
the guard, and its list of names was printed with that run for the first time. Of the packages, the
largest alone is halved (`HALVED`); all others are in `report` as a whole. Recall is also averaged
over transforms, each with as much weight, with a bootstrap over transforms. To measure an older
guard on the same cases, put its `src` first on PYTHONPATH and name it with `--as`.

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

from evals.leaks.cases import (
    AFTER,
    BEFORE,
    ENGLISH,
    SEED,
    caught,
    peer_catches,
    protected,
    telling,
)
from titer.core.interval import clopper_pearson
from titer.respond.leak_guard.index import Index

OUT = Path(__file__).with_suffix(".json")
HALVES = ("tune", "report")
#: Tools of whose transforms one half may be looked at; all others are `report` as a whole.
HALVED = ("CyberChef", "codext", "ars-occultandarum-litterarum")
#: Draws of a bootstrap over transforms.
DRAWS = 4000


def half_of(tool: str, name: str) -> str:
    """The half that a transform was put into before it was run."""
    if tool not in HALVED:
        return "report"
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


def measure(
    files: list[Path], half: str, texts: list[str], peer: str | None = None
) -> dict[str, Any]:
    """Caught by transform, and in all; `named` are those that a list of ours names. `peer`: by
    unmimic's exact check, of an interpreter that has it, and not by the guard.
    """
    draw = random.Random(SEED)
    indexes = [Index([text]) for text in texts]
    known = telling()
    table: dict[str, dict[str, Any]] = {}
    some = list(cases(files, half))
    whole = [(texts[case["at"]], BEFORE + case["written"] + AFTER) for case in some]
    theirs = iter(peer_catches(peer, whole) if peer else ())
    for case in some:
        if peer:
            ok, left = next(theirs), 0.0
        else:
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
        "by_tool": {
            tool: total(row for name, row in table.items() if name.startswith(f"{tool}: "))
            for tool in dict.fromkeys(name.split(": ")[0] for name in table)
        },
    }  # fmt: skip


def total(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Caught of all cases (each transform with as many), and transforms caught mostly."""
    some = list(rows)
    hits, tried = sum(r["caught"] for r in some), sum(r["of"] for r in some)
    most = sum(2 * r["caught"] >= r["of"] for r in some)
    shares = [r["caught"] / r["of"] for r in some]
    draw = random.Random(SEED)
    means = sorted(
        sum(draw.choices(shares, k=len(shares))) / len(shares) for _ in range(DRAWS if some else 0)
    )
    return {
        "writings": len(some), "caught": hits, "of": tried,
        "share": round(hits / tried, 4) if tried else 0.0,
        "mean_of_writings": round(sum(shares) / len(shares), 4) if some else 0.0,
        "mean_interval": [round(means[int(q * DRAWS)], 4) for q in (0.025, 0.975)] if some else [],
        "writings_caught_mostly": most, "writings_interval": clopper_pearson(most, len(some)),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="what tools wrote")
    parser.add_argument("--texts", type=int, metavar="N", help="print N texts of each source")
    parser.add_argument("--each", type=int, default=20, help="the N that was given to --texts")
    parser.add_argument("--half", choices=HALVES)
    parser.add_argument("--as", dest="name", help="what it is kept as; else as its half")
    parser.add_argument(
        "--peer", metavar="PYTHON", help="one that has unmimic 0.1.0: measure its exact check"
    )
    parser.add_argument("--write", action="store_true", help="keep it in published.json")
    given = parser.parse_args()
    if given.texts:
        print(json.dumps(texts_of(given.texts)))
        return 0
    if not given.half or not given.files:
        parser.error("give --texts N, or --half and the files that the tools wrote")
    found = measure(given.files, given.half, texts_of(given.each), given.peer)
    for name, row in found["table"].items():
        print(f"{row['caught']:4} of {row['of']:3}  left {row['median_left']:.2f}  {name}")
    for name in ("all", "not named in a list of ours"):
        print(f"{given.half}, {name}: {found[name]}")
    for name, row in found["by_tool"].items():
        print(f"{given.half}, {name}: {row}")
    if given.write:
        result = json.loads(OUT.read_text("utf-8")) if OUT.exists() else {}
        result |= {"seed": SEED, given.name or given.half: found}
        OUT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
