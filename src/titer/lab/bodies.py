"""Request bodies as callers write them, one function per API shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
MESSAGES = "/v1/messages"

Turn = tuple[str, str]


def conversation(
    endpoint: str,
    *,
    model: str,
    turns: Sequence[Turn],
    system: str = "",
    stream: bool = False,
    max_tokens: int = 1024,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A conversation (`turns` of user and assistant) in the shape of `endpoint`."""
    said = [{"role": role, "content": text} for role, text in turns]
    body: dict[str, Any] = {"model": model}
    if endpoint == MESSAGES:
        body |= {"max_tokens": max_tokens, "messages": said}
        if system:
            body["system"] = system
    elif endpoint == RESPONSES:
        body |= {"input": said if len(said) > 1 else said[0]["content"]}
        if system:
            body["instructions"] = system
    elif endpoint == CHAT:
        head = [{"role": "system", "content": system}] if system else []
        body |= {"messages": head + said}
    elif endpoint == COMPLETIONS:
        text = "\n\n".join(text for _, text in turns)
        body |= {"prompt": f"{system}\n\n{text}" if system else text, "max_tokens": max_tokens}
    else:
        raise ValueError(f"{endpoint} carries no conversation")
    if extra:
        body |= extra
    if stream:
        body["stream"] = True
    return body


def embedding(*, model: str, texts: Sequence[str]) -> dict[str, Any]:
    """An embeddings request."""
    return {"model": model, "input": list(texts)}


def agent_turn(
    *,
    model: str,
    system: str,
    goal: str,
    tools: Sequence[Mapping[str, Any]],
    steps: Sequence[Turn],
) -> dict[str, Any]:
    """One turn of a tool-calling agent on chat completions.

    `steps` are (tool name, result) pairs so far; the calls that led to them are part of the
    conversation, as every agent framework sends them.
    """
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": system},
        {"role": "user", "content": goal},
    ]
    for number, (name, result) in enumerate(steps):
        call = {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": "{}"},
        }
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"call_{number}", "content": result})
    return {"model": model, "messages": messages, "tools": list(tools)}


def logit_query(
    *, model: str, text: str, biased: Sequence[int], bias: float, top: int
) -> dict[str, Any]:
    """One query of a logit extractor: one token out, a bias on some, the top few back."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": top,
        "logit_bias": {str(token): bias for token in biased},
    }
