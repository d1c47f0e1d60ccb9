"""Where messages begin and end: llhttp reads every head, and a stricter gate stands before it.

llhttp (through httptools, in its strict mode) already refuses duplicate or malformed
Content-Length, Content-Length beside Transfer-Encoding, bare CR and LF, obs-fold, space before a
colon, and bad header names. By experiment it lets through, and this module refuses (RFC 9112):

1. empty lines before the request line, several spaces in it, versions other than 1.0 and 1.1,
   RTSP and ICE: proxies disagree where such a message starts;
2. targets not in origin form, and fragments: a second host, or a path the upstream reads anew;
3. a missing, repeated or odd Host: virtual-host confusion;
4. Transfer-Encoding other than exactly `chunked` (`gzip, chunked` passes llhttp);
5. chunk sizes of any length, long chunk extensions, trailers.

A head is a block of bytes that ends in an empty line; the same block always reads the same, so
callers may remember what it said. Bodies with a length are counted, chunked ones go through
llhttp again (`ChunkedRequest`, `ChunkedReply`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser

from titer.core.errors import Refused
from titer.core.wire import Problem, ProblemKind
from titer.gateway.limits import CHUNK_DIGITS, CHUNK_EXTENSION, LENGTH_DIGITS

_REQUEST_LINE = re.compile(rb"([A-Z]{3,16}) (/[!\"$-~]*) HTTP/1\.([01])\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n\0]*)?\r\n")
_HOST = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,255}")
_LENGTH = re.compile(rb"[0-9]{1,%d}" % LENGTH_DIGITS)
_CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,%d})(?:;[\t !#-~]{0,%d})?\r\n" % (CHUNK_DIGITS, CHUNK_EXTENSION)
)
_CHUNK_LINE_MAX = CHUNK_DIGITS + 1 + CHUNK_EXTENSION + 2
_CHUNKED_REQUEST = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
_CHUNKED_REPLY = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

Headers = list[tuple[bytes, bytes]]


def refusal(message: str, code: str, kind: ProblemKind = "invalid_request") -> Refused:
    """A refusal because of framing. The message never quotes what was sent."""
    return Refused(Problem(kind=kind, message=message, code=code))


class _Fields:
    """Collects header lines for llhttp; names in lower case."""

    __slots__ = ("headers",)

    def __init__(self) -> None:
        self.headers: Headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


class RequestHead:
    """What a request's head says. `length` is of the body in bytes, or None when chunked."""

    __slots__ = (
        "expects", "headers", "keep_alive", "length", "method", "modern", "nominated", "path",
        "plan", "target",
    )  # fmt: skip

    def __init__(self, method: bytes, target: bytes, *, modern: bool, headers: Headers) -> None:
        self.method = method.decode()
        self.target = target
        self.path = target.partition(b"?")[0].decode()
        self.modern = modern
        self.headers = headers
        self.length: int | None = 0
        self.keep_alive = modern
        self.nominated: tuple[bytes, ...] = ()
        self.expects = False
        self.plan: object = None

    def alike(self, other: RequestHead) -> bool:
        """Whether the two differ in their length at most: then the same plan holds for both."""
        return (
            self.target == other.target
            and self.method == other.method
            and self.modern == other.modern
            and len(self.headers) == len(other.headers)
            and all(
                mine == theirs or (mine[0] == theirs[0] == b"content-length")
                for mine, theirs in zip(self.headers, other.headers, strict=True)
            )
        )

    def all(self, name: bytes) -> list[bytes]:
        """The values of every header called `name` (lower case), in order."""
        return [value for key, value in self.headers if key == name]


def check_partial(data: bytes) -> None:
    """Refuse a head that can never become one, so that bare LF does not wait for a time-out."""
    if data.count(b"\n") != data.count(b"\r\n") or b"\0" in data:
        raise refusal("Send header lines that end in CRLF.", "bad_line_end")


