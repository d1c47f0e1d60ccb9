"""The hunt on generated worlds, by the product's own verb, beside naive rules.

    python -m evals.hunt_worlds [--seeds 21] [--honest 3000] [--scale 0.3] [--cells NAME,...]
                                [--out evals/hunt_worlds.json]
    python -m evals.hunt_worlds --cells 24k-50,24k-20,24k-10 --no-rules --seeds 22 [--days 4]
    python -m evals.hunt_worlds --prompts ../shared/data --split test --cells hydra-50
    python -m evals.hunt_worlds --cells poisoned-0,poisoned-10,poisoned-50,poisoned-100 --no-rules
    python -m evals.hunt_worlds --cells 30k-honest --no-rules

Every cell writes a world (`titer lab world`), runs `titer hunt --json` on its log without history
or calibration, and scores the accounts of campaigns that are not under review against the labels
(`titer.lab.score`, which knows nothing of the hunt). The same log goes to the baselines. Rules
and thresholds of the hunt were made on the seeds in `LOOKED_AT` of such worlds, large and small,
which are of the same maker as these. `asked` counts, of the accounts in campaigns, those that sent
one or more of their campaign's own requests while the log lasts: nobody can know the others.
Accounts of one world are not independent, so that intervals over accounts are too narrow; not a
field error rate.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from titer.lab import baselines
from titer.lab.score import accused, read_labels, score
from titer.lab.world.make import Made
from titer.lab.world.plan import Campaign, World
from titer.lab.world.presets import PRESETS
from titer.lab.world.writer import write

CELLS = (
    "honest", "hydra-open", "hydra-50", "hydra-20", "hydra-10-paraphrased", "hydra-careful",
    "replaced", "pivot", "small-50",
)  # fmt: skip
#: Seeds after which rules or thresholds were changed.
LOOKED_AT = (
    *range(1, 10), 22, 31, 32, 41, 55, 56, 57, 61, 62, 64, 71, 76, 81, 93, 101, 102, 103, 112,
)  # fmt: skip
#: A campaign as large as the largest that is publicly known, by its share of own traffic.
SIZES = (20_000, 3_000, 800, 200)
BIG = {
    "24k-50": (2.0, Campaign(mix=0.5)),
    "24k-20": (4.0, Campaign(mix=0.2)),
    "24k-10": (7.0, Campaign(mix=0.1, paraphrase="half")),
}
#: What an attacker put into the history: half-covered campaigns of which that share of accounts
#: had been asking from its first day on; hunted with `--history`.
POISONED = "poisoned-"


def large(name: str, *, seed: int, days: float | None = None) -> World:
    """A world of 24,000 accounts in campaigns among 60,001, for `days` or as `BIG` says."""
    usual, base = BIG[name]
    days = usual if days is None else days
    campaigns = tuple(
        msgspec.structs.replace(base, name=f"c{number}", accounts=accounts)
        for number, accounts in enumerate(SIZES, 1)
    )
    return World(
        name=name, seed=seed, honest=60_000, days=days, pace=0.4, whale=0.2, campaigns=campaigns
    )


def planned(name: str, *, seed: int, honest: int, scale: float) -> World:
    """The plan of one cell at the size that is run here."""
    if name == "30k-honest":
        return World(name=name, seed=seed, honest=30_000, days=7.0, pace=0.4, whale=0.2)
    if name.startswith(POISONED):
        share = int(name.removeprefix(POISONED)) / 100
        plan = msgspec.structs.replace(
            PRESETS["hydra-50"].plan, name=name, history_days=4.0, days=4.0, poison=share
        )
    else:
        plan = PRESETS[name].plan
    campaigns = tuple(
        msgspec.structs.replace(c, accounts=max(3, round(c.accounts * scale)))
        if c.accounts > 100
        else c
        for c in plan.campaigns
    )
    return msgspec.structs.replace(plan, seed=seed, honest=honest, whale=0.2, campaigns=campaigns)


def hunt(logs: Sequence[str], *, history: str = "", seed: int = 1) -> tuple[dict[str, Any], float]:
    """What `titer hunt --json` prints, and the seconds it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "titer", "hunt", *logs, "--json", "--seed", str(seed)]
    if history:
        command += ["--history", history]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return json.loads(done.stdout), time.monotonic() - began


def own_requests(plan: World) -> dict[str, int]:
    """Every account's requests of its campaign's own, by the world's timetable."""
    made = Made(plan)
    count = np.zeros(len(made.accounts), np.int64)
    for number in made.span:
        if number >= 0:  # before it lies the history
            day = made.day(number)
            count += np.bincount(day.who[day.own], minlength=len(count))
    return {a.name: int(n) for a, n in zip(made.accounts, count, strict=True)}


