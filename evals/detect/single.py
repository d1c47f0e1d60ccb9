"""One caller at a time: realised against nominal false alarms, and exchanges to detection."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from evals.detect import crowd
from evals.detect.attackers import ATTACKS
from evals.detect.pools import Pools
from evals.detect.running import Runner
from evals.detect.runs import (
    MIXES,
    Honest,
    Setting,
    Sizes,
    mean_flags,
    run_attackers,
    run_honest,
)
from evals.detect.tally import against, first_above, rate, roc, threshold, waiting
from titer.core.bits import average_bits
from titer.detect.bench import SOURCES
from titer.detect.calibration import Calibration
from titer.detect.combine import Combination
from titer.detect.plugins import detectors
from titer.respond.ladder import default_ladder

NOMINAL = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
REALISED = (1e-2, 1e-3, 1e-4)
#: Of 100 organisations under contract, how many the operator has missed, beside the `crowd.MISSED`
#: that are: as if it had known more of them.
FEWER_MISSED = (1, 0)
#: The exchanges within which half of the keys should be found, by mix.
WITHIN = {1.0: 20, 0.5: 60, 0.25: 150}


class Side:
    """All figures of one side of the sources."""

    def __init__(self, pools: Pools, calibration: Calibration, seed: int, jobs: int) -> None:
        self.pools, self.calibration, self.seed, self.jobs = pools, calibration, seed, jobs
        self.runner = Runner(calibration.fit_detectors(detectors()))
        #: Tiers with rarities of their own.
        self.tiers = tuple(calibration.combination.tiers)
        self.flagged = mean_flags(pools, seed, min(2000, calibration.combination.fitted))
        self.setting = Setting(pools, self.runner, seed, self.flagged, jobs, calibration.id)

    def columns(self, scores: np.ndarray, combination: Combination) -> np.ndarray:
        """The columns that a combination wants, in its order."""
        return scores[:, [self.runner.names.index(name) for name in combination.detectors]]

    def combined(
        self, scores: np.ndarray, tier: str = "", *, only: Sequence[str] = ()
    ) -> np.ndarray:
        """The combined score of each row, beside those of a tier; of some detectors `only`."""
        held = self.calibration.combination
        if only:
            taken = tuple(name for name in held.detectors if name in only)
            held = msgspec.structs.replace(held, detectors=taken)
        return held.scores(self.columns(scores, held), self.calibration.detectors, tier)

    def report(self, sizes: Sizes, other: Calibration | None) -> dict:
        started = time.monotonic()
        test = getattr(sizes, self.pools.side)
        honest = run_honest(self.setting, test)
        out: dict = {
            "honest": {
                "organisations": len(honest.kinds),
                "exchanges": honest.exchanges,
                "kinds": dict(Counter(honest.kinds)),
            },
            "calibration": describe(self.calibration),
            "exchanges_watched": sizes.exchanges,
            "false_alarms": self._false_alarms(honest, self.calibration),
            "false_alarms_by_tier": self._by_tier(honest),
            "rungs": self._rungs(honest),
            "mean_null": self._mean_null(honest),
        }
        if other is not None:
            runner = Runner(other.fit_detectors(detectors()))
            moved = msgspec.structs.replace(self.setting, runner=runner, kept=other.id)
            foreign = run_honest(moved, sizes.shifted)
            out["false_alarms_other_sources"] = {
                "calibration": describe(other), **self._false_alarms(foreign, other)
            }  # fmt: skip
        traces = run_attackers(self.setting, sizes)
        out |= self._detection(honest, traces)
        out["seconds"] = round(time.monotonic() - started)
        return out

    def _false_alarms(self, honest: Honest, calibration: Calibration) -> dict:
        bits = calibration.combined_many(self.columns(honest.scores, calibration.combination))
        kinds = np.array(honest.kinds)
        found = {
            "combination": _levels(bits),
            "by_kind_at_1e-3": {
                kind: rate(int((bits[kinds == kind] >= -np.log2(1e-3)).sum()), n)
                for kind, n in sorted(Counter(honest.kinds).items())
            },
            "detectors": {},
        }
        for column, name in enumerate(self.runner.names):
            if name in calibration.detectors:
                null = calibration.detectors[name]
                worth = {s: null.bits(s) for s in set(honest.scores[:, column].tolist())}
                alone = np.array([worth[s] for s in honest.scores[:, column].tolist()])
                found["detectors"][name] = _levels(alone)
        return found

    def _beside(self, honest: Honest) -> dict[str, np.ndarray]:
        """By tier, the bits of each of its organisations beside that tier."""
        tiers = np.array(honest.tiers)
        rows = self.columns(honest.scores, self.calibration.combination)
        return {
            tier: self.calibration.combined_many(rows[tiers == tier], tier)
            for tier in sorted(set(honest.tiers))
        }

    def _rungs(self, honest: Honest) -> dict:
        """Honest organisations, acting with nobody, that reach each rung of the default ladder.

        Bits are a standing's: averaged with a silent hunt. `most` is what this calibration
        supports; nobody can reach a rung above it.
        """
        bits = np.concatenate(list(self._beside(honest).values()))
        worth = standing(bits)
        rungs = {}
        for rung in default_ladder().rungs:
            asked = max(rung.at, rung.alone)
            doses = [dose.mitigation for dose in rung.give]
            found = rate(int((worth >= asked).sum()), len(worth))
            rungs[rung.name] = {"bits": asked, "doses": doses, **found}
        held = self.calibration.combination
        each = [held.most, *(np.log2(tier.n + 1) for tier in held.tiers.values())]
        return {"most": round(float(standing(np.array([max(each)]))[0]), 3), "reached": rungs}

    def _by_tier(self, honest: Honest) -> dict:
        """Each organisation beside its own tier: by tier, and all together."""
        parts = self._beside(honest)
        held = self.calibration.combination.tiers
        found = {t: {"scored": held[t].n, **_counted(b)} for t, b in parts.items() if t in held}
        return {**found, "all": _counted(np.concatenate(list(parts.values())))}

    def _mean_null(self, honest: Honest) -> dict:
        n = len(honest.wealth)
        return {
            "mean_rate": round(self.flagged, 6),
            "levels": [against(int((honest.wealth >= -np.log2(a)).sum()), n, a) for a in NOMINAL],
        }

    def _detection(self, honest: Honest, traces: dict) -> dict:
        combined = self.combined(honest.scores)
        honest_by = {"combination": combined, "mean null": honest.wealth}
        honest_by |= {n: honest.scores[:, c] for c, n in enumerate(self.runner.names)}
        inside = self._inside(honest)
        honest_by |= {n: self.combined(honest.scores[rows], t) for n, (t, rows) in inside.items()}
        bounds = {
            method: {alpha: threshold(scores, alpha) for alpha in REALISED}
            for method, scores in honest_by.items()
        }
        found: dict = {"detection": {}, "roc": {}, "lookalikes": {}}
        kinds = np.array(honest.kinds)
        kinds_by = {"combination": kinds} | {n: kinds[rows] for n, (_, rows) in inside.items()}
        for mix in MIXES:
            series: dict[str, list] = {method: [] for method in honest_by}
            for attack in ATTACKS:
                of_attack = self._series(traces[attack, mix])
                for method, values in of_attack.items():
                    series[method] += values
                found["detection"].setdefault(attack, {})[str(mix)] = _firsts(of_attack, bounds)
            found["detection"].setdefault("all", {})[str(mix)] = _firsts(series, bounds)
            if mix in WITHIN:
                found["lookalikes"][str(mix)] = {
                    method: _lookalikes(series[method], WITHIN[mix], honest_by[method], of)
                    for method, of in kinds_by.items()
                }
            found["roc"][str(mix)] = {
                method: roc(honest_by[method], np.array([v[-1][1] if v else 0.0 for v in values]))
                for method, values in series.items()
                if method in ("combination", "mean null", "frames")
            }
        return found

    def _inside(self, honest: Honest) -> dict[str, tuple[str, np.ndarray]]:
        """By method, the tier that it compares with and which organisations are of it."""
        tiers, kinds = np.array(honest.tiers), np.array(honest.kinds)
        found = {_inside(tier): (tier, tiers == tier) for tier in self.tiers}
        if crowd.SELF_SERVE in self.tiers:
            rows = tiers == crowd.SELF_SERVE
            missed = rows & np.isin(kinds, sorted(crowd.CONTRACT_KINDS))
            place = np.cumsum(missed) - 1
            for share in FEWER_MISSED:
                known = missed & (place * share % crowd.MISSED >= share)
                found[_with_missed(share)] = crowd.SELF_SERVE, rows & ~known
        return found

    def _series(self, traced: Sequence[tuple[list, np.ndarray]]) -> dict[str, list]:
        """By method, of every attacker: (number of exchanges, score) where it changes."""
        series: dict[str, list] = {"combination": [], "mean null": []}
        series |= {name: [] for name in (*self.runner.names, *map(_inside, self.tiers))}
        if crowd.SELF_SERVE in self.tiers:  # other thresholds, the same scores
            own = series[_inside(crowd.SELF_SERVE)]
            series |= {_with_missed(share): own for share in FEWER_MISSED}
        for trace, wealth in traced:
            numbers = [number for number, _ in trace]
            rows = np.array([row for _, row in trace]).reshape(-1, len(self.runner.names))
            series["combination"].append(
                list(zip(numbers, self.combined(rows).tolist(), strict=True))
            )
            for tier in self.tiers:
                own = self.combined(rows, tier).tolist()
                series[_inside(tier)].append(list(zip(numbers, own, strict=True)))
            series["mean null"].append(list(enumerate(wealth.tolist(), 1)))
            for column, name in enumerate(self.runner.names):
                series[name].append(list(zip(numbers, rows[:, column].tolist(), strict=True)))
        return series


def standing(bits: np.ndarray) -> np.ndarray:
    """Bits of a standing: those of all detectors together, averaged with a silent hunt."""
    return np.array([average_bits([b], SOURCES) for b in bits.tolist()])


def describe(calibration: Calibration) -> dict:
    held = calibration.combination
    return {
        "scored": held.everyone.n, "fitted": held.fitted, "exchanges": calibration.exchanges,
        "most_bits": round(held.most, 3), "detectors": list(held.detectors),
        "smallest_alpha": 1 / (held.everyone.n + 1),
    }  # fmt: skip


def _firsts(series: dict[str, list], bounds: dict[str, dict[float, float]]) -> dict:
    return {
        method: {
            str(alpha): waiting([first_above(trace, bounds[method][alpha]) for trace in traces])
            for alpha in REALISED
        }
        for method, traces in series.items()
    }


def _lookalikes(
    traces: Sequence[list], within: int, honest: np.ndarray, kinds: np.ndarray
) -> dict:
    """Honest organisations that ever score as much as half of the keys do within some exchanges.

    No threshold that finds those keys in time spares these organisations.
    """
    reached = sorted(
        max((score for number, score in trace if number <= within), default=0.0)
        for trace in traces
    )
    bound = reached[len(reached) // 2]
    above = honest >= bound if bound > 0 else np.ones(len(honest), dtype=bool)
    count = Counter(kinds.tolist())
    return {
        "within": within,
        "honest": rate(int(above.sum()), len(honest)),
        "kinds": {
            kind: [n, count[kind]] for kind, n in Counter(kinds[above].tolist()).most_common()
        },
    }


def _inside(tier: str) -> str:
    """How the combination beside one tier is called."""
    return f"combination in {tier}"


def _with_missed(share: int) -> str:
    """How the combination beside the self-serve is called, fewer of whom are missed."""
    return f"{_inside(crowd.SELF_SERVE)}, {share} in 100 missed"


def _counted(bits: np.ndarray) -> dict:
    return {"organisations": len(bits), "levels": _levels(bits)}


def _levels(bits: np.ndarray) -> list[dict]:
    return [against(int((bits >= -np.log2(a)).sum()), len(bits), a) for a in NOMINAL]
