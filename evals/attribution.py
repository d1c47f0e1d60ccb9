"""What attribution says of groups with nothing in common, and of those that share: figures.

    python -m evals attribution [--quick]

Made-up crowds: networks, programs, cards and sign-up weeks by Zipf's law, as wide as a service's.
`strangers`: groups drawn from the crowd; how many tables have any ratio whose interval lies above
1 (at most 5 % may), and how many pairs of such groups are linked. `sharing`: crews of which a
share of members uses networks of their own; how often that is told. `linked`: two crews with a
share of networks in common, and a partner's indicators. `hours`: how often the range of time zones
holds the one that a crew keeps office hours in. `rest`: how often Saturday and Sunday, and no
other day, are told as days of rest. `calendars`: how often any of twenty made-up calendars of ten
breaks stands out beside a crew that pauses eight times a year by itself (at most 5 % may), and how
often the one of them does that the crew keeps. Shares with exact 95 % intervals; writes
attribution.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from titer.core.interval import clopper_pearson
from titer.core.nouns import Exchange, Origin, Principal
from titer.hunt.hours import Hours
from titer.hunt.infrastructure import Group, Usage, group_of, links, ties
from titer.hunt.weeks import Calendar, week

HERE = Path(__file__).parent
SEED = 20261128
ROUNDS, QUICK = 200, 12
OTHERS = 1_000
HOUR = 3_600_000_000
WEEK = 7 * 24 * HOUR


def zipf(n: int) -> list[float]:
    """Cumulative weights of n values."""
    return list(itertools.accumulate(1 / (1 + k) for k in range(n)))


NETWORKS, PROGRAMS, WEEKS = zipf(3_000), zipf(40), zipf(52)


def caller(rng: random.Random, name: str, *, own: str = "", asn: int = 0) -> Exchange:
    """One caller's exchange; `own` is a range and `asn` a network of its crew's."""
    number = asn or rng.choices(range(1, 3_001), cum_weights=NETWORKS)[0]
    program = rng.choices(range(40), cum_weights=PROGRAMS)[0]
    week = rng.choices(range(52), cum_weights=WEEKS)[0]
    return Exchange(
        "x", 1, Principal(name, created=WEEK * (2_900 - week)), "/v1/x",
        origin=Origin(
            asn=number, net=own or f"{number}-{rng.randrange(50)}", ja4=f"t{program % 9}",
            agent=f"sdk{program}", headers=f"h{program}", payment=f"card-{rng.getrandbits(40)}",
        ),
    )  # fmt: skip


def crowd(rng: random.Random) -> tuple[Usage, list[str]]:
    """Everybody else."""
    usage, others = Usage(), [f"h{n}" for n in range(OTHERS)]
    for name in others:
        usage.add(caller(rng, name))
    return usage, others


def crew(
    rng: random.Random, usage: Usage, name: str, size: int, *, share: float, ranges: list[str]
) -> list[str]:
    """Members, of which a share sits in the crew's ranges."""
    members = [f"{name}{n}" for n in range(size)]
    for member in members:
        inside = rng.random() < share
        usage.add(
            caller(rng, member, own=rng.choice(ranges), asn=70_000)
            if inside
            else caller(rng, member)
        )
    return members


def told(rows: list[bool]) -> dict[str, object]:
    """Hits with their interval."""
    low, high = clopper_pearson(sum(rows), len(rows))
    return {"hits": sum(rows), "n": len(rows), "share": round(sum(rows) / len(rows), 4),
            "interval": [round(low, 4), round(high, 4)]}  # fmt: skip


def strangers(rng: random.Random, size: int) -> tuple[bool, bool]:
    usage, others = crowd(rng)
    one = crew(rng, usage, "a", size, share=0, ranges=["-"])
    two = crew(rng, usage, "b", size, share=0, ranges=["-"])
    table = any(t.ratio()[1] > 1 for t in ties(usage, one, others, {}))
    group = Group("campaign", "c-2", "log", group_of(usage, two, ()), frozenset(two))
    return table, bool(links(usage, one, others, [group]))


def sharing(rng: random.Random, size: int, share: float) -> bool:
    usage, others = crowd(rng)
    members = crew(rng, usage, "a", size, share=share, ranges=[f"r{n}" for n in range(6)])
    return any(
        t.ratio()[1] > 1 and t.aspect in ("network", "provider")
        for t in ties(usage, members, others, {})
    )


def linked(rng: random.Random, size: int, common: float) -> bool:
    usage, others = crowd(rng)
    ranges = [f"r{n}" for n in range(20)]
    count = round(common * 10)
    one = crew(rng, usage, "a", size, share=0.5, ranges=ranges[:10])
    two = crew(rng, usage, "b", size, share=0.5, ranges=ranges[10 - count : 20 - count])
    values = group_of(usage, two, ())
    group = Group("campaign", "c-2", "log", {"network": values["network"]}, frozenset(two))
    return bool(links(usage, one, others, [group]))


