"""`python -m evals [NAME...]`: run the evaluations and write their results beside them.

logits    logit theft against the parameter policy and the detector
callers   frames and coverage on accounts of real prompts (needs the data folder)
hunt      generated worlds: campaigns and what looks like them, beside naive rules
live      how soon live traffic shows a campaign
elsewhere the hunt on worlds of another maker (needs the data folder)
stranger  the hunt on small worlds of one idea each, as strangers write them
grid      the hunt by share of own traffic, size of campaign and rewording
groups    small worlds with honest groups made to be mistaken for a campaign
detect    one caller: false alarms, exchanges to detection, windows, baselines (needs the data)
rules     rules that combine detectors, on tune sources (needs the data)
weights   whether detectors should count by learnt weights, on tune sources (needs the data)
default   makes the calibration that titer ships: attention only
cells     which meaning cells survive a paraphrase
poisoning how slowly an attacker must go to become the usual (needs the data)
conduct   which detectors of conduct see which conduct, on tune sources (needs the data)
lower     what lowering costs honest accounts, at each rung of the default ladder
attribution  ties and links of strangers, and of crews that share networks and hours
repositories  who takes repositories that are not its own: alarms, attacks found
kills     the log's writer is killed a thousand times: what is lost, and what contradicts
mutants   changed dossiers that are accepted: there must be none
marks     marks: false positives, power, cost, tracing (needs the data, and --tokenizer FILE)
engines   recognisers beside the detectors of vLLM, SGLang and transformers (needs torch)
papers    tokens that a mark needs, beside what papers published (needs --tokenizer FILE)
removal   what attacks leave of a mark, and what a forger needs (the same)
real      marks in a real small model's text, rewritten by that model (needs a llama.cpp server)
hidden    hidden reasoning in every dialect, beside the peer if it is named
leaks     recall and false positives of the leak guard, beside the peer (needs the data)
radioactivity  students of marked text: p-values, their null, edits, mixtures
suites    the vendors' own SDK suites through titer at strength 0 (needs their sources)
families  how often single prompts show a text family, by source (needs the data)

`python -m evals NAME --quick` is a small run for a look, where an evaluation has one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

MODULES = {"logits": "logit_theft", "callers": "frames_coverage", "hunt": "hunt_worlds",
           "elsewhere": "hunt_elsewhere", "stranger": "hunt_stranger",
           "grid": "hunt_grid", "groups": "hunt_small", "live": "hunt_live",
           "kills": "log_kills", "mutants": "dossier_mutants",
           "attribution": "attribution", "radioactivity": "radioactivity",
           "detect": "detect", "rules": "combination",
           "weights": "weights",
           "cells": "cells", "lower": "lower", "hidden": "hidden_reasoning", "leaks": "leak_guard",
           "poisoning": "slow_poisoning", "families": "families", "conduct": "conduct",
           "repositories": "repositories"}  # fmt: skip
#: What writes into the package or needs a file of yours, and so runs only when it is named.
MAKERS = {"default": "default_calibration", "marks": "marks_quality",
          "engines": "marks_engines", "papers": "marks_papers", "removal": "marks_removal",
          "real": "marks_real_model", "suites": "sdk_suites"}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="evals", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODULES | MAKERS))
    given, rest = parser.parse_known_args()
    names = given.names or list(MODULES)
    if rest and len(names) != 1:
        parser.error(f"{rest[0]} belongs to one evaluation; name it")
    every = MODULES | MAKERS
    unknown = set(names) - set(every)
    if unknown:
        parser.error(f"no evaluation {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    worst = 0
    for name in names:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"evals.{every[name]}", *rest]
        worst = max(worst, subprocess.run(command, check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
