"""How well one caller is weighed: python -m evals detect [--quick].

    python -m evals detect             # needs ../shared/data; about 20 minutes on two cores
    python -m evals detect --quick     # a minute, prints, writes nothing

Sources are split: `tune` may be looked at while building, `report` gives the published figures.
Crowds, attackers, volumes and reply lengths are ours; prompts and templates are published ones.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from evals.accounts import DATA
from evals.detect import runs, single
from evals.detect.pools import Pools
from evals.detect.running import spread
from evals.detect.runs import Sizes

SEED = 20261122
RESULT = Path(__file__).parents[1] / "detect.json"
SIDES = ("tune", "report")
QUICK = Sizes(
    calibrate=900, tune=600, report=600, shifted=300, attackers=2, exchanges=120, pools=0.1
)


def run(sizes: Sizes, sides: tuple[str, ...], jobs: int) -> dict:
    """All figures; the calibrations of both sides are made at the same time."""
    started = time.monotonic()
    flags = runs.flags()
    pools = {side: Pools(side, seed=SEED, scale=sizes.pools, flags=flags) for side in sides}
    made = spread(lambda side: runs.calibrated(pools[side], sizes.calibrate, SEED), sides, jobs)
    calibrations = dict(zip(sides, made, strict=True))
    out: dict = {
        "what": "detection of one caller; see evals/detect",
        "seed": SEED,
        "split": "detectors were built on `tune` sources; `report` sources give the figures",
        "assumed": "shares of kinds, volumes, reply lengths, times, networks",
    }
    for side in sides:
        other = calibrations.get("tune") if side == "report" else None
        figures = single.Side(pools[side], calibrations[side], SEED, jobs)
        out[side] = figures.report(sizes, other)
        print(f"{side}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    out["seconds"] = round(time.monotonic() - started)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m evals detect", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small; prints, writes nothing")
    parser.add_argument("--side", choices=SIDES, help="one side alone; prints, writes nothing")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    given = parser.parse_args()
    if not DATA.exists():
        print("evals detect needs the prompt data in ../shared/data; see its README",
              file=sys.stderr)  # fmt: skip
        return 2
    sizes = QUICK if given.quick else Sizes()
    sides = (given.side,) if given.side else SIDES
    result = run(sizes, sides, given.jobs)
    if given.quick:  # report sources are run so that the code cannot rot, and not looked at
        result.pop("report", None)
    text = json.dumps(result, indent=1)
    if given.quick or given.side:
        print(text)
    else:
        RESULT.write_text(text + "\n")
        print(f"wrote {RESULT.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
