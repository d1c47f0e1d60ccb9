"""Ambiguous framing is refused, the connection ends, and nothing reaches the upstream."""

from __future__ import annotations

import pytest

START = b"POST /v1/chat/completions HTTP/1.1\r\n"
AUTH = b"Authorization: Bearer titer_test_0123456789\r\n"
HEAD = START + b"Host: gateway\r\n" + AUTH
BODY = b'{"model":"m","messages":[]}'
N = b"%d" % len(BODY)
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\n" + AUTH + b"\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
GOOD_CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
LENGTH = b"Content-Length: " + N + b"\r\n"


def lines(*extra):
    return HEAD + b"".join(line + b"\r\n" for line in extra) + b"\r\n" + BODY


CASES = {
    "length twice, same": lines(b"Content-Length: " + N, b"Content-Length: " + N),
    "length twice, other": lines(b"Content-Length: " + N, b"Content-Length: 3"),
    "length twice, other case": lines(b"content-length: " + N, b"CONTENT-LENGTH: 0"),
    "length list": lines(b"Content-Length: %b, %b" % (N, N)),
    "length list, other": lines(b"Content-Length: %b, 0" % N),
    "length plus": lines(b"Content-Length: +" + N),
    "length minus": lines(b"Content-Length: -1"),
    "length hex": lines(b"Content-Length: 0x1b"),
    "length empty": lines(b"Content-Length:"),
    "length words": lines(b"Content-Length: twenty"),
    "length inner space": lines(b"Content-Length: 2 7"),
    "length underscore digits": lines(b"Content-Length: 2_7"),
    "length fraction": lines(b"Content-Length: 27.0"),
    "length of 20 digits": lines(b"Content-Length: 99999999999999999999"),
    "length overflow 2^64": lines(b"Content-Length: 18446744073709551616"),
    "length arabic digits": lines("Content-Length: ٢٧".encode()),
    "length then chunked": lines(b"Content-Length: " + N, b"Transfer-Encoding: chunked"),
    "chunked then length": lines(b"Transfer-Encoding: chunked", b"Content-Length: " + N),
    "chunked and length 0": lines(b"Transfer-Encoding: chunked", b"Content-Length: 0"),
    "encoding identity": lines(b"Transfer-Encoding: identity"),
    "encoding gzip": lines(b"Transfer-Encoding: gzip"),
    "encoding gzip, chunked": lines(b"Transfer-Encoding: gzip, chunked"),
    "encoding chunked, gzip": lines(b"Transfer-Encoding: chunked, gzip"),
    "encoding chunked, chunked": lines(b"Transfer-Encoding: chunked, chunked"),
    "encoding twice": lines(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "encoding twice, other": lines(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "encoding xchunked": lines(b"Transfer-Encoding: xchunked"),
    "encoding chunked;q": lines(b"Transfer-Encoding: chunked;q=1"),
    "encoding trailing comma": lines(b"Transfer-Encoding: chunked,"),
    "encoding vertical tab": lines(b"Transfer-Encoding: \x0bchunked"),
    "encoding quoted": lines(b'Transfer-Encoding: "chunked"'),
    "encoding empty": lines(b"Transfer-Encoding:"),
    "encoding with space before colon": lines(b"Transfer-Encoding : chunked", LENGTH[:-2]),
    "encoding with tab before colon": lines(b"Transfer-Encoding\t: chunked", LENGTH[:-2]),
    "encoding folded": lines(b"Transfer-Encoding:\r\n chunked", LENGTH[:-2]),
    "encoding in HTTP/1.0": HEAD.replace(b"1.1", b"1.0")
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + GOOD_CHUNK
    + b"0\r\n\r\n",
    "space before colon": lines(b"X-A : b", LENGTH[:-2]),
    "obs-fold": lines(b"X-A: b", b" c", LENGTH[:-2]),
    "obs-fold tab": lines(b"X-A: b", b"\tc", LENGTH[:-2]),
    "space before the first header": START
    + b" Host: gateway\r\n"
    + AUTH
    + LENGTH
    + b"\r\n"
    + BODY,
    "bare LF after the request line": START[:-2] + b"\nHost: gateway\r\n" + AUTH + b"\r\n",
    "bare LF after a header": lines(b"X-A: b\nX-B: c", LENGTH[:-2]),
    "bare LF everywhere": HEAD.replace(b"\r\n", b"\n") + b"\n",
    "bare CR in a value": lines(b"X-A: b\rX-B: c", LENGTH[:-2]),
    "bare CR at a line's end": lines(b"X-A: b\r", LENGTH[:-2]),
    "bare CR in a name": lines(b"X\rA: b", LENGTH[:-2]),
    "NUL in a value": lines(b"X-A: b\0c", LENGTH[:-2]),
    "NUL in a name": lines(b"X\0A: b", LENGTH[:-2]),
    "NUL in the target": HEAD.replace(b"completions", b"complet\0ions") + LENGTH + b"\r\n" + BODY,
    "control character in a value": lines(b"X-A: b\x01c", LENGTH[:-2]),
    "parenthesis in a name": lines(b"X(A): b", LENGTH[:-2]),
    "8-bit name": lines(b"X-\xc3\xa9: b", LENGTH[:-2]),
    "empty name": lines(b": b", LENGTH[:-2]),
    "line without colon": lines(b"Content-Length", LENGTH[:-2]),
    "no Host": START + AUTH + LENGTH + b"\r\n" + BODY,
    "two Hosts": lines(b"Host: other", LENGTH[:-2]),
    "two equal Hosts": lines(b"Host: gateway", LENGTH[:-2]),
    "empty Host": HEAD.replace(b"Host: gateway", b"Host:") + LENGTH + b"\r\n" + BODY,
    "Host with a path": HEAD.replace(b"Host: gateway", b"Host: a/b") + LENGTH + b"\r\n" + BODY,
    "Host list": HEAD.replace(b"Host: gateway", b"Host: a, b") + LENGTH + b"\r\n" + BODY,
    "Host with user": HEAD.replace(b"Host: gateway", b"Host: a@b") + LENGTH + b"\r\n" + BODY,
    "absolute form": HEAD.replace(b"POST /", b"POST http://other/") + LENGTH + b"\r\n" + BODY,
    "authority form": HEAD.replace(b"/v1/chat/completions", b"other:80") + b"\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "CONNECT": b"CONNECT other:443 HTTP/1.1\r\nHost: other\r\n\r\n",
    "fragment": HEAD.replace(b"completions ", b"completions#x ") + LENGTH + b"\r\n" + BODY,
    "space in the target": HEAD.replace(b"/v1/", b"/v1 /") + LENGTH + b"\r\n" + BODY,
    "8-bit target": HEAD.replace(b"/v1/", b"/v1\xff/") + LENGTH + b"\r\n" + BODY,
    "two spaces": HEAD.replace(b"POST ", b"POST  ") + LENGTH + b"\r\n" + BODY,
    "two spaces before the version": HEAD.replace(b" HTTP", b"  HTTP") + LENGTH + b"\r\n" + BODY,
    "tab in the request line": HEAD.replace(b"POST ", b"POST\t") + LENGTH + b"\r\n" + BODY,
    "trailing space in the request line": HEAD.replace(b"1.1\r", b"1.1 \r") + LENGTH + b"\r\n",
    "no version": HEAD.replace(b" HTTP/1.1", b"") + LENGTH + b"\r\n" + BODY,
    "HTTP/0.9": HEAD.replace(b"HTTP/1.1", b"HTTP/0.9") + LENGTH + b"\r\n" + BODY,
    "HTTP/1.2": HEAD.replace(b"HTTP/1.1", b"HTTP/1.2") + LENGTH + b"\r\n" + BODY,
    "HTTP/2.0": HEAD.replace(b"HTTP/1.1", b"HTTP/2.0") + LENGTH + b"\r\n" + BODY,
    "HTTP/11": HEAD.replace(b"HTTP/1.1", b"HTTP/11") + LENGTH + b"\r\n" + BODY,
    "lower-case version": HEAD.replace(b"HTTP/1.1", b"http/1.1") + LENGTH + b"\r\n" + BODY,
    "RTSP": HEAD.replace(b"HTTP/1.1", b"RTSP/1.0") + LENGTH + b"\r\n" + BODY,
    "ICE": HEAD.replace(b"POST", b"SOURCE").replace(b"HTTP/1.1", b"ICE/1.0") + b"\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lower-case method": HEAD.replace(b"POST", b"post") + LENGTH + b"\r\n" + BODY,
    "empty line first": b"\r\n" + HEAD + LENGTH + b"\r\n" + BODY,
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",
    "upgrade to h2c": lines(b"Connection: Upgrade", b"Upgrade: h2c", LENGTH[:-2]),
    "upgrade to websocket": lines(b"Upgrade: websocket", b"Connection: upgrade", LENGTH[:-2]),
    "other expectation": lines(b"Expect: 200-ok", LENGTH[:-2]),
    "compressed body": lines(b"Content-Encoding: gzip", LENGTH[:-2]),
    "chunk size with LF": CHUNKED + b"1b\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size with CR": CHUNKED + b"1b\r" + BODY + b"\r\n0\r\n\r\n",
    "chunk data with LF": CHUNKED + b"1b\r\n" + BODY + b"\n0\r\n\r\n",
    "chunk data without end": CHUNKED + b"1b\r\n" + BODY + b"0\r\n\r\n",
    "chunk data longer than said": CHUNKED + b"1a\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size hex prefix": CHUNKED + b"0x1b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size plus": CHUNKED + b"+1b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size minus": CHUNKED + b"-1\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size space": CHUNKED + b"1b \r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size leading space": CHUNKED + b" 1b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size underscore": CHUNKED + b"1_b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size empty": CHUNKED + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size only extension": CHUNKED + b";a=b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size 2^64": CHUNKED + b"FFFFFFFFFFFFFFFF1b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size 2^32": CHUNKED + b"100000000\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size many zeros": CHUNKED + b"0" * 40 + b"1b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk extension long": CHUNKED + b"1b;" + b"a" * 5000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk extension with LF": CHUNKED + b"1b;a\nb\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk extension quoted LF": CHUNKED + b'1b;a="\n"\r\n' + BODY + b"\r\n0\r\n\r\n",
    "chunk extension control": CHUNKED + b"1b;a\x01\r\n" + BODY + b"\r\n0\r\n\r\n",
    "trailer": CHUNKED + GOOD_CHUNK + b"0\r\nX-A: b\r\n\r\n",
    "trailer length": CHUNKED + GOOD_CHUNK + b"0\r\nContent-Length: 3\r\n\r\n",
    "end with LF": CHUNKED + GOOD_CHUNK + b"0\r\n\n",
    "end with LF LF": CHUNKED + GOOD_CHUNK + b"0\n\n",
}


@pytest.mark.parametrize("name", CASES)
def test_refused_and_nothing_reaches_the_upstream(kit, name):
    async def scenario(world):
        return await world.ask(CASES[name] + SMUGGLED)

    world, answer = kit.play(scenario)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1  # what followed was not served
    assert b"connection: close" in answer
    assert world.seen == []
    assert world.gate.flights == []


def test_the_corpus_is_large_enough():
    assert len(CASES) >= 60


def test_a_well_formed_request_passes_the_same_way(kit):
    async def scenario(world):
        return await world.ask(HEAD + b"Connection: close\r\n" + LENGTH + b"\r\n" + BODY)

    world, answer = kit.play(scenario)
    assert answer.startswith(b"HTTP/1.1 ")
    assert len(world.seen) + answer.count(b" 400 ") == 1


def test_names_with_underscores_do_not_reach_the_upstream(kit):
    async def scenario(world):
        extra = b"Content_Length: 3\r\nTransfer_Encoding: chunked\r\nConnection: close\r\n"
        return await world.ask(world.wire(extra=extra))

    world, answer = kit.play(scenario)
    assert answer.startswith(b"HTTP/1.1 200 ")
    head = world.seen[0][0].lower()
    assert b"_" not in head
    assert head.count(b"content-length") == 1
