"""Which detectors of conduct separate whom: each against conducts that are its own and not.

    python -m evals.conduct            # needs ../shared/data; some minutes; `tune` sources only
    python -m evals.conduct --quick    # smaller, for a look; writes nothing

Honest organisations are those of `evals/detect/crowd.py`. A harvester asks with a public template
(or solves and verifies) and takes long replies, in one of `CONDUCTS`; what makes a conduct is
assumed after the shapes of published pipelines. For each detector: the share of harvesters above
the score that 1 % of other honest organisations exceed, under nulls fitted to a third of a first
crowd. `large` are honest organisations with as many requests as a harvester: most honest ones
have far fewer, and every score grows with time. This says what a detector looks at and what it
does not; figures on other sources, and of all detectors together, are those of `evals detect`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from evals.accounts import DATA
from evals.detect import clocks, crowd
from evals.detect.attackers import Arms, Attacker
from evals.detect.pools import Pools, Turn
from evals.frames_coverage import clopper_pearson, final_scores
from titer.core.nouns import Exchange, ReplyFacts
from titer.detect import BUILTIN
from titer.detect.calibration import fit

SEED = 20261122
RESULT = Path(__file__).with_name("conduct.json")
EACH = 600
DAY, SECOND = clocks.DAY, clocks.SECOND
RELEASE = clocks.START + clocks.RELEASE_DAY * DAY
OURS = ("cadence", "shape", "drift", "release", "limits", "catalogue", "embeddings")
TEXTS = ("frames", "coverage")

Log = list[Exchange]


class Stage:
    """What harvesters of one side are made of."""

    def __init__(self, scale: float) -> None:
        self.pools = Pools("tune", seed=SEED, scale=scale)
        self.arms = Arms(self.pools)

    def harvest(self, name: str, times: list[int], *, mix: float = 1.0) -> Log:
        """A harvest at the times given, a share `mix` of it; the rest is one honest kind's."""
        attack = "template" if hash_of(name) % 2 else "reasoning"
        attacker = Attacker(self.pools, self.arms, attack, name, len(times))
        rng = random.Random(f"{name}-{mix}")
        cover = crowd.MAKERS["chat"](self.pools, rng)
        number = itertools.count()

        def draw() -> tuple[Turn, int, dict]:
            return attacker.request(next(number), rng) if rng.random() < mix else cover()

        return [
            exchange
            for exchange, _ in crowd.exchanges(
                name, draw, times, rng, kind="attack", places={"hosting": 1, "": 1}, eager=0.0
            )
        ]

    def honest(self, name: str, kind: str, times: list[int]) -> Log:
        rng = random.Random(f"{name}-{kind}")
        draw = crowd.MAKERS[kind](self.pools, rng)
        return [e for e, _ in crowd.exchanges(name, draw, times, rng, kind=kind, eager=0.0)]


def hash_of(name: str) -> int:
    return random.Random(name).getrandbits(32)


def serial(stage: Stage, name: str, rng: random.Random) -> Log:
    """One request after the other: a reply of some seconds, then at once the next."""
    pace, sleep = rng.uniform(3, 12), rng.choice((0.0, 1.0, 2.0))
    at, times = clocks.START + int(rng.random() * 20 * DAY), []
    for n in range(EACH):
        times.append(at)
        at += int((sleep + pace * rng.lognormvariate(0, 0.25)) * SECOND)
        if n % 150 == 149:
            at += int(rng.uniform(0.2, 1.5) * DAY)
    return stage.harvest(name, times)


def concurrent(stage: Stage, name: str, rng: random.Random) -> Log:
    """Many requests at once: gaps as if drawn."""
    gap = rng.uniform(0.5, 30)
    at, times = clocks.START + int(rng.random() * 20 * DAY), []
    for _ in range(EACH):
        times.append(at)
        at += int(rng.expovariate(1 / gap) * SECOND)
    return stage.harvest(name, times)


def steady(stage: Stage, name: str, rng: random.Random) -> Log:
    """Every hour of every day, 21 to 30 a day."""
    gap = DAY * 27 // EACH
    times = [clocks.START + gap * n + int(rng.random() * gap) for n in range(EACH)]
    return stage.harvest(name, times)


def copied(stage: Stage, name: str, rng: random.Random) -> Log:
    """The hours and pauses of a person, and half of the traffic a person's."""
    return stage.harvest(name, clocks.people(rng, EACH), mix=0.5)


def capped(stage: Stage, name: str, rng: random.Random) -> Log:
    """A daily allowance, spent from its first minute on until the refusal."""
    allowance = rng.randint(22, 40)
    days = EACH // allowance
    times = [
        clocks.START + day * DAY + int((n * rng.uniform(20, 90) + rng.random() * 9) * SECOND)
        for day in range(days) for n in range(allowance)
    ]  # fmt: skip
    log = stage.harvest(name, sorted(times))
    refused = [
        msgspec.structs.replace(
            log[allowance * (day + 1) - 1], id=f"{name}-r{day}", status=429, reply=ReplyFacts(),
            at=log[allowance * (day + 1) - 1].at + 5 * SECOND,
        )
        for day in range(days)
    ]  # fmt: skip
    return sorted(log + refused, key=lambda e: e.at)


def resampled(stage: Stage, name: str, rng: random.Random) -> Log:
    """Four samples of each question."""
    log = stage.harvest(name, clocks.around(rng, EACH))
    return [
        msgspec.structs.replace(e, sketch=log[n - n % 4].sketch, at=log[n - n % 4].at + n % 4)
        for n, e in enumerate(log)
    ]


