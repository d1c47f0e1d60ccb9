"""Which rule puts the scores of all detectors together: power at fixed false positives.

    python -m evals.combination            # tune sources only; needs ../shared/data
    python -m evals.combination --quick    # smaller, for a look; writes nothing

Never looks at `report` sources. Three honest crowds of the `tune` side (`accounts.py`): one that
teaches the detectors, one for levels and bits, one to count false positives in: levels of who
taught a null are too low (docs/adr/0048-levels-are-of-callers-that-taught-nothing.md). Keys that
harvest with one template at 100, 50 and 25 % of their traffic are weighed; a rule is judged by the
share of them that it accuses within 20, 60, 150 and 600 exchanges (the sum over these and over the
mixes: 12 is all at once), at the score that accuses 1 %, 0.3 % and 0.1 % of the honest crowd, and
at the bits that calibration gives. All is averaged over splits of the second crowd into fit and
score half, since one honest subject more or less near the top moves every figure.

A rule is a rarity for each detector (`tail`: as titer does; `rank`: minus
log2 of the share with a higher score, log growth beyond) and a sum. Beside the rules: each
detector alone, and the average of calibrated e-values, which is what titer did before.

Detectors that need what these accounts do not carry (origins, denied parameters) are silent: they
cost a rule what silent detectors cost.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from evals.accounts import DATA
from evals.frames_coverage import SEED, crowd, harvesters
from titer.core.nouns import Exchange
from titer.detect.calibration import Calibration, fit
from titer.detect.null import Null, Segment, levels_of, segment, transformed_many
from titer.detect.plugins import detectors

RESULT = Path(__file__).with_name("combination.json")
MIXES = (1.0, 0.5, 0.25)
RATES = (1e-2, 3e-3, 1e-3)
BITS = (5.0, 7.0, 8.5, 9.3)
WITHIN = (20, 60, 150, 600)
SPLITS = 6


class Rise(msgspec.Struct):
    """How one subject's scores rose: after which exchange, and all scores from there on."""

    at: list[int]
    scores: list[list[float]]


def rises(calibration: Calibration, log: Sequence[Exchange]) -> list[Rise]:
    """Every subject of a log, in the order of their first exchange."""
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


def by_rank(null: Null, scores: np.ndarray) -> np.ndarray:
    """About -log2 of the share of the fit half with a higher score."""
    levels = np.array(null.levels)
    passed = np.searchsorted(levels, scores, side="left")
    at = np.array([0.0, *levels])
    low, high = at[passed], at[np.minimum(passed + 1, len(levels))]
    inside = (scores - low) / np.where(high > low, high - low, 1.0)
    beyond = np.log2(1.0 + np.maximum(scores - levels[-1], 0.0) / max(levels[-1], 1.0))
    rare = np.where(scores > 0, passed + np.where(passed == len(levels), beyond, inside), 0.0)
    return np.minimum(rare, scores) if null.in_bits else rare


def sum_of_e(rare: np.ndarray) -> np.ndarray:
    return (np.exp2(rare) - 1).sum(axis=-1)


def sum_of_roots(rare: np.ndarray) -> np.ndarray:
    return (np.exp2(rare / 2) - 1).sum(axis=-1) ** 2


def largest(rare: np.ndarray) -> np.ndarray:
    return np.exp2(rare.max(axis=-1)) - 1


def excess(rare: np.ndarray) -> np.ndarray:
    """The product of the e-values beyond 1 bit, nearly: right if detectors were independent."""
    return np.exp2(np.maximum(rare - 1, 0).sum(axis=-1)) - 1 + 1e-3 * rare.max(axis=-1)


def two_largest(rare: np.ndarray) -> np.ndarray:
    return np.exp2(np.sort(rare, axis=-1)[..., -2:].sum(axis=-1)) - 1


