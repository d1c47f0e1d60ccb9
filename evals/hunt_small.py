"""The hunt on small worlds: who is found, and who is accused wrongly.

    python -m evals.hunt_small [--seeds 3] [--first 0] [--data ../shared/data]
                               [--keep RESULTS] [--out evals/hunt_small.json]

Honest: the lab's crowd, and beside it four communities made to be mistaken for a campaign: a
large class on one campus, parties that run one public benchmark, users of one framework, and an
undeclared company on one network with one payment. Attackers: the lab's hydra of 30, 100 or
300 accounts at 100, 50 and 25 % of own traffic, and three disguises of the one of 100.
Prompts are the lab's own, or published ones with sources split in two halves. Rules and
thresholds were changed after looking at seeds 0 to 3 of the lab's own prompts and seed 10 of
published ones (both halves), and seed 11 of these; seeds 4, 5 and 12 were not. All are worlds
of the same makers, and accounts of one world are not independent: not a field error rate.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from titer.core.ids import Pseudonyms
from titer.core.nouns import Exchange
from titer.core.sketch import Sketcher
from titer.gateway.feeds.exchange import Maker
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.hunt import MemorySource, TableBuilder, find
from titer.lab import arrivals, attackers, bodies, crowd, origins
from titer.lab.events import Account, Event, Member, merge, reply_tokens
from titer.lab.generators import study, work
from titer.lab.interval import clopper_pearson
from titer.lab.prompts import BuiltIn, Prompts
from titer.lab.published import Published
from titer.lab.scenario import START
from titer.lab.writers import line

DAYS = 4.0
HONEST = 700
PER_DAY = 26.0
#: Seeds after which rules or thresholds were changed.
LOOKED_AT = (0, 1, 2, 3, 10, 11)
SECRET = b"titer evaluation, not a secret.."


def member(account: Account, seed: int, play: Any) -> Member:
    """An honest member of a community, with an organisation of its own."""
    account = msgspec.structs.replace(account, org=f"org-{account.name}", team=account.role)
    return Member(account, f"{seed}/{account.name}", play)


def home(rng: random.Random, *, net: str = "", card: str = "", kind: str = "home") -> origins.Home:
    program = rng.choice((origins.OPENAI_SDK, origins.OPENAI_ASYNC, origins.NODE))
    made = origins.home(rng, kind=kind, program=program)
    if net:
        made = msgspec.structs.replace(made, ip=f"{net}.{rng.randrange(1, 255)}")
    return msgspec.structs.replace(made, payment=card) if card else made


def ask(account: Account, rng: random.Random, at: int, text: str, system: str = "") -> Event:
    body = bodies.conversation(
        bodies.CHAT, model="demo-large", turns=[("user", text)], system=system
    )
    return Event(at, account, bodies.CHAT, body, reply_tokens(rng, median=200))


def communities(seed: int, prompts: Prompts) -> list[Member]:
    """Honest groups that share more than most: each is one trap for the hunt."""
    rng = random.Random(f"communities {seed}")
    made: list[Member] = []

    questions = [study.pupil_question(rng, study.assignment(rng)) for _ in range(15)]

    def pupil(account: Account, own: random.Random) -> Iterator[Event]:
        talker = prompts.person(own)
        for day in range(int(DAYS)):
            at = START + day * arrivals.DAY + 9 * arrivals.HOUR + own.randrange(arrivals.HOUR)
            for _ in range(own.randint(2, 6)):
                text = own.choice(questions) if own.random() < 0.8 else talker.opening(own)
                yield ask(account, own, at, text)
                at += own.randrange(60, 600) * arrivals.SECOND

    begin = START - 20 * arrivals.DAY
    for i in range(120):
        where = home(rng, net=f"172.16.{i % 2}", kind="office")
        who = Account(f"p{i:03d}", "class-big", created=begin, origin=where)
        made.append(member(who, seed, pupil))

    prefix = study.few_shot_prefix(rng, shots=4)
    items = [study.item(rng) for _ in range(150)]

    def runner(account: Account, own: random.Random) -> Iterator[Event]:
        at = START + int(own.random() * (DAYS - 1) * arrivals.DAY)
        for text in own.sample(items, 100):
            yield ask(account, own, at, f"{prefix}{text}\nA:")
            at += own.randrange(1, 5) * arrivals.SECOND

    for i in range(40):
        when = START - rng.randrange(1, 500) * arrivals.DAY
        where = home(rng, kind="hosting")
        who = Account(f"b{i:03d}", "benchmark", created=when, origin=where)
        made.append(member(who, seed, runner))

    frame = work.system_prompt(rng) + " Think step by step and answer as JSON with key result."

    def framework(account: Account, own: random.Random) -> Iterator[Event]:
        who = prompts.person(own)
        for at in arrivals.steady(
            own, start=START + own.randrange(arrivals.HOUR), count=40, gap=DAYS * 2160, jitter=0.9
        ):
            yield ask(account, own, at, who.opening(own), system=frame)

    for i in range(150):
        when = START - rng.randrange(1, 300) * arrivals.DAY
        where = home(rng, kind="hosting")
        who = Account(f"f{i:03d}", "framework", created=when, origin=where)
        made.append(member(who, seed, framework))

    job = prompts.batch(rng)

    def clerk(account: Account, own: random.Random) -> Iterator[Event]:
        for day in range(int(DAYS)):
            at = START + day * arrivals.DAY + 8 * arrivals.HOUR
            for _ in range(own.randint(3, 12)):
                at += own.randrange(60, 2_000) * arrivals.SECOND
                yield ask(account, own, at, job.fixed + job.item(own))

    for i in range(40):
        when = START - rng.randrange(1, 400) * arrivals.DAY
        where = home(rng, net="172.17.9", card="card-company", kind="office")
        who = Account(f"o{i:03d}", "company", created=when, origin=where)
        made.append(member(who, seed, clerk))
    return made


def hydra(seed: int, prompts: Prompts, heads: int, cover: float, disguise: str) -> list[Member]:
    """The lab's hydra; a disguise takes away what its accounts have in common besides text.

    scattered: a /24 and a card each.  stealth: also signed up over a year.  network: only the
    networks are left in common.
    """
    rng = random.Random(f"hydra {seed} {heads} {cover} {disguise}")
    span = crowd.Span(start=START, days=DAYS)
    plain = attackers.hydra(rng, prompts, span, accounts=heads, per_day=PER_DAY, cover=cover)
    if not disguise:
        return plain
    out = []
    for one in plain:
        account, where = one.account, one.account.origin
        where = msgspec.structs.replace(where, payment=f"card-{rng.getrandbits(40):x}")
        if disguise != "network":
            ip = f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
            where = msgspec.structs.replace(where, ip=ip)
        created = account.created
        if disguise != "scattered":
            created = START - rng.randrange(1, 365) * arrivals.DAY
        account = msgspec.structs.replace(account, origin=where, created=created)
        out.append(Member(account, one.seed, one.behaviour))
    return out


def exchanges(members: list[Member], maker: Maker) -> list[Exchange]:
    """The members' events through the real reader, as exchanges."""
    end = START + int(DAYS * arrivals.DAY)
    out: list[Exchange] = []
    lines: list[bytes] = []
    for event in merge(members):
        if event.at < end:
            lines.append(msgspec.json.encode(line(event, replies=False)))
        if len(lines) == 4_000:
            out += maker.many(lines)[0]
            lines = []
    return out + maker.many(lines)[0]


