"""Refusals in the words of the two families, so that official SDKs raise their own exceptions.

OpenAI: `{"error": {"message", "type", "param", "code"}}` (platform.openai.com, "Error codes").
Anthropic: `{"type": "error", "error": {"type", "message"}}` (docs.anthropic.com, "Errors").
The SDKs choose the class by status; the type and code are for programs and people.
"""

from __future__ import annotations

import math

import msgspec

from titer.core.wire import Problem, ProblemKind
from titer.gateway.dialects.contract import Rendered

_encode = msgspec.json.Encoder().encode

#: kind -> status, type, code
OPENAI: dict[ProblemKind, tuple[int, str, str]] = {
    "invalid_request": (400, "invalid_request_error", "invalid_request"),
    "authentication": (401, "invalid_request_error", "invalid_api_key"),
    "permission": (403, "permission_error", "permission_denied"),
    "not_found": (404, "invalid_request_error", "not_found"),
    "method": (405, "invalid_request_error", "method_not_allowed"),
    "timeout": (408, "invalid_request_error", "request_timeout"),
    "too_large": (413, "invalid_request_error", "request_too_large"),
    "headers_too_large": (431, "invalid_request_error", "headers_too_large"),
    "rate_limit": (429, "rate_limit_error", "rate_limit_exceeded"),
    "overloaded": (503, "server_error", "overloaded"),
    "upstream": (502, "server_error", "upstream_error"),
    "upstream_timeout": (504, "server_error", "upstream_timeout"),
    "internal": (500, "server_error", "internal_error"),
}

#: kind -> status, type. 529 is Anthropic's own status for an overloaded service.
ANTHROPIC: dict[ProblemKind, tuple[int, str]] = {
    "invalid_request": (400, "invalid_request_error"),
    "authentication": (401, "authentication_error"),
    "permission": (403, "permission_error"),
    "not_found": (404, "not_found_error"),
    "method": (405, "invalid_request_error"),
    "timeout": (408, "timeout_error"),
    "too_large": (413, "request_too_large"),
    "headers_too_large": (431, "invalid_request_error"),
    "rate_limit": (429, "rate_limit_error"),
    "overloaded": (529, "overloaded_error"),
    "upstream": (502, "api_error"),
    "upstream_timeout": (504, "timeout_error"),
    "internal": (500, "api_error"),
}


def openai_error(problem: Problem) -> Rendered:
    """Status, body and headers in OpenAI's shape."""
    status = OPENAI[problem.kind][0]
    body = _encode({"error": _openai(problem)})
    return Rendered(status, body, _headers(problem))


def openai_stream_error(problem: Problem) -> bytes:
    """An error chunk, then the end marker that clients of these streams wait for."""
    return b"data: " + _encode({"error": _openai(problem)}) + b"\n\ndata: [DONE]\n\n"


def responses_stream_error(problem: Problem) -> bytes:
    """The `error` event of the Responses API. `error` inside is what makes the SDK raise."""
    inner = _openai(problem)
    event = {
        "type": "error",
        "sequence_number": 0,
        "code": inner["code"],
        "message": inner["message"],
        "param": inner["param"],
        "error": inner,
    }
    return b"event: error\ndata: " + _encode(event) + b"\n\n"


def anthropic_error(problem: Problem) -> Rendered:
    """Status, body and headers in Anthropic's shape."""
    return Rendered(ANTHROPIC[problem.kind][0], _encode(_anthropic(problem)), _headers(problem))


def anthropic_stream_error(problem: Problem) -> bytes:
    """The `error` event of the Messages API."""
    return b"event: error\ndata: " + _encode(_anthropic(problem)) + b"\n\n"


def _openai(problem: Problem) -> dict[str, str | None]:
    _, kind, code = OPENAI[problem.kind]
    return {
        "message": problem.message,
        "type": kind,
        "param": problem.param,
        "code": problem.code or code,
    }


def _anthropic(problem: Problem) -> dict[str, object]:
    error: dict[str, object] = {"type": ANTHROPIC[problem.kind][1], "message": problem.message}
    if problem.code:
        error["code"] = problem.code  # not `details.error_code`: the SDK has classes of its own
    if problem.param:
        error["param"] = problem.param
    return {"type": "error", "error": error}


def _headers(problem: Problem) -> tuple[tuple[str, str], ...]:
    headers = [("content-type", "application/json")]
    if problem.retry_after is not None:
        headers.append(("retry-after", str(max(1, math.ceil(problem.retry_after)))))
    if problem.kind == "authentication":
        headers.append(("www-authenticate", "Bearer"))  # RFC 9110, section 15.5.2
    return (*headers, *problem.headers)
