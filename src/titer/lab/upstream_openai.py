"""OpenAI's shapes of a planned reply: chat, completions, embeddings, models."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from titer.lab.upstream_plan import Behaviour, Plan, grouped

#: Fixed, so that replies are reproducible.
CREATED = 1_767_225_600
#: Models that the fake server lists.
MODELS = ("lab-large", "lab-small", "lab-embed")


def event(value: Any, name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(value) + b"\n\n"


def usage(plan: Plan) -> dict[str, Any]:
    """`usage` of chat and completions."""
    return {
        "prompt_tokens": plan.tokens_in,
        "completion_tokens": plan.tokens_out,
        "total_tokens": plan.tokens_in + plan.tokens_out,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(plan.thoughts)},
    }


def finish(plan: Plan) -> str:
    """Why the reply ends."""
    if plan.tool:
        return "tool_calls"
    return "length" if plan.limited else "stop"


def chat(body: Mapping[str, Any], plan: Plan, how: Behaviour) -> dict[str, Any]:
    """A whole chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": plan.text, "refusal": None}
    if plan.refusal:
        message |= {"content": None, "refusal": plan.text}
    elif how.reasoning == "think":
        message["content"] = f"<think>{plan.thought}</think>{plan.text}"
    elif plan.thoughts:
        message["reasoning" if how.reasoning == "vllm" else "reasoning_content"] = plan.thought
    if plan.tool:
        message |= {"content": None, "tool_calls": [_call(plan)]}
    choices = []
    for index in range(_n(body)):
        choice = {"index": index, "message": message, "finish_reason": finish(plan)}
        choice["logprobs"] = _chat_logprobs(plan, plan.pieces)
        choices.append(choice)
    return _chat_head(plan, "chat.completion") | {"choices": choices, "usage": usage(plan)}


def chat_stream(body: Mapping[str, Any], plan: Plan, how: Behaviour) -> Iterator[bytes]:
    """The chunks of a chat completion."""
    for index in range(_n(body)):
        yield _delta(plan, {"role": "assistant", "content": "", "refusal": None}, index)
        if plan.tool:
            call = _call(plan)
            arguments = call["function"]["arguments"]
            call["function"]["arguments"] = ""
            yield _delta(plan, {"tool_calls": [{"index": 0, **call}]}, index)
            for part in (arguments[:5], arguments[5:]):
                inner = {"index": 0, "function": {"arguments": part}}
                yield _delta(plan, {"tool_calls": [inner]}, index)
        else:
            yield from _chat_text(plan, how, index)
        yield _delta(plan, {}, index, finish=finish(plan))
    if _wants_usage(body):
        yield event(
            _chat_head(plan, "chat.completion.chunk") | {"choices": [], "usage": usage(plan)}
        )
    yield b"data: [DONE]\n\n"


def _chat_text(plan: Plan, how: Behaviour, index: int) -> Iterator[bytes]:
    size = how.chunk_words
    if how.reasoning == "think":
        for part in ("<think>", *grouped(plan.thoughts, size), "</think>"):
            yield _delta(plan, {"content": part}, index)
    elif plan.thoughts:
        name = "reasoning" if how.reasoning == "vllm" else "reasoning_content"
        for part in grouped(plan.thoughts, size):
            yield _delta(plan, {name: part}, index)
    member = "refusal" if plan.refusal else "content"
    step = max(1, size)
    for start in range(0, len(plan.pieces), step):
        tokens = plan.pieces[start : start + step]
        logprobs = _chat_logprobs(plan, tokens)
        yield _delta(plan, {member: "".join(tokens)}, index, logprobs=logprobs)


def _delta(
    plan: Plan,
    delta: dict[str, Any],
    index: int,
    *,
    finish: str | None = None,
    logprobs: dict[str, Any] | None = None,
) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return event(_chat_head(plan, "chat.completion.chunk") | {"choices": [choice]})


def _chat_head(plan: Plan, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{plan.id}",
        "object": kind,
        "created": CREATED,
        "model": plan.model,
        "system_fingerprint": "fp_lab",
    }


