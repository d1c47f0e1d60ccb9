from __future__ import annotations

import itertools
from collections import Counter

import msgspec
import pytest

from titer.lab import bodies, scenario
from titer.lab.arrivals import DAY
from titer.lab.scenario import START, make

ENCODE = msgspec.json.Encoder().encode


def stream(name, **size):
    return [ENCODE((e.at, e.account, e.endpoint, e.body)) for e in make(name, **size).events()]


@pytest.mark.parametrize("name", list(scenario.RECIPES))
def test_same_seed_same_stream_and_another_seed_another(name):
    size = {"accounts": 40, "days": 0.3}
    first = stream(name, seed=3, **size)
    assert first == stream(name, seed=3, **size)
    assert first != stream(name, seed=4, **size)
    assert first


@pytest.mark.parametrize("name", list(scenario.RECIPES))
def test_events_come_in_order_and_end_with_the_scenario(name):
    times = [e.at for e in make(name, seed=5, accounts=60, days=0.5).events()]
    assert times == sorted(times)
    assert times[-1] < START + DAY / 2


def test_events_are_made_while_they_are_read():
    world = make("honest", seed=1, accounts=3000, days=30)
    few = list(itertools.islice(world.events(), 50))
    assert len(few) == 50


def test_an_honest_crowd_has_every_role_and_a_heavy_tail():
    world = make("honest", seed=2, accounts=1000)
    assert {account.role for account in world.accounts} == set(scenario.crowd.MIX)
    counts = Counter(e.account.name for e in world.events())
    ranked = sorted(counts.values(), reverse=True)
    assert sum(ranked[: len(ranked) // 50]) > 0.3 * sum(ranked)
    assert not any(account.campaign for account in world.accounts)


def test_names_and_origins_do_not_tell_honest_roles_apart_by_name():
    world = make("honest", seed=2, accounts=400)
    assert all(a.name.startswith("h") and a.role not in a.name for a in world.accounts)


def test_the_logit_extractor_sweeps_distinct_ids():
    events = [e for e in make("logits", seed=1, accounts=20).events() if e.attack]
    ids = [token for e in events for token in e.body["logit_bias"]]
    assert len(set(ids)) == len(ids) > 1000
    assert all(e.body["max_tokens"] == 1 and e.body["top_logprobs"] == 5 for e in events)


def test_a_hydra_deals_one_list_out_and_hides_in_cover():
    events = [e for e in make("hydra", seed=1, accounts=20).events() if e.account.campaign]
    attack = [e for e in events if e.attack]
    assert 0.35 < len(attack) / len(events) < 0.65
    texts = [e.body["messages"][-1]["content"] for e in attack]
    assert len(set(texts)) > 0.95 * len(texts)  # nobody repeats another's share
    counts = Counter(e.account.name for e in events)
    assert len(counts) == 30
    assert max(counts.values()) < 40 * 7
    assert len({e.account.origin.ip.rpartition(".")[0] for e in events}) <= 5
    assert len({e.account.origin.payment for e in events}) <= 6
    assert len({e.account.org for e in events}) == 30


def test_teams_share_an_organisation_and_nobody_else_does():
    world = make("honest", seed=4, accounts=800)
    orgs = Counter(a.org for a in world.accounts if a.role != "team")
    assert max(orgs.values()) == 1
    team_orgs = {a.org for a in world.accounts if a.role == "team"}
    teams = {a.team for a in world.accounts if a.role == "team"}
    assert len(team_orgs) == len(teams) > 1


def test_bodies_have_the_shape_of_their_endpoint():
    for event in make("mixed", seed=1).events():
        body = event.body
        wanted = {bodies.CHAT: "messages", bodies.MESSAGES: "messages", bodies.RESPONSES: "input"}
        assert wanted[event.endpoint] in body
        assert ("max_tokens" in body) or event.endpoint != bodies.MESSAGES
        assert event.tokens_out >= 1


@pytest.mark.parametrize(
    ("name", "size"),
    [("nobody", {}), ("honest", {"accounts": -1}), ("honest", {"days": -1.0})],
)
def test_what_cannot_be_made_is_refused(name, size):
    with pytest.raises(ValueError):
        make(name, seed=1, **size)
