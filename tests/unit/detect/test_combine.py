"""The combined score: rules, who takes part, what it is worth, and what it may never be."""

import math

import msgspec
import numpy as np
import pytest

from titer.core.nouns import Principal
from titer.detect import combine
from titer.detect.calibration import SEGMENT, fit
from titer.detect.combine import RULES, Combination
from titer.detect.frames import Frames
from titer.detect.null import Null, Segment
from titer.detect.parameters import Parameters
from titer.testing import population

RNG = np.random.default_rng(5)


def null(levels=(1.0, 2.0, 4.0), **changes):
    return Null(version="1", fitted=8, everyone=Segment(30, 40.0), levels=levels, **changes)


def pool(rows, columns):
    """Heavy-tailed scores, mostly zero, correlated between detectors."""
    common = RNG.pareto(1.2, (rows, 1))
    scores = common * RNG.random((rows, columns)) + RNG.pareto(1.5, (rows, columns))
    return np.where(RNG.random((rows, columns)) < 0.3, scores, 0.0)


def made(detectors=4, fits=300, scored=600, **changes):
    nulls = {
        f"d{n}": null(tuple(np.quantile(pool(500, 1), [0.5, 0.75, 0.875, 0.94, 0.97, 0.985])))
        for n in range(detectors)
    }
    held = combine.fit(nulls, pool(fits, detectors), pool(scored, detectors), **changes)
    return held, nulls


def test_a_rarity_counts_halvings_of_the_honest():
    one = null()
    assert one.rarity(0.0) == 0.0
    assert one.rarity(0.5) == 0.5
    assert one.rarity(1.0) == 1.0
    assert one.rarity(3.0) == 2.5
    assert one.rarity(4.0) == 3.0
    assert one.rarity(8.0) == 4.0
    assert one.rarity(1e6) > 20
    assert null(levels=()).rarity(3.0) == 2.0
    assert null(levels=(0.0, 0.0, 0.0)).rarity(1.0) == 4.0
    assert null(levels=(0.0, 0.0, 0.0), in_bits=True).rarity(1.0) == 1.0


def test_rules_say_what_their_names_say():
    rare = np.array([[3.0, 0.0, 5.0, 0.5], [0.0, 0.0, 0.0, 0.0]])
    assert RULES["largest"](rare).tolist() == [5.0, 0.0]
    assert RULES["excess"](rare).tolist() == [6.0, 0.0]
    assert RULES["two largest"](rare).tolist() == [8.0, 0.0]
    assert RULES["halving"](rare).tolist() == [5 + 1.5 + 0.125, 0.0]
    expected = math.log2((8 + 1 + 32 + 2**0.5) / 4)
    assert RULES["log mean exp"](rare).tolist() == pytest.approx([expected, 0.0])
    for rule in RULES.values():
        assert rule(rare[:, :1]).shape == (2,)


def test_it_costs_nothing_to_listen_to_silent_detectors():
    """Thirteen detectors that never speak leave the bits of the fourteenth as they are."""
    fits, scored = pool(600, 1), pool(1200, 1)
    one = {"d": null(tuple(np.quantile(fits, [0.5, 0.75, 0.875, 0.94, 0.97, 0.985])))}
    many = one | {f"s{n}": null(levels=(0.0,) * 9) for n in range(13)}
    silent = np.zeros((600, 13)), np.zeros((1200, 13))
    alone = combine.fit(one, fits, scored)
    beside = combine.fit(many, np.hstack([fits, silent[0]]), np.hstack([scored, silent[1]]))
    for score in (0.5, 3.0, 20.0, 1e4):
        assert beside.bits({"d": score}, many) == pytest.approx(alone.bits({"d": score}, one))
    # as an average of e-values it would have cost log2 14 bits
    assert beside.bits({"d": 1e9}, many) > 6


def test_many_at_once_are_worth_what_each_is():
    for rule in RULES:
        held, nulls = made(rule=rule)
        rows = np.vstack([pool(50, 4), np.zeros((1, 4)), np.full((1, 4), 1e12)])
        one_by_one = [
            held.bits(dict(zip(held.detectors, row.tolist(), strict=True)), nulls) for row in rows
        ]
        assert held.bits_many(rows, nulls) == pytest.approx(one_by_one, abs=1e-6)


def test_no_more_bits_than_scores_claim():
    nulls = {"a": null(levels=(0.0,) * 6, in_bits=True), "b": null(levels=(0.0,) * 6)}
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


def test_the_average_of_many_is_what_it_replaces():
    """At n honest subjects and s detectors the old rule could not reach what the new one can."""
    held, nulls = made(detectors=13, scored=2000, fits=1000)
    loud = {"d0": 1e9}
    averaged = math.log2((2**held.most + 13) / 14)
    assert held.bits(loud, nulls) - 1 > averaged


def test_a_rule_must_be_known():
    held, nulls = made()
    with pytest.raises(KeyError):
        msgspec.structs.replace(held, rule="guess").bits({"d0": 9.0}, nulls)
    assert isinstance(held, Combination)
