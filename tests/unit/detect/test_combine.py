"""The combined score: rarities, who takes part, what it is worth, and what it may never be."""

import math

import msgspec
import numpy as np
import pytest

from titer.core.nouns import Principal
from titer.detect import combine
from titer.detect.calibration import SEGMENT, fit
from titer.detect.frames import Frames
from titer.detect.null import MOST, Null, Segment, segment
from titer.detect.parameters import Parameters
from titer.testing import population

RNG = np.random.default_rng(5)


def null(levels=(1.0, 2.0, 4.0, 8.0, 16.0), *, start=16.0, base=5.0, tail=1.0, in_bits=False):
    held = Segment(30, 40.0, 64, levels, start, base, tail)
    return Null(version="1", everyone=held, in_bits=in_bits)


def pool(rows, columns):
    """Heavy-tailed scores, mostly zero, correlated between detectors."""
    common = RNG.pareto(1.2, (rows, 1))
    scores = common * RNG.random((rows, columns)) + RNG.pareto(1.5, (rows, columns))
    return np.where(RNG.random((rows, columns)) < 0.3, scores, 0.0)


def of(column):
    """The null that a fit half's scores make."""
    return Null(version="1", everyone=segment(column.tolist(), [1.0] * 30))


def made(detectors=4, fits=300, scored=600, **changes):
    half = pool(fits, detectors)
    nulls = {f"d{n}": of(half[:, n]) for n in range(detectors)}
    held = combine.fit(nulls, half, pool(scored, detectors), **changes)
    return held, nulls


def test_a_rarity_is_the_share_above_in_bits():
    scores = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 16.0)
    assert [null().rarity(score) for score in scores] == [0, 0.5, 1, 2, 2.5, 3, 5]
    assert null(in_bits=True).rarity(0.1) == 0.1
    assert null((0.0,) * 3 + (4.0, 8.0), start=8.0).rarity(2.0) == 3.5


def test_above_the_levels_a_rarity_follows_the_tail():
    assert [null().rarity(score) for score in (32.0, 64.0)] == [6.0, 7.0]
    assert null(tail=0.5).rarity(64.0) == 9.0  # a light tail: rarer for the same score
    assert null(tail=4.0).rarity(256.0) == 6.0  # a heavy one: the highest differ anyway
    assert null(tail=0.1).rarity(1e300) == MOST


def test_a_tail_is_as_heavy_as_the_scores_say():
    rng = np.random.default_rng(7)
    for index in (0.3, 0.8, 2.5):
        held = segment((rng.random(40_000) ** -index).tolist(), [])
        assert held.tail == pytest.approx(index, rel=0.15)
        assert held.base == 5.0
        assert held.rarity(2.0 ** (20 * index)) == pytest.approx(20, abs=2.5)


def test_a_caller_beside_its_own_past_is_rarer_by_the_bit():
    """Honest log-likelihood ratios: 2^-b of them exceed b bits, and 40 bits are 40 bits."""
    rng = np.random.default_rng(8)
    held = segment(rng.exponential(1 / math.log(2), 40_000).tolist(), [], own_past=True)
    assert held.scale == pytest.approx(1.0, abs=0.1)
    assert held.rarity(10.0) == pytest.approx(10, abs=0.8)
    assert held.rarity(40.0) == pytest.approx(40, rel=0.1)
    few = segment([0.0] * 60 + [1.5, 2.0, 3.0], [], own_past=True)
    assert few.scale == 1.0
    assert few.rarity(40.0) == few.base + 40.0 - few.start


def test_where_the_honest_change_by_much_a_change_says_little():
    rng = np.random.default_rng(9)
    held = segment(rng.exponential(60.0, 2000).tolist(), [], own_past=True)
    assert held.scale > 30
    assert held.rarity(held.start + 40.0) < held.base + 1.5
    assert segment([], [], own_past=True).rarity(4.0) == 3.0


def test_where_few_score_at_all_these_make_the_tail():
    held = segment([0.0] * 995 + [2.0, 4.0, 8.0, 64.0, 512.0], [])
    assert held.tailed
    assert held.start == 2.0
    assert held.base == pytest.approx(math.log2(1001 / 6))
    assert held.rarity(1.0) == held.base / 2
    assert held.rarity(512.0) < held.base + 4
    unheard = segment([0.0] * 63, [])
    assert unheard.rarity(2.0) == math.log2(64) + 1
    assert segment([], []).rarity(4.0) == 2.0


def test_the_combined_score_adds_what_is_rare():
    nulls = {"a": null(), "b": null()}
    held = combine.fit(nulls, np.zeros((9, 2)), np.zeros((9, 2)))
    alone = held.score({"a": 3.0}, nulls)
    assert alone == pytest.approx(2 ** nulls["a"].rarity(3.0) - 1)
    assert held.score({"a": 3.0, "b": 3.0}, nulls) == pytest.approx(2 * alone)
    assert held.score({"a": 3.0, "b": 0.0, "c": 99.0}, nulls) == alone
    assert held.score({}, nulls) == 0.0


