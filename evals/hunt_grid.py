"""The hunt by share of own traffic, size of campaign and rewording: `python -m evals grid`.

    python -m evals.hunt_grid [--seeds 111,112,113] [--honest 3000] [--days 7] [--jobs 2]
                              [--out FILE]

One world for each share of own traffic (no rewording) and for each rewording (half own), with a
campaign of each of `SIZES` in it, on as many seeds as are given; hunted by `titer hunt --json` on
the log alone and scored as in `evals.hunt_worlds`. The smallest size is one that titer never
accuses. Writes evals/hunt_grid.json: hits and n of every cell over all seeds, and by seed, with
exact intervals; `python -m evals.figures` draws it. Campaigns of one world are of one maker, and
accounts of one campaign hang together, so that the intervals are too narrow.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from evals.hunt_worlds import LOOKED_AT, cell
from titer.core.interval import clopper_pearson
from titer.lab.world.plan import Campaign, Paraphrase, World

OUT = Path(__file__).with_suffix(".json")
SIZES = (600, 150, 50, 20)
MIXES = (1.0, 0.5, 0.25, 0.1, 0.05)
#: Share of own traffic at which rewordings are compared.
USUAL = 0.5
WORDINGS: tuple[Paraphrase, ...] = ("jitter", "half", "most")


def plans(seeds: Sequence[int], *, honest: int, days: float) -> Iterator[World]:
    """The worlds of every seed: mixes first, then rewordings."""
    cells: list[tuple[float, Paraphrase]] = [(mix, "none") for mix in MIXES]
    cells += [(USUAL, wording) for wording in WORDINGS]
    for seed in seeds:
        for mix, wording in cells:
            yield World(
                name=name_of(mix, wording),
                seed=seed,
                honest=honest,
                days=days,
                whale=0.2,
                campaigns=tuple(
                    Campaign(name=str(size), accounts=size, mix=mix, paraphrase=wording)
                    for size in SIZES
                ),
            )


def name_of(mix: float, wording: str) -> str:
    """How a cell is called."""
    return f"{mix:.0%} {wording}"


def summed(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By cell: precision and honest accounts accused over all seeds, and recall by size, without
    and with groups under review.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(row["world"] for row in rows):
        same = [row for row in rows if row["world"] == name]
        found[name] = {
            what: _share(same, "titer", what) for what in ("precision", "honest_accused")
        }
        found[name]["recall"] = {size: _recall(same, "titer", size) for size in map(str, SIZES)}
        found[name]["recall_with_review"] = {
            size: _recall(same, "titer_with_review", size) for size in map(str, SIZES)
        }
    return found


def _share(rows: Sequence[dict[str, Any]], which: str, what: str) -> dict[str, Any]:
    return _told([(row[which][what]["hits"], row[which][what]["n"]) for row in rows])


def _recall(rows: Sequence[dict[str, Any]], which: str, size: str) -> dict[str, Any]:
    found = [row[which]["campaigns"][size] for row in rows]
    return _told([(share["hits"], share["n"]) for share in found])


def _told(by_seed: list[tuple[int, int]]) -> dict[str, Any]:
    hits, n = sum(h for h, _ in by_seed), sum(n for _, n in by_seed)
    low, high = clopper_pearson(hits, n)
    return {
        "hits": hits, "n": n, "value": hits / n if n else None, "low": low, "high": high,
        "by_seed": by_seed,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="111,112,113")
    parser.add_argument("--honest", type=int, default=3000)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--jobs", type=int, default=2, help="worlds at a time")
    parser.add_argument("--quick", action="store_true", help="one seed, a day")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    if given.quick:
        given.days, seeds = 1.0, seeds[:1]
    rows: list[dict[str, Any]] = []
    worlds = plans(seeds, honest=given.honest, days=given.days)
    # Threads will do: worlds are written and hunted in processes of their own.
    with ThreadPoolExecutor(given.jobs) as pool:
        made = pool.map(lambda plan: cell(plan, rules=False), worlds)
        for row in made:
            rows.append(row)
            _note(rows, given, seeds)


def _note(rows: list[dict[str, Any]], given: argparse.Namespace, seeds: list[int]) -> None:
    """Say what the last row is, and write what all have come to."""
    row = rows[-1]
    sizes = {size: share["hits"] for size, share in row["titer"]["campaigns"].items()}
    print(
        f"{row['world']} seed {row['seed']}: found {sizes},"
        f" honest accused {row['titer']['honest_accused']['hits']}",
        flush=True,
    )
    result = {
        "what": "titer hunt by own share, size and rewording; log alone",
        "seeds": seeds, "looked_at": sorted(set(seeds) & set(LOOKED_AT)), "sizes": SIZES,
        "honest": given.honest, "days": given.days, "cells": summed(rows),
    }  # fmt: skip
    given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
