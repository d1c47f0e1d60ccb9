"""Texts are found among tokens wherever they stand, and nothing else is."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from titer.hunt.likeness import places

VALUES = st.integers(-20, 20) | st.integers(-(2**63), 2**63 - 1)


@given(st.lists(VALUES, max_size=40), st.lists(VALUES, max_size=40), st.integers(1, 5))
def test_places_are_those_of_the_tokens(tokens, frames, width):
    known = np.array(sorted(set(tokens)), np.int64)
    asked = np.array(frames[: len(frames) // width * width], np.int64).reshape(-1, width)
    of = {int(value): place for place, value in enumerate(known)}
    wanted = [[of.get(int(f), -1) for f in row] for row in asked]
    assert np.array_equal(places(asked, known), np.reshape(wanted, asked.shape))
