"""Crowds and attackers under fitted detectors: what the figures are counted from."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from evals.accounts import Prompts, _filled, _templates
from evals.detect import crowd, kept, naive
from evals.detect.attackers import ATTACKS, PIPELINES, Arms, Attacker
from evals.detect.pools import Pools
from evals.detect.running import Runner, spread
from titer.core.nouns import Exchange
from titer.detect.calibration import Calibration, fit
from titer.detect.plugins import detectors

MIXES = (1.0, 0.5, 0.25, 0.1)
#: Organisations that one worker takes at a time, and that are kept together.
CHUNK = 250


class Sizes(msgspec.Struct, frozen=True):
    """How large an evaluation is: organisations to calibrate on (`other`: of the other side), to
    test on by side, attackers of each kind and their exchanges; organisations of which those that
    a dose can touch are run.
    """

    calibrate: int = 16_000
    tune: int = 10_000
    report: int = 110_000
    other: int = 5_000
    shifted: int = 5_000
    attackers: int = 16
    exchanges: int = 600
    dosed: int = 400_000
    pools: float = 1.0


class Setting(msgspec.Struct, frozen=True):
    """Where runs take place: the texts, fitted detectors, seed, mean rate of flags, processes.

    `kept` names what is run here for later runs; "" keeps nothing.
    """

    pools: Pools
    runner: Runner
    seed: int
    flagged: float
    jobs: int
    kept: str = ""

    def named(self, *parts: object) -> str:
        """The name of one slice of it, or ""."""
        return "-".join(map(str, (self.kept, self.seed, *parts))) if self.kept else ""


class Honest(msgspec.Struct, frozen=True):
    """Honest organisations that were run: a row of scores each, kinds, tiers, naive evidence."""

    scores: np.ndarray
    kinds: list[str]
    tiers: list[str]
    exchanges: int
    wealth: np.ndarray


def flags(share: float = 1.0) -> Callable[[str], bool]:
    """The classifier of single prompts, trained on the `tune` side or a share of it."""
    rng, prompts = random.Random("flags"), Prompts("tune")
    rows = [r for r in _templates() if r["pipeline"] in PIPELINES["tune"]]
    attack = [
        _filled(rng.choice(rows)["template"], rng.choice(prompts.seeds), rng)
        for _ in range(int(4000 * share))
    ]
    honest = [text for turns in prompts.chats for text in turns]
    for groups in (prompts.support, prompts.evaluations, prompts.batches, prompts.agents):
        texts = [text for group in groups for text in group]
        honest += rng.sample(texts, min(2500, len(texts)))
    rng.shuffle(honest)
    return naive.trained(attack, honest[: int(len(honest) * share)])


def calibrated(
    pools: Pools, size: int, seed: int, kinds: Sequence[str] = ("",), volume: int = 0
) -> Calibration:
    """The product's calibration on a crowd of its own, of these kinds in turn ("" is any), all of
    one volume if it is given.
    """

    def stream() -> Iterator[Exchange]:
        for number in range(size):
            kind = kinds[number % len(kinds)]
            _, pairs = crowd.organisation(
                pools, f"c{number}", f"{seed}-{pools.side}-cal", kind=kind, volume=volume
            )
            yield from (exchange for exchange, _ in pairs)

    return fit(detectors(), stream, seed=seed)


def mean_flags(pools: Pools, seed: int, size: int = 3000) -> float:
    """The mean rate of flags over honest requests: what the naive null takes for everybody's."""
    flagged = total = 0
    for number in range(size):
        _, pairs = crowd.organisation(pools, f"c{number}", f"{seed}-{pools.side}-cal")
        for _, turn in pairs:
            flagged += turn.flag
            total += 1
    return max(flagged / total, 1e-4)


def run_honest(setting: Setting, size: int) -> Honest:
    """`size` other honest organisations under fitted detectors."""
    pools, runner = setting.pools, setting.runner
    seed = f"{setting.seed}-{pools.side}-test"

    def run(first: int, last: int) -> dict[str, np.ndarray]:
        rows, kinds, counts, wealth = [], [], [], []
        for number in range(first, last):
            seen: list[bool] = []
            kind, pairs = crowd.organisation(pools, f"t{number}", seed)
            row, exchanges = runner.final(_watched(pairs, seen))
            rows.append(row)
            kinds.append(kind)
            counts.append(exchanges)
            wealth.append(float(naive.wealth(seen, setting.flagged)[-1]))
        return {
            "rows": np.array(rows), "kinds": np.array(kinds), "counts": np.array(counts),
            "wealth": np.array(wealth),
        }  # fmt: skip

    def work(first: int) -> dict[str, np.ndarray]:
        last = min(first + CHUNK, size)
        return kept.arrays(setting.named("honest", first, last), lambda: run(first, last))

    parts = spread(work, range(0, size, CHUNK), setting.jobs)
    kinds = [str(kind) for part in parts for kind in part["kinds"]]
    return Honest(
        np.concatenate([part["rows"] for part in parts]),
        kinds,
        [crowd.tier_of(kind, f"{seed}-t{number}") for number, kind in enumerate(kinds)],
        sum(int(part["counts"].sum()) for part in parts),
        np.concatenate([part["wealth"] for part in parts]),
    )


def run_attackers(
    setting: Setting, sizes: Sizes
) -> dict[tuple[str, float], list[tuple[list, np.ndarray]]]:
    """By attack and mix, of every attacker: the trace of scores and the naive evidence."""
    pools, runner = setting.pools, setting.runner
    arms = Arms(pools)

    def run(attack: str, number: int) -> dict[str, np.ndarray]:
        key = f"{setting.seed}-{pools.side}"
        caller = Attacker(pools, arms, attack, f"{key}-{number}", sizes.exchanges)
        found = {}
        for mix in MIXES:
            seen: list[bool] = []
            trace = runner.trace(_watched(caller.exchanges(mix, sizes.exchanges), seen))
            found[f"at {mix}"] = np.array([at for at, _ in trace], dtype=np.int64)
            found[f"rows {mix}"] = np.array([row for _, row in trace])
            found[f"wealth {mix}"] = naive.wealth(seen, setting.flagged)
        return found

    def work(item: tuple[str, int]) -> dict[str, np.ndarray]:
        name = setting.named("attacker", *item, sizes.exchanges)
        return kept.arrays(name, lambda: run(*item))

    items = [(attack, n) for attack in ATTACKS for n in range(sizes.attackers)]
    out: dict[tuple[str, float], list] = {}
    for (attack, _), found in zip(items, spread(work, items, setting.jobs), strict=True):
        for mix in MIXES:
            trace = list(zip(found[f"at {mix}"].tolist(), found[f"rows {mix}"], strict=True))
            out.setdefault((attack, mix), []).append((trace, found[f"wealth {mix}"]))
    return out


def _watched(pairs, seen: list[bool]):
    for exchange, turn in pairs:
        seen.append(turn.flag)
        yield exchange, turn
