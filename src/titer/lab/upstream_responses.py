"""The Responses shapes of a planned reply: deltas, their echoes, and the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from titer.lab.upstream_openai import CREATED, event, token_logprobs
from titer.lab.upstream_plan import Behaviour, Plan, grouped


def response(body: Mapping[str, Any], plan: Plan, how: Behaviour) -> dict[str, Any]:
    """A whole response object."""
    del how
    output = [_reasoning(plan)] if plan.thoughts else []
    output.append(_call(plan) if plan.tool else _message(plan))
    return _shell(body, plan, "incomplete" if plan.limited else "completed", output)


def response_stream(body: Mapping[str, Any], plan: Plan, how: Behaviour) -> Iterator[bytes]:
    """The events of a response, numbered."""
    for number, value in enumerate(_events(body, plan, how)):
        value["sequence_number"] = number
        yield event(value, value["type"])


def _events(body: Mapping[str, Any], plan: Plan, how: Behaviour) -> Iterator[dict[str, Any]]:
    for kind in ("response.created", "response.in_progress"):
        yield {"type": kind, "response": _shell(body, plan, "in_progress", [])}
    index = 0
    if plan.thoughts:
        yield from _reasoning_events(plan, how, index)
        index += 1
    if plan.tool:
        yield from _call_events(plan, index)
    else:
        yield from _message_events(plan, how, index)
    whole = response(body, plan, how)
    yield {"type": f"response.{whole['status']}", "response": whole}


def _message_events(plan: Plan, how: Behaviour, index: int) -> Iterator[dict[str, Any]]:
    item = _message(plan)
    where = {"item_id": item["id"], "output_index": index, "content_index": 0}
    bare = item | {"status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": index, "item": bare}
    part = item["content"][0]
    kind = "refusal" if plan.refusal else "output_text"
    member = "refusal" if plan.refusal else "text"
    yield {"type": "response.content_part.added", **where, "part": part | {member: ""}}
    step = max(1, how.chunk_words)
    for start in range(0, len(plan.pieces), step):
        tokens = plan.pieces[start : start + step]
        delta = {"type": f"response.{kind}.delta", **where, "delta": "".join(tokens)}
        if not plan.refusal:
            delta["logprobs"] = _logprobs(plan, tokens)
        yield delta
    yield {"type": f"response.{kind}.done", **where, member: plan.text, "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _reasoning_events(plan: Plan, how: Behaviour, index: int) -> Iterator[dict[str, Any]]:
    item = _reasoning(plan)
    where = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    bare = item | {"summary": []}
    yield {"type": "response.output_item.added", "output_index": index, "item": bare}
    part = item["summary"][0]
    empty = part | {"text": ""}
    yield {"type": "response.reasoning_summary_part.added", **where, "part": empty}
    for delta in grouped(plan.thoughts, how.chunk_words):
        yield {"type": "response.reasoning_summary_text.delta", **where, "delta": delta}
    yield {"type": "response.reasoning_summary_text.done", **where, "text": plan.thought}
    yield {"type": "response.reasoning_summary_part.done", **where, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _call_events(plan: Plan, index: int) -> Iterator[dict[str, Any]]:
    item = _call(plan)
    where = {"item_id": item["id"], "output_index": index}
    bare = item | {"status": "in_progress", "arguments": ""}
    yield {"type": "response.output_item.added", "output_index": index, "item": bare}
    arguments = item["arguments"]
    for part in (arguments[:5], arguments[5:]):
        yield {"type": "response.function_call_arguments.delta", **where, "delta": part}
    done = {"name": item["name"], "arguments": arguments}
    yield {"type": "response.function_call_arguments.done", **where, **done}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _message(plan: Plan) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "refusal", "refusal": plan.text}
    if not plan.refusal:
        part = {"type": "output_text", "text": plan.text, "annotations": []}
        part["logprobs"] = _logprobs(plan, plan.pieces)
    return {
        "id": f"msg_{plan.id}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }


def _logprobs(plan: Plan, tokens: list[str]) -> list[dict[str, Any]]:
    return [token_logprobs(plan, t) for t in tokens] if plan.logprobs is not None else []


def _reasoning(plan: Plan) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": plan.thought}]
    return {"id": f"rs_{plan.id}", "type": "reasoning", "summary": summary}


def _call(plan: Plan) -> dict[str, Any]:
    name, arguments = plan.tool or ("", "")
    return {
        "id": f"fc_{plan.id}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{plan.id}",
        "name": name,
        "arguments": arguments,
    }


def _shell(
    body: Mapping[str, Any], plan: Plan, status: str, output: list[dict[str, Any]]
) -> dict[str, Any]:
    over = status in ("completed", "incomplete")
    cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
    usage = {
        "input_tokens": plan.tokens_in,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": plan.tokens_out,
        "output_tokens_details": {"reasoning_tokens": len(plan.thoughts)},
        "total_tokens": plan.tokens_in + plan.tokens_out,
    }
    return {
        "id": f"resp_{plan.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": cut,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": plan.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage if over else None,
        "user": None,
        "metadata": {},
    }
