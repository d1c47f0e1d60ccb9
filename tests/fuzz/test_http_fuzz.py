"""Damaged bytes on either side: never an exception, never an ambiguous request upstream."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titer.core.errors import Refused
from titer.core.nouns import RequestFacts
from titer.engine import Verdict
from titer.gateway.client_protocol import ClientConnection
from titer.gateway.dialects import find
from titer.gateway.framing import ChunkedRequest, read_reply, read_request
from titer.gateway.origin import Origins
from titer.gateway.plane import Plane
from titer.gateway.settings import GatewaySettings
from titer.gateway.sse import Splitter, payload
from titer.gateway.upstream_protocol import UpstreamConnection

BODY = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n"
REQUEST = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT), EVENT)
)
PIECES = [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b":", b" ", b"\t", b"0", b"chunked", b",",
          b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"\xff", b";", b"HTTP/1.1",
          b"data: ", b"Host: b\r\n", b"{", b'"']  # fmt: skip


class Transport:
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
    def admit(self, presented, now):
        return presented

    def decide(self, caller, request, facts: RequestFacts, now):
        return Verdict(request)

    def visit(self, caller, now):
        pass

    def headers(self, caller, now, family):
        return ()

    def record(self, flight):
        pass


def damage(data, rng):
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data = data[:place] + rng.choice(PIECES) + data[place:]
        elif kind == 1:
            data = data[:place] + data[place + rng.randrange(1, 6) :]
        else:
            data = data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
        if not data:
            return b"\0"
    return data


def play(request, reply):
    async def run():
        plane = Plane(
            GatewaySettings(upstream="http://up:1"), Gate(), find=find, clock=lambda: 1,
            origins=Origins(None),
        )  # fmt: skip
        client, client_side, upstream_side = ClientConnection(plane), Transport(), Transport()
        client.connection_made(client_side)
        upstream = UpstreamConnection(plane.pool._buffer, plane.pool._heads, plane.sweep)
        upstream.connection_made(upstream_side)
        plane.pool.give(upstream)
        plane.buffer[: len(request)] = request
        client.buffer_updated(len(request))
        if upstream_side.written and reply:
            plane.pool._buffer[: len(reply)] = reply
            upstream.buffer_updated(len(reply))
            if not upstream_side.closing:
                upstream_side.closing = True
                upstream.connection_lost(None)
        client.connection_lost(None)
        plane.pool.close()
        plane.sweep.close()
        plane.hold.sweep.close()
        assert plane.pool.busy == 0
        assert plane.metrics.faults == 0
        return client_side.written, upstream_side.written

    return asyncio.run(run())


@pytest.mark.parametrize("original", [REQUEST, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("seed", range(300))
def test_damaged_requests(original, seed):
    request = damage(original, random.Random(seed))
    answer, sent = play(request, b"")
    assert b"\r\ntransfer-encoding" not in sent.lower()
    assert sent.lower().partition(b"\r\n\r\n")[0].count(b"\r\ncontent-length:") <= 1
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    if sent:
        head, _, body = sent.partition(b"\r\n\r\n")
        if b"content-length: " in head:
            assert int(head.split(b"content-length: ")[1].split(b"\r\n")[0]) == len(body)
        else:
            assert body == b""


@pytest.mark.parametrize("seed", range(300))
def test_damaged_replies(seed):
    answer, _ = play(REQUEST, damage(REPLY, random.Random(seed)))
    assert answer.startswith(b"HTTP/1.1 ")
    assert answer.count(b"HTTP/1.1 ") == 1 + (b"HTTP/1.1 " in answer[9:])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_readers_raise_only_what_they_say(data, pieces):
    for block in (data + b"\r\n\r\n", HEAD + pieces + b"\r\n\r\n", pieces + data):
        try:
            head = read_request(block, header_count=100)
        except Refused as refused:
            assert refused.problem.kind in {"invalid_request", "headers_too_large"}
        else:
            assert head.length is None or head.length >= 0
        try:
            assert 100 <= read_reply(block).status < 600
        except ValueError as error:
            assert str(error)
        try:
            rest = ChunkedRequest().feed(block)
            assert rest is None or block.endswith(rest)
        except Refused as refused:
            assert refused.problem.code == "bad_chunk"
    splitter = Splitter(cap=64)
    try:
        for event in splitter.feed(data + pieces):
            payload(event)
    except ValueError:
        assert len(splitter.rest) > 64
