"""Closed sets of texts: a pool is found by text alone, and people who talk alike are not one."""

import numpy as np
import pytest

from titer.core.nouns import Exchange, Origin, Principal, Sketch, Usage
from titer.hunt import MemorySource, TableBuilder, find
from titer.hunt.asked import Asked, ask
from titer.hunt.groups import Shared
from titer.hunt.likeness import even, likeness
from titer.hunt.mixture import Pairs, Weighed, weigh
from titer.hunt.modalities import units_of
from titer.hunt.nulls import held_out, text_draws_for
from titer.hunt.parts import parts
from titer.hunt.pools import NATS, Part, pools, surely

DAY = 86_400_000_000
HONEST, MEMBERS, TEMPLATES, EACH = 500, 90, 40, 16


def world(
    seed, *, again=0.0, loose=False, whale=0, flood=0, stuffed=False, times=(), offices=0,
    people=False, mixed=False,
):  # fmt: skip
    """Honest callers with public templates; a pool of `TEMPLATES`, of which each uses `EACH`.

    With `again`, that share of the pool's requests repeats an old one; with `loose`, its texts
    stand in requests of any length, as phrases do. `whale` is the rows of one honest caller who
    says all there is; `flood` the callers of one request each, which hits some band of the pool's;
    with `stuffed`, half of the bands of a member's own requests are others' texts; with `times`,
    each of the pool's questions is asked as often as one of them says; with `offices`, the pool's
    members sit in so many, each with its network and card; with `people`, members ask as much as
    each of them cares to; with `mixed`, half of the pool's texts stand in requests of any
    length.
    """
    rng = np.random.default_rng(seed)
    rows, number = [], 0
    public = rng.integers(-(2**62), 2**62, (60, 8))
    own = rng.integers(-(2**62), 2**62, (TEMPLATES, 8))

    def where(name):
        return int(name[1:]) % offices if offices and name.startswith("x") else name

    def say(name, frames, exact, chars):
        nonlocal number
        number += 1
        rows.append(
            Exchange(
                f"e{number}", int(rng.integers(5 * DAY)), Principal(name, created=DAY),
                "/v1/x", "m",
                Origin(net=f"n-{where(name)}", payment=f"p-{where(name)}", headers="h"),
                sketch=Sketch(
                    frames=tuple(int(f) for f in frames), exact=int(exact), chars=int(chars),
                    cells=tuple(int(c) for c in rng.integers(1, 40, 4)),
                ),
                usage=Usage(10, int(rng.integers(50, 900))),
            )
        )  # fmt: skip

    def cover(name, times):
        liked = rng.choice(60, 3, replace=False)
        for _ in range(times):
            common = rng.random() < 0.4
            frames = public[rng.choice(liked)] if common else rng.integers(-(2**62), 2**62, 8)
            say(name, frames, rng.integers(2**62), 2 ** rng.uniform(4, 11))

    for i in range(HONEST):
        cover(f"h{i}", 5 + int(rng.lognormal(2.4, 0.8)))
    deck = []
    while times and len(deck) < MEMBERS * 40:
        one = (rng.integers(2**62), rng.integers(380, 470), rng.integers(TEMPLATES))
        deck += [one] * int(rng.choice(times))
    order = rng.permutation(len(deck)).tolist()
    for i in range(MEMBERS):
        mine = rng.choice(TEMPLATES, EACH, replace=False)
        for k in range(int(rng.lognormal(3.7, 0.8)) + 5 if people else 40):
            exact = rng.integers(2**62)
            any_length = loose or (mixed and mine[k % EACH] % 2 > 0)
            chars = 2 ** rng.uniform(4, 11) if any_length else rng.integers(380, 470)
            if times:
                exact, chars, mine[k % EACH] = deck[order.pop()]
            if rng.random() < again:
                exact, chars = rng.integers(1, 20), 400
            frames = own[mine[k % EACH]].copy()
            if stuffed:
                frames[rng.permutation(8)[:4]] = public[rng.integers(60)][:4]
            say(f"x{i}", frames, exact, chars)
        cover(f"x{i}", 20)
    for k in range(whale):
        texts = own if k % 10 == 0 else public
        say("whale", texts[k % len(texts)], rng.integers(2**62), 2 ** rng.uniform(4, 11))
    for i in range(flood):
        frames = rng.integers(-(2**62), 2**62, 8)
        frames[i % 8] = own[i % TEMPLATES][i % 8]
        say(f"f{i}", frames, rng.integers(2**62), 2 ** rng.uniform(4, 11))
    builder = TableBuilder()
    builder.add(rows)
    return MemorySource(builder.build())