def hours(rng: random.Random, offset: float, at_noon: float = 13.5) -> tuple[bool, float]:
    """Whether the range holds the offset, and how wide it is (hours; 24 when none is given)."""
    clock = Hours()
    for member in range(25):
        middle = rng.gauss(at_noon, 0.8)  # a person's own middle of the working day
        for day in range(10):
            for _ in range(4):
                local = middle + rng.uniform(-4.5, 4.5)
                at = int((day * 24 + (local - offset)) * HOUR) + 100 * 24 * HOUR
                clock.add(f"m{member}", at, member=True)
    found = clock.clock(seed=1)
    assert found is not None
    if not found.offset:
        return False, 24.0
    low, high = found.offset
    return low <= offset <= high, high - low


def days(rng: random.Random, span: range, off: set[int]) -> tuple[Counter[int], Counter[int]]:
    """Exchanges by hour of a crew that works on weekdays but for `off`, and of everybody else."""
    mine: Counter[int] = Counter()
    theirs: Counter[int] = Counter()
    for day in span:
        for hour in range(9, 17):
            if (day + 3) % 7 < 5 and day not in off:
                mine[day * 24 + hour] = rng.randrange(20, 60)
            theirs[day * 24 + hour] = rng.randrange(500, 900)
    return mine, theirs


def rest(rng: random.Random, weeks: int) -> bool:
    """Whether the weekend is told, and no other day."""
    span = range(20_000, 20_000 + 7 * weeks)
    found = week(*days(rng, span, set()), 0)
    return found is not None and [n for n in range(7) if found.ratio(n)[1] > 1] == [5, 6]


def calendars(rng: random.Random, kept: bool, breaks: int = 10) -> bool:
    """Whether any calendar stands out, or the one that the crew keeps."""
    span = range(20_000, 20_365)

    def drawn(count: int) -> set[int]:
        return {d + n for d in rng.sample(span, count) for n in range(rng.randrange(1, 4))}

    some = [
        Calendar(f"c{n}", "made up", "2026-01-01", "0" * 64, frozenset(drawn(breaks)))
        for n in range(20)
    ]
    off = drawn(8) | (set(some[0].days) if kept else set())
    found = week(*days(rng, span, off), 0, some)
    assert found is not None
    out = {one.name for one in found.calendars if one.ratio()[1] > 1}
    return "c0" in out if kept else bool(out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    rounds = QUICK if parser.parse_args().quick else ROUNDS

    def many(work: Callable[[random.Random], object]) -> list:
        return [work(random.Random(f"{SEED} {n}")) for n in range(rounds)]

    out: dict[str, object] = {"seed": SEED, "rounds": rounds, "others": OTHERS}
    for size in (12, 40, 150):
        found = many(lambda rng, size=size: strangers(rng, size))
        out[f"strangers, {size} members"] = {
            "tables with a tie": told([table for table, _ in found]),
            "pairs that are linked": told([link for _, link in found]),
        }
    for size, share in itertools.product((12, 40), (0.3, 0.8)):
        name = f"sharing, {size} members, {share:.0%} on their own networks"
        out[name] = told(many(lambda rng, s=size, p=share: sharing(rng, s, p)))
    for common in (0.0, 0.2, 1.0):
        name = f"linked, 40 members each, {common:.0%} of ranges in common"
        out[name] = told(many(lambda rng, c=common: linked(rng, 40, c)))
    for offset in (-8.0, 0.0, 5.5, 9.0):
        found = many(lambda rng, o=offset: hours(rng, o))
        widths = sorted(width for _, width in found)
        out[f"hours, office at UTC{offset:+g}"] = {
            **told([held for held, _ in found]), "median width": widths[len(widths) // 2],
        }  # fmt: skip
    found = many(lambda rng: hours(rng, 0.0, 10.5))
    out["hours, early shifts (middle at 10:30) at UTC+0"] = told([held for held, _ in found])
    for weeks in (5, 8, 26):
        name = f"rest, a weekend in {weeks} weeks, told and no other day"
        out[name] = told(many(lambda rng, w=weeks: rest(rng, w)))
    out["calendars, twenty of strangers, any stands out"] = told(
        many(lambda rng: calendars(rng, kept=False))
    )
    for breaks in (1, 3, 5, 10):
        name = f"calendars, one of twenty that is kept, {breaks} breaks in a year, stands out"
        out[name] = told(many(lambda rng, b=breaks: calendars(rng, kept=True, breaks=b)))
    print(json.dumps(out, indent=1))
    if rounds == ROUNDS:
        (HERE / "attribution.json").write_text(json.dumps(out, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
