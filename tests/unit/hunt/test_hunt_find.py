"""Worlds of a few hundred made-up callers, without text: who is a campaign, and who is not."""

import importlib
import random
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from titer.core.nouns import Exchange, Origin, Principal, RequestFacts, Sketch, Usage
from titer.hunt import MemorySource, TableBuilder, find
from titer.hunt.verdict import Judged, Verdict, a_class

find_module = importlib.import_module("titer.hunt.find")  # the package has a function of that name

DAY = 86_400_000_000
START = 1_777_593_600_000_000
CHAT = "/v1/chat/completions"


class World:
    """Adds callers of several kinds; every text is a set of band tokens."""

    def __init__(self, seed=1):
        self.rng = random.Random(seed)
        self.rows = []
        self.count = 0

    def say(self, principal, origin, at, frames, *, exact=None, model="m"):
        self.count += 1
        exact = self.rng.getrandbits(62) if exact is None else exact
        self.rows.append(
            Exchange(
                f"e{self.count}", at, principal, CHAT, model, origin,
                RequestFacts(roles=("user",), turns=1, params={"temperature": 1}),
                Sketch(frames=tuple(frames), cells=(1, 2), exact=exact, chars=100),
                Usage(10, 100),
            )
        )  # fmt: skip

    def fresh(self):
        return [self.rng.getrandbits(62) for _ in range(8)]

    def person(self, name, *, created=None, net=None, card=None, org=""):
        when = START - self.rng.randrange(1, 400) * DAY if created is None else created
        origin = Origin(
            ip=f"ip-{name}", net=net or f"net-{name}", agent="sdk", headers="h", ja4="j",
            payment=card or f"card-{name}",
        )  # fmt: skip
        return Principal(name, org, created=when), origin

    def crowd(self, n=160):
        popular = [self.fresh() for _ in range(20)]
        for i in range(n):
            who, where = self.person(f"h{i}")
            zone = self.rng.randrange(24)
            for _ in range(self.rng.randint(8, 30)):
                at = START + self.rng.randrange(5) * DAY
                at += (zone * 3_600 + self.rng.randrange(30_000)) * 1_000_000
                frames = self.rng.choice(popular) if self.rng.random() < 0.3 else self.fresh()
                self.say(who, where, at, frames)

    def group(self, n, *, template=None, nets=0, cards=0, created=None, prefix="x", own=0.5,
              rows=20, items=None, org=""):  # fmt: skip
        template = template or self.fresh()
        for i in range(n):
            who, where = self.person(
                f"{prefix}{i}",
                created=None if created is None else created + self.rng.randrange(3) * DAY,
                net=f"{prefix}-net-{i % nets}" if nets else None,
                card=f"{prefix}-card-{i % cards}" if cards else None,
                org=org,
            )
            for _ in range(rows):
                at = START + self.rng.randrange(5 * 86_400) * 1_000_000
                if self.rng.random() < own:
                    frames = [t if self.rng.random() < 0.7 else self.rng.getrandbits(62)
                              for t in template]  # fmt: skip
                    exact = self.rng.choice(items) if items else None
                    self.say(who, where, at, frames, exact=exact)
                else:
                    self.say(who, where, at, self.fresh())
        return template

    def hunt(self, **more):
        rows = sorted(self.rows, key=lambda e: e.at)
        return find(table(rows), seed=3, permutations=999, **more)


def table(rows):
    builder = TableBuilder()
    for begin in range(0, len(rows), 1_000):
        builder.add(rows[begin : begin + 1_000])
    return MemorySource(builder.build())


def members(report, *, review=False):
    return {m for c in report.campaigns if c.review is review for m in c.members}


@pytest.fixture
def world():
    made = World()
    made.crowd()
    return made


def test_a_crowd_alone_is_nobodys_campaign(world):
    report = world.hunt()
    assert report.campaigns == ()
    assert report.principals == 160
    assert report.null.permutations == 999


def test_a_hydra_is_found_whole_and_alone(world):
    world.group(80, nets=4, cards=5, created=START - 6 * DAY)
    report = world.hunt()
    assert members(report) == {f"x{i}" for i in range(80)}
    campaign = report.campaigns[0]
    assert campaign.bits > 5
    assert campaign.bits <= 9.97  # 999 permutations support log2(1000) bits
    assert campaign.technique == "AML.T0024.002"
    assert not set(campaign.formed) & set(campaign.tested)
    assert campaign.formed[0] == "text"


def test_the_same_seed_gives_the_same_report(world):
    world.group(70, nets=4, cards=5, created=START - 6 * DAY)
    assert world.hunt() == world.hunt()


def test_a_quarter_of_own_traffic_is_enough(world):
    world.group(80, nets=4, cards=5, created=START - 6 * DAY, own=0.25, rows=40)
    assert len(members(world.hunt()) & {f"x{i}" for i in range(80)}) >= 76


def test_users_of_one_public_framework_are_left_alone(world):
    world.group(90, prefix="f")
    report = world.hunt()
    assert members(report) == set()
    assert members(report, review=True) == set()


def test_a_small_group_that_pays_together_goes_to_people(world):
    world.group(25, nets=1, cards=1, created=START - 200 * DAY, prefix="t")
    report = world.hunt()
    assert members(report) == set()
    assert members(report, review=True) == {f"t{i}" for i in range(25)}


