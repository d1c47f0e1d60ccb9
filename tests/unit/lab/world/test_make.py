from __future__ import annotations

import itertools
import json
import random
import types
import unicodedata
from collections import Counter, defaultdict

import msgspec
import pytest

from titer.lab.arrivals import DAY
from titer.lab.scenario import START
from titer.lab.world import wording
from titer.lab.world.make import Made
from titer.lab.world.nets import is_hosting
from titer.lab.world.plan import Campaign, World
from titer.lab.world.presets import PRESETS, find, resized


def world(*campaigns, **more):
    fields = {"name": "t", "honest": 120, "days": 1.0, "whale": 0.0, **more}
    return Made(World(campaigns=campaigns, **fields))


def read(made):
    return [json.loads(line) for day in made.span for line in made.lines(day)]


def own(made, *, days=None):
    """The campaigns' own exchanges as (account, line)."""
    found = []
    for number in days or made.span:
        day = made.day(number)
        lines = made.rendered(number, day)
        found += [
            (made.accounts[who], json.loads(line))
            for who, mine, line in zip(day.who.tolist(), day.own.tolist(), lines, strict=True)
            if mine
        ]
    return found


def last_user(line):
    said = line["request"].get("messages") or line["request"]["input"]
    return [part["content"] for part in said if part["role"] == "user"][-1]


def members(made):
    return [account for account in made.accounts if account.campaign]


def test_same_seed_same_bytes_and_another_seed_another_world():
    one, same, other = (world(Campaign(accounts=5), seed=s) for s in (3, 3, 4))
    first = list(one.lines(0))
    assert first == list(same.lines(0))
    assert first == list(one.lines(0)), "a day can be made again"
    assert first != list(other.lines(0))
    names = {a.name for a in one.accounts}
    assert not names & {a.name for a in other.accounts}
    heads, others = (
        {t.head + t.system for ts in w.place.catalogue.templates for t in ts} for w in (one, other)
    )
    assert len(heads & others) < 0.05 * len(heads)


def test_a_day_does_not_depend_on_the_days_before():
    made = world(Campaign(accounts=5), days=3.0)
    alone = list(made.lines(2))
    list(made.lines(0))
    assert list(made.lines(2)) == alone


def test_lines_are_exchanges_in_order_and_within_the_span():
    made = world(Campaign(accounts=8), days=1.5, whale=0.3)
    lines = read(made)
    times = [line["at"] for line in lines]
    assert times == sorted(times)
    assert times[0] >= "2026-05-01" and times[-1] < "2026-05-02T12"
    known = {account.name for account in made.accounts}
    for line in lines:
        assert line["principal"] in known
        assert line["endpoint"].startswith("/v1/")
        assert line["request"]["model"]
        assert line["origin"]["ip"] and line["origin"]["headers"]
        assert line["usage"]["in"] > 0 and line["usage"]["out"] > 0
        assert line["created"] <= line["at"][:10]


def test_lines_are_made_while_they_are_read():
    made = world(days=900.0)
    lines = made.lines(700)
    assert isinstance(lines, types.GeneratorType)
    assert len(list(itertools.islice(lines, 3))) == 3


@pytest.mark.parametrize("mix", [1.0, 0.5, 0.2, 0.1])
def test_the_mix_is_realised_in_exchanges(mix):
    made = world(Campaign(accounts=150, mix=mix), days=3.0, honest=20)
    mine = everything = 0
    hired = [bool(account.campaign) for account in made.accounts]
    for number in made.span:
        day = made.day(number)
        mine += int(day.own.sum())
        everything += sum(hired[who] for who in day.who.tolist())
    assert mine / everything == pytest.approx(mix, rel=0.25, abs=0.02)
    assert everything / 150 / 3 == pytest.approx(26, rel=0.25), "about 26 a day and account"


def shared_heads(paraphrase):
    made = world(Campaign(accounts=40, mix=1.0, paraphrase=paraphrase, pool=5), days=2.0)
    heads = Counter(" ".join(last_user(line).split()[:8]) for _, line in own(made))
    return sum(n for n in heads.values() if n >= 20) / sum(heads.values())


def test_paraphrase_wears_the_templates_down():
    none, jitter, half, most = map(shared_heads, ("none", "jitter", "half", "most"))
    assert none > jitter + 0.1 > most
    assert none > half > most


def test_rewriting_leaves_few_runs_of_words():
    made = world(Campaign(accounts=4, paraphrase="most"))
    rng = random.Random(1)
    shared = []
    for template in made.crews["c1"].templates:
        if template.system or len(template.head.split()) < 12:
            continue
        said = set(_runs(template.head))
        for _ in range(5):
            again = set(_runs(template.reworded(rng, "ITEM")[1]))
            shared.append(len(said & again) / len(said))
    assert shared and sum(shared) / len(shared) < 0.1


