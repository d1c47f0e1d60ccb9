"""Where to put rungs: honest organisations that each threshold touches, and attackers it reaches.

    python -m evals.lower.rungs --crowd looked --first 0 --count 10000   # a slice: 3 minutes
    python -m evals.lower.rungs --attackers                              # once, a few minutes
    python -m evals.lower.rungs                                          # joins, writes rungs.json

Needs the prompt data. The crowds are those of `evals.detect` (14 kinds, four weeks, `report`
sources), calibrated on 8,000 other organisations; each is weighed in its tier. `looked` is the
crowd of `evals/detect.json`, `fresh` one of another seed that nothing was chosen on. A standing's
bits are those of all detectors averaged with a silent hunt, as the product does.

Figures for every threshold of standing bits:

    reached   the organisation's bits get there within its four weeks
    dosed     and at any time of them it asks for log-probabilities or sends a logit_bias, so that
              a rung for who does (`logprobs` of the default ladder) is in force for it
    stripped  and from then on it does so: it gets neither
    noticed   and from then on it does so, or a request waits or is refused: if it were under the
              throttle of the default ladder there, played by the mitigation; which is told apart
    attackers the share of single keys that get there within 600 exchanges, by share of own
              traffic, and the exchange at which half of them are there
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evals.detect import crowd, kept, runs
from evals.detect.pools import Pools
from evals.detect.running import Runner
from evals.detect.single import describe
from evals.detect.tally import first_above, rate, waiting
from evals.lower.honest import Queue
from titer.core.bits import average_bits
from titer.core.nouns import Exchange, Standing
from titer.core.uses import uses
from titer.detect.bench import SOURCES
from titer.detect.calibration import Calibration
from titer.detect.plugins import detectors
from titer.respond.ladder import default_ladder

SEED = 20261122
CROWDS = {"looked": f"{SEED}-report-test", "fresh": "20261129-report-test"}
CALIBRATED = 8_000
#: Standing bits at which rungs are tried; below the first nobody's trace is kept.
THRESHOLDS = (3.0, 5.0, 6.0, 7.0, 7.5, 7.75, 8.0, 8.5, 9.0, 9.5, 10.0, 10.5, 11.0, 11.5, 12.0)
KEPT = Path(tempfile.gettempdir()) / "titer-evals-rungs"
RESULT = Path(__file__).with_name("rungs.json")
MIXES = ("1.0", "0.5", "0.25", "0.1")
#: What the rung `logprobs` is about.
STRIPPED = frozenset(next(r for r in default_ladder().rungs if r.uses).uses)


class Scored:
    """The detectors under one calibration, and what their scores are worth to a standing."""

    def __init__(self) -> None:
        self.pools = Pools("report", seed=SEED)
        name = f"report-{CALIBRATED}-{SEED}"
        self.calibration: Calibration = kept.calibration(
            name, lambda: runs.calibrated(self.pools, CALIBRATED, SEED)
        )
        self.runner = Runner(self.calibration.fit_detectors(detectors()))
        names = self.calibration.combination.detectors
        self._places = [self.runner.names.index(name) for name in names]

    def bits(self, rows: np.ndarray, tier: str) -> np.ndarray:
        """Standing bits of rows of scores, beside those of a tier as the product does."""
        own = self.calibration.combined_many(rows[:, self._places], tier)
        return np.array([average_bits([b], SOURCES) for b in own.tolist()])

    def trace(self, pairs: Any, tier: str) -> list[tuple[int, float]]:
        """(exchanges, standing bits) at every finding of one caller."""
        found = self.runner.trace(pairs)
        if not found:
            return []
        worth = self.bits(np.array([row for _, row in found]), tier)
        return list(zip([n for n, _ in found], worth.tolist(), strict=True))


def noticed(exchanges: list[Exchange], after: int, strength: float) -> list[str]:
    """What a caller under the default doses from exchange `after` on would see of them."""
    queue, found = Queue(), set[str]()
    taken = sum(exchange.usage.tokens_out for exchange in exchanges[:after])
    for exchange in exchanges[after:]:
        found.update(STRIPPED.intersection(uses(exchange.endpoint, exchange.request)))
        subject = exchange.principal.subject
        wait = queue.ask(exchange, strength, Standing(subject, exposure=taken))
        taken += exchange.usage.tokens_out
        if wait is None:
            found.add("refused")
        elif wait > 0:
            found.add("delayed")
    return sorted(found)


def slice_of(scored: Scored, which: str, first: int, count: int) -> dict[str, Any]:
    """Some organisations of a crowd: how many, and a row for each that gets anywhere."""
    strength = next(
        d.strength for r in default_ladder().rungs for d in r.give if d.mitigation == "throttle"
    )
    rows, kinds, total = [], Counter[str](), 0
    for number in range(first, first + count):
        name = f"t{number}"
        kind, pairs = crowd.organisation(scored.pools, name, CROWDS[which])
        row, seen = scored.runner.final(pairs)
        kinds[kind] += 1
        tier = crowd.tier_of(kind, f"{CROWDS[which]}-{name}")
        total += seen
        if scored.bits(row[None, :], tier)[0] < THRESHOLDS[0]:
            continue
        _, pairs = crowd.organisation(scored.pools, name, CROWDS[which])
        again = list(pairs)
        trace = scored.trace(again, tier)
        only = [exchange for exchange, _ in again]
        steps = {}
        for at in THRESHOLDS:
            when = next((n for n, bits in trace if bits >= at), None)
            if when is not None:
                steps[f"{at:g}"] = noticed(only, when, strength)
        used = any(STRIPPED.intersection(uses(x.endpoint, x.request)) for x in only)
        rows.append({"name": name, "kind": kind, "exchanges": len(only), "reached": steps,
                     "used": used})  # fmt: skip
    return {"first": first, "count": count, "exchanges": total, "kinds": kinds, "rows": rows}


def attackers(scored: Scored) -> dict[str, Any]:
    """By threshold and mix, keys that get there within 600 exchanges."""
    sizes = runs.Sizes()
    setting = runs.Setting(scored.pools, scored.runner, SEED, 0.01, 1)
    found = runs.run_attackers(setting, sizes)
    firsts: dict[tuple[str, str], list[int]] = {}
    kinds: dict[tuple[str, str, str], list[int]] = {}
    for (attack, mix), traced in found.items():
        for trace, _ in traced:
            series: list[tuple[int, float]] = []
            if trace:
                rows = np.array([row for _, row in trace])
                worth = scored.bits(rows, crowd.SELF_SERVE)
                series = list(zip([n for n, _ in trace], worth.tolist(), strict=True))
            for at in THRESHOLDS:
                when = first_above(series, np.nextafter(at, 0.0))
                firsts.setdefault((f"{at:g}", str(mix)), []).append(when)
                kinds.setdefault((f"{at:g}", str(mix), attack), []).append(when)
    return {
        "exchanges": sizes.exchanges,
        "all": {at: {m: waiting(firsts[at, m]) for m in MIXES} for at in _names()},
        "detected by kind": {
            at: {
                m: {
                    attack: waiting(whens)["detected"]["share"]
                    for (t, mix, attack), whens in kinds.items() if (t, mix) == (at, m)
                }
                for m in MIXES
            }
            for at in _names()
        },
    }  # fmt: skip


def _names() -> list[str]:
    return [f"{at:g}" for at in THRESHOLDS]


def joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One crowd out of its slices."""
    n = sum(part["count"] for part in parts)
    rows = [row for part in parts for row in part["rows"]]
    kinds: Counter[str] = Counter()
    for part in parts:
        kinds.update(part["kinds"])
    levels = {}
    for at in _names():
        there = [row for row in rows if at in row["reached"]]
        seen = [row for row in there if row["reached"][at]]
        levels[at] = {
            "reached": rate(len(there), n),
            "dosed": rate(sum(row["used"] for row in there), n),
            "stripped": rate(sum(not STRIPPED.isdisjoint(row["reached"][at]) for row in seen), n),
            "noticed": rate(len(seen), n),
            "how": dict(Counter(how for row in seen for how in row["reached"][at])),
            "kinds": dict(Counter(row["kind"] for row in there)),
        }
    return {
        "organisations": n, "exchanges": sum(part["exchanges"] for part in parts),
        "kinds": dict(kinds), "levels": levels,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crowd", choices=CROWDS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--attackers", action="store_true")
    parser.add_argument("--folder", type=Path, help="where slices are kept")
    given = parser.parse_args()
    folder = given.folder or KEPT / kept.state()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    if given.crowd or given.attackers:
        scored = Scored()
        (folder / "calibration.json").write_text(json.dumps(describe(scored.calibration)))
    if given.crowd:
        path = folder / f"{given.crowd}-{given.first:07d}.json"
        part = slice_of(scored, given.crowd, given.first, given.count)
        path.write_bytes(msgspec.json.encode(part))
        print(path.name, joined([part])["levels"]["7.75"])
    if given.attackers:
        (folder / "attackers.json").write_bytes(msgspec.json.encode(attackers(scored)))
    if given.crowd or given.attackers:
        return
    result: dict[str, Any] = {
        "what": "honest organisations and attackers by threshold; see evals/lower/rungs.py",
        "seed": SEED, "commit": kept.commit(),
        "calibration": json.loads((folder / "calibration.json").read_text("utf-8")),
        "thresholds": THRESHOLDS,
    }  # fmt: skip
    for which in CROWDS:
        parts = [json.loads(p.read_text("utf-8")) for p in sorted(folder.glob(f"{which}-*.json"))]
        if parts:
            result[which] = joined(parts)
    result["attackers"] = json.loads((folder / "attackers.json").read_text("utf-8"))
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(json.dumps({w: {a: v["reached"] for a, v in result[w]["levels"].items()}
                      for w in CROWDS if w in result}, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
