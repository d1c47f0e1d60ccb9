"""However a byte stream is cut, the same messages come of it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from titer.core.wire import Reply
from titer.engine import Verdict
from titer.gateway.client_protocol import ClientConnection
from titer.gateway.dialects import find
from titer.gateway.origin import Origins
from titer.gateway.plane import Plane
from titer.gateway.settings import GatewaySettings
from titer.gateway.sse import Splitter, payload
from titer.gateway.upstream_protocol import UpstreamConnection

BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n"
PLAIN = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = (
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"7\r\n" + BODY[:7] + b"\r\n"
    + b"%x;a=b\r\n" % (len(BODY) - 7) + BODY[7:] + b"\r\n0\r\n\r\n"
)  # fmt: skip
REQUESTS = PLAIN + CHUNKED + b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n" + PLAIN
JSON = b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}'
LENGTH_REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(JSON)
    + JSON
)
EVENTS = [
    b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
    b": ping\r\n\r\n",
    b'data: {"choices":[{"index":0,\r\ndata: "delta":{"content":"b"}}]}\r\n\r\n',
    b'event: x\rdata: {"choices":[{"index":0,"delta":{"content":"c"}}]}\r\r',
    b"data: [DONE]\n\n",
]
STREAM = b"".join(EVENTS)
STREAM_REPLY = (
    b"HTTP/1.1 103 Early Hints\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (STREAM[:70], STREAM[70:]))
    + b"0\r\n\r\n"
)


class Transport:
    """Remembers what was written."""

    def __init__(self):
        self.written = b""
        self.closing = False

    def write(self, data):
        self.written += data

    def get_extra_info(self, name):
        return ("192.0.2.1", 1)

    def set_write_buffer_limits(self, high):
        pass

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return self.closing

    def can_write_eof(self):
        return False

    def close(self):
        self.closing = True

    abort = close

    def pause_reading(self):
        pass

    resume_reading = pause_reading


class Gate:
    def __init__(self, transforms):
        self.flights = []
        self.transforms = transforms

    def admit(self, presented, now):
        return presented

    def decide(self, caller, request, facts, now):
        return Verdict(request, self.transforms())

    def visit(self, caller, now):
        pass

    def headers(self, caller, now, family):
        return ()

    def record(self, flight):
        self.flights.append(flight)


class Pairs:
    """Holds units back by twos."""

    def __init__(self):
        self.units = []

    @property
    def held(self):
        return len(self.units)

    def feed(self, unit: Reply):
        self.units.append(unit)
        return self.flush() if len(self.units) == 2 else ()

    def flush(self):
        units, self.units = self.units, []
        return units


def feed(protocol, buffer, data, cuts):
    places = sorted({cut % len(data) for cut in cuts} | {0, len(data)})
    for start, end in zip(places, places[1:], strict=False):
        buffer[: end - start] = data[start:end]
        protocol.buffer_updated(end - start)


def play(requests, replies, request_cuts=(), reply_cuts=(), transforms=tuple):
    """Feed requests and replies in pieces; (client's bytes, upstream's bytes, flights)."""

    async def run():
        gate = Gate(transforms)
        plane = Plane(
            GatewaySettings(upstream="http://up:1"), gate, find=find, clock=lambda: 1,
            origins=Origins(None),
        )  # fmt: skip
        plane.new_id = lambda: "id"
        client, client_side = ClientConnection(plane), Transport()
        client.connection_made(client_side)
        upstream, upstream_side = (
            UpstreamConnection(plane.pool._buffer, plane.pool._heads, plane.sweep),
            Transport(),
        )
        upstream.connection_made(upstream_side)
        plane.pool.give(upstream)
        feed(client, plane.buffer, requests, request_cuts)
        for reply in replies:
            feed(upstream, plane.pool._buffer, reply, reply_cuts)
        plane.pool.close()
        plane.sweep.close()
        plane.hold.sweep.close()
        return client_side.written, upstream_side.written, gate.flights

    return asyncio.run(run())


cuts = st.lists(st.integers(0, 5000), max_size=12)


@settings(max_examples=80, deadline=None)
@given(request_cuts=cuts, reply_cuts=cuts)
@example(request_cuts=list(range(5000)), reply_cuts=list(range(5000)))
def test_observing(request_cuts, reply_cuts):
    replies = [LENGTH_REPLY, STREAM_REPLY, LENGTH_REPLY]
    whole = play(REQUESTS, replies)
    parts = play(REQUESTS, replies, request_cuts, reply_cuts)
    assert parts == whole
    client, upstream, flights = parts
    assert upstream.count(BODY) == 3
    assert b"chunked" not in upstream
    assert [flight.reply.chars for flight in flights] == [2, 3, 2]
    assert client.count(b"HTTP/1.1 200 OK") == 3
    assert client.count(b"HTTP/1.1 404 ") == 1
    framed = STREAM_REPLY.split(b"\r\n\r\n", 2)[2]
    assert framed in client


def dechunk(data):
    out = b""
    while not data.startswith(b"0\r\n"):
        size, _, data = data.partition(b"\r\n")
        out += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return out


@settings(max_examples=80, deadline=None)
@given(reply_cuts=cuts)
@example(reply_cuts=list(range(5000)))
def test_enforcing(reply_cuts):
    client, _, flights = play(PLAIN, [STREAM_REPLY], (), reply_cuts, lambda: (Pairs(),))
    got = dechunk(client.split(b"\r\n\r\n", 1)[1])
    without_ping = STREAM.replace(EVENTS[1], b"")
    assert got.replace(EVENTS[1], b"") == without_ping
    assert flights[0].reply.chars == 3
    assert flights[0].reply.complete


@settings(max_examples=300, deadline=None)
@given(
    data=st.lists(
        st.sampled_from([b"data: a", b"data:b", b"event: e", b": c", b"\n", b"\r\n", b"\r", b"x"]),
        max_size=40,
    ).map(b"".join),
    cuts=cuts,
)
def test_events_do_not_depend_on_cuts(data, cuts):
    whole, parts = Splitter(), Splitter()
    expected = [*whole.feed(data), whole.end()]
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    got = []
    for start, end in zip(places, places[1:], strict=False):
        got += parts.feed(data[start:end])
    got.append(parts.end())
    assert b"".join(got) == data
    assert [payload(event) for event in got] == [payload(event) for event in expected]


@pytest.mark.parametrize("reply", [LENGTH_REPLY, STREAM_REPLY])
def test_bytes_after_a_reply_reach_nobody(reply):
    client, _, flights = play(PLAIN, [reply + b"HTTP/1.1 200 OK\r\n\r\n"])
    assert client.count(b"HTTP/1.1 ") == 1
    assert client.startswith(b"HTTP/1.1 502")
    assert flights[0].status == 502
