from __future__ import annotations

import pytest

from titer.gateway.sse import Splitter, payload


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\n\r\n", b"\r\n\n"])
def test_events_end_in_an_empty_line(end):
    splitter = Splitter()
    assert splitter.feed(b"data: a" + end + b"data: b" + end + b"dat") == [
        b"data: a" + end, b"data: b" + end,
    ]  # fmt: skip
    assert splitter.end() == b"dat"


def test_a_carriage_return_at_the_end_waits():
    splitter = Splitter()
    assert splitter.feed(b"data: a\r\r") == []
    assert splitter.feed(b"data: b") == [b"data: a\r\r"]
    splitter = Splitter()
    assert splitter.feed(b"data: a\r\n\r") == []
    assert splitter.feed(b"\n") == [b"data: a\r\n\r\n"]


def test_events_over_the_cap():
    splitter = Splitter(cap=10)
    assert splitter.feed(b"data: a\n\n") == [b"data: a\n\n"]
    with pytest.raises(ValueError, match="cap"):
        splitter.feed(b"data: 0123456789")


@pytest.mark.parametrize(
    ("event", "want"),
    [
        (b"data: a\n\n", ("", b"a")),
        (b"data:a\n\n", ("", b"a")),
        (b"data:  a\n\n", ("", b" a")),
        (b"data: a\r\n\r\n", ("", b"a")),
        (b"data: a\rdata: b\r\r", ("", b"a\nb")),
        (b"event: x\ndata: a\ndata: b\n\n", ("x", b"a\nb")),
        (b"data\n\n", ("", b"")),
        (b": comment\n\n", ("", None)),
        (b"id: 1\nretry: 2\n\n", ("", None)),
        (b"\xef\xbb\xbfdata: a\n\n", ("", b"a")),
        (b"event: \xff\n\n", ("\ufffd", None)),
        (b"\n\n", ("", None)),
    ],
)
def test_payload(event, want):
    assert payload(event) == want
