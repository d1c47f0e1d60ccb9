"""Values that hardly anybody shares change nothing, and sorting by words is sorting."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from titer.core.nouns import Exchange, Origin, Principal
from titer.hunt import MemorySource, TableBuilder
from titer.hunt.modalities import breadth, excess, excess_values, in_order, modalities, units_of


@given(st.lists(st.integers(0, 50) | st.integers(0, 2**63 - 1), max_size=60))
def test_sorting_words_is_a_stable_sort(keys):
    given_keys = np.array(keys, np.int64)
    assert np.array_equal(in_order(given_keys), np.argsort(given_keys, kind="stable"))


def test_what_cannot_bind_is_left_out_of_sums_and_not_of_shares():
    rng = np.random.default_rng(5)
    builder = TableBuilder()
    nets = [f"n{rng.integers(4)}" if rng.random() < 0.5 else f"own{i % 40}" for i in range(900)]
    builder.add(
        [
            Exchange(f"e{i}", i, Principal(f"u{i % 60}"), "/v1/x", origin=Origin(net=net))
            for i, net in enumerate(nets)
        ]
    )
    source = MemorySource(builder.build())
    known = modalities(source, units_of(source))["network"]
    every, binding = known.entries, known.binding
    users = np.bincount(every.value)
    assert len(binding.value) == int((users[every.value] >= 3).sum()) < len(every.value)
    whole = msgspec.structs.replace(known, binding=every)
    groups = np.stack([rng.choice(60, 8, replace=False) for _ in range(40)])
    assert np.array_equal(breadth(known, groups), breadth(whole, groups))
    group = np.repeat(np.arange(len(groups)), 8)
    both = [excess(m, group, groups.ravel(), len(groups)) for m in (known, whole)]
    assert np.array_equal(both[0], both[1])
    assert both[0][0].any()
    values = [excess_values(m, groups[0]) for m in (known, whole)]
    assert np.array_equal(*values)
