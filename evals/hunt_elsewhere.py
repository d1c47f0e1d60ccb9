"""The hunt on worlds of another maker, with published prompts: `python -m evals elsewhere`.

    python -m evals.hunt_elsewhere [--seeds 71,72,73] [--days 3] [--scale 1] [--data DIR]
                                   [--keep RESULTS] [--out evals/hunt_elsewhere.json] [--quick]

Each seed is a world of `evals.elsewhere_world`: some 2,400 honest accounts and five campaigns of
30 to 400. `titer hunt` gets the log alone, without history; campaigns under review accuse nobody.
Looked at while rules were changed: seeds 1 and 2 of an earlier draft and 71 (undeclared firms with
like templates were taken for one campaign, first tied by their networks, then as a pool), 11 to
16, 72 and 89.
Shares carry exact 95 % intervals, too narrow since accounts of one world hang together.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from evals.accounts import DATA
from evals.elsewhere_world import Prompts, make
from evals.hunt_worlds import hunt, judged
from titer.lab.score import Share, accused, read_labels


def one(folder: Path, prompts: Prompts, seed: int, *, days: float, scale: float) -> dict[str, Any]:
    """One world: written, hunted, scored."""
    drawn = make(folder, prompts, seed, days=days, scale=scale)
    labels = read_labels(folder / "labels.jsonl")
    report, seconds = hunt([str(folder / "log.jsonl")])
    names, with_review = accused(report), accused(report, review=True)
    for campaign in drawn:
        members = {n for n, label in labels.items() if label.campaign == campaign["name"]}
        campaign["found"] = len(members & names)
        campaign["found_with_review"] = len(members & with_review)
    return {
        "seed": seed, "days": days, "accounts": len(labels), "seconds": round(seconds, 1),
        "titer": judged(labels, names), "titer_with_review": judged(labels, with_review),
        "campaigns": drawn,
    }  # fmt: skip


def together(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All worlds as one: accounts found by pipeline and by share of own traffic."""
    out: dict[str, Any] = {}
    for key in ("pipeline", "own", "exits", "again", "jitter"):
        table: dict[str, list[int]] = {}
        for row in rows:
            for campaign in row["campaigns"]:
                cell = table.setdefault(str(campaign[key]), [0, 0])
                cell[0] += campaign["found"]
                cell[1] += campaign["size"]
        out[key] = {name: str(Share.of(*cell)) for name, cell in sorted(table.items())}
    for figure in ("precision", "recall", "honest_accused"):
        hits = sum(row["titer"][figure]["hits"] for row in rows)
        out[figure] = str(Share.of(hits, sum(row["titer"][figure]["n"] for row in rows)))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(prog="evals elsewhere")
    parser.add_argument("--seeds", default="71,72,73")
    parser.add_argument("--days", type=float, default=3.0)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of published prompts")
    parser.add_argument("--quick", action="store_true", help="one small world; writes nothing")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, help="results whose other seeds are kept")
    given = parser.parse_args()
    prompts = Prompts(given.data)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    scale = 0.15 if given.quick else given.scale
    rows: list[dict[str, Any]] = []
    if given.keep is not None:
        held = json.loads(given.keep.read_text())["rows"]
        rows = [row for row in held if row["seed"] not in seeds]
    for seed in seeds[: 1 if given.quick else None]:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(one(Path(folder), prompts, seed, days=given.days, scale=scale))
        print(json.dumps(rows[-1]), flush=True)
        result = {"what": "titer hunt on worlds of another maker", "together": together(rows),
                  "rows": rows}  # fmt: skip
        if given.out and not given.quick:
            given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(together(rows), indent=1))


if __name__ == "__main__":
    main()
