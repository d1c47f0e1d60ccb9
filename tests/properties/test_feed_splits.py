"""However a log is cut into blocks, the same lines with the same numbers come out."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st

from titer.gateway.feeds.lines import Reader


class Dribble(io.BytesIO):
    """Gives at most a few bytes a read, as a pipe does."""

    def __init__(self, data, sizes):
        super().__init__(data)
        self.sizes = sizes
        self.turn = 0

    def read(self, size=-1):
        self.turn += 1
        return super().read(self.sizes[self.turn % len(self.sizes)])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_blocks_put_together_are_the_file(data, sizes):
    blocks = list(Reader(Dribble(data, sizes), packed=False, name="log").blocks())
    lines = [line for block in blocks for line in block.lines]
    whole = data.split(b"\n")
    assert lines == (whole if whole[-1] else whole[:-1])
    number, end = 1, 0
    for block in blocks:
        assert block.first == number
        number += len(block.lines)
        end += sum(map(len, block.lines)) + len(block.lines)
    assert blocks[-1].last
    assert blocks[-1].end == len(data)