def taken_over(stage: Stage, name: str, rng: random.Random) -> Log:
    """An honest caller for half of its life, then a harvest from elsewhere."""
    times = clocks.service(rng, EACH)
    half = EACH // 2
    before = stage.honest(name, rng.choice(("chat", "application", "support")), times[:half])
    after = stage.harvest(name + "-after", times[half:])
    return before + [msgspec.structs.replace(e, principal=before[0].principal) for e in after]


def pivot(stage: Stage, name: str, rng: random.Random) -> Log:
    """Half of the traffic on the new model from its first hours on."""
    log = stage.harvest(name, sorted(clocks.service(rng, EACH)), mix=0.5)
    begins = RELEASE + int(rng.random() * 3 * clocks.HOUR)
    return [
        msgspec.structs.replace(e, model="m-2" if e.at >= begins and rng.random() < 0.5 else "m-1")
        for e in log
    ]


def walker(stage: Stage, name: str, rng: random.Random) -> Log:
    """A chat in which one request of ten tries what might be there."""
    log = stage.honest(name, "chat", clocks.people(rng, EACH))

    def tried(n: int, e: Exchange) -> Exchange:
        way = rng.randrange(3)
        if way == 0:
            return msgspec.structs.replace(e, endpoint=f"/v1/internal/{n}", status=404)
        if way == 1:
            return msgspec.structs.replace(e, model=f"model-{n}", status=404)
        facts = msgspec.structs.replace(e.request, params={f"x_{n}": True}, denied=("unknown",))
        return msgspec.structs.replace(e, request=facts)

    return [tried(n, e) if rng.random() < 0.1 else e for n, e in enumerate(log)]


def embedded(stage: Stage, name: str, rng: random.Random) -> Log:
    """New texts of all sources, one each, to be embedded."""
    pools = stage.pools
    decks = [*pools.talks[:200], *pools.support, *pools.batches, *pools.evaluations, *pools.apps]
    turns = [rng.choice(rng.choice(decks)) for _ in range(EACH)]
    draws = iter(turns)
    return [
        e
        for e, _ in crowd.exchanges(
            name, lambda: (next(draws), 0, {}), clocks.around(rng, EACH), rng, kind="embedder"
        )
    ]


def large(stage: Stage, name: str, _: random.Random) -> Log:
    """No harvest: an honest organisation of any kind with as many requests as a harvester."""
    return [e for e, _ in crowd.organisation(stage.pools, name, str(SEED), volume=EACH)[1]]


CONDUCTS: tuple[Callable[[Stage, str, random.Random], Log], ...] = (
    serial, concurrent, steady, copied, capped, resampled, taken_over, pivot, walker, embedded,
    large,
)  # fmt: skip


def honest(stage: Stage, draw: str, count: int) -> Iterator[tuple[str, str, Exchange]]:
    for n in range(count):
        name = f"{draw}-{n}"
        kind, pairs = crowd.organisation(stage.pools, name, str(SEED))
        for exchange, _ in pairs:
            yield name, kind, exchange


def report(count: int, each: int, scale: float) -> dict:
    stage = Stage(scale)
    detectors = tuple(d for d in BUILTIN if d.card.name in OURS + TEXTS)
    calibration = fit(
        detectors,
        sorted((e for _, _, e in honest(stage, "fit", count)), key=lambda e: (e.at, e.id)),
        seed=SEED,
    )
    kinds, log = {}, []
    for name, kind, exchange in honest(stage, "test", count):
        kinds[name] = kind
        log.append(exchange)
    logs = {
        make.__name__: [
            make(stage, f"{make.__name__}-{n}", random.Random(f"{SEED}-{make.__name__}-{n}"))
            for n in range(each if make is not large else 5 * each)
        ]
        for make in CONDUCTS
    }
    out: dict = {}
    for detector in calibration.fit_detectors(detectors):
        name = detector.card.name
        scores = {**dict.fromkeys(kinds, 0.0), **final_scores(detector, log)}
        ordered = sorted(scores.values(), reverse=True)
        limit = ordered[count // 100]
        above = defaultdict(int)
        for subject, score in scores.items():
            above[kinds[subject]] += score > limit
        out[name] = {
            "nulls": [round(p, 4) for p in calibration.detectors[name].params.get("nulls", ())],
            "honest_with_a_score": sum(s > 0 for s in ordered) / count,
            "threshold": round(limit, 3),
            "honest_above": {kind: n for kind, n in sorted(above.items()) if n},
            "conducts": {
                conduct: _found(detector, found, limit) for conduct, found in logs.items()
            },
        }
        print(name, json.dumps(out[name]), flush=True)
    return {
        "seed": SEED, "sources": "tune", "honest": count, "harvesters_each": each,
        "exchanges_each": EACH, "honest_exchanges": len(log), "detectors": out,
    }  # fmt: skip


def _found(detector, logs: list[Log], limit: float) -> dict:
    scores = [max(final_scores(detector, log).values(), default=0.0) for log in logs]
    hits = sum(score > limit for score in scores)
    return {"found": hits, "of": len(logs), "interval": clopper_pearson(hits, len(logs))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    if not DATA.exists():
        sys.exit("evals/conduct.py needs the prompt data in ../shared/data; see its README")
    result = report(*((400, 10, 0.2) if quick else (3000, 40, 0.5)))
    if not quick:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        print(f"wrote {RESULT.name}")


if __name__ == "__main__":
    main()
