"""Anthropic's shapes of a planned reply: messages and token counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from titer.lab.upstream_openai import event
from titer.lab.upstream_plan import Behaviour, Plan, grouped

_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def message(body: Mapping[str, Any], plan: Plan, how: Behaviour) -> dict[str, Any]:
    """A whole message."""
    del body, how
    content: list[dict[str, Any]] = []
    if plan.thoughts:
        block = {"type": "thinking", "thinking": plan.thought, "signature": "bGFi"}
        content.append(block)
    if plan.tool:
        name, arguments = plan.tool
        given = msgspec.json.decode(arguments)
        content.append(
            {"type": "tool_use", "id": f"toolu_{plan.id}", "name": name, "input": given}
        )
    else:
        content.append({"type": "text", "text": plan.text})
    usage = _usage(plan) | {"output_tokens": plan.tokens_out}
    return _shell(plan) | {"content": content, "stop_reason": _stop(plan), "usage": usage}


def message_stream(body: Mapping[str, Any], plan: Plan, how: Behaviour) -> Iterator[bytes]:
    """The events of a message."""
    del body
    yield _event("message_start", message=_shell(plan) | {"usage": _usage(plan)})
    yield _event("ping")
    index = 0
    if plan.thoughts:
        thought = {"type": "thinking", "thinking": "", "signature": ""}
        yield _event("content_block_start", index=0, content_block=thought)
        for part in grouped(plan.thoughts, how.chunk_words):
            yield _delta(0, {"type": "thinking_delta", "thinking": part})
        yield _delta(0, {"type": "signature_delta", "signature": "bGFi"})
        yield _event("content_block_stop", index=0)
        index = 1
    if plan.tool:
        name, arguments = plan.tool
        block = {"type": "tool_use", "id": f"toolu_{plan.id}", "name": name, "input": {}}
        yield _event("content_block_start", index=index, content_block=block)
        for part in ("", arguments[:5], arguments[5:]):
            yield _delta(index, {"type": "input_json_delta", "partial_json": part})
    else:
        start = {"type": "text", "text": ""}
        yield _event("content_block_start", index=index, content_block=start)
        for part in grouped(plan.pieces, how.chunk_words):
            yield _delta(index, {"type": "text_delta", "text": part})
    yield _event("content_block_stop", index=index)
    yield _event(
        "message_delta",
        delta={"stop_reason": _stop(plan), "stop_sequence": None},
        usage={"output_tokens": plan.tokens_out},
    )
    yield _event("message_stop")


def count(plan: Plan) -> dict[str, Any]:
    """The number of tokens of a request."""
    return {"input_tokens": plan.tokens_in}


def error(status: int) -> dict[str, Any]:
    """An error body."""
    message = f"the fake model server was asked for status {status}"
    inner = {"type": _TYPES.get(status, "api_error"), "message": message}
    return {"type": "error", "error": inner}


def _event(kind: str, **members: Any) -> bytes:
    return event({"type": kind} | members, kind)


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _stop(plan: Plan) -> str:
    if plan.tool:
        return "tool_use"
    if plan.refusal:
        return "refusal"
    return "max_tokens" if plan.limited else "end_turn"


def _usage(plan: Plan) -> dict[str, Any]:
    return {
        "input_tokens": plan.tokens_in,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 1,
    }


def _shell(plan: Plan) -> dict[str, Any]:
    return {
        "id": f"msg_{plan.id}",
        "type": "message",
        "role": "assistant",
        "model": plan.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