@pytest.fixture(scope="module")
def found():
    source = world(1)
    units = units_of(source)
    tokens = source.tokens(
        least=5, most=units.count // 2, active=units.active, without=np.empty(0, np.int64)
    )
    shared = Shared.of(tokens, units)
    asked = ask(source, shared, units)
    assert 0.1 < asked.likely.mean() < 1.0
    return units, shared, asked, pools(units, shared, asked)


def names(units, places):
    return {units.callers.subjects[int(u)] for u in places}


def test_a_pool_is_found_by_its_texts_alone(found):
    units, shared, _, (candidates, belonging, _) = found
    (best,) = candidates
    assert names(units, best.units) == {f"x{i}" for i in range(MEMBERS)}
    assert len(best.tokens) == TEMPLATES * 8
    assert best.formed_by == "pool"
    assert len(shared.tokens.value) > TEMPLATES * 8
    assert set(np.flatnonzero(belonging)) == set(best.units)
    assert belonging[best.units].min() >= NATS
    assert not len(best.uncertain)


def test_a_pool_whose_texts_are_no_templates_is_none(found):
    units, shared, asked, (candidates, _, _) = found
    likely, rows = asked.likely, asked.rows
    # Other texts of the same callers in the templates' stead: what is closed is fixed no more.
    own = np.zeros(len(likely), bool)
    own[candidates[0].tokens] = True
    some = own & (np.arange(len(own)) % 4 == 0)
    kept = np.where((rows >= 0) & some[rows], rows, -1)
    there = (kept >= 0).any(axis=1)
    fewer = Asked(likely & some, asked.band, kept[there], asked.unit[there])
    found_, _, left = pools(units, shared, fewer)
    assert len(found_) + left >= 1 and all(one.loose for one in found_)


def test_the_fit_says_who_draws_on_a_hidden_stock(found):
    units, shared, asked, _ = found
    likely, rows = asked.likely, asked.rows
    token, unit = shared.of_pair, shared.tokens.unit.astype(np.int64)
    pairs = Pairs.of(token, unit, tokens=len(likely), count=units.count)
    fit = weigh(pairs, likely, rows)
    members = np.array([s.startswith("x") for s in units.callers.subjects])
    assert fit.nats[members].min() > 3 > fit.nats[~members].max()
    nothing = weigh(pairs, np.zeros_like(likely), rows)
    assert not nothing.own.any() and np.isneginf(nothing.nats).all()


def test_a_large_pool_is_found_though_two_members_share_next_to_nothing():
    rng = np.random.default_rng(7)
    count, inside, texts, each = 4_000, 1_000, 1_000, 8
    pairs = {
        (int(t) * 4 + b, u)
        for u in range(inside)
        for t in rng.choice(texts, each, replace=False)
        for b in range(4)
    }
    # Everybody says common things, and now and then one of the stock's.
    common = texts * 4 + rng.integers(0, 3_000, (count, 24))
    pairs |= {(int(t), u) for u in range(count) for t in common[u]}
    pairs |= {(int(rng.integers(texts * 4)), int(u)) for u in rng.integers(0, count, 400)}
    token, unit = np.array(sorted(pairs)).T
    likely = np.arange(texts * 4 + 3_000) < texts * 4
    rows = np.arange(texts * 4).reshape(texts, 4)
    fit = weigh(Pairs.of(token, unit, tokens=len(likely), count=count), likely, rows)
    member = fit.nats >= 3
    assert member[:inside].mean() > 0.98
    assert member[inside:].mean() < 0.001


def test_webs_come_apart_where_hardly_a_thread_crosses():
    rng = np.random.default_rng(3)

    def web(first_unit, first_text, units, texts):
        return [
            (first_text + int(t), first_unit + u)
            for u in range(units)
            for t in rng.choice(texts, 15, replace=False)
        ]

    one, other = web(0, 0, 300, 400), web(300, 400, 80, 60)
    threads = zip(rng.integers(0, 400, 60), rng.integers(300, 380, 60), strict=True)
    across = [(int(t), int(u)) for t, u in threads]
    lone = web(500, 600, 9, 40)
    token, unit = np.array(sorted({*one, *other, *across, *lone})).T
    found = parts(token, unit, least=12)
    assert [set(u) for u, _ in found] == [set(range(300)), set(range(300, 380))]
    assert all(set(t) <= set(range(400, 460)) for _, t in found[1:])
    assert parts(token, unit, least=301) == []
    assert parts(token[:0], unit[:0], least=1) == []