def _runs(text):
    words = text.split()
    return [tuple(words[n : n + 5]) for n in range(len(words) - 4)]


def test_timing_bursts_are_common_and_copied_hours_have_nights():
    def busiest(timing):
        made = world(Campaign(accounts=60, mix=1.0, timing=timing))
        slots = Counter(line["at"][11:15] for _, line in own(made))  # ten minutes
        return slots.most_common(1)[0][1] / sum(slots.values())

    assert busiest("burst") > 3 * busiest("jitter")
    assert busiest("jitter") < 0.02


def test_origins_shared_residential_and_unique():
    def seen(origin):
        made = world(Campaign(accounts=60, mix=1.0, origin=origin))
        by_account = defaultdict(set)
        for account, line in own(made):
            by_account[account.name].add((line["origin"]["ip"], line["origin"]["asn"]))
        return by_account

    shared = seen("shared")
    blocks = {ip.rsplit(".", 1)[0].rsplit("::", 1)[0][:14] for v in shared.values() for ip, _ in v}
    assert all(is_hosting(asn) for v in shared.values() for _, asn in v)
    assert len(blocks) <= 60 / 4 or len({asn for v in shared.values() for _, asn in v}) <= 2
    unique = seen("unique")
    addresses = Counter(ip for v in unique.values() for ip, _ in v)
    assert max(addresses.values()) == 1, "nobody shares"
    residential = seen("residential")
    hosted = sum(any(is_hosting(asn) for _, asn in v) for v in residential.values())
    assert hosted < 0.35 * len(residential)


def test_payment_shared_own_and_unknown():
    def cards(payment):
        made = world(Campaign(accounts=60, payment=payment))
        return [account.pay for account in members(made)]

    assert len(set(cards("shared"))) == 3
    own_cards = [card for card in cards("own") if card]
    assert len(set(own_cards)) == len(own_cards) > 30
    assert set(cards("unknown")) == {""}


def test_lifecycles():
    together = members(world(Campaign(accounts=60, lifecycle="together")))
    assert max(a.created for a in together) - min(a.created for a in together) < 3 * DAY
    trickled = members(world(Campaign(accounts=60, lifecycle="trickled")))
    assert max(a.created for a in trickled) - min(a.created for a in trickled) > 60 * DAY
    made = world(Campaign(accounts=60, lifecycle="replaced"), days=4.0)
    ended = [a.until for a in members(made) if a.until < 1 << 60]
    began = [a.created for a in members(made) if a.created > START + DAY]
    middle = START + 2 * DAY
    assert len(ended) == len(began) == 20
    assert all(abs(at - middle) < DAY / 2 for at in ended)
    assert all(middle <= at <= middle + DAY for at in began)


def test_a_campaign_may_begin_midway():
    made = world(Campaign(accounts=20, start="midway"), days=4.0)
    first = min(line["at"] for _, line in own(made))
    assert "2026-05-02T12" < first < "2026-05-03T20"


def test_a_release_pivots_a_campaign_within_a_day_and_honest_callers_over_weeks():
    made = world(Campaign(accounts=30, start="release", mix=1.0), days=6.0)
    new, release = made.place.models[2], made.place.release
    after = []
    for number in made.span:
        day = made.day(number)
        if START + number * DAY > release + DAY:
            for who, line in zip(day.who.tolist(), made.rendered(number, day), strict=True):
                is_new = json.loads(line)["request"]["model"] == new
                after.append((made.accounts[who].campaign != "", is_new))
    moved = [is_new for hired, is_new in after if hired]
    honest = [is_new for hired, is_new in after if not hired]
    assert sum(moved) / len(moved) > 0.8
    assert 0 < sum(honest) / len(honest) < 0.4


def test_who_knows_varies_settings_and_talks_before_it_asks():
    naive = own(world(Campaign(accounts=40, mix=1.0)))
    knows = own(world(Campaign(accounts=40, mix=1.0, knows=True)))

    def turns(lines):
        return sum("assistant" in json.dumps(line["request"]) for _, line in lines) / len(lines)

    def settings(lines):
        return len({(a.name, line["request"].get("temperature")) for a, line in lines}) / len(
            {a.name for a, _ in lines}
        )

    assert turns(knows) > turns(naive) + 0.15
    assert settings(knows) <= settings(naive) + 0.01, "one account keeps to its own settings"


