"""Whether detectors should count by learnt weights: they should not (docs/adr/0029).

    python -m evals weights            # tune sources only; needs ../shared/data; 5 minutes
    python -m evals weights --quick    # small, for a look; writes nothing

Never looks at `report` sources. On one seed of the crowd and attackers of `evals detect`, a
logistic regression learns which detectors' 2^rarity tells attackers (at 100, 50, 25 and 10 %,
after 20, 60, 150 and 600 exchanges) from honest organisations; weights are not negative and scaled
to a greatest of 1. On another seed the rules are held beside each other, each at the score that a
stated share of the honest reaches. What came of them on `report` sources stands in the decision.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from evals.accounts import DATA
from evals.detect import runs
from evals.detect.pools import Pools
from evals.detect.running import Runner
from titer.detect.null import Null
from titer.detect.plugins import detectors

RESULT = Path(__file__).with_name("weights.json")
FIT, CHECK = 5, 6
WITHIN = (20, 60, 150, 600)
RATES = (1e-3, 2.5e-4)
#: Penalty of the squares of weights, rate and steps of the descent.
RIDGE, RATE, STEPS = 1e-2, 0.05, 3000
#: What 2^rarity is divided by, so that the regression's numbers are about 1.
UNIT = 4096 / 12

Score = Callable[[np.ndarray], np.ndarray]


class Seen(msgspec.Struct):
    """A crowd and its attackers under one calibration: scores by detector."""

    names: tuple[str, ...]
    nulls: list[Null]
    honest: np.ndarray
    attackers: dict[float, list[tuple[np.ndarray, np.ndarray]]]

    def strengths(self, scores: np.ndarray) -> np.ndarray:
        """2^rarity - 1 by detector, of rows of scores."""
        columns = [null.rarities(scores[:, n]) for n, null in enumerate(self.nulls)]
        return np.exp2(np.stack(columns, axis=-1)) - 1.0


def see(seed: int, *, calibrate: int, test: int, attackers: int) -> Seen:
    pools = Pools("tune", seed=seed, scale=1.0, flags=lambda _: False)
    calibration = runs.calibrated(pools, calibrate, seed)
    runner = Runner(calibration.fit_detectors(detectors()))
    setting = runs.Setting(pools, runner, seed, 0.01, 1)
    names = calibration.combination.detectors
    columns = [runner.names.index(name) for name in names]
    found: dict[float, list] = {mix: [] for mix in runs.MIXES}
    sizes = runs.Sizes(attackers=attackers)
    for (_, mix), several in runs.run_attackers(setting, sizes).items():
        for trace, _ in several:
            at = np.array([number for number, _ in trace], dtype=int)
            rows = np.array([row for _, row in trace]).reshape(-1, len(runner.names))
            found[mix].append((at, rows[:, columns]))
    honest = runs.run_honest(setting, test).scores[:, columns]
    return Seen(names, [calibration.detectors[n] for n in names], honest, found)


def learn(seen: Seen) -> np.ndarray:
    """Weights by detector, the greatest 1: logistic regression by Adam, clipped at 0."""
    rows = [
        scores[np.searchsorted(at, within, side="right") - 1]
        for several in seen.attackers.values()
        for at, scores in several
        for within in WITHIN
        if len(at) and at[0] <= within
    ]
    inputs = np.concatenate([seen.strengths(seen.honest), seen.strengths(np.array(rows))]) / UNIT
    target = np.concatenate([np.zeros(len(seen.honest)), np.ones(len(rows))])
    weights, bias = np.zeros(inputs.shape[1]), -5.0
    first, second = np.zeros(len(weights) + 1), np.zeros(len(weights) + 1)
    for step in range(1, STEPS + 1):
        error = 1.0 / (1.0 + np.exp(-(inputs @ weights + bias))) - target
        slope = np.append(inputs.T @ error / len(error) + RIDGE * weights, error.mean())
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        move = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        weights, bias = np.maximum(weights - RATE * move[:-1], 0.0), bias - RATE * move[-1]
    return weights / weights.max()


def judge(seen: Seen, score: Score) -> dict:
    """By realised share of honest accused and mix: median exchanges, and the share ever found."""
    ends = np.sort(score(seen.strengths(seen.honest)))[::-1]
    out: dict = {}
    for rate in RATES:
        bound = ends[int(rate * len(ends))]
        row = out[f"{rate:g}"] = {}
        for mix, several in seen.attackers.items():
            firsts = []
            for at, scores in several:
                above = score(seen.strengths(scores)) > bound
                firsts.append(float(at[above].min()) if above.any() else math.inf)
            median = sorted(firsts)[(len(firsts) - 1) // 2]
            row[f"{mix:g}"] = {
                "median": median if median < math.inf else None,
                "ever": round(float(np.mean(np.isfinite(firsts))), 4),
            }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    if not DATA.exists():
        sys.exit("evals/weights.py needs the prompt data in ../shared/data; see its README")
    calibrate, honest, many = (600, 600, 1) if quick else (8000, 16_000, 8)
    learnt = learn(see(FIT, calibrate=calibrate, test=honest // 2, attackers=many))
    check = see(CHECK, calibrate=calibrate, test=honest, attackers=many)
    rules: dict[str, Score] = {
        "all alike": lambda strengths: strengths.sum(axis=-1),
        "as learnt": lambda strengths: strengths @ learnt,
    }
    result = {
        "side": "tune", "fitted on seed": FIT, "checked on seed": CHECK, "organisations": honest,
        "attackers of each kind and mix": many,
        "learnt": dict(zip(check.names, learnt.round(3).tolist(), strict=True)),
        "rules": {name: judge(check, score) for name, score in rules.items()},
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    if not quick:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
