"""`python -m evals [NAME...]`: run the evaluations and write their results beside them.

logits    logit theft against the parameter policy and the detector
callers   frames and coverage on accounts of real prompts (needs the data folder)
hunt      small worlds with hydras and with honest groups that look like them
"""

from __future__ import annotations

import argparse
import subprocess
import sys

MODULES = {"logits": "logit_theft", "callers": "frames_coverage", "hunt": "hunt_small"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="evals", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODULES))
    names = parser.parse_args().names or list(MODULES)
    unknown = set(names) - set(MODULES)
    if unknown:
        parser.error(f"no evaluation {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    worst = 0
    for name in names:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"evals.{MODULES[name]}"]
        worst = max(worst, subprocess.run(command, check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
