"""Shares, base rates and links: what is chosen on one half is counted on the other."""

from __future__ import annotations

import random

import pytest

from titer.core.interval import clopper_pearson, likelihood_ratio
from titer.core.nouns import Exchange, Origin, Principal, Sketch, Transfer
from titer.hunt.hours import Hours
from titer.hunt.infrastructure import (
    Group,
    Repositories,
    Usage,
    group_of,
    links,
    ties,
    unknown,
    values_of,
)

HOUR = 3_600_000_000


def seen(who, *, frames=(), **origin):
    return Exchange(
        "x", 1, Principal(who), "/v1/x", origin=Origin(**origin), sketch=Sketch(frames=frames)
    )


def world(*, members=60, others=400, shared=1.0, base=0.02, seed=3, agent="sdk/1"):
    """Members on one network with probability `shared`, others with `base`."""
    rng = random.Random(seed)
    usage = Usage()
    for n in range(members):
        asn = 64500 if rng.random() < shared else rng.randrange(1, 60_000)
        own = agent or rng.choice(("sdk/1", "other"))
        usage.add(seen(f"m{n}", asn=asn, agent=own, net=f"n{n}"))
    for n in range(others):
        asn = 64500 if rng.random() < base else rng.randrange(1, 60_000)
        usage.add(seen(f"h{n}", asn=asn, agent="sdk/1" if n % 2 else "other", net=f"o{n}"))
    return usage, [f"m{n}" for n in range(members)], [f"h{n}" for n in range(others)]


def test_a_shared_network_stands_out_and_a_common_program_hardly():
    usage, members, others = world()
    rows = {(t.aspect, t.value): t for t in ties(usage, members, others, {"AS64500": "Host"})}
    network = rows["provider", "AS64500"]
    assert network.about == "Host"
    assert network.members.hits == network.members.of == 60
    assert network.tested.of < 60
    _, low, high = network.ratio()
    assert low > 5
    assert low < 50 < high < float("inf")
    _, low, high = rows["software", "sdk/1"].ratio()
    assert 1 < low < 2 < high < 3
    assert ("network", "") not in rows  # every member has a range of its own


def test_strangers_have_no_ties_that_hold_together():
    """Members drawn from the same crowd: no interval of a whole table may lie above 1."""
    wrong = 0
    for seed in range(60):
        usage, members, others = world(shared=0.02, seed=seed, agent="")
        wrong += any(t.ratio()[1] > 1 for t in ties(usage, members, others, {}))
    low, _ = clopper_pearson(wrong, 60)
    assert low <= 0.05, wrong


def test_the_ratio_is_that_of_the_specification():
    value, low, high = likelihood_ratio(30, 30, 4, 960, confidence=0.95)
    assert value == pytest.approx(240)
    k = clopper_pearson(30, 30, confidence=0.975)
    b = clopper_pearson(4, 960, confidence=0.975)
    assert (low, high) == (k[0] / b[1], k[1] / b[0])
    assert likelihood_ratio(3, 3, 0, 10)[0] == float("inf")
    assert likelihood_ratio(0, 0, 1, 2) == (1.0, 0.0, float("inf"))
    assert likelihood_ratio(0, 5, 0, 5)[0] == 1.0


def test_a_link_needs_more_than_what_others_share():
    usage, members, others = world()
    for n in range(30):
        usage.add(seen(f"e{n}", asn=64500, agent="sdk/1", ja4="t13d"))
    earlier = [f"e{n}" for n in range(30)]
    groups = [
        Group("campaign", "c-1", "this log", group_of(usage, earlier, (5,)), frozenset(earlier)),
        Group("indicators", "p", "partner", {"software": frozenset(("sdk/1",))}),
        Group("indicators", "q", "partner", {"provider": frozenset(("AS1",))}),
    ]
    found = {(one.name, one.aspect): one for one in links(usage, members, others, groups)}
    assert found["c-1", "provider"].ratio()[1] > 5
    assert ("q", "provider") not in found
    assert all(one.compared >= 4 for one in found.values())
    program = found.get(("p", "software"))
    assert program is None or program.ratio()[2] < 3


def test_texts_and_members_link_campaigns_and_repositories_do():
    usage = Usage(texts=(7,))
    for n in range(20):
        usage.add(seen(f"m{n}", frames=(7, 8), agent="git/2"))
        usage.add(seen(f"h{n}", frames=(9,), agent="x"))
    assert usage.by_caller["m0"]["text"] == {"7"}
    members, others = [f"m{n}" for n in range(20)], [f"h{n}" for n in range(20)]
    groups = [Group("campaign", "c-1", "log", {"text": frozenset(("7",))}, frozenset(("m0",)))]
    events = Repositories()
    events.add(Transfer("t", 1, Principal("p"), "repo", "clone", Origin(agent="git/2")))
    groups += events.groups("events")
    found = {(one.kind, one.aspect): one for one in links(usage, members, others, groups)}
    assert found["campaign", "text"].members.of == 19  # a member of both counts on neither side
    assert found["repository", "software"].members.hits == 20


def test_what_is_not_known_is_said():
    usage = Usage()
    usage.add(seen("m", agent="x"))
    said = {u.aspect: u.why for u in unknown(usage, ["m"], {"vpn"}, {"vpn", "residential"})}
    assert "residential networks" in said
    assert "vpn networks" not in said
    assert any("JA4" in aspect for aspect in said)
    assert not list(values_of(Principal("p"), Origin()))


def clock(hour_of, members=20, days=14, others=True):
    hours = Hours()
    rng = random.Random(5)
    for day in range(days):
        for n in range(members):
            for _ in range(3):
                if (hour := hour_of(rng, day)) is not None:
                    hours.add(f"m{n}", int((day * 24 + hour) * HOUR), member=True)
            if others:
                hours.add(f"h{n}", day * 24 * HOUR, member=False)
    return hours.clock(seed=1)


def test_office_hours_give_a_range_that_holds_the_offset():
    """Work from 9 to 18 at UTC+8 is 1 to 10 UTC."""
    found = clock(lambda rng, day: rng.uniform(1, 10) % 24)
    low, high = found.offset
    assert low <= 8 <= high
    assert high - low < 5
    found = clock(lambda rng, day: rng.uniform(14, 23))  # UTC-5
    low, high = found.offset
    assert low <= -5 <= high


def test_round_the_clock_gives_no_time_zone():
    found = clock(lambda rng, day: rng.uniform(0, 24))
    assert found.offset == ()
    assert found.rhythm < 0.1


def test_a_holiday_shows():
    found = clock(lambda rng, day: None if day == 6 else rng.uniform(1, 10))
    assert found.quiet == ("1970-01-07",)
    assert Hours().clock(seed=1) is None
