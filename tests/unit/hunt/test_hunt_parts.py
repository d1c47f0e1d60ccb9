"""The pieces of the hunt: components, breadth, e-values, and the live memory."""

import numpy as np
import pytest

from titer.core.bits import e_bh
from titer.core.nouns import Exchange, Origin, Principal, Sketch
from titer.hunt import LiveHunt, MemorySource, TableBuilder, nulls
from titer.hunt.groups import components
from titer.hunt.modalities import breadth, excess, modalities, units_of
from titer.hunt.nulls import average


def exchange(i, who="a", net="n", frames=(1,) * 8, at=0):
    return Exchange(
        f"e{i}", at, Principal(who), "/v1/x", origin=Origin(net=net),
        sketch=Sketch(frames=frames, exact=i, chars=5),
    )  # fmt: skip


def built(exchanges):
    builder = TableBuilder()
    builder.add(exchanges)
    return MemorySource(builder.build())


def test_components_are_those_of_the_graph():
    token = np.array([0, 0, 1, 1, 2, 2])
    unit = np.array([0, 1, 1, 2, 4, 5])
    assert components(token, unit, 7).tolist() == [0, 0, 0, 3, 4, 4, 6]


def test_a_long_chain_is_one_component():
    n = 2_000
    order = np.random.default_rng(1).permutation(n)
    token = np.repeat(np.arange(n - 1), 2)
    unit = np.stack([order[:-1], order[1:]], axis=1).ravel()
    assert set(components(token, unit, n).tolist()) == {0}


def test_breadth_is_one_on_a_value_of_their_own_and_zero_without_ties():
    table = built(
        [exchange(i, f"x{i}", "shared") for i in range(10)]
        + [exchange(i, f"h{i}", f"net{i}") for i in range(90)]
    )
    known = modalities(table, units_of(table))["network"]
    # Units are numbered in the order of their names: h0.. before x0..
    groups = np.array([np.arange(90, 100), np.arange(20, 30)])
    assert breadth(known, groups).tolist() == [1.0, 0.0]


def test_a_value_that_everybody_has_binds_nobody():
    table = built([exchange(i, f"u{i}", "carrier") for i in range(50)])
    known = modalities(table, units_of(table))["network"]
    assert breadth(known, np.arange(10)[None, :]).tolist() == [0.0]


def test_breadth_and_excess_agree():
    rng = np.random.default_rng(3)
    table = built([exchange(i, f"u{i % 60}", f"net{rng.integers(8)}") for i in range(600)])
    known = modalities(table, units_of(table))["network"]
    groups = np.array([rng.permutation(60)[:15] for _ in range(5)])
    wide, _ = excess(known, np.repeat(np.arange(5), 15), groups.ravel(), 5)
    assert np.allclose(breadth(known, groups), wide)


def test_tokens_of_few_units_and_of_nearly_all_are_left_out():
    rows = [exchange(i, f"u{i}", frames=(7, 100 + i // 5, *range(1000 + 6 * i, 1006 + 6 * i)))
            for i in range(40)]  # fmt: skip
    table = built(rows)
    units = units_of(table)
    found = table.tokens(
        least=5, most=20, active=np.ones(units.count, np.bool_), without=np.empty(0, np.int64)
    )
    # Eight groups of five; token 7 is boilerplate, the others are single.
    assert found.value.tolist() == list(range(100, 108))
    assert (found.common, found.common_rows.tolist()) == (1, [1] * 40)


def test_e_bh_rejects_as_its_paper_says():
    assert e_bh([], 0.01) == []
    assert e_bh([99.0], 0.01) == [False]
    assert e_bh([100.0], 0.01) == [True]
    assert e_bh([100.0, 100.0, 0.0], 0.01) == [False, False, False]
    assert e_bh([150.0, 150.0, 0.0], 0.01) == [True, True, False]


def test_silent_tests_lower_the_average():
    tested = [nulls.Tested("network", 1.0, 90.0), nulls.Tested("timing", 1.0, 10.0)]
    assert average(tested) == 50.0
    assert average(tested, silent=("timing",)) == 45.0
    assert average([]) == 0.0


def test_the_live_memory_is_bounded_and_numbers_anew(monkeypatch):
    monkeypatch.setattr("titer.hunt.table.MAX_NAMES", 50)
    monkeypatch.setattr("titer.hunt.live.PIECE", 100)
    hunt = LiveHunt(rows=300)
    for start in range(0, 5_000, 50):
        hunt.add([exchange(i, f"u{i}", f"net{i}") for i in range(start, start + 50)])
    assert hunt.run() == []
    assert hunt.report is not None
    assert hunt.report.exchanges == 5_000  # older rows are counted, no longer held
    assert hunt._builder.rows <= 400
    assert hunt.report.principals == hunt.report.exchanges
    assert len(hunt._builder._accounts) <= 400


def test_a_live_memory_needs_room():
    with pytest.raises(ValueError, match="rows"):
        LiveHunt(rows=10)


def test_a_live_campaign_keeps_its_id_until_it_has_grown():
    from titer.core.nouns import Campaign

    def campaign(name, members):
        return Campaign(name, tuple(members), ("text",), ("cohort",), 9.0, "t", 0, 1)

    hunt = LiveHunt()
    first = [f"m{i}" for i in range(50)]
    assert hunt._named(campaign("c-1", first)).id == "c-1"
    assert hunt._named(campaign("c-2", [*first[5:], "n1", "n2"])).id == "c-1"
    grown = [*first, *(f"n{i}" for i in range(10))]
    assert hunt._named(campaign("c-3", grown)).id == "c-1.2"
    assert hunt._named(campaign("c-4", grown)).id == "c-1.2"
    assert hunt._named(campaign("c-5", ["z1", "z2"])).id == "c-5"