def read_request(block: bytes, *, header_count: int) -> RequestHead:
    """Read one request head (`block` ends in an empty line). Raises `Refused` when in doubt."""
    lines = block.count(b"\r\n")
    if block.count(b"\n") != lines or block.count(b"\r") != lines or b"\0" in block:
        raise refusal("Send header lines that end in CRLF, without NUL.", "bad_line_end")
    if lines - 2 > header_count:
        raise refusal("Send fewer header lines.", "too_many_headers", "headers_too_large")
    line = _REQUEST_LINE.match(block)
    if line is None:
        raise refusal(
            "Send a request line such as `POST /v1/messages HTTP/1.1`.", "bad_request_line"
        )
    fields = _Fields()
    parser = HttpRequestParser(fields)
    try:
        parser.feed_data(block)
    except (HttpParserError, HttpParserUpgrade):
        raise refusal("The request's head is malformed; mend it.", "bad_head") from None
    head = RequestHead(line[1], line[2], modern=line[3] == b"1", headers=fields.headers)
    _read_framing(head)
    return head


def _read_framing(head: RequestHead) -> None:
    """Set length, keep-alive and expectations; refuse what two readers could read differently."""
    hosts = lengths = 0
    chunked = False
    nominated: list[bytes] = []
    for name, value in head.headers:
        if name == b"host":
            hosts += 1
            if _HOST.fullmatch(value) is None:
                raise refusal("Send a plain Host header.", "bad_host")
        elif name == b"content-length":
            lengths += 1
            if _LENGTH.fullmatch(value) is None:
                raise refusal("Send Content-Length as plain digits.", "bad_length")
            head.length = int(value)
        elif name == b"transfer-encoding":
            if chunked or value.lower() != b"chunked" or not head.modern:
                raise refusal("Send no Transfer-Encoding but `chunked`.", "bad_encoding")
            chunked = True
        elif name == b"connection":
            nominated.extend(token.strip().lower() for token in value.split(b","))
        elif name == b"expect":
            if value.lower() != b"100-continue":
                raise refusal("Send no Expect but `100-continue`.", "bad_expectation")
            head.expects = head.modern
        elif name == b"upgrade":
            raise refusal("Leave Upgrade out: HTTP/1.1 is what is served.", "no_upgrade")
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise refusal("Send the body without Content-Encoding.", "bad_content_encoding")
    if hosts != 1:
        raise refusal("Send exactly one Host header.", "bad_host")
    if lengths > 1 or (lengths and chunked):
        raise refusal("Send one Content-Length or `chunked`, not both.", "bad_length")
    if chunked:
        head.length = None
    head.nominated = tuple(nominated)
    head.keep_alive = (b"close" not in nominated) if head.modern else b"keep-alive" in nominated


