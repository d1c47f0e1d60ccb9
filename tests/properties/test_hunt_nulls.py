"""What the null promises, on units that are exchangeable; and what order must not change."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.bits import e_bh
from titer.core.nouns import Exchange, Origin, Principal, Sketch
from titer.hunt import MemorySource, TableBuilder, find
from titer.hunt.groups import components
from titer.hunt.modalities import modalities, units_of
from titer.hunt.nulls import average, profiles
from titer.hunt.nulls import test_groups as weigh_groups


def table(rows):
    builder = TableBuilder()
    builder.add(rows)
    return MemorySource(builder.build())


def people(seed, n, values):
    rng = np.random.default_rng(seed)
    return [
        Exchange(
            f"e{i}", int(rng.integers(10**12)),
            Principal(f"u{i}", created=int(rng.integers(10**13))),
            "/v1/x", origin=Origin(net=f"n{rng.integers(values)}", payment=f"p{i}"),
            sketch=Sketch(frames=(1,) * 8, exact=i, chars=5),
        )
        for i in range(n)
    ]  # fmt: skip


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_random_groups_earn_no_more_than_one_on_average(seed):
    rows = table(people(seed, 120, 12))
    units = units_of(rows)
    rng = np.random.default_rng(seed)
    groups = [(rng.permutation(120)[:12], "cohort") for _ in range(30)]
    tested = weigh_groups(
        groups, units, modalities(rows, units), profiles(rows.clock()), draws=999, seed=seed
    )
    e_values = np.array([average(t) for t in tested])
    # The mean of 30 values with expectation at most 1; 12 would be beyond 12 standard errors of
    # the heaviest tail that Markov's inequality leaves at one in 360.
    assert e_values.mean() < 12
    assert not any(e_bh(list(e_values), 0.01))


@settings(max_examples=8, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random):
    rng = np.random.default_rng(5)
    rows = people(5, 60, 50)
    template = rng.integers(-(2**62), 2**62, 8).tolist()
    for i in range(30):
        who = Principal(f"x{i}", created=10**13)
        where = Origin(net=f"xn{i % 2}", payment=f"xp{i % 3}")
        for k in range(4):
            frames = template if k else rng.integers(-(2**62), 2**62, 8).tolist()
            rows.append(
                Exchange(
                    f"x{i}-{k}", 10**9 * (k + i), who, "/v1/x", origin=where,
                    sketch=Sketch(frames=tuple(frames), exact=1_000 * i + k, chars=50),
                )
            )  # fmt: skip
    first = find(table(rows), seed=1, permutations=999)
    random.shuffle(rows)
    second = find(table(rows), seed=1, permutations=999)
    assert first.campaigns
    assert [c.members for c in first.campaigns] == [c.members for c in second.campaigns]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 15)), max_size=40))
def test_components_are_those_of_a_plain_search(pairs):
    pairs = sorted(set(pairs))
    found = components(
        np.array([t for t, _ in pairs], np.int64), np.array([u for _, u in pairs], np.int64), 16
    )
    parent = list(range(16))

    def root(u):
        while parent[u] != u:
            u = parent[u]
        return u

    for token, unit in pairs:
        for other_token, other in pairs:
            if token == other_token:
                a, b = root(unit), root(other)
                parent[max(a, b)] = min(a, b)
    assert found.tolist() == [root(u) for u in range(16)]


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_e_bh_rejects_the_largest_and_never_too_many(values):
    rejected = e_bh(values, 0.01)
    k, r = len(values), sum(rejected)
    assert len(rejected) == k
    if r:
        smallest = min(v for v, no in zip(values, rejected, strict=True) if no)
        assert smallest * 0.01 * r >= k
        assert all(v <= smallest for v, no in zip(values, rejected, strict=True) if not no)
