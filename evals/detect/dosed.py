"""Honest organisations under a dose that nobody decided: python -m evals detect.

The default ladder, acting alone, gives two doses by itself: `logprobs` (log-probabilities and
`logit_bias` are stripped) to who has the bits and has used one of the two, and, higher up, a
throttle. Three figures, from wide to narrow:

    stand     has the bits of the rung: counted over the crowd of the part `accounts` (`rungs`)
    dosed     has the bits, and has used what the rung is about at any time of its month, before
              or after: the decision is in force for it
    touched   has the bits, and used it from then on: something was taken from it

The last two can be counted on a much larger crowd: of all kinds of honest callers only `SENDERS`
ever use what the first dose strips, so that the others need not be run. A throttle costs whoever
reaches it, so that a calibration which supports fewer bits than its rung asks for throttles nobody
(`most` of `rungs`).

A month is a crowd's four weeks; the crowd is ours, and so the rates are its.
"""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np

from evals.detect import crowd, kept
from evals.detect.running import spread
from evals.detect.single import Side, standing
from evals.detect.tally import rate
from titer.core.nouns import Exchange
from titer.core.uses import uses
from titer.respond.ladder import default_ladder
from titer.respond.rungs import Rung

#: Kinds of honest callers that ask for log-probabilities or send a bias.
SENDERS = frozenset({"classifier"})
#: The dose that is looked at; organisations that a worker takes at a time.
DOSE, CHUNK = "logprobs", 20_000
COUNTS = ("run", "exchanges", "reached", "dosed", "touched")


def sends(exchange: Exchange) -> bool:
    """Whether an exchange has what the dose strips."""
    return not set(first_rung().uses).isdisjoint(uses(exchange.endpoint, exchange.request))


@functools.cache
def first_rung() -> Rung:
    """The lowest rung of the default ladder that gives the dose by itself."""
    rungs = default_ladder().rungs
    return next(r for r in rungs if not r.needs and any(d.mitigation == DOSE for d in r.give))


def report(side: Side, size: int) -> dict:
    """How many of `size` honest organisations that rung doses, and takes something from."""
    rung = first_rung()
    asked = max(rung.at, rung.alone)
    seed = f"{side.seed}-{side.pools.side}-dosed"

    def run(first: int, last: int) -> dict[str, np.ndarray]:
        found: Counter[str] = Counter()
        for number in range(first, last):
            name = f"t{number}"
            if crowd.kind_of(name, seed) not in SENDERS:
                continue
            kind, pairs = crowd.organisation(side.pools, name, seed)
            made = list(pairs)
            found["run"] += 1
            found["exchanges"] += len(made)
            tier = crowd.tier_of(kind, f"{seed}-{name}")
            when = _reached(side, made, tier, asked)
            if when is not None:
                found["reached"] += 1
                found["dosed"] += any(sends(exchange) for exchange, _ in made)
                found["touched"] += any(sends(exchange) for exchange, _ in made[when:])
        return {name: np.array(found[name]) for name in COUNTS}

    def work(first: int) -> dict[str, np.ndarray]:
        last = min(first + CHUNK, size)
        return kept.arrays(
            side.setting.named("dosed", f"{asked:g}", first, last), lambda: run(first, last)
        )

    parts = spread(work, range(0, size, CHUNK), side.jobs)
    total = {name: sum(int(part[name]) for part in parts) for name in parts[0]}
    return {
        "organisations": size, "senders": total["run"], "exchanges": total["exchanges"],
        "rung": rung.name, "bits": asked,
        "senders_with_the_bits": rate(total["reached"], total["run"]),
        "dosed": rate(total["dosed"], size),
        "touched": rate(total["touched"], size),
    }  # fmt: skip


def _reached(side: Side, made: list, tier: str, asked: float) -> int | None:
    """Exchanges after which one organisation's standing has so many bits."""
    trace = side.runner.trace(made)
    if not trace:
        return None
    rows = side.columns(np.array([row for _, row in trace]), side.calibration.combination)
    worth = standing(side.calibration.combined_many(rows, tier))
    above = np.flatnonzero(worth >= asked)
    return trace[above[0]][0] if len(above) else None