def halving(rare: np.ndarray) -> np.ndarray:
    """The largest, half of the next, a quarter of the one after."""
    ranked = np.sort(rare, axis=-1)[..., ::-1]
    return np.exp2((ranked * 0.5 ** np.arange(rare.shape[-1])).sum(axis=-1)) - 1


def norm_of_bits(rare: np.ndarray) -> np.ndarray:
    return np.exp2((rare**4).sum(axis=-1) ** 0.25) - 1


RULES = (
    sum_of_e, sum_of_roots, norm_of_bits, largest, halving, two_largest, excess,
)  # fmt: skip
Statistic = Callable[[np.ndarray], np.ndarray]


class Split:
    """Every statistic after one split of the calibration crowd: its values, and its bits."""

    def __init__(self, calibration: Calibration, rows: np.ndarray, seed: int) -> None:
        fits = np.random.default_rng(seed).random(len(rows)) < 1 / 3
        self.fits, self.scored = rows[fits], rows[~fits]
        self.nulls, self.names = [], calibration.combination.detectors
        for column, name in enumerate(self.names):
            held = segment(
                self.fits[:, column].tolist(),
                self.scored[:, column].tolist(),
                own_past=calibration.detectors[name].everyone.scale > 0,
            )
            self.nulls.append(msgspec.structs.replace(calibration.detectors[name], everyone=held))

    def statistics(self) -> dict[str, tuple[Statistic, Statistic]]:
        """By name: the statistic, and the bits that calibration gives it."""
        out: dict[str, tuple[Statistic, Statistic]] = {}
        for kind, rarity in (("tail", Null.rarities), ("rank", by_rank)):
            for rule in RULES:

                def value(scores, rarity=rarity, rule=rule):
                    columns = [rarity(null, scores[:, n]) for n, null in enumerate(self.nulls)]
                    return rule(np.stack(columns, axis=-1))

                out[f"{rule.__name__.replace('_', ' ')}, {kind}"] = value, self._bits(value)
        out["averaged e-values (before)"] = self._averaged, self._averaged
        for column, null in enumerate(self.nulls):

            def alone(scores, column=column):
                return scores[:, column]

            def bits(scores, column=column, null=null):
                return _conformal(null, scores[:, column])

            out[f"alone: {self.names[column]}"] = alone, bits
        return out

    def _bits(self, value: Statistic) -> Statistic:
        levels = levels_of(np.sort(value(self.fits)).tolist())
        held = _segment(value(self.scored), levels)

        def bits(scores: np.ndarray) -> np.ndarray:
            earned = transformed_many(value(scores), levels)
            e = (held.n + 1) * earned / np.maximum(held.total + earned, 1e-300)
            return np.log2(np.maximum(e, 1.0))

        return bits

    def _averaged(self, scores: np.ndarray) -> np.ndarray:
        """Bits of the average of the detectors' e-values, the hunt's silent one among them."""
        each = [_conformal(null, scores[:, n]) for n, null in enumerate(self.nulls)]
        return np.log2((np.exp2(each).sum(axis=0) + 1) / (len(each) + 1))


def _segment(scores: np.ndarray, levels: Sequence[float]) -> Segment:
    return Segment(len(scores), float(transformed_many(scores, levels).sum()))


def _conformal(null: Null, scores: np.ndarray) -> np.ndarray:
    earned, held = transformed_many(scores, null.levels), null.everyone
    e = (held.n + 1) * earned / np.maximum(held.total + earned, 1e-300)
    bits = np.log2(np.maximum(e, 1.0))
    return np.minimum(bits, scores) if null.in_bits else bits


class Attackers:
    """The rises of all attackers of one mix, one after another."""

    def __init__(self, found: Sequence[Rise]) -> None:
        self.rows = np.concatenate([np.array(rise.scores) for rise in found])
        self.at = np.concatenate([np.array(rise.at) for rise in found])
        self.ends = np.cumsum([0, *(len(rise.at) for rise in found)])

    def firsts(self, above: np.ndarray) -> np.ndarray:
        """After how many exchanges each is above the threshold; infinite for never."""
        at = np.where(above, self.at, math.inf)
        return np.minimum.reduceat(at, self.ends[:-1])


