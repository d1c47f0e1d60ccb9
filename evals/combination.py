"""Which rule puts detectors' rarities together: power at a fixed realised false positive rate.

    python -m evals.combination            # tune sources only; needs ../shared/data
    python -m evals.combination --quick    # smaller, for a look; writes nothing

Never looks at `report` sources. Two honest crowds of the `tune` side (`accounts.py`): one to
calibrate on, one to set the threshold of each rule at which 1 % and 0.3 % of *it* are accused. Then
keys that harvest with one template at 100, 50 and 25 % of their traffic are weighed; a rule is
judged by how many it accuses within 20, 60 and 150 exchanges, and in all. Beside the rules: each
detector alone, and the average of the detectors' e-values, which is what titer did before.

Detectors that need what these accounts do not carry (origins, denied parameters) are silent: they
cost a rule what silent detectors cost.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from evals.accounts import DATA
from evals.frames_coverage import SEED, crowd, harvesters
from titer.core.nouns import Exchange
from titer.detect.calibration import Calibration, fit
from titer.detect.combine import RULES, rarities
from titer.detect.null import transformed_many
from titer.detect.plugins import detectors

RESULT = Path(__file__).with_name("combination.json")
MIXES = (1.0, 0.5, 0.25)
RATES = (1e-2, 3e-3)
WITHIN = (20, 60, 150, 600)


class Rise(msgspec.Struct):
    """How one subject's scores rose: after which exchange, and all scores from there on."""

    at: list[int]
    scores: list[list[float]]


def paths(calibration: Calibration, log: Sequence[Exchange]) -> list[Rise]:
    """The path of every subject of a log, in the order of their first exchange."""
    names = calibration.combination.detectors
    ready = [d for d in calibration.fit_detectors(detectors()) if d.card.name in names]
    order = {name: column for column, name in enumerate(names)}
    states: list[dict] = [{} for _ in ready]
    found: dict[str, Rise] = {}
    count: dict[str, int] = {}
    now: dict[str, list[float]] = {}
    for exchange in log:
        subject = exchange.principal.subject
        if subject not in found:
            found[subject], count[subject] = Rise([0], [[0.0] * len(names)]), 0
            now[subject] = [0.0] * len(names)
        count[subject] += 1
        risen = False
        for detector, held in zip(ready, states, strict=True):
            if detector.subject(exchange) is None:
                continue
            state = held[subject] if subject in held else detector.start()
            held[subject], findings = detector.step(state, exchange)
            for finding in findings:
                now[subject][order[detector.card.name]] = finding.score
                risen = True
        if risen:
            found[subject].at.append(count[subject])
            found[subject].scores.append(list(now[subject]))
    return list(found.values())


def statistics(calibration: Calibration) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Every statistic that is compared, of rows of raw scores."""
    nulls = [calibration.detectors[d] for d in calibration.combination.detectors]

    def averaged(scores: np.ndarray) -> np.ndarray:
        total = np.full(len(scores), 1.0)  # the hunt, silent
        for column, null in enumerate(nulls):
            earned = transformed_many(scores[:, column], null.levels)
            held = null.everyone
            e = (held.n + 1) * earned / np.maximum(held.total + earned, 1e-300)
            if null.in_bits:
                e = np.minimum(e, 2.0 ** scores[:, column])
            total += np.maximum(e, 1.0)
        return total

    out: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        f"rule: {name}": lambda scores, rule=rule: rule(rarities(scores, nulls))
        for name, rule in RULES.items()
    }
    out["averaged e-values"] = averaged
    for column, name in enumerate(calibration.combination.detectors):
        out[f"alone: {name}"] = lambda scores, column=column: scores[:, column]
    return out


def firsts(found: Sequence[Rise], values: list[np.ndarray], threshold: float) -> list[int]:
    """After how many exchanges each subject is above the threshold; 10^9 for never."""
    out = []
    for path, value in zip(found, values, strict=True):
        above = np.flatnonzero(value > threshold)
        out.append(path.at[above[0]] if len(above) else 10**9)
    return out


def judge(
    statistic: Callable, honest: Sequence[Rise], attackers: dict[float, list[Rise]]
) -> dict:
    ends = np.sort(statistic(np.array([path.scores[-1] for path in honest])))[::-1]
    values = {
        mix: [statistic(np.array(path.scores)) for path in found]
        for mix, found in attackers.items()
    }
    out = {}
    for rate in RATES:
        threshold = float(ends[int(rate * len(ends))])
        out[f"{rate:g}"] = row = {"threshold": threshold, "realised": float(
            (ends > threshold).mean())}  # fmt: skip
        for mix, found in attackers.items():
            seen = sorted(firsts(found, values[mix], threshold))
            row[f"mix {mix:g}"] = {
                "median": None if seen[(len(seen) - 1) // 2] == 10**9
                else seen[(len(seen) - 1) // 2],
                **{f"within {n}": sum(x <= n for x in seen) / len(seen) for n in WITHIN},
            }  # fmt: skip
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    if not DATA.exists():
        sys.exit("evals/combination.py needs the prompt data in ../shared/data; see its README")
    n, many = (600, 20) if quick else (2000, 60)
    calibration = fit(detectors(), crowd("tune", n, "calibration")[1], seed=SEED)
    honest = paths(calibration, crowd("tune", n, "test")[1])
    attackers = {
        mix: [path for log in harvesters("tune", many, mix) for path in paths(calibration, log)]
        for mix in MIXES
    }
    result = {
        "seed": SEED,
        "side": "tune",
        "organisations": n,
        "attackers": many,
        "detectors": calibration.combination.detectors,
        "statistics": {
            name: judge(statistic, honest, attackers)
            for name, statistic in statistics(calibration).items()
        },
    }
    show(result)
    if not quick:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        print(f"wrote {RESULT.name}")


def show(result: dict) -> None:
    print(f"{result['organisations']} organisations, {', '.join(result['detectors'])}")
    for rate in RATES:
        print(f"\nrealised {rate:g}: median exchanges; accused within {WITHIN}, by mix {MIXES}")
        for name, rows in result["statistics"].items():
            row = rows[f"{rate:g}"]
            cells = []
            for mix in MIXES:
                cell = row[f"mix {mix:g}"]
                shares = " ".join(f"{cell[f'within {n}']:.2f}" for n in WITHIN)
                cells.append(f"{cell['median'] or '-':>4} | {shares}")
            print(f"{name:22} {'  ||  '.join(cells)}")


if __name__ == "__main__":
    main()