def judged(labels: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Precision, recall and false alarms of some accused names, with exact intervals."""
    result = score(labels, names)
    return msgspec.to_builtins(result)


def cell(plan: World, *, rules: bool) -> dict[str, Any]:
    """One world: written, hunted, scored."""
    with tempfile.TemporaryDirectory() as folder:
        written = write(plan, Path(folder), jobs=2)
        labels = read_labels(Path(written.labels))
        report, seconds = hunt(written.logs, history=written.history)
        own = own_requests(plan)
        row: dict[str, Any] = {
            "world": plan.name,
            "prompts": "built-in" if plan.prompts == "built-in" else f"published, {plan.split}",
            "days": plan.days,
            "seed": plan.seed,
            "exchanges": written.exchanges,
            "accounts": written.accounts,
            "in_campaigns": sum(1 for label in labels.values() if label.campaign),
            "mix": written.mix,
            "asked": sum(1 for name, n in own.items() if n and labels[name].campaign),
            "found_of_asked": sum(1 for name in accused(report) if own.get(name)),
            "seconds": round(seconds, 1),
            "permutations": report["calibration"].get("permutations"),
            "titer": judged(labels, accused(report)),
            "titer_with_review": judged(labels, accused(report, review=True)),
            "campaigns": [
                {"size": len(c["members"]), "bits": c["bits"], "review": c["review"],
                 "formed": c["modalities"]["formed"]}
                for c in report["campaigns"]
            ],
            "baselines": {},
        }  # fmt: skip
        if rules:
            for name in baselines.NAMES:
                if name != "metadata":  # needs a second world to be trained on
                    found = baselines.run(name, Path(folder))
                    row["baselines"][name] = judged(labels, set(found))
    return row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="21")
    parser.add_argument("--honest", type=int, default=3000)
    parser.add_argument("--scale", type=float, default=0.3)
    parser.add_argument("--cells", default=",".join(CELLS), help="'' for none: kept rows alone")
    parser.add_argument("--prompts", default="built-in", help="folder of published prompts")
    parser.add_argument("--split", default="all", help="sources of published prompts: tune, test")
    parser.add_argument("--days", type=float, help="length of the large worlds' logs")
    parser.add_argument("--no-rules", action="store_true", help="leave the baselines out")
    parser.add_argument("--quick", action="store_true", help="one small cell")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, nargs="*", default=[], help="results to add to")
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    if given.quick:
        plans = [planned("hydra-50", seed=seeds[0], honest=300, scale=0.03)]
    else:
        plans = [
            large(name, seed=seed, days=given.days)
            if name in BIG
            else planned(name, seed=seed, honest=given.honest, scale=given.scale)
            for seed in seeds
            for name in given.cells.split(",")
            if name
        ]
    rows: list[dict[str, Any]] = []
    for path in given.keep:
        held = json.loads(path.read_text())["rows"]
        rows = [r for r in rows if _which(r) not in {_which(h) for h in held}] + held
    for plan in plans:
        plan = msgspec.structs.replace(plan, prompts=given.prompts, split=given.split)  # noqa: PLW2901
        row = cell(plan, rules=not given.no_rules)
        rows = [r for r in rows if _which(r) != _which(row)] + [row]
        print(told(row), flush=True)
        if given.out:
            _keep(rows, given.out)
    if given.out and not plans:
        _keep(rows, given.out)


def _keep(rows: list[dict[str, Any]], path: Path) -> None:
    for row in rows:
        row["looked_at"] = row["seed"] in LOOKED_AT
    result = {"what": "titer hunt on generated worlds", "looked_at_seeds": LOOKED_AT,
              "rows": rows}  # fmt: skip
    path.write_text(json.dumps(result, indent=1) + "\n")


def _which(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["world"], row["prompts"], row["seed"], row["days"], row["accounts"]


def told(row: dict[str, Any]) -> str:
    """One row in words."""

    def share(found: dict[str, Any]) -> str:
        return "none" if found["value"] is None else f"{found['value']:.4f} ({found['n']})"

    out = [
        (
            f"{row['world']} seed {row['seed']}: {row['exchanges']} exchanges, "
            f"{row['accounts']} accounts, {row['in_campaigns']} in campaigns, {row['seconds']} s"
        )
    ]
    for name, found in (("titer", row["titer"]), ("with review", row["titer_with_review"]),
                        *row["baselines"].items()):  # fmt: skip
        out.append(
            f"  {name:14} precision {share(found['precision'])} recall {share(found['recall'])} "
            f"honest accused {share(found['honest_accused'])}"
        )
    return "\n".join(out)


if __name__ == "__main__":
    main()
