"""Whom the rule of returns tells who is honest: callers who are told by a campaign's texts.

    python -m evals.lower.returns [--data ../shared/data] [--seeds 371,21]   # writes returns.json

`titer.hunt.again` tells a caller by one request, so what it costs honest callers is measured on
more of them than `attacker_cost` has. In place of a hunt stands the truth (all of a campaign's
accounts that have sent anything are its members): with fewer unknown ones outside, texts look more
of its own than they do after a hunt, and more honest callers can be told.

*Crowds*: worlds of the lab with many honest callers and a campaign of 200; learnt after a day, and
again every half day; who is told until the third day is over. *Communities*: those of
`evals.hunt_small`, made to be mistaken for a campaign, in the worst case: every one of a hundred
accounts of a campaign sends, beside its own, five requests of the community's, and so many of the
community's callers were seen when the campaign was found. The others come after that. *A public
template*: one of the campaign's own, which forty honest callers take up, three requests each.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evals.hunt_small import communities, exchanges, hydra
from evals.lower.attacker_cost import compact
from evals.lower.campaign import HOUR, NAMES, Plan, crowd, requests
from titer.core.interval import clopper_pearson
from titer.core.nouns import Campaign, Exchange, Principal
from titer.core.sketch import Sketcher
from titer.gateway.feeds.exchange import Maker
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.hunt import TableBuilder
from titer.hunt.again import Again
from titer.lab import crowd as people
from titer.lab.prompts import BuiltIn
from titer.lab.scenario import START
from titer.lab.world.make import Made

RESULT = Path(__file__).with_name("returns.json")
#: Worlds that nobody had looked at when the rule was made, their honest accounts, and days.
SEEDS, HONEST, DAYS = (371, 372, 373, 374), 10_000, 3.0
PUBLISHED_SEEDS, PUBLISHED_HONEST = (375, 376), 5_000
LEARN_H, AGAIN_H = 24, 12
#: Small worlds, callers of a community that were seen before, what each member sends of theirs,
#: and honest callers who take up a template of the campaign's.
SMALL_SEEDS, SEEN, COVER, PUBLIC = (21, 22, 23), (0, 1, 2, 20), 5, 40


def campaign_of(members: list[str], at: int) -> Campaign:
    """What a hunt that knows everybody would say."""
    return Campaign(
        "c-truth", tuple(sorted(members)), ("text",), ("truth",), 12.0, "", 0, at, tokens_out=1
    )


def share(k: int, n: int) -> dict[str, Any]:
    return {"k": k, "n": n, "interval": clopper_pearson(k, n)}


def lab_crowd(seed: int, honest: int, data: Path | None) -> dict[str, Any]:
    """One world of the lab lived through; who is told, of its honest callers and the campaign."""
    plan = Plan(seed=seed, honest=honest, on_sale=200, days=DAYS)
    world = plan.world()
    if data is not None:
        world = msgspec.structs.replace(world, prompts=str(data), split="test")
    made = Made(world)
    of, members = crowd(made)
    first = set(members[: plan.accounts])  # the others begin when the campaign is known
    start, again, builder = made.place.start, Again(), TableBuilder()
    theirs: dict[str, bool] = {}
    told: set[str] = set()
    begin = due = start + LEARN_H * HOUR
    levels = []
    for number in made.span:
        for batch in requests(made, np.ones(len(of), np.bool_), number):
            some = [
                asked
                for asked in batch
                if not of[asked.who] or asked.who in first or asked.exchange.at >= begin
            ]
            rows = [asked.exchange for asked in some]
            if rows and rows[-1].at >= due:
                due += AGAIN_H * HOUR
                known = [s for s, campaign in theirs.items() if campaign]
                again.learn([campaign_of(known, due)], builder.build())
                levels += [round(k.own.level, 1) for k in again._known.values()]  # noqa: SLF001
            builder.add(rows)
            again.see(rows)
            theirs.update((a.exchange.principal.subject, of[a.who]) for a in some)
            told |= {m for one in again.told(rows[-1].at) for m in one.members} if rows else set()
    after = len(members) - len(first)
    wrong = sum(not theirs[subject] for subject in told)
    return {
        "seed": seed, "prompts": made.source.name, "levels": levels,
        "honest_told": share(wrong, sum(not campaign for campaign in theirs.values())),
        "told_of_new_accounts": share(len(told) - wrong, after),
    }  # fmt: skip


def small(seed: int) -> list[dict[str, Any]]:
    """The communities of one small world, as cover of a campaign."""
    prompts = BuiltIn()
    maker = Maker(
        ExchangeLog(NAMES), sketcher=Sketcher(NAMES.key(f"small {seed}")), pseudonyms=NAMES
    )
    span = people.Span(start=START, days=4.0, pace=0.6)
    rng = random.Random(f"returns {seed}")
    usual = exchanges(people.honest(rng, prompts, span, accounts=700), maker)
    attack = exchanges(hydra(seed, prompts, 100, 0.5, ""), maker)
    heads = sorted({x.principal.subject: x.principal for x in attack}.items())
    found = []
    by_role: dict[str, dict[str, list[Exchange]]] = {}
    for member in communities(seed, prompts):
        sent = exchanges([member], maker)
        by_role.setdefault(member.account.role, {})[sent[0].principal.subject] = sent
    for role, callers in by_role.items():
        every = [x for sent in callers.values() for x in sent]
        cover = [
            msgspec.structs.replace(x, principal=principal)
            for _, principal in heads
            for x in rng.sample(every, COVER)
        ]
        for hidden in (False, True):
            rows = [*usual, *attack, *(cover if hidden else ())]
            kind = f"{role}, as cover" if hidden else role
            found += _told(kind, rows, [s for s, _ in heads], callers, rng)
    ours, theirs = _public(attack, rng)
    found += _told("public template", [*usual, *ours], [s for s, _ in heads], theirs, rng)
    return [{"seed": seed, **row} for row in found]


def _public(
    attack: list[Exchange], rng: random.Random
) -> tuple[list[Exchange], dict[str, list[Exchange]]]:
    """A campaign's requests less some of those in its most used template, and honest callers who
    send these.
    """
    uses = Counter(token for x in attack for token in x.sketch.frames)
    (most, _), *_ = uses.most_common(1)
    some = [x for x in attack if most in x.sketch.frames]
    taken = rng.sample(some, min(len(some) // 2, 3 * PUBLIC))
    ids = {id(x) for x in taken}
    callers: dict[str, list[Exchange]] = {}
    for place, x in enumerate(taken):
        name = f"public-{place % PUBLIC}"
        sent = msgspec.structs.replace(x, principal=Principal(name))
        callers.setdefault(name, []).append(sent)
    return [x for x in attack if id(x) not in ids], callers


def _told(
    kind: str,
    rows: list[Exchange],
    members: list[str],
    callers: dict[str, list[Exchange]],
    rng: random.Random,
) -> list[dict[str, Any]]:
    """How many callers of a community are told, by how many of them were seen before."""
    names = list(callers)
    rng.shuffle(names)
    found = []
    for seen in SEEN:
        builder = TableBuilder()
        builder.add(rows)
        for name in names[:seen]:
            builder.add(callers[name])
        again = Again()
        again.learn([campaign_of(members, 0)], builder.build())
        for name in names[seen:]:
            again.see(callers[name])
        told = sum(len(one.members) for one in again.told(0))
        found.append({"community": kind, "seen": seen, "told": told, "callers": len(names) - seen})
    return found


def kept(crowds: list[dict[str, Any]], small_rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The result file with these worlds in place of the same ones that it had."""
    old = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {"crowds": [], "rows": []}
    worlds = {(c["prompts"], c["seed"]): c for c in (*old["crowds"], *crowds)}
    cells = {(r["seed"], r["community"], r["seen"]): r for r in (*old["rows"], *small_rows)}
    together = []
    for kind, seen in dict.fromkeys((community, seen) for _, community, seen in cells):
        same = [r for r in cells.values() if (r["community"], r["seen"]) == (kind, seen)]
        k, n = (sum(r[name] for r in same) for name in ("told", "callers"))
        together.append({"community": kind, "seen": seen, "told": share(k, n)})
    k, n = (sum(c["honest_told"][name] for c in worlds.values()) for name in ("k", "n"))
    return {
        "what": "honest callers told by a campaign's texts; see evals/lower/returns.py",
        "crowds_together": share(k, n), "crowds": [worlds[key] for key in sorted(worlds)],
        "communities": together, "rows": list(cells.values()),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="published prompts, for worlds of these as well")
    parser.add_argument("--seeds", default="", help="some worlds alone, of any kind")
    given = parser.parse_args()
    chosen = {int(seed) for seed in given.seeds.split(",") if seed}

    def of(seeds: tuple[int, ...]) -> list[int]:
        return [seed for seed in seeds if not chosen or seed in chosen]

    crowds = [lab_crowd(seed, HONEST, None) for seed in of(SEEDS)]
    if given.data is not None:
        crowds += [lab_crowd(seed, PUBLISHED_HONEST, given.data) for seed in of(PUBLISHED_SEEDS)]
    rows = [row for seed in of(SMALL_SEEDS) for row in small(seed)]
    found = kept(crowds, rows)
    RESULT.write_text(compact(found) + "\n", "utf-8")
    print(json.dumps(found["crowds_together"]))


if __name__ == "__main__":
    main()
