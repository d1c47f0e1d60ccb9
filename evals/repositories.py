"""Who takes repositories that are not its own: alarms of an honest house, and attacks found.

    python -m evals repositories [--quick]

A made-up house of 1,000 people in 60 teams with 2,000 repositories over 90 days: people take their
team's, now and then another's (by Zipf's law), move teams, join; eight build services take fixed
sets that grow. One half of the rounds has no attacker and counts alarms; in the other one actor of
each kind of attack begins on day 60. An attack is *found* when its actor has an alarm after it
began; `share` is how much of what it would take it had by then (median over those found).
Everything is at the default level, one alarm in a thousand actors' days. Exact 95 % intervals;
alarms of one house hang together, so that theirs is over houses (bootstrap). Writes
repositories.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
from collections.abc import Iterator
from pathlib import Path

from titer.core.interval import clopper_pearson
from titer.detect.repositories import DAY, LEVEL, Takers

HERE = Path(__file__).parent
SEED = 20261129
ROUNDS, QUICK = 24, 2
PEOPLE, TEAMS, REPOSITORIES, DAYS, BEGIN = 1_000, 60, 2_000, 90, 60
#: Repositories a day, and for how many days; of the whole house.
ATTACKS = {
    "all within an hour": (2_000, 1),
    "200 in a day": (200, 1),
    "40 a day": (40, 20),
    "10 a day": (10, 30),
    "3 a day": (3, 30),
    "the own team's alone": (0, 1),
}
_ZIPF = list(itertools.accumulate(1 / (1 + k) for k in range(REPOSITORIES)))

Event = tuple[int, str, int]


def honest(rng: random.Random) -> tuple[list[list[Event]], list[int]]:
    """Events by day, and the team of each person."""
    team = [rng.randrange(TEAMS) for _ in range(PEOPLE)]
    own = [[r for r in range(REPOSITORIES) if r % TEAMS == t] for t in range(TEAMS)]
    joined = [0 if rng.random() < 0.9 else rng.randrange(DAYS) for _ in range(PEOPLE)]
    bots = [set(rng.sample(range(REPOSITORIES), 60 + 40 * b)) for b in range(8)]
    days: list[list[Event]] = []
    for day in range(DAYS):
        events: list[Event] = []
        weekend = day % 7 >= 5
        for person in range(PEOPLE):
            if day < joined[person] or (weekend and rng.random() < 0.95):
                continue
            if rng.random() < 0.002:
                team[person] = rng.randrange(TEAMS)
            mine = own[team[person]]
            took = rng.choices(mine, k=rng.randrange(6))
            if day == joined[person] and day:
                took += mine[:]  # everything of the team on the first day
            if rng.random() < 0.08:
                took += rng.choices(range(REPOSITORIES), cum_weights=_ZIPF, k=rng.randrange(1, 6))
            at = day * DAY + rng.randrange(8, 18) * 3_600_000_000
            events += [(at + n, f"p{person}", r) for n, r in enumerate(took)]
        for bot, taken in enumerate(bots):
            if rng.random() < 0.2:
                taken.add(rng.randrange(REPOSITORIES))
            events += [(day * DAY + n, f"bot{bot}", r) for n, r in enumerate(sorted(taken))]
        days.append(events)
    return days, team


def attack(rng: random.Random, kind: str, who: str, team: int) -> list[list[Event]]:
    """What the attacker takes beside its work, by day."""
    a_day, days = ATTACKS[kind]
    if not a_day:
        every = [r for r in range(REPOSITORIES) if r % TEAMS == team]
        a_day = len(every)
    else:
        every = rng.sample(range(REPOSITORIES), min(REPOSITORIES, a_day * days))
    plan: list[list[Event]] = []
    for n in range(days):
        at = (BEGIN + n) * DAY + 20 * 3_600_000_000
        plan.append([(at + k, who, r) for k, r in enumerate(every[n * a_day : (n + 1) * a_day])])
    return plan


def run(days: list[list[Event]]) -> Iterator[tuple[str, int]]:
    """(actor, when) of every alarm."""
    takers = Takers()
    for events in days:
        for at, who, repository in sorted(events):
            takers.add(at, who, str(repository))
    told = takers.told()
    for alarm in told.alarms:
        yield alarm.actor, alarm.at


def interval(hits: int, of: int) -> dict[str, float]:
    low, high = clopper_pearson(hits, of)
    return {"hits": hits, "of": of, "low": round(low, 4), "high": round(high, 4)}


def quiet(rounds: int) -> dict[str, object]:
    """Alarms a day and a thousand actors where nobody attacks, by house."""
    rates = []
    bots = 0
    for n in range(rounds):
        days, _ = honest(random.Random(SEED + n))
        alarms = list(run(days))
        bots += sum(actor.startswith("bot") for actor, _ in alarms)
        rates.append(len(alarms) / (DAYS - 14) / (PEOPLE / 1_000))
    rng = random.Random(SEED)
    means = sorted(statistics.fmean(rng.choices(rates, k=rounds)) for _ in range(1_000))
    return {
        "houses": rounds, "alarms_a_day_per_1000": round(statistics.fmean(rates), 3),
        "low": round(means[25], 3), "high": round(means[975], 3), "of_build_services": bots,
    }  # fmt: skip


def attacked(rounds: int) -> dict[str, object]:
    """How many attacks of each kind are found, and how far they had come."""
    found: dict[str, list[float]] = {kind: [] for kind in ATTACKS}
    for n in range(rounds):
        rng = random.Random(SEED + 10_000 + n)
        days, team = honest(rng)
        plans = {}
        for person, kind in enumerate(ATTACKS):
            who = f"p{person}"
            plans[kind] = who, attack(rng, kind, who, team[person])
            for k, events in enumerate(plans[kind][1]):
                if BEGIN + k < DAYS:
                    days[BEGIN + k] += events
        alarms = list(run(days))
        for kind, (who, plan) in plans.items():
            when = [at for actor, at in alarms if actor == who and at >= BEGIN * DAY]
            if when:
                events = list(itertools.chain.from_iterable(plan))
                found[kind].append(sum(at <= when[0] for at, _, _ in events) / len(events))
    return {
        kind: {
            "found": interval(len(shares), rounds),
            "share": round(statistics.median(shares), 3) if shares else None,
        }
        for kind, shares in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds = QUICK if given.quick else ROUNDS
    out = {"seed": SEED, "level": LEVEL, "honest": quiet(rounds), "attacks": attacked(rounds)}
    print(json.dumps(out, indent=1))
    if not given.quick:
        (HERE / "repositories.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
