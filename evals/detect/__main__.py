"""How well one caller is weighed: python -m evals detect [--quick].

    python -m evals detect             # needs ../shared/data; about an hour on two cores
    python -m evals detect --quick     # under a minute, prints, writes nothing
    python -m evals detect --part windows --side report --guard FOLDER    # a part of the result
    python -m evals detect --part windows --group chat    # one group; others of that commit stay
    python -m evals detect --part "few windows" --side report --group chat    # a minute of CPU

Stopped and started again it goes on: what was run lies in the temporary folder (`kept.py`).
Sources are split: `tune` may be looked at while building, `report` gives the published figures.
Crowds, attackers, volumes and reply lengths are ours; prompts and templates are published ones.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

import msgspec

from evals.accounts import DATA
from evals.detect import contest, dosed, kept, running, runs, single, windows
from evals.detect.pools import Pools
from evals.detect.runs import Sizes
from titer.detect.calibration import Calibration

SEED = 20261128
#: Of windows: another, since figures of three were seen while what they measure was mended.
WINDOW_SEED = 20261131
RESULT = Path(__file__).parents[1] / "detect.json"
SIDES, PARTS = ("tune", "report"), ("accounts", "dosed", "windows", "few windows")
#: Parts that are made group by group.
GROUPED = ("windows", "few windows")
QUICK = Sizes(
    calibrate=500, tune=300, report=300, shifted=150, attackers=1, exchanges=80, dosed=2000,
    pools=0.05,
)  # fmt: skip
QUICK_WINDOWS = windows.Sizes(
    calibrate=(12, 12, 12),
    test=(6, 6, 6),
    attackers=1,
    draws=1,
    window=100,
    past=100,
    pools=0.05,
    hashed=True,
    fitted=60,
)
#: A look that takes a minute of CPU a group: fewer windows than a service would calibrate on, and
#: the highest of a hundred as the threshold.
FEW_WINDOWS = windows.Sizes(
    calibrate=(100, 100, 100), test=(40, 40, 40), attackers=5, fitted=96, hashed=True
)
#: Prompts of the `tune` sources that unmimic's guard learns as honest.
BENIGN = 1500
HEAD = {
    "what": "detection of one caller; see evals/detect",
    "seed": SEED,
    "split": "detectors were built on `tune` sources; `report` sources give the figures",
    "assumed": "shares of kinds, volumes, reply lengths, times, networks, who is in which tier",
}


class Task:
    """One side of the sources at one size."""

    def __init__(self, side: str, sizes: Sizes, jobs: int) -> None:
        self.side, self.sizes, self.jobs = side, sizes, jobs
        self.flags = runs.flags(0.2 if sizes is QUICK else 1.0)

    def _single(self) -> single.Side:
        pools = Pools(self.side, seed=SEED, scale=self.sizes.pools, flags=self.flags)
        calibration = self._calibration(pools, self.sizes.calibrate)
        return single.Side(pools, calibration, SEED, self.jobs)

    def dosed(self) -> dict:
        return dosed.report(self._single(), self.sizes.dosed)

    def accounts(self) -> dict:
        figures = self._single()
        other = None
        if self.side == "report":
            tune = Pools("tune", seed=SEED, scale=self.sizes.pools, flags=self.flags)
            other = self._calibration(tune, self.sizes.other)
        elif self.sizes is QUICK:
            other = figures.calibration
        return figures.report(self.sizes, other)

    def windows(self, sizes: windows.Sizes, groups: tuple[str, ...]) -> dict:
        seed = WINDOW_SEED
        few = Pools(self.side, seed=seed, scale=sizes.pools, flags=self.flags, keep=True, half=0)
        other = Pools(self.side, seed=seed + 1, scale=sizes.pools, keep=True, half=1)
        benign = [talk[0] for talk in runs.Prompts("tune").chats[:BENIGN]]
        setting = runs.Setting(few, running.Runner(()), seed, 0.0, self.jobs)
        return contest.report(setting, other, benign, sizes, groups)

    def _calibration(self, pools: Pools, size: int) -> Calibration:
        return kept.calibration(
            f"{pools.side}-{size}-{SEED}", lambda: runs.calibrated(pools, size, SEED)
        )


def run(
    sides: tuple[str, ...],
    parts: tuple[str, ...],
    sizes: Sizes,
    jobs: int,
    groups: tuple[str, ...] = tuple(windows.GROUPS),
) -> dict:
    """The figures asked for, by side and part."""
    out: dict = {}
    for side in sides:
        task = Task(side, sizes, jobs)
        for part in parts:
            started, found = time.monotonic(), {"commit": kept.commit(), "seed": SEED}
            if part in GROUPED:
                found["seed"] = WINDOW_SEED
            if part == "accounts":
                found |= task.accounts()
            elif part == "dosed":
                found |= task.dosed()
            else:
                size = windows.Sizes() if part == "windows" else FEW_WINDOWS
                found |= task.windows(QUICK_WINDOWS if sizes is QUICK else size, groups)
            found["seconds"] = round(time.monotonic() - started)
            out.setdefault(side, {})[part] = found
            print(f"{side}, {part}: {found['seconds']} s", file=sys.stderr, flush=True)
    return out


def kept_with(found: dict) -> dict:
    """The result file with parts of it made anew."""
    result = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    result = {**HEAD, **{side: result.get(side, {}) for side in SIDES}}
    for side, parts in found.items():
        for part in GROUPED:
            old, new = result[side].get(part, {}), parts.get(part)
            if new and old.get("commit") == new["commit"]:
                new["groups"] = old["groups"] | new["groups"]
        result[side] |= parts
    return result


def compact(result: dict) -> str:
    """JSON with lists of numbers on one line each."""
    text = json.dumps(result, indent=1)
    number = r"(?:-?[\d.e+-]+|null)"
    lists = re.compile(rf"\[\s*({number}(?:,\s*{number})*)\s*\]")
    return lists.sub(lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m evals detect", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small; prints, writes nothing")
    parser.add_argument("--side", choices=SIDES, help="one side of the sources alone")
    parser.add_argument("--part", choices=PARTS, help="one part alone")
    parser.add_argument("--group", choices=tuple(windows.GROUPS), help="one group of windows")
    parser.add_argument("--honest", type=int, help="honest organisations to test on")
    parser.add_argument("--guard", type=Path, help="folder of the installed package unmimic")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    given = parser.parse_args()
    if not DATA.exists():
        print("evals detect needs the prompt data in ../shared/data; see its README",
              file=sys.stderr)  # fmt: skip
        return 2
    contest.Methods.folder = given.guard
    parts = (given.part,) if given.part else PARTS
    if given.quick:  # report sources are not for looking at
        parts = tuple(part for part in parts if part == given.part or part != "few windows")
        print(json.dumps(run(("tune",), parts, QUICK, given.jobs), indent=1))
        return 0
    sizes = Sizes()
    if given.honest:
        sizes = msgspec.structs.replace(sizes, report=given.honest)
    groups = (given.group,) if given.group else tuple(windows.GROUPS)
    found = run((given.side,) if given.side else SIDES, parts, sizes, given.jobs, groups)
    RESULT.write_text(compact(kept_with(found)))
    print(f"wrote {RESULT.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
