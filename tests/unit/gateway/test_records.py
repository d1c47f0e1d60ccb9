from __future__ import annotations

import pytest

from titer.access.limits import Caller
from titer.core.gather import CAP, gather
from titer.core.nouns import Origin, Principal, ReplyFacts, RequestFacts, Usage
from titer.core.sketch import Sketcher
from titer.engine import Flight
from titer.gateway.records import Reader, Recorder
from titer.gateway.ring import Ring

CALLER = Caller(key_id="k", principal=Principal("p", "o", "t"), slot=1, org_slot=1)


def flight(text: str) -> Flight:
    return Flight(
        "id", 5, CALLER, Origin("ip"), "openai.chat", "/v1/chat/completions", "m", b"",
        *gather([("user", text)]), RequestFacts(turns=1), ReplyFacts("stop"), Usage(1, 2), 200,
    )  # fmt: skip


@pytest.fixture
def reader():
    return Reader(Sketcher(b"k" * 32))


def test_a_flight_becomes_the_same_exchange_on_the_other_side(reader):
    ring = Ring()
    assert Recorder(ring).emit(flight("hello"))
    (exchange,) = reader.read(ring.drain(10)).exchanges
    assert exchange.principal == CALLER.principal
    assert exchange.origin == Origin("ip")
    assert exchange.usage == Usage(1, 2)
    assert exchange.sketch == Sketcher(b"k" * 32).sketch([("user", "hello")])


def test_a_large_text_travels_bounded_and_sketches_as_the_whole_would(reader):
    ring = Ring()
    text = "word number one and another. " * 50_000
    assert Recorder(ring).emit(flight(text))
    (record,) = ring.drain(10)
    assert len(record) < 2 * CAP
    (exchange,) = reader.read([record]).exchanges
    assert exchange.sketch == Sketcher(b"k" * 32).sketch([("user", text)])
    assert exchange.sketch.chars == len(text)


def test_garbage_in_the_ring_is_counted_and_stops_nothing(reader):
    ring = Ring()
    Recorder(ring).emit(flight("hello"))
    (good,) = ring.drain(1)
    assert len(reader.read([b"\xff\x00garbage", good, b""]).exchanges) == 1
    assert reader.garbled == 2
