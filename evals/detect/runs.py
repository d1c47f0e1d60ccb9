"""Crowds and attackers under fitted detectors: what the figures are counted from."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from evals.accounts import Prompts, _filled, _templates
from evals.detect import crowd, naive
from evals.detect.attackers import ATTACKS, PIPELINES, Arms, Attacker
from evals.detect.pools import Pools
from evals.detect.running import Runner, spread
from titer.core.nouns import Exchange
from titer.detect.calibration import Calibration, fit
from titer.detect.plugins import detectors

MIXES = (1.0, 0.5, 0.25, 0.1)
#: Organisations that one worker takes at a time.
CHUNK = 200


class Sizes(msgspec.Struct, frozen=True):
    """How large an evaluation is: organisations to calibrate on (`other`: of the other side), to
    test on by side, attackers of each kind and their exchanges.
    """

    calibrate: int = 16_000
    tune: int = 10_000
    report: int = 110_000
    other: int = 5_000
    shifted: int = 5_000
    attackers: int = 16
    exchanges: int = 600
    pools: float = 1.0


class Setting(msgspec.Struct, frozen=True):
    """Where runs take place: the texts, fitted detectors, seed, mean rate of flags, processes."""

    pools: Pools
    runner: Runner
    seed: int
    flagged: float
    jobs: int


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

    def work(first: int) -> tuple[np.ndarray, list[str], list[str], int, list[float]]:
        rows, kinds, tiers, count, wealth = [], [], [], 0, []
        seed = f"{setting.seed}-{pools.side}-test"
        for number in range(first, min(first + CHUNK, size)):
            name, seen = f"t{number}", []
            kind, pairs = crowd.organisation(pools, name, seed)
            row, exchanges = runner.final(_watched(pairs, seen))
            rows.append(row)
            kinds.append(kind)
            tiers.append(crowd.tier_of(kind, f"{seed}-{name}"))
            count += exchanges
            wealth.append(float(naive.wealth(seen, setting.flagged)[-1]))
        return np.array(rows), kinds, tiers, count, wealth

    parts = spread(work, range(0, size, CHUNK), setting.jobs)
    return Honest(
        np.concatenate([part[0] for part in parts]),
        [kind for part in parts for kind in part[1]],
        [tier for part in parts for tier in part[2]],
        sum(part[3] for part in parts),
        np.array([value for part in parts for value in part[4]]),
    )


def run_attackers(
    setting: Setting, sizes: Sizes
) -> dict[tuple[str, float], list[tuple[list, np.ndarray]]]:
    """By attack and mix, of every attacker: the trace of scores and the naive evidence."""
    pools, runner = setting.pools, setting.runner
    arms = Arms(pools)

    def work(item: tuple[str, int]) -> list[tuple[list, np.ndarray]]:
        attack, number = item
        key = f"{setting.seed}-{pools.side}"
        caller = Attacker(pools, arms, attack, f"{key}-{number}", sizes.exchanges)
        found = []
        for mix in MIXES:
            seen: list[bool] = []
            trace = runner.trace(_watched(caller.exchanges(mix, sizes.exchanges), seen))
            found.append((trace, naive.wealth(seen, setting.flagged)))
        return found

    items = [(attack, n) for attack in ATTACKS for n in range(sizes.attackers)]
    out: dict[tuple[str, float], list] = {}
    for (attack, _), found in zip(items, spread(work, items, setting.jobs), strict=True):
        for mix, one in zip(MIXES, found, strict=True):
            out.setdefault((attack, mix), []).append(one)
    return out


def _watched(pairs, seen: list[bool]):
    for exchange, turn in pairs:
        seen.append(turn.flag)
        yield exchange, turn