def _call(plan: Plan) -> dict[str, Any]:
    name, arguments = plan.tool or ("", "")
    inner = {"name": name, "arguments": arguments}
    return {"id": f"call_{plan.id}", "type": "function", "function": inner}


def _chat_logprobs(plan: Plan, tokens: list[str]) -> dict[str, Any] | None:
    if plan.logprobs is None or plan.tool:
        return None
    return {"content": [token_logprobs(plan, t) for t in tokens], "refusal": None}


def token_logprobs(plan: Plan, token: str) -> dict[str, Any]:
    """One token's entry, with its alternatives."""
    first, ranked = plan.likely(token)
    return _entry(token, first) | {"top_logprobs": [_entry(t, p) for t, p in ranked]}


def _entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def completion(body: Mapping[str, Any], plan: Plan, how: Behaviour) -> dict[str, Any]:
    """A whole text completion; `echo` repeats the prompt first."""
    del how
    prompts = body.get("prompt")
    texts = prompts if type(prompts) is list and all(type(p) is str for p in prompts) else None
    choices: list[dict[str, Any]] = []
    for prompt in texts or [prompts if type(prompts) is str else ""]:
        for _ in range(_n(body)):
            said = [prompt, *plan.pieces] if body.get("echo") else plan.pieces
            choices.append(_completion_choice(plan, said, len(choices), finish(plan)))
    return _completion_head(plan) | {"choices": choices, "usage": usage(plan)}


def completion_stream(body: Mapping[str, Any], plan: Plan, how: Behaviour) -> Iterator[bytes]:
    """The chunks of a text completion."""
    said = plan.pieces
    if body.get("echo") and type(body.get("prompt")) is str:
        said = [str(body["prompt"]), *said]
    step = max(1, how.chunk_words)
    for start in range(0, len(said), step):
        choice = _completion_choice(plan, said[start : start + step], 0, None)
        yield event(_completion_head(plan) | {"choices": [choice]})
    last = {"text": "", "index": 0, "logprobs": None, "finish_reason": finish(plan)}
    yield event(_completion_head(plan) | {"choices": [last]})
    if _wants_usage(body):
        yield event(_completion_head(plan) | {"choices": [], "usage": usage(plan)})
    yield b"data: [DONE]\n\n"


def _completion_choice(
    plan: Plan, tokens: list[str], index: int, reason: str | None
) -> dict[str, Any]:
    logprobs = None
    if plan.logprobs is not None:
        entries = [(t, *plan.likely(t)) for t in tokens]
        logprobs = {
            "tokens": tokens,
            "token_logprobs": [first for _, first, _ in entries],
            "top_logprobs": [dict(ranked) for _, _, ranked in entries],
            "text_offset": [len("".join(tokens[:i])) for i in range(len(tokens))],
        }
    text = "".join(tokens)
    return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}


def _completion_head(plan: Plan) -> dict[str, Any]:
    return {
        "id": f"cmpl-{plan.id}",
        "object": "text_completion",
        "created": CREATED,
        "model": plan.model,
    }


def embeddings(body: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """Vectors of unit scale from a hash of each input; base64 when asked (float32 LE)."""
    given = body.get("input")
    several = type(given) is list and given and type(given[0]) is not int
    inputs = given if several else [given]
    size = body.get("dimensions") or 16
    data = []
    for index, value in enumerate(inputs or ()):
        block = hashlib.shake_128(msgspec.json.encode(value)).digest(2 * size)
        vector: Any = [v / 32768 for v in struct.unpack(f"<{size}h", block)]
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    tokens = {"prompt_tokens": plan.tokens_in, "total_tokens": plan.tokens_in}
    return {"object": "list", "data": data, "model": plan.model, "usage": tokens}


def model(name: str) -> dict[str, Any]:
    """One model's card."""
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "lab"}


def models() -> dict[str, Any]:
    """The list of models."""
    return {"object": "list", "data": [model(name) for name in MODELS]}


def error(status: int) -> dict[str, Any]:
    """An error body."""
    message = f"the fake model server was asked for status {status}"
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": "lab"}}


def _n(body: Mapping[str, Any]) -> int:
    n = body.get("n")
    return min(n, 16) if type(n) is int else 1


def _wants_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return type(options) is dict and bool(options.get("include_usage"))