def test_it_costs_nothing_to_listen_to_silent_detectors():
    """Thirteen detectors that never speak leave the bits of the fourteenth as they are."""
    fits, scored = pool(600, 1), pool(1200, 1)
    one = {"d": of(fits[:, 0])}
    many = one | {f"s{n}": of(np.zeros(600)) for n in range(13)}
    silent = np.zeros((600, 13)), np.zeros((1200, 13))
    alone = combine.fit(one, fits, scored)
    beside = combine.fit(many, np.hstack([fits, silent[0]]), np.hstack([scored, silent[1]]))
    for score in (0.5, 3.0, 20.0, 1e4):
        assert beside.bits({"d": score}, many) == pytest.approx(alone.bits({"d": score}, one))
    # as an average of e-values it would have cost log2 14 bits
    assert beside.bits({"d": 1e9}, many) > 6


def test_many_at_once_are_worth_what_each_is():
    held, nulls = made()
    rows = np.vstack([pool(50, 4), np.zeros((1, 4)), np.full((1, 4), 1e12)])
    one_by_one = [
        held.bits(dict(zip(held.detectors, row.tolist(), strict=True)), nulls) for row in rows
    ]
    assert held.bits_many(rows, nulls) == pytest.approx(one_by_one, abs=1e-6)


def test_no_more_bits_than_scores_claim():
    nothing = segment([0.0] * 64, [0.0] * 100)
    nulls = {
        name: Null(version="1", everyone=nothing, in_bits=in_bits)
        for name, in_bits in (("a", True), ("b", False))
    }
    quiet = np.zeros((64, 2)), np.zeros((100, 2))
    held = combine.fit(nulls, *quiet)
    assert held.bits({"a": 0.25}, nulls) == 0.25
    assert held.bits({"a": 3.0}, nulls) == 3.0
    assert held.bits({"a": 1e9}, nulls) == pytest.approx(held.most)
    assert held.bits({"b": 0.25}, nulls) == pytest.approx(held.most)  # claims no bits of its own
    assert held.bits({"c": 1e9}, nulls) == 0.0
    assert held.bits_many(np.array([[0.25, 0.0]]), nulls).tolist() == [0.25]


def test_large_tiers_are_compared_with_themselves():
    tiers = ["small"] * (SEGMENT - 1) + ["large"] * SEGMENT
    held, nulls = made(scored=len(tiers), tiers=([""] * 300, tiers))
    assert list(held.tiers) == ["large"]
    assert held.segment("large").n == SEGMENT
    assert held.segment("small") == held.segment("") == held.everyone
    top = dict.fromkeys(nulls, 1e12)
    assert held.bits(top, nulls, "large") <= math.log2(SEGMENT + 1)


def test_a_large_tier_has_rarities_of_its_own(monkeypatch):
    """What the tier of programs does every day is unheard of in the tier of people."""
    monkeypatch.setattr(combine, "SEGMENT", 200)
    rng = np.random.default_rng(11)
    programs = 20.0 * rng.random((900, 1)) + 10.0
    people = rng.random((900, 1)) * (rng.random((900, 1)) < 0.2)
    rows, tiers = np.vstack([programs, people]), ["programs"] * 900 + ["people"] * 900
    fits, scored = slice(0, None, 3), slice(1, None, 3)
    halves = rows[fits], rows[scored]
    names = tiers[fits], tiers[scored]
    own = {
        tier: segment(*(half[[n == tier for n in name]].ravel().tolist()
                        for half, name in zip(halves, names, strict=True)))
        for tier in ("people", "programs")
    }  # fmt: skip
    everyone = segment(*(half.ravel().tolist() for half in halves))
    nulls = {"a": Null(version="1", everyone=everyone, tiers=own)}
    held = combine.fit(nulls, *halves, names)
    bits = {tier: held.bits({"a": 15.0}, nulls, tier) for tier in ("people", "programs", "new")}
    assert bits["people"] > 7
    assert 1 > bits["new"] >= bits["programs"]
    many = held.bits_many(np.array([[15.0]]), nulls, "people")
    assert many == pytest.approx([bits["people"]])


class Unheard(Parameters):
    """Speaks about nobody, so that nobody can be scored."""

    card = msgspec.structs.replace(Parameters.card, name="unheard")

    def subject(self, exchange):
        return None


def test_a_calibration_combines_what_it_covers():
    log = population.honest(21, 120)
    made_of = fit([Frames(), Unheard()], log, seed=1)
    assert made_of.combination.detectors == ("frames",)
    assert made_of.combined({"frames": 1e9}) > 4
    assert made_of.combined({"unheard": 1e9}) == 0.0
    assert made_of.combined({"plug-in": 1e9}) == 0.0
    assert made_of.combined({}) == 0.0
    alone = made_of.detectors["frames"]
    assert made_of.combination.everyone.n == alone.everyone.n
    assert made_of.smallest_alpha == 1 / (alone.everyone.n + 1)
    many = made_of.combined_many(np.array([[0.0], [5.0], [1e9]]))
    assert many[0] == 0.0
    assert many[2] == pytest.approx(made_of.combined({"frames": 1e9}))


def test_every_subject_of_the_log_takes_part():
    """Also one whose requests were all refused, about whom no detector may speak."""
    log = population.honest(22, 100)
    refused = [
        msgspec.structs.replace(x, status=429, principal=Principal(f"r{n}"))
        for n, x in enumerate(log[:40])
    ]
    held = fit([Frames()], [*log, *refused], seed=1)
    null_ = held.detectors["frames"]
    assert null_.fitted + null_.everyone.n == 100
    assert held.combination.fitted + held.combination.everyone.n == 140
