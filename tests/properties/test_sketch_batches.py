"""A text's sketch does not depend on its batch, nor on how it is given."""

from hypothesis import given, settings
from hypothesis import strategies as st

import titer.core.sketch as module
from titer.core.sketch import Sketcher

SKETCHER = Sketcher(b"p" * 32)
MARKS = st.sampled_from(
    [
        '"',
        "'",
        "`",
        "```",
        '"""',
        "“",
        "”",
        "://",
        "@",
        "\n",
        " ",
        "7",
        "word",
        "好",
        "\x01",
        "\ud800",
    ]
)
TEXT = st.one_of(st.text(max_size=60), st.lists(MARKS, max_size=30).map("".join))
REQUEST = st.lists(st.tuples(st.sampled_from(["user", "system", "", "a b"]), TEXT), max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.lists(REQUEST, max_size=8))
def test_a_batch_is_its_requests_one_by_one(batch):
    assert SKETCHER.sketch_many(batch) == [SKETCHER.sketch(request) for request in batch]


@settings(max_examples=50, deadline=None)
@given(st.lists(REQUEST, min_size=1, max_size=6), st.integers(1, 200))
def test_where_a_batch_is_cut_does_not_matter(batch, size):
    whole = SKETCHER.sketch_many(batch)
    before = module.BATCH_BYTES
    module.BATCH_BYTES = size
    try:
        assert SKETCHER.sketch_many(batch) == whole
    finally:
        module.BATCH_BYTES = before


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**12), st.integers(0, 10**12), st.text("abc xyz", min_size=12))
def test_numbers_change_neither_frames_nor_the_masked_text(one, two, words):
    first = SKETCHER.sketch([("user", f"{words} {one} {words}")])
    second = SKETCHER.sketch([("user", f"{words} {two} {words}")])
    assert first.frames == second.frames
    assert first.exact == second.exact
