"""The combined score: rarities, who takes part, what it is worth, and what it may never be."""

import math

import msgspec
import numpy as np
import pytest

from titer.core.nouns import Principal
from titer.detect import combine
from titer.detect.calibration import SEGMENT, fit
from titer.detect.frames import Frames
from titer.detect.null import Null, Segment, climb, climbs, levels_of
from titer.detect.parameters import Parameters
from titer.testing import population

RNG = np.random.default_rng(5)


def null(levels=(1.0, 2.0, 4.0), **changes):
    held = {"fitted": 8, "climbed": 8.0} | changes
    return Null(version="1", everyone=Segment(30, 40.0), levels=levels, **held)


def pool(rows, columns):
    """Heavy-tailed scores, mostly zero, correlated between detectors."""
    common = RNG.pareto(1.2, (rows, 1))
    scores = common * RNG.random((rows, columns)) + RNG.pareto(1.5, (rows, columns))
    return np.where(RNG.random((rows, columns)) < 0.3, scores, 0.0)


def of(column):
    """The null that a fit half's scores make."""
    levels = levels_of(sorted(column.tolist()))
    return null(levels, fitted=len(column), climbed=float(climbs(column, levels).sum()))


def made(detectors=4, fits=300, scored=600, **changes):
    half = pool(fits, detectors)
    nulls = {f"d{n}": of(half[:, n]) for n in range(detectors)}
    held = combine.fit(nulls, half, pool(scored, detectors), **changes)
    return held, nulls


def test_a_rarity_is_bits_beside_the_fit_half():
    one = null()
    assert one.rarity(0.0) == 0.0
    assert [round(one.rarity(score), 2) for score in (1.0, 2.0, 4.0)] == [0.0, 1.15, 2.36]
    assert 1.15 < one.rarity(3.0) < 2.36  # smooth between two levels
    assert 2.36 < one.rarity(5.0) < one.rarity(16.0) <= math.log2(9)
    assert one.rarity(16.0) == one.rarity(1e300)
    assert null(levels=(), climbed=5.0).rarity(3.0) == pytest.approx(math.log2(9 * 3 / 8))
    unheard = {"levels": (0.0, 0.0, 0.0), "climbed": 0.0}
    assert null(**unheard).rarity(0.1) == pytest.approx(math.log2(9))
    assert null(**unheard, in_bits=True).rarity(0.1) == 0.1


def test_a_fit_subject_is_held_beside_the_others():
    scores = np.array([0.0, 0.0, 1.0, 2.0, 8.0])
    levels = (1.0, 2.0)
    total = climbs(scores, levels).sum()
    one = null(levels, fitted=5, climbed=total)
    assert one.rarities(scores, own=True)[4] == pytest.approx(
        null(levels, fitted=4, climbed=total - climb(8.0, levels)).rarity(8.0)
    )


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
    nothing = {"levels": (0.0,) * 6, "fitted": 64, "climbed": 0.0}
    nulls = {"a": null(**nothing, in_bits=True), "b": null(**nothing)}
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
    held, nulls = made(scored=len(tiers), tiers=tiers)
    assert list(held.tiers) == ["large"]
    assert held.segment("large").n == SEGMENT
    assert held.segment("small") == held.segment("") == held.everyone
    top = dict.fromkeys(nulls, 1e12)
    assert held.bits(top, nulls, "large") <= math.log2(SEGMENT + 1)


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