class ReplyHead:
    """What a reply's head says. `length` is None when the body is chunked or ends with the
    connection (`until_close`).
    """

    __slots__ = ("chunked", "headers", "keep_alive", "length", "status", "until_close", "view")

    def __init__(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = headers
        self.length: int | None = None
        self.chunked = False
        self.until_close = False
        self.keep_alive = True
        self.view: object = None


def read_reply(block: bytes) -> ReplyHead:
    """Read one reply head. Raises ValueError with a short reason when it is not sound."""
    line = _STATUS_LINE.match(block)
    if line is None:
        raise ValueError("not an HTTP/1.x reply")
    fields = _Fields()
    parser = HttpResponseParser(fields)
    try:
        parser.feed_data(block)
    except (HttpParserError, HttpParserUpgrade):
        raise ValueError("malformed reply head") from None
    head = ReplyHead(int(line[2]), fields.headers)
    modern = line[1] == b"1"
    head.keep_alive = modern
    for name, value in fields.headers:
        if name == b"content-length":
            if head.length is not None or _LENGTH.fullmatch(value) is None:
                raise ValueError("ambiguous reply length")
            head.length = int(value)
        elif name == b"transfer-encoding":
            if head.chunked or value.lower() != b"chunked":
                raise ValueError("unknown transfer encoding")
            head.chunked = True
        elif name == b"connection":
            tokens = {token.strip().lower() for token in value.split(b",")}
            head.keep_alive = b"close" not in tokens if modern else b"keep-alive" in tokens
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise ValueError("a content-encoding that was not asked for")
    if head.chunked and head.length is not None:
        raise ValueError("ambiguous reply length")
    if head.status < 200 or head.status in {204, 304}:
        if head.chunked and head.status != 304:
            raise ValueError("a body where none may be")
        head.length, head.chunked = 0, False
    elif not head.chunked and head.length is None:
        head.until_close, head.keep_alive = True, False
    return head


class _Body:
    """What llhttp tells about a chunked body; `on_body` is the list's own append (speed)."""

    __slots__ = ("begun", "complete", "on_body", "pieces")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.on_body: Callable[[bytes], None] = self.pieces.append
        self.begun = 0
        self.complete = False

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_message_complete(self) -> None:
        self.complete = True


class ChunkedReply:
    """A chunked reply body. `feed` is llhttp's own and raises `HttpParserError`.

    After a feed `pieces` holds the payload (clear it after use) and `body` says whether it is
    complete; `body.begun` other than 1 then means that bytes followed the reply.
    """

    __slots__ = ("body", "feed", "pieces")

    def __init__(self) -> None:
        self.body = _Body()
        self.pieces = self.body.pieces
        self.feed: Callable[[bytes], None] = HttpResponseParser(self.body).feed_data
        self.feed(_CHUNKED_REPLY)


class ChunkedRequest:
    """A chunked request body: a gate that accepts only plain chunks, then llhttp.

    `feed` returns the bytes that follow the body, or None while it is incomplete.
    """

    __slots__ = ("_body", "_carry", "_feed", "_left", "_phase", "pieces", "size")

    def __init__(self) -> None:
        self._body = _Body()
        self._feed = HttpRequestParser(self._body).feed_data
        self._feed(_CHUNKED_REQUEST)
        self._carry = b""
        self._phase = "line"
        self._left = 0
        self.pieces = self._body.pieces
        self.size = 0

    def feed(self, data: bytes) -> bytes | None:
        """Raises `Refused` at the first byte that is not as it must be."""
        data = self._carry + data if self._carry else data
        start, end = 0, len(data)
        while start < end and self._phase != "done":
            step = self._step(data, start, end)
            if step < 0:
                break
            start += step
        if start:
            self._pass(data[:start])
        if self._phase == "done":
            return data[start:]
        self._carry = data[start:]
        return None

    def _pass(self, data: bytes) -> None:
        try:
            self._feed(data)
        except HttpParserError:
            raise refusal("Send well-formed chunks.", "bad_chunk") from None
        if self._body.complete != (self._phase == "done"):
            raise refusal("Send well-formed chunks.", "bad_chunk")

    def _step(self, data: bytes, start: int, end: int) -> int:
        """Bytes of the next part of the body that is there, or -1 to wait for more."""
        if self._phase == "data":
            taken = min(self._left, end - start)
            self._left -= taken
            if not self._left:
                self._phase = "crlf"
            return taken
        if self._phase == "line":
            line = _CHUNK_LINE.match(data, start)
            if line is None:
                if end - start >= _CHUNK_LINE_MAX or data.find(b"\n", start, end) >= 0:
                    raise refusal("Send plain chunk-size lines.", "bad_chunk")
                return -1
            self._left = int(line[1], 16)
            self.size += self._left
            self._phase = "data" if self._left else "last"
            return line.end() - start
        if end - start < 2:
            return -1
        if data[start : start + 2] != b"\r\n":
            raise refusal("Send chunks that end in CRLF, and no trailers.", "bad_chunk")
        self._phase = "line" if self._phase == "crlf" else "done"
        return 2