def test_the_set_is_one_among_callers_who_did_not_form_it(found):
    units, shared, asked, (candidates, _, _) = found
    band = asked.band
    (best,) = candidates
    real = held_out(shared, best, units, band, seed=1, draws=999)
    assert real.e_value > 900
    # As many texts picked at random, not chosen by who uses them together.
    rng = np.random.default_rng(2)
    public = np.setdiff1d(np.arange(len(shared.tokens.value)), best.tokens)
    chance = [
        type(best)("pool", np.arange(units.count), np.sort(rng.choice(public, 60, replace=False)))
        for _ in range(20)
    ]
    mean = np.mean([held_out(shared, c, units, band, seed=3, draws=999).e_value for c in chance])
    assert mean < 10
    unseen = held_out(shared, best, units, np.full_like(band, -1), seed=1, draws=999)
    assert unseen.e_value == 0.0


def test_a_dealt_work_list_is_a_campaign_without_any_tie_of_origin():
    report = find(world(2), seed=1, permutations=999)
    accused = {m for c in report.campaigns if not c.review for m in c.members}
    assert accused == {f"x{i}" for i in range(MEMBERS)}
    campaign = report.campaigns[0]
    assert campaign.formed == ("text", "pool")
    assert "held-out callers" in campaign.tested
    assert not set(campaign.formed) & set(campaign.tested)
    assert campaign.bits > 5
    assert campaign.frames and campaign.timeline and campaign.doubtful and campaign.null


@pytest.mark.parametrize(
    "hostile",
    [{"whale": 12_000}, {"flood": 100}, {"stuffed": True}],
    ids=["one caller has 40 % of all rows", "callers of one request", "others' texts stuffed in"],
)
def test_a_pool_is_found_in_hostile_logs_and_nobody_else(hostile):
    report = find(world(4, **hostile), seed=1, permutations=999)
    accused = {m for c in report.campaigns if not c.review for m in c.members}
    assert {m for m in accused if m.startswith("x")} == {f"x{i}" for i in range(MEMBERS)}
    assert len(accused) == MEMBERS


@pytest.mark.parametrize("honest", [{"again": 0.2}, {"loose": True}])
def test_people_who_talk_alike_are_not_accused(honest):
    report = find(world(3, people=True, **honest), seed=1, permutations=999)
    assert {m for c in report.campaigns if not c.review for m in c.members} == set()


def test_a_list_that_is_asked_three_times_over_is_dealt():
    report = find(world(4, times=(3,)), seed=1, permutations=999)
    (campaign,) = report.campaigns
    assert len(campaign.members) >= 0.9 * MEMBERS and not campaign.review


def test_questions_that_some_ask_often_are_nobodys_list():
    scattered = find(world(4, times=(1, 1, 1, 2, 3, 5, 8)), seed=1, permutations=999)
    assert {m for c in scattered.campaigns if not c.review for m in c.members} == set()


@pytest.mark.parametrize("mean", [0.8, 1.5, 3.0, 6.0])
def test_chance_is_not_even_and_a_list_is(mean):
    rng = np.random.default_rng(8)
    groups, questions = 400, 60

    def share(times):
        of = np.repeat(np.arange(groups), questions)[times > 0]
        return even(of, times[times > 0], groups).mean()

    size = groups * questions
    assert share(rng.poisson(mean, size)) <= 0.02
    assert share(rng.poisson(mean * rng.pareto(1.5, size))) <= 0.02
    assert share(np.full(size, 1)) == 0.0
    assert share(np.full(size, 3)) == 1.0
    assert share(rng.binomial(4, 0.5, size)) >= 0.5  # half of a list that is asked four times


@pytest.mark.parametrize(
    ("offices", "people", "review"),
    [(0, True, False), (6, True, True), (6, False, True), (1, True, False)],
)
def test_firms_that_share_a_library_of_templates_go_to_people(offices, people, review):
    report = find(world(4, offices=offices, people=people), seed=1, permutations=999)
    groups = [c for c in report.campaigns if len(c.members) >= 0.9 * MEMBERS]
    assert [c.review for c in groups] == [review]
    assert not [c for c in report.campaigns if c not in groups and not c.review]