def test_an_honest_world_has_its_hard_cases():
    made = world(honest=2500, days=2.0, whale=0.5, history_days=1.0)
    roles = Counter(account.role for account in made.accounts)
    assert {"chat", "coder", "app", "agent", "team", "class", "support", "batch", "evaluation",
            "reseller", "whale", "in-house"} == set(roles)  # fmt: skip
    teams = Counter(account.team for account in made.accounts if account.team)
    assert min(teams.values()) >= 2 and max(teams.values()) <= 150
    undeclared = [a for a in made.accounts if a.team.startswith("team") and '"org"' not in a.head]
    assert undeclared
    granted = {a.team for a in made.accounts if "grants" in a.head}
    assert len(granted) == 1
    week = Counter((a.created - START) // (7 * DAY) for a in made.accounts)
    assert week.most_common(1)[0][1] > 0.06 * len(made.accounts), "a promotion's wave"
    places = Counter(p for a in made.accounts for p in set(a.places))
    assert places.most_common(1)[0][1] > 15, "many behind one address"
    day = made.day(0)
    counts = Counter(made.accounts[who].role for who in day.who.tolist())
    assert 0.3 < counts["whale"] / len(day.who) < 0.7
    released = [day for day in made.place.catalogue.release if day > -1e5]
    assert released and min(released) >= -1.0 and max(released) <= 2.0


def test_people_write_in_more_than_ten_scripts():
    made = world(honest=800)
    rng = random.Random(1)
    text = "".join(a.talk.opening(rng) for a in made.accounts if a.talk)
    known = [
        "LATIN",
        "CYRILLIC",
        "GREEK",
        "ARABIC",
        "HEBREW",
        "DEVANAGARI",
        "BENGALI",
        "TAMIL",
        "THAI",
        "HANGUL",
        "HIRAGANA",
        "KATAKANA",
        "CJK",
        "GEORGIAN",
        "ARMENIAN",
        "ETHIOPIC",
    ]
    letters = {unicodedata.name(char, "?").split()[0] for char in set(text) if char.isalpha()}
    scripts = letters & set(known)
    assert len(scripts) >= 10, scripts


def test_history_is_honest_unless_it_is_poisoned():
    clean = world(Campaign(accounts=20), history_days=2.0)
    assert clean.span == range(-2, 1)
    assert not own(clean, days=[-2, -1]) and own(clean, days=[0])
    idle = {account.name for account in members(clean)}
    assert idle & {
        line["principal"] for day in (-2, -1) for line in map(json.loads, clean.lines(day))
    }
    poisoned = world(Campaign(accounts=20), history_days=2.0, poison=0.2)
    early = {account.name for account, _ in own(poisoned, days=[-2, -1])}
    assert 1 <= len(early) <= 4
    for account in members(poisoned):
        json.loads("{" + account.head + "}")


def test_lone_attackers_send_what_they_are_named_for():
    made = Made(msgspec.structs.replace(find("lone").plan, honest=60, days=0.5, whale=0.0))
    sent = defaultdict(list)
    for account, line in own(made):
        sent[account.campaign].append(line["request"])
    ids = [i for body in sent["logits-100"] for i in body["logit_bias"]]
    assert len(set(ids)) == len(ids) > 100
    assert all(body["max_tokens"] == 1 for body in sent["logits-100"])
    assert len(sent["distiller-100"]) > 4 * len(sent["distiller-10"]) > 0
    leaks = {last_user({"request": body}) for body in sent["leak-100"]}
    assert len(leaks) > 10


def test_presets_can_be_resized_and_every_one_is_a_sound_plan():
    for name, preset in PRESETS.items():
        preset.plan.check()
        assert preset.plan.name == name
        assert preset.about
    grid = resized(find("adaptive-grid").plan.campaigns, 100)
    assert len(grid) == 20 and {c.accounts for c in grid} == {5}
    assert {(c.mix, c.paraphrase) for c in grid} == {
        (mix, p) for mix in (1.0, 0.5, 0.25, 0.1, 0.05) for p in ("none", "jitter", "half", "most")
    }
    with pytest.raises(ValueError, match="choose one of"):
        find("nowhere")


@pytest.mark.parametrize(
    "bad",
    [
        World(name="x", honest=3),
        World(name="x", days=0.0),
        World(name="x", whale=0.99),
        World(name="x", campaigns=(Campaign(mix=0.0),)),
        World(name="x", campaigns=(Campaign(accounts=0),)),
        World(name="x", campaigns=(Campaign(per_day=-1.0),)),
        World(name="x", poison=2.0),
    ],
)
def test_what_cannot_be_is_refused(bad):
    with pytest.raises(ValueError):
        Made(bad)


def test_the_phrase_book_says_where_it_is_wrong():
    with pytest.raises(ValueError, match="@nonsense"):
        wording.read("@nonsense x")
