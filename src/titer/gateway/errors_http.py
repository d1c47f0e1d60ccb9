"""Answers of the gateway itself: status lines, and errors before a dialect is known."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from titer.core.wire import Problem
from titer.gateway.dialects.contract import Rendered

STATUS = {
    "invalid_request": 400, "authentication": 401, "permission": 403, "not_found": 404,
    "method": 405, "timeout": 408, "too_large": 413, "headers_too_large": 431, "rate_limit": 429,
    "overloaded": 503, "upstream": 502, "upstream_timeout": 504, "internal": 500,
}  # fmt: skip

_OPENAI_TYPE = {
    "invalid_request": "invalid_request_error", "authentication": "invalid_request_error",
    "permission": "invalid_request_error", "not_found": "invalid_request_error",
    "method": "invalid_request_error", "timeout": "invalid_request_error",
    "too_large": "invalid_request_error", "headers_too_large": "invalid_request_error",
    "rate_limit": "rate_limit_exceeded",
}  # fmt: skip

_ANTHROPIC_TYPE = {
    "invalid_request": "invalid_request_error", "authentication": "authentication_error",
    "permission": "permission_error", "not_found": "not_found_error",
    "method": "invalid_request_error", "timeout": "invalid_request_error",
    "too_large": "request_too_large", "headers_too_large": "invalid_request_error",
    "rate_limit": "rate_limit_error", "overloaded": "overloaded_error",
    "upstream_timeout": "timeout_error",
}  # fmt: skip

_JSON = (("content-type", "application/json"),)


def status_line(status: int) -> bytes:
    """The first line of a reply, with its CRLF."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


STATUS_LINES = {status: status_line(status) for status in range(200, 600)}


def render(problem: Problem, *, anthropic: bool) -> Rendered:
    """A refusal in the shape of OpenAI's API, or of Anthropic's."""
    body: object
    if anthropic:
        kind = _ANTHROPIC_TYPE.get(problem.kind, "api_error")
        body = {"type": "error", "error": {"type": kind, "message": problem.message}}
    else:
        kind = _OPENAI_TYPE.get(problem.kind, "server_error")
        body = {
            "error": {
                "message": problem.message,
                "type": kind,
                "param": problem.param,
                "code": problem.code or None,
            }
        }
    return Rendered(STATUS[problem.kind], msgspec.json.encode(body), _JSON)


def header_lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Header lines, each with its CRLF. Values of our own making: ASCII without controls."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")


def answer(rendered: Rendered, problem: Problem, *, extra: bytes, keep_alive: bool) -> bytes:
    """The whole reply to a refused request."""
    headers = rendered.headers
    names = {name.lower() for name, _ in headers}
    headers += tuple(pair for pair in problem.headers if pair[0].lower() not in names)
    if problem.retry_after is not None and "retry-after" not in names:
        headers += (("retry-after", str(max(1, round(problem.retry_after)))),)
    return b"%b%b%bcontent-length: %d\r\n%b\r\n%b" % (
        status_line(rendered.status),
        header_lines(headers),
        extra,
        len(rendered.body),
        b"" if keep_alive else b"connection: close\r\n",
        rendered.body,
    )


def text(status: int, body: bytes, content_type: bytes, *, keep_alive: bool) -> bytes:
    """A whole reply of plain text (`/healthz`, `/metrics`)."""
    return b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b\r\n%b" % (
        status_line(status),
        content_type,
        len(body),
        b"" if keep_alive else b"connection: close\r\n",
        body,
    )
