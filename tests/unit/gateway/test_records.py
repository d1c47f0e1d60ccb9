from __future__ import annotations

import msgspec
import pytest

from titer.access.limits import Caller
from titer.core.nouns import Origin, Principal, ReplyFacts, RequestFacts, Usage
from titer.core.sketch import Sketcher
from titer.engine import Flight
from titer.gateway.records import MAX_RAW, MAX_TEXT, Reader, Recorder, read_texts, shorten
from titer.gateway.ring import Ring

CALLER = Caller(key_id="k", principal=Principal("p", "o", "t"), slot=1, org_slot=1)


def flight(raw: bytes, dialect: str = "openai.chat") -> Flight:
    return Flight(
        "id", 5, CALLER, Origin("ip"), dialect, "/v1/chat/completions", "m", raw,
        RequestFacts(turns=1), ReplyFacts("stop"), Usage(1, 2), 200,
    )  # fmt: skip


def body(text: str) -> bytes:
    return msgspec.json.encode({"messages": [{"role": "user", "content": text}]})


@pytest.fixture
def reader():
    return Reader(Sketcher(b"k" * 32))


def test_a_flight_becomes_the_same_exchange_on_the_other_side(reader):
    ring = Ring()
    assert Recorder(ring).emit(flight(body("hello")))
    (exchange,) = reader.exchanges(ring.drain(10))
    assert exchange.principal == CALLER.principal
    assert exchange.origin == Origin("ip")
    assert exchange.usage == Usage(1, 2)
    assert exchange.sketch == Sketcher(b"k" * 32).sketch([("user", "hello")])


def test_a_large_body_travels_as_its_text_and_sketches_alike(reader):
    ring = Ring()
    text = "word number one and another. " * (2 * MAX_RAW // 29)
    assert Recorder(ring).emit(flight(body(text)))
    (record,) = ring.drain(10)
    assert len(record) < 2 * MAX_TEXT + 1000
    (exchange,) = reader.exchanges([record])
    assert exchange.sketch.frames


def test_garbage_in_the_ring_is_counted_and_stops_nothing(reader):
    ring = Ring()
    Recorder(ring).emit(flight(body("hello")))
    (good,) = ring.drain(1)
    assert len(reader.exchanges([b"\xff\x00garbage", good, b""])) == 1
    assert reader.garbled == 2


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"not json", b'{"messages":5}', b"\xff"])
def test_texts_of_odd_bodies_are_nothing(raw):
    assert read_texts("openai.chat", raw) == ()


def test_shortening_keeps_head_and_tail_and_bounds_the_whole():
    texts = tuple(("user", "a" * MAX_TEXT + "b" * MAX_TEXT) for _ in range(100))
    kept = shorten(texts)
    assert kept[0][1].startswith("a")
    assert kept[0][1].endswith("b")
    assert sum(len(text) for _, text in kept) <= 5 * MAX_TEXT + 100
