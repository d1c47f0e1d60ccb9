from __future__ import annotations

import pytest
from httptools import HttpParserError

from titer.core.errors import Refused
from titer.gateway.framing import (
    ChunkedReply,
    ChunkedRequest,
    check_partial,
    read_reply,
    read_request,
)

START = b"POST /v1/messages?beta=true HTTP/1.1\r\nHost: a.example:8080\r\n"


def head(*lines):
    block = START + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    return read_request(block, header_count=10)


def test_a_head_is_read():
    got = head(b"X-A:  b ", b"X-A: c", b"Content-Length: 12")
    assert (got.method, got.path, got.target) == (
        "POST", "/v1/messages", b"/v1/messages?beta=true",
    )  # fmt: skip
    assert got.length == 12
    assert got.keep_alive
    assert [value.strip() for value in got.all(b"x-a")] == [b"b", b"c"]


@pytest.mark.parametrize(
    ("line", "keep"),
    [(b"Connection: close", False), (b"Connection: x, Close", False), (b"Connection: x", True)],
)
def test_keep_alive(line, keep):
    assert head(line).keep_alive is keep


@pytest.mark.parametrize(("line", "keep"), [(b"X-A: b", False), (b"Connection: keep-alive", True)])
def test_keep_alive_of_http_1_0(line, keep):
    block = START.replace(b"1.1", b"1.0") + line + b"\r\n\r\n"
    got = read_request(block, header_count=10)
    assert not got.modern
    assert got.keep_alive is keep


def test_a_chunked_head_has_no_length():
    assert head(b"Transfer-Encoding: chunked").length is None


def test_refusals_do_not_quote():
    with pytest.raises(Refused) as caught:
        head(b"X-A: \x01private")
    assert "private" not in str(caught.value)
    assert "private" not in repr(caught.value.problem)


def test_header_count_is_limited():
    with pytest.raises(Refused) as caught:
        head(*[b"X-A: b"] * 12)
    assert caught.value.problem.kind == "headers_too_large"


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\nHost: a\n\n", b"GET /\0\r\n"])
def test_a_head_that_can_never_be_one_is_refused_early(data):
    with pytest.raises(Refused):
        check_partial(data)


def test_a_partial_head_waits():
    assert check_partial(b"GET / HTTP/1.1\r\nHost: a\r") is None


@pytest.mark.parametrize(
    ("lines", "want"),
    [
        (b"Content-Length: 5\r\n", (5, False, False, True)),
        (b"Transfer-Encoding: chunked\r\n", (None, True, False, True)),
        (b"", (None, False, True, False)),
        (b"Connection: close\r\nContent-Length: 0\r\n", (0, False, False, False)),
    ],
)
def test_reply_framing(lines, want):
    got = read_reply(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")
    assert (got.length, got.chunked, got.until_close, got.keep_alive) == want


@pytest.mark.parametrize("status", [204, 304, 100])
def test_replies_without_body(status):
    got = read_reply(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status)
    assert (got.status, got.length) == (status, 0)


@pytest.mark.parametrize(
    "block",
    [
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 99 X\r\n\r\n",
        b"HTTP/1.1 600 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX A: b\r\n\r\n",
        b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_unsound_replies(block):
    with pytest.raises(ValueError, match="."):
        read_reply(block)


def test_chunked_reply_gives_payload_and_end():
    chunks = ChunkedReply()
    chunks.feed(b"3\r\nabc\r\n2\r")
    assert chunks.pieces == [b"abc"]
    assert not chunks.body.complete
    chunks.feed(b"\nde\r\n0\r\n\r\n")
    assert chunks.pieces == [b"abc", b"de"]
    assert chunks.body.complete
    with pytest.raises(HttpParserError):
        ChunkedReply().feed(b"zz\r\n")


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_chunked_request_in_pieces(size):
    data = b"3\r\nabc\r\n00a;x=y\r\n0123456789\r\n0\r\n\r\nNEXT"
    chunks, rest = ChunkedRequest(), None
    for i in range(0, len(data), size):
        rest = chunks.feed(data[i : i + size])
        if rest is not None:
            rest += data[i + size :]
            break
    assert rest == b"NEXT"
    assert b"".join(chunks.pieces) == b"abc0123456789"
    assert chunks.size == 13


def test_heads_that_differ_in_their_length_alone():
    one = head(b"X-A: b", b"Content-Length: 12")
    assert one.alike(head(b"X-A: b", b"Content-Length: 13"))
    assert not one.alike(head(b"X-A: c", b"Content-Length: 12"))
    assert not one.alike(head(b"Content-Length: 12", b"X-A: b"))
    assert not one.alike(head(b"X-A: b"))
    other = START.replace(b"beta", b"bete") + b"X-A: b\r\nContent-Length: 12\r\n\r\n"
    assert not one.alike(read_request(other, header_count=10))