def test_several_firms_that_share_a_template_go_to_people(world):
    template = world.fresh()
    for firm in range(6):
        world.group(14, template=template, nets=1, cards=1, prefix=f"firm{firm}-", own=0.9)
    found = world.hunt().campaigns
    assert found and all(c.review for c in found)


def test_a_declared_organisation_is_one_caller(world):
    world.group(90, nets=2, cards=1, created=START - 6 * DAY, prefix="o", org="org-1")
    assert world.hunt().campaigns == ()


def test_a_class_on_one_assignment_is_explained(world):
    questions = [world.rng.getrandbits(62) for _ in range(4)]
    world.group(100, nets=2, created=START - 6 * DAY, prefix="p", items=questions, own=0.8)
    report = world.hunt()
    assert members(report) == set()
    assert any("same questions" in a.why for a in report.attention)


def test_a_grant_to_distil_is_no_campaign(world):
    world.group(80, nets=4, cards=5, created=START - 6 * DAY)
    import msgspec

    world.rows = [
        msgspec.structs.replace(
            e, principal=msgspec.structs.replace(e.principal, grants=("distillation",))
        )
        if e.principal.id.startswith("x")
        else e
        for e in world.rows
    ]
    report = world.hunt()
    assert report.campaigns == ()
    assert any("80 units with a grant" in note for note in report.notes)


def test_texts_known_from_history_are_no_news(world):
    before = World(seed=9)
    before.crowd(50)
    template = before.group(60, prefix="old")
    world.group(80, template=template, nets=4, cards=5, created=START - 6 * DAY)
    history = table(before.rows)
    assert members(world.hunt()) != set()
    # One network and one card still speak: a campaign that ran before the log began.
    assert members(world.hunt(history=history)) != set()
    # With nothing but a program and old texts in common there is nothing to look at.
    world = World(seed=2)
    world.crowd(100)
    world.group(80, template=template)
    assert world.hunt(history=history).campaigns == ()
    assert world.hunt(history=history).attention == ()


def test_a_log_without_origins_earns_no_bits(world):
    import msgspec

    world.group(80, nets=4, cards=5, created=START - 6 * DAY)
    world.rows = [
        msgspec.structs.replace(
            e, origin=Origin(), principal=msgspec.structs.replace(e.principal, created=0)
        )
        for e in world.rows
    ]
    report = world.hunt()
    assert members(report) == set()
    assert all(c.bits == 0 for c in report.campaigns)
    assert any("no network, payment or creation date" in note for note in report.notes)


def test_two_campaigns_stay_two(world):
    world.group(70, nets=3, cards=4, created=START - 6 * DAY, prefix="x")
    world.group(70, nets=3, cards=4, created=START - 40 * DAY, prefix="y")
    groups = [set(c.members) for c in world.hunt().campaigns if not c.review]
    assert {f"x{i}" for i in range(70)} in groups
    assert {f"y{i}" for i in range(70)} in groups


def test_fewer_permutations_than_needed_are_refused(world):
    with pytest.raises(ValueError, match="999"):
        find(table(world.rows), seed=1, permutations=10)


def test_an_empty_log_gives_an_empty_report():
    report = find(MemorySource(TableBuilder().build()), seed=1)
    assert (report.campaigns, report.exchanges) == ((), 0)


def test_an_account_per_request_and_one_with_everything(world):
    for i in range(400):
        who, where = world.person(f"once{i}")
        world.say(who, where, START + i * 1_000_000, world.fresh())
    who, where = world.person("whale")
    for i in range(3_000):
        world.say(who, where, START + i * 1_000_000, world.fresh())
    assert world.hunt().campaigns == ()


@pytest.mark.parametrize(
    ("formed", "overlap", "strongest", "explained", "found"),
    [
        ("network", 0.57, 1881.3, "members ask the same questions", True),
        ("network", 0.01, 1881.3, "members ask the same questions", False),  # somebody else asked
        ("parameters", 0.57, 1881.3, "members ask the same questions", False),  # nothing ties it
        ("network", 0.57, 1.0, "members ask the same questions", False),
        ("network", 0.57, 1881.3, "", False),  # it stands: drawn from a list
    ],
)
def test_a_class_is_what_a_hard_tie_holds_and_its_questions_explain(
    formed, overlap, strongest, explained, found
):
    one = SimpleNamespace(
        candidate=SimpleNamespace(formed_by=formed), alike=SimpleNamespace(overlap=overlap)
    )
    assert a_class(one, Verdict(strongest, strongest, explained, hard=True)) is found


def test_pupils_whom_a_framework_brings_into_a_group_are_let_go(world, monkeypatch):
    """The class's texts are the campaign's framework's: one candidate holds both."""
    world.group(80, nets=4, cards=5, created=START - 6 * DAY)
    whole = members(world.hunt())
    pupils = {f"x{i}" for i in range(0, 80, 4)}  # of one of its four networks
    place = find_module._settle

    def settle(judged, verdict_world, left):
        names = verdict_world.name
        for one in judged:
            inside = set(names(one.candidate.units))
            if pupils <= inside and one.candidate.formed_by == "network":
                few = one.candidate.units[[names(np.array([u]))[0] in pupils
                                           for u in one.candidate.units]]  # fmt: skip
                candidate = msgspec.structs.replace(one.candidate, units=few)
                alike = msgspec.structs.replace(one.alike, overlap=0.6)
                judged.append(Judged(candidate, one.tested, alike))
                break
        return place(judged, verdict_world, left)

    monkeypatch.setattr(find_module, "_settle", settle)
    assert members(world.hunt()) == whole - pupils