def test_likeness_tells_dealt_work_from_people_with_matters_of_their_own():
    rng = np.random.default_rng(5)
    frames = (1, 2, 3, 4, 5, 6, 7, 8)

    def rows(own):
        out = []
        for who in range(30):
            topic = rng.integers(1, 40, 4)
            for k in range(12):
                cells = topic if own else rng.integers(1, 40, 4)
                hour = (who if own else int(rng.integers(24))) % 24
                out.append(
                    Exchange(
                        f"{who}-{k}", hour * DAY // 24, Principal(f"a{who:02d}"), "/v1/x", "m",
                        sketch=Sketch(
                            frames=frames, exact=who * 100 + k + 1, chars=400,
                            cells=tuple(int(c) for c in cells),
                        ),
                        usage=Usage(1, 100),
                    )
                )  # fmt: skip
        builder = TableBuilder()
        builder.add(out)
        source = MemorySource(builder.build())
        sample = source.sample(np.arange(30), most=50)
        return likeness(sample, np.arange(1, 9), np.ones(30))

    people, campaign = rows(own=True), rows(own=False)
    for aspect in ("content", "hours"):
        assert people.by_aspect[aspect] < 0.5
        assert campaign.by_aspect[aspect] > 0.8
    assert people.overlap == campaign.overlap == 0.0


def test_draws_grow_with_the_number_of_candidates():
    assert text_draws_for(1) == 999
    assert text_draws_for(20) == 8_000
    assert text_draws_for(10_000) == 19_999


def test_a_closed_set_of_texts_that_are_no_templates_needs_a_programs_conduct():
    def accused(people):
        report = find(world(6, mixed=True, people=people), seed=1, permutations=999)
        return {m for c in report.campaigns if not c.review for m in c.members}

    assert accused(people=True) == set()
    program = accused(people=False)
    assert len(program) >= 0.95 * MEMBERS and all(name.startswith("x") for name in program)


def test_who_is_sure_in_a_large_pool_has_a_part_of_what_its_members_have():
    members = np.arange(1200)
    rich, poor = np.full(1200, 60.0), np.full(1200, 24.0)
    rich[:30] = poor[:30] = 4.0
    rich[30:40] = poor[30:40] = 2.0

    def sure(sober, some=members):
        return surely(some, Weighed(np.full(1200, 9.0), np.ones(3, bool), sober))

    assert list(sure(rich)) == list(range(40, 1200))  # a twelfth of 60 is 5
    assert list(sure(poor)) == [*range(30), *range(40, 1200)]
    assert list(sure(np.full(1200, 1.0))) == []
    # A small one, or one whose requests nobody weighed, keeps all that the fit says.
    assert list(sure(rich, members[:499])) == list(range(499))
    assert list(sure(rich, members[:500])) == list(range(40, 500))
    assert list(sure(None)) == list(range(1200))


def test_campaigns_of_one_maker_do_not_hide_each_other():
    """Two parts of one fit that say half of what they say in the same texts: neither has these."""
    members, texts = 40, 24
    rng = np.random.default_rng(2)
    token, unit = [], []
    for who in range(2 * members):
        mine = rng.choice(texts, 12, replace=False) + texts * (who >= members)
        both = 2 * texts + rng.choice(texts, 16, replace=False)
        token += [*mine, *both]
        unit += [who] * 28
    for who in range(2 * members, 400):
        token += list(3 * texts + rng.choice(200, 28, replace=False))
        unit += [who] * 28
    token, unit = np.array(token), np.array(unit)
    order = np.argsort(token, kind="stable")
    size = 3 * texts + 200
    pairs = Pairs.of(token[order], unit[order], tokens=size, count=400)
    asked = Asked(np.ones(size, bool), np.zeros(size, int), np.full((1, 8), -1), np.zeros(1, int))

    def part(nats):
        said = np.r_[np.arange(texts), np.arange(2 * texts, 3 * texts)]
        return Part.of(pairs, np.arange(members), said, nats, asked)

    together = np.full(400, -9.0)
    together[: 2 * members] = 9.0
    assert part(together).kept == 1.0
    assert part(together).own.sum() == texts  # what it is described by stays its own
    # Where the others are nobody's members, what it says is mostly theirs as well.
    alone = np.full(400, -9.0)
    alone[:members] = 9.0
    assert part(alone).kept < 0.5