def judge(honest: list[Exchange], attack: list[Exchange], roles: dict[str, str]) -> dict[str, Any]:
    """One hunt, scored: accounts found, honest accounts accused, by role."""
    builder = TableBuilder()
    builder.add(honest)
    builder.add(attack)
    began = time.process_time()
    report = find(MemorySource(builder.build()), seed=1)
    heads = {name for name, role in roles.items() if role == "hydra"}
    accused = {m for c in report.campaigns if not c.review for m in c.members}
    reviewed = {m for c in report.campaigns if c.review for m in c.members}
    explained = Counter(roles[m] for a in report.attention for m in a.members)
    return {
        "heads": len(heads),
        "found": len(heads & accused),
        "found_or_review": len(heads & (accused | reviewed)),
        "honest": len(roles) - len(heads),
        "honest_accused": len(accused - heads),
        "honest_in_review": len(reviewed - heads),
        "accused_roles": dict(Counter(roles[m] for m in accused - heads)),
        "review_roles": dict(Counter(roles[m] for m in reviewed - heads)),
        "attention_roles": dict(explained),
        "bits": [round(c.bits, 1) for c in report.campaigns],
        "exchanges": report.exchanges,
        "permutations": report.null.permutations,
        "hunt_cpu_s": round(time.process_time() - began, 2),
    }


