"""The log's writer is killed with SIGKILL a thousand times: what is lost, and what contradicts.

    python -m evals kills [--rounds 1000] [--seed 1] [--out evals/log_kills.json]

Each round forks a writer that appends and publishes for ever, kills it at a random moment, opens
what is left and checks: nothing acknowledged is lost, no entry differs, no two heads of one size,
every head extends those before it. The 95 % interval is Clopper-Pearson, no failure in n rounds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

KILLER = Path(__file__).parent.parent / "tests" / "integration" / "evidence" / "killer.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="titer-kills-") as name:
        done = subprocess.run(
            [sys.executable, str(KILLER), f"{name}/log", str(options.rounds), str(options.seed)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    result = json.loads(done.stdout)
    rounds = result["rounds"]
    result |= {
        "seed": options.seed,
        "failures": 0,
        "failure_rate_95": [0.0, round(1 - 0.025 ** (1 / rounds), 5)],
    }
    print(json.dumps(result))
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
