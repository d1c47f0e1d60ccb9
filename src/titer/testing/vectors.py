"""Requests and replies of the four text dialects, written by hand, with log-probabilities."""

from __future__ import annotations

from typing import Any

import msgspec

from titer.core.wire import Request


def _request(dialect: str, endpoint: str, body: dict[str, Any]) -> Request:
    return Request(
        dialect=dialect,
        endpoint=endpoint,
        body=body,
        raw=msgspec.json.encode(body),
        model=body["model"],
        stream=bool(body.get("stream")),
    )


_HELLO = [{"role": "user", "content": "Name a colour."}]

REQUESTS: dict[str, Request] = {
    "chat": _request(
        "openai.chat",
        "/v1/chat/completions",
        {"model": "m", "messages": _HELLO, "logprobs": True, "top_logprobs": 5},
    ),
    "completions": _request(
        "openai.completions",
        "/v1/completions",
        {"model": "m", "prompt": "A colour:", "logprobs": 3, "stream": True},
    ),
    "responses": _request(
        "openai.responses",
        "/v1/responses",
        {
            "model": "m",
            "input": "Name a colour.",
            "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
            "top_logprobs": 2,
        },
    ),
    "messages": _request(
        "anthropic.messages",
        "/v1/messages",
        {"model": "m", "max_tokens": 16, "messages": _HELLO, "stream": True},
    ),
}


def _token(token: str, logprob: float, *others: tuple[str, float]) -> dict[str, Any]:
    alternatives = [
        {"token": t, "logprob": p, "bytes": list(t.encode())}
        for t, p in ((token, logprob), *others)
    ]
    return {**alternatives[0], "top_logprobs": alternatives}


_BLUE = _token(
    "blue", -0.1234567, ("red", -2.3456789), ("green", -3.4567891), ("grey", -5.6789123),
    ("teal", -7.8912345), ("pink", -8.9123456),
)  # fmt: skip
_STOP = _token(".", -0.0456789, ("!", -3.1415926), ("\n", -6.2831853))
_PLAIN = {k: v for k, v in _BLUE.items() if k != "bytes"}


def _chat(logprobs: Any, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def _texts(text: str, tokens: list[dict[str, Any]]) -> dict[str, Any]:
    legacy = {
        "tokens": [t["token"] for t in tokens],
        "token_logprobs": [t["logprob"] for t in tokens],
        "top_logprobs": [{a["token"]: a["logprob"] for a in t["top_logprobs"]} for t in tokens],
        "text_offset": [0, 4][: len(tokens)],
    }
    choice = {"index": 0, "text": text, "logprobs": legacy, "finish_reason": None}
    return {"id": "t", "object": "text_completion", "model": "m", "choices": [choice]}


_PART = {"type": "output_text", "text": "blue.", "annotations": [], "logprobs": [_BLUE, _STOP]}
_ITEM = {"type": "message", "id": "i", "role": "assistant", "content": [_PART]}
_RESPONSE = {"id": "r", "object": "response", "model": "m", "output": [_ITEM], "top_logprobs": 2}

#: One document: the whole body. Several: the payloads of a stream's events.
REPLIES: dict[str, tuple[dict[str, Any], ...]] = {
    "chat body": (
        {
            "id": "c",
            "object": "chat.completion",
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "blue."},
                    "logprobs": {"content": [_BLUE, _STOP], "refusal": None},
                    "finish_reason": "stop",
                }
            ],
            "prompt_logprobs": [None, {"17": {"logprob": -4.5678912, "rank": 3}}],
        },
    ),
    "chat stream": (
        _chat(None, role="assistant"),
        _chat({"content": [_BLUE]}, content="blue"),
        _chat({"content": [_STOP]}, content="."),
        {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": {}},
    ),
    "completions body": (_texts("blue.", [_BLUE, _STOP]),),
    "completions stream": (_texts("blue", [_BLUE]), _texts(".", [_STOP]), _texts("", [])),
    "responses body": (_RESPONSE,),
    "responses stream": (
        {"type": "response.created", "response": {"id": "r", "output": []}},
        {"type": "response.output_text.delta", "delta": "blue", "logprobs": [_PLAIN]},
        {"type": "response.output_text.done", "text": "blue.", "logprobs": [_BLUE, _STOP]},
        {"type": "response.content_part.done", "part": _PART},
        {"type": "response.output_item.done", "item": _ITEM},
        {"type": "response.completed", "response": _RESPONSE},
    ),
    "messages body": (
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "content": [
                {"type": "text", "text": "blue."},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"logprobs": [-0.1234567]}},
            ],
            "usage": {"input_tokens": 9, "output_tokens": 3},
        },
    ),
    "messages stream": (
        {"type": "message_start", "message": {"id": "m", "content": []}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "blue"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "."}},
        {"type": "message_stop"},
    ),
}