def judge(
    statistic: tuple[Statistic, Statistic], honest: np.ndarray, attackers: dict[float, Attackers]
) -> dict:
    """Thresholds, realised false positives, medians and shares of one statistic."""
    value, bits = statistic
    ends = np.sort(value(honest))[::-1]
    accused = bits(honest)
    values = {mix: (value(a.rows), bits(a.rows)) for mix, a in attackers.items()}
    out = {}
    levels = [(f"realised {rate:g}", 0, float(ends[int(rate * len(ends))])) for rate in RATES]
    levels += [(f"{level:g} bits", 1, level) for level in BITS]
    for name, which, threshold in levels:
        row = out[name] = {"honest accused": float((accused >= threshold).mean())} if which else {}
        for mix, found in attackers.items():
            held = values[mix][which]
            firsts = found.firsts(held >= threshold if which else held > threshold)
            row[f"mix {mix:g}"] = {
                "median": float(np.sort(firsts)[(len(firsts) - 1) // 2]),
                "shares": [float((firsts <= n).mean()) for n in WITHIN],
            }
    return out


def averaged(runs: Sequence[dict]) -> dict:
    """One statistic over all splits; a median that is infinite in some is None."""
    out = {}
    for level, first in runs[0].items():
        row = out[level] = {}
        for name in first:
            cells = [run[level][name] for run in runs]
            if name == "honest accused":
                row[name] = round(float(np.mean(cells)), 6)
                continue
            median = float(np.median([c["median"] for c in cells]))
            row[name] = {
                "median": median if median < math.inf else None,
                "shares": np.mean([c["shares"] for c in cells], axis=0).round(4).tolist(),
            }
        row["power"] = round(sum(sum(row[f"mix {m:g}"]["shares"]) for m in MIXES), 3)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    if not DATA.exists():
        sys.exit("evals/combination.py needs the prompt data in ../shared/data; see its README")
    n, many = (600, 20) if quick else (2000, 60)
    calibration = fit(detectors(), crowd("tune", n, "teaching")[1], seed=SEED)
    rows, honest = (
        np.array([rise.scores[-1] for rise in rises(calibration, crowd("tune", n, name)[1])])
        for name in ("calibration", "test")
    )
    attackers = {
        mix: Attackers(
            [rise for log in harvesters("tune", many, mix) for rise in rises(calibration, log)]
        )
        for mix in MIXES
    }
    runs: dict[str, list[dict]] = {}
    for seed in range(SPLITS):
        for name, statistic in Split(calibration, rows, seed).statistics().items():
            runs.setdefault(name, []).append(judge(statistic, honest, attackers))
    result = {
        "seed": SEED,
        "side": "tune",
        "splits": SPLITS,
        "organisations": n,
        "attackers": many,
        "within": WITHIN,
        "detectors": calibration.combination.detectors,
        "statistics": {name: averaged(found) for name, found in runs.items()},
    }
    show(result)
    if not quick:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        print(f"wrote {RESULT.name}")


def show(result: dict) -> None:
    """Power at every level, and medians by mix at 8.5 bits."""
    first = next(iter(result["statistics"].values()))
    print(f"{result['organisations']} organisations; {', '.join(result['detectors'])}")
    print(f"{'power (12 is all at once)':30} " + " ".join(f"{name:>14}" for name in first))
    for name, rows in result["statistics"].items():
        cells = " ".join(f"{row['power']:14.2f}" for row in rows.values())
        medians = [rows["8.5 bits"][f"mix {mix:g}"]["median"] for mix in MIXES]
        print(f"{name:30} {cells}  {medians}")


if __name__ == "__main__":
    main()