def proportion(hits: int, n: int) -> dict[str, Any]:
    low, high = clopper_pearson(hits, n)
    return {"hits": hits, "n": n, "value": hits / n if n else None, "low": low, "high": high}


def world(
    seed: int, prompts: Prompts, cells: list[tuple[int, float, str]]
) -> list[dict[str, Any]]:
    """One honest crowd, and every attack of `cells` upon it in turn."""
    pseudonyms = Pseudonyms(SECRET)
    sketcher = Sketcher(pseudonyms.key(f"sketch {seed}"))
    maker = Maker(ExchangeLog(pseudonyms), sketcher=sketcher, pseudonyms=pseudonyms)
    span = crowd.Span(start=START, days=DAYS, pace=0.6)
    rng = random.Random(f"hunt_small {seed}")
    people = crowd.honest(rng, prompts, span, accounts=HONEST) + communities(seed, prompts)
    honest = exchanges(people, maker)
    names = maker.shape.names

    def roles_of(members: list[Member]) -> dict[str, str]:
        kinds = {m.account.name: m.account.role for m in members}
        return {p: kinds[name] for p, name in names.items() if name in kinds}

    out = []
    for heads, cover, disguise in cells:
        attack = hydra(seed, prompts, heads, cover, disguise) if heads else []
        made = exchanges(attack, maker)
        row = {"seed": seed, "prompts": prompts.name, "accounts": heads, "own_share": 1 - cover,
               "disguise": disguise}  # fmt: skip
        row |= judge(honest, made, roles_of(people + attack))
        out.append(row)
        print(json.dumps(row), flush=True)
    return out


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one kind of world put together over seeds, with exact 95 % intervals."""
    out = []
    kinds = dict.fromkeys(
        (r["prompts"], r["accounts"], r["own_share"], r["disguise"]) for r in rows
    )
    for kind in kinds:
        same = [
            r for r in rows
            if (r["prompts"], r["accounts"], r["own_share"], r["disguise"]) == kind
        ]  # fmt: skip
        total = {k: sum(r[k] for r in same) for k in
                 ("heads", "found", "found_or_review", "honest", "honest_accused",
                  "honest_in_review")}  # fmt: skip
        out.append({
            "prompts": kind[0], "accounts": kind[1], "own_share": kind[2], "disguise": kind[3],
            "worlds": len(same),
            "recall": proportion(total["found"], total["heads"]),
            "recall_with_review": proportion(total["found_or_review"], total["heads"]),
            "precision": proportion(
                total["found"], total["found"] + total["honest_accused"]
            ),
            "honest_accused": proportion(total["honest_accused"], total["honest"]),
            "honest_in_review": proportion(total["honest_in_review"], total["honest"]),
        })  # fmt: skip
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, help="results whose other seeds are kept")
    given = parser.parse_args()
    grid = [(0, 0.0, "")]
    grid += [(heads, cover, "") for heads in (30, 100, 300) for cover in (0.0, 0.5, 0.75)]
    grid += [(100, 0.5, how) for how in ("scattered", "network", "stealth")]
    rows: list[dict[str, Any]] = []
    for seed in range(given.first, given.first + given.seeds):
        rows += world(seed, BuiltIn(), grid)
    if given.data is not None:
        for split in ("tune", "test"):
            few = [(0, 0.0, ""), (30, 0.5, ""), (100, 0.5, ""), (300, 0.75, ""),
                   (100, 0.5, "scattered")]  # fmt: skip
            published = Published(given.data, split=split)
            rows += world(11, published, few)
    if given.keep is not None:
        made = {(row["seed"], row["prompts"]) for row in rows}
        held = json.loads(given.keep.read_text())["rows"]
        rows = [row for row in held if (row["seed"], row["prompts"]) not in made] + rows
    fresh = [row for row in rows if row["seed"] not in LOOKED_AT]
    result = {
        "what": "titer hunt on small worlds",
        "days": DAYS,
        "per_day": PER_DAY,
        "honest_accounts": HONEST + 350,
        "looked_at_seeds": LOOKED_AT,
        "summary_not_looked_at": summary(fresh),
        "summary": summary(rows),
        "rows": rows,
    }
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
