"""How `frames` and `coverage` do on accounts made of real prompts.

    python -m evals.frames_coverage            # needs ../shared/data; about four minutes
    python -m evals.frames_coverage --quick    # smaller, for a look; writes nothing

By-source split: both detectors were built while looking at `tune` sources only; every figure is
given for `tune` and for `report` sources (`accounts.py` lists them). Questions asked:

1. Realised against nominal false positives, per honest organisation, when the calibration comes
   from the same kind of crowd (another draw), and when it comes from other sources.
2. Exchanges until detection of one key that harvests with one public template, at 100, 50 and
   25 % of its traffic, at the raw score that gives a realised false positive rate of 1 %, and
   at the smallest level that n organisations support.

Reply lengths are assumed, not measured: see `accounts.py`. They matter: both detectors weigh them.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec

from evals.accounts import DATA, Prompts, attacker, honest
from titer.core.contracts import Detector
from titer.core.nouns import Exchange
from titer.core.sketch import Sketcher
from titer.detect.calibration import Calibration, fit
from titer.detect.coverage import Coverage
from titer.detect.frames import Frames

SEED = 20261122
SKETCHER = Sketcher(b"evaluation key, fixed and public")
RESULT = Path(__file__).with_name("frames_coverage.json")
NOMINAL = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
MIXES = (1.0, 0.5, 0.25)
HARVEST = 600
DETECTORS = (Frames(), Coverage())


def crowd(side: str, count: int, draw: str) -> tuple[dict[str, str], list[Exchange]]:
    """What each of `count` honest organisations does, and all their exchanges."""
    prompts, kinds, log = Prompts(side), {}, []
    for number in range(count):
        name = f"{side}-{draw}-{number}"
        kinds[name], pairs = honest(prompts, name, random.Random(f"{SEED}-{name}"))
        log += sketched(pairs)
    return kinds, log


def harvesters(side: str, count: int, mix: float) -> list[list[Exchange]]:
    prompts = Prompts(side)
    return [
        sketched(
            attacker(prompts, f"a{n}", mix, HARVEST, random.Random(f"{SEED}-{side}-a-{n}"))[1]
        )
        for n in range(count)
    ]


def sketched(pairs) -> list[Exchange]:
    pairs = list(pairs)
    sketches = SKETCHER.sketch_many([texts for _, texts in pairs])
    return [
        msgspec.structs.replace(exchange, sketch=sketch)
        for (exchange, _), sketch in zip(pairs, sketches, strict=True)
    ]


def final_scores(detector: Detector, log: Sequence[Exchange]) -> dict[str, float]:
    states, scores = {}, {}
    for exchange in log:
        subject = detector.subject(exchange)
        if subject is None:
            continue
        state = states[subject] if subject in states else detector.start()
        states[subject], findings = detector.step(state, exchange)
        scores.setdefault(subject, 0.0)
        for finding in findings:
            scores[subject] = finding.score
    return scores


def detection(detector: Detector, logs: list[list[Exchange]], threshold: float) -> dict:
    """At which exchange each harvester's score first exceeds the threshold."""
    firsts: list[int] = []
    for log in logs:
        state = detector.start()
        for number, exchange in enumerate(log, 1):
            state, findings = detector.step(state, exchange)
            if any(finding.score > threshold for finding in findings):
                firsts.append(number)
                break
    n = len(logs)
    ordered = sorted([*firsts, *[10**9] * (n - len(firsts))])
    median = ordered[(n - 1) // 2]
    return {
        "accounts": n,
        "detected": len(firsts),
        "share": len(firsts) / n,
        "interval": clopper_pearson(len(firsts), n),
        "median_exchanges": None if median == 10**9 else median,
        "within_20": sum(first <= 20 for first in firsts) / n,
        "within_100": sum(first <= 100 for first in firsts) / n,
    }


def false_positives(calibration: Calibration, name: str, scores: dict[str, float]) -> list[dict]:
    rows, n = [], len(scores)
    bits = [calibration.bits(name, score) for score in scores.values()]
    for level in NOMINAL:
        count = sum(2.0**-b <= level for b in bits)
        rows.append(
            {
                "nominal": level,
                "alarms": count,
                "n": n,
                "realised": count / n,
                "ratio": count / n / level,
                "interval": clopper_pearson(count, n),
            }
        )
    return rows


def threshold(calibration: Calibration, name: str, bits: float) -> float | None:
    """The lowest raw score worth `bits`, or None if no score is."""
    if calibration.bits(name, 1e12) < bits:
        return None
    low, high = 0.0, 1e12
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if calibration.bits(name, middle) >= bits else (middle, high)
    return high


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a proportion, by bisection on the binomial tail."""

    def solve(target: float, upper: bool) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            tail = at_least(successes + upper, n, middle)
            low, high = (middle, high) if tail < target else (low, middle)
        return low

    tail = (1 - level) / 2
    lower = 0.0 if successes == 0 else solve(tail, upper=False)
    upper = 1.0 if successes == n else solve(1 - tail, upper=True)
    return round(lower, 6), round(upper, 6)


def at_least(successes: int, n: int, p: float) -> float:
    """P(X >= successes) of a binomial, summed in logarithms from the smaller side."""
    if successes <= 0:
        return 1.0
    if p in (0.0, 1.0):
        return p
    mass = sum(
        math.exp(
            math.lgamma(n + 1)
            - math.lgamma(k + 1)
            - math.lgamma(n - k + 1)
            + k * math.log(p)
            + (n - k) * math.log1p(-p)
        )
        for k in range(successes)
    )
    return max(0.0, 1.0 - mass)


def side_report(side: str, other: Calibration, n: int, attackers: int) -> tuple[dict, Calibration]:
    """All figures of one side, and the calibration drawn from it."""
    calibration = fit(DETECTORS, crowd(side, n, "calibration")[1], seed=SEED)
    kinds, log = crowd(side, n, "test")
    logs = {mix: harvesters(side, attackers, mix) for mix in MIXES}
    out: dict = {"organisations": n, "exchanges": len(log), "detectors": {}}
    for detector in calibration.fit_detectors(DETECTORS):
        name = detector.card.name
        scores = final_scores(detector, log)
        n_score = calibration.detectors[name].everyone.n
        honest_sorted = sorted(scores.values(), reverse=True)
        at_one = honest_sorted[len(honest_sorted) // 100]
        by_kind = defaultdict(list)
        for subject, score in scores.items():
            by_kind[kinds[subject]].append(score)
        figures = {
            "calibration_n": n_score,
            "most_bits": calibration.detectors[name].most,
            "nulls": calibration.detectors[name].params["nulls"],
            "false_positives": false_positives(calibration, name, scores),
            "honest_scores": {
                kind: {
                    "n": len(found),
                    "median": statistics.median(found),
                    "highest": max(found),
                    "over_1pc_threshold": sum(score > at_one for score in found),
                }
                for kind, found in sorted(by_kind.items())
            },
            "threshold_fpr_1e-2": at_one,
            "detection_at_fpr_1e-2": {
                str(mix): detection(detector, found, at_one) for mix, found in logs.items()
            },
        }
        smallest = next(
            level
            for level in sorted(NOMINAL)
            if threshold_of(calibration, name, level) is not None
        )
        figures["smallest_level"] = smallest
        figures["detection_at_smallest"] = {
            str(mix): detection(detector, found, threshold_of(calibration, name, smallest))
            for mix, found in logs.items()
        }
        if other is not None:
            (shifted,) = (d for d in other.fit_detectors(DETECTORS) if d.card.name == name)
            foreign = final_scores(shifted, log)
            figures["false_positives_other_sources"] = false_positives(other, name, foreign)
        out["detectors"][name] = figures
    return out, calibration


def threshold_of(calibration: Calibration, name: str, level: float) -> float | None:
    return threshold(calibration, name, -math.log2(level))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    if not DATA.exists():
        sys.exit(
            "evals/frames_coverage.py needs the prompt data in ../shared/data; see its README"
        )
    n, attackers = (600, 20) if quick else (2500, 80)
    tune, calibration = side_report("tune", None, n, attackers)
    report, _ = side_report("report", calibration, n, attackers)
    result = {
        "seed": SEED,
        "split": "both detectors were built on `tune` sources; `report` sources were run once",
        "assumed": "reply lengths, volumes and the shares of kinds of organisation",
        "tune": tune,
        "report": report,
    }
    text = json.dumps(result, indent=1)
    if quick:
        print(text)
    else:
        RESULT.write_text(text + "\n")
        print(f"wrote {RESULT.name}")


if __name__ == "__main__":
    main()
