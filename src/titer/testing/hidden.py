"""Replies with hidden reasoning in every place that is known, made to order from a seed.

Each hidden stretch and each part of the answer carries words that occur nowhere else, so that a
check needs no opinion: no hidden word may be in the bytes that leave, and every word of the answer
must be, in order. `hidden_cases(count, seed)` gives cases; `payloads` writes one in a dialect.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec

#: Text formats in which a model may write, opening and closing.
TAGS = (
    ("<think>", "</think>"), ("<think>\n", "\n</think>\n\n"), ("<THINKING>", "</THINKING>"),
    ("< think mode='deep' >", "</ think >"), ("[THINK]", "[/THINK]"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"), ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("◁think▷", "◁/think▷"), ("<reasoning>", "</reasoning>"), ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"), ("<unused94>", "<unused95>"),
    ("<scratchpad>", "</scratchpad>"),
)  # fmt: skip

#: Talk about tags that is part of an answer.
TALK = (
    "the tag `<think>` is", 'write "<think>" and', "```\n<think>sample</think>\n```\n",
    "a < b and b > c [see] <b>bold</b>", "use ``<reasoning>`` here", "<thin air>", "x <= y",
)  # fmt: skip

DIALECTS = ("openai.chat", "openai.completions", "openai.responses", "anthropic.messages")


class Case(msgspec.Struct, frozen=True):
    """What a reply says: (kind, text) in order, `hidden`, `tagged`, `said`, `talk` or `call`."""

    name: str
    parts: tuple[tuple[str, str], ...]
    choices: int
    logprobs: bool
    fields: tuple[str, ...]
    seed: int

    @property
    def hidden(self) -> list[str]:
        """Words that must not leave."""
        return [w for k, t in self.parts for w in t.split() if w.startswith("hq")]

    @property
    def said(self) -> list[str]:
        """Words that must."""
        return [w for k, t in self.parts if k == "said" for w in t.split()]


def hidden_cases(count: int, seed: int) -> Iterator[Case]:
    """Cases by number; the same for the same seed."""
    for number in range(count):
        draw = random.Random(seed * 1_000_003 + number)  # noqa: S311 - cases, not secrets
        parts: list[tuple[str, str]] = []
        for _ in range(draw.randint(1, 3)):
            kind = draw.choice(("hidden", "tagged", "tagged", "tagged", "twice"))
            if kind == "hidden":
                parts.append(("hidden", _words(draw, "hq")))
            for _ in range(2 if kind == "twice" else kind == "tagged"):
                opened, closed = draw.choice(TAGS)
                parts.append(("tagged", f"{opened}{_words(draw, 'hq')}{closed}"))
            parts.append(("said", _words(draw, "vis") + draw.choice((" ", "\n", "\n\n"))))
            if draw.random() < 0.4:
                parts.append(("talk", draw.choice(TALK) + " "))
                parts.append(("said", _words(draw, "vis") + "\n"))
        if draw.random() < 0.2:
            opened, closed = draw.choice(TAGS[:5])
            parts.append(("call", f"{opened}{_words(draw, 'hq')}{closed}"))
        if draw.random() < 0.1:  # never closed
            parts.append(("tagged", draw.choice(TAGS)[0] + _words(draw, "hq")))
        every = ("reasoning_content", "reasoning", "reasoning_details", "thoughts", "thinking")
        fields = tuple(draw.sample(every, draw.randint(1, 3)))
        yield Case(
            f"case {number}", tuple(parts), draw.choice((1, 1, 2, 3)), draw.random() < 0.5,
            fields, number,
        )  # fmt: skip


def _words(draw: random.Random, stem: str) -> str:
    many = draw.randint(2, 12)
    words = [f"{stem}{draw.randrange(16**6):06x}" for _ in range(many)]
    return "".join(w + draw.choice((" ", " ", " ", "\n", "\n\n")) for w in words).strip() + " "


def payloads(case: Case, dialect: str, *, streamed: bool) -> list[dict[str, Any]]:
    """The events of a stream, or one whole body."""
    made = {
        "openai.chat": _chat, "openai.completions": _completions,
        "openai.responses": _responses, "anthropic.messages": _messages,
    }[dialect]  # fmt: skip
    return made(case, streamed)


def _pieces(case: Case, text: str) -> list[str]:
    draw = random.Random(case.seed * 7 + len(text))  # noqa: S311
    out: list[str] = []
    while text:
        size = draw.choice((1, 1, 2, 3, 5, 8, 13, 40))
        out.append(text[:size])
        text = text[size:]
    return out


def _text(case: Case) -> str:
    return "".join(t for k, t in case.parts if k in ("tagged", "said", "talk"))


def _thought(case: Case) -> str:
    return "".join(t for k, t in case.parts if k == "hidden")


def _calls(case: Case) -> str:
    inner = "".join(t for k, t in case.parts if k == "call")
    return msgspec.json.encode({"query": inner + "call"}).decode() if inner else ""


def _entry(token: str) -> dict[str, Any]:
    alternative = {"token": token, "logprob": -0.5, "bytes": list(token.encode())}
    return {**alternative, "top_logprobs": [alternative]}


def _probabilities(case: Case, *texts: str) -> dict[str, Any] | None:
    pieces = [p for text in texts for p in _pieces(case, text)]
    return {"content": [_entry(p) for p in pieces], "refusal": None} if case.logprobs else None


def _beside(case: Case, thought: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in case.fields if thought else ():
        if name == "reasoning_details":
            detail = {"type": "reasoning.text", "text": thought, "index": 0, "signature": "c2ln"}
            sealed = {"type": "reasoning.encrypted", "data": "c2VhbGVk", "index": 1}
            made[name] = [detail, sealed]
        elif name == "thoughts":
            made["provider_specific_fields"] = {"thinking_blocks": [{"thinking": thought}]}
        else:
            made[name] = thought
    return made


_USAGE = {
    "prompt_tokens": 9, "completion_tokens": 77, "total_tokens": 86,
    "completion_tokens_details": {"reasoning_tokens": 55},
}  # fmt: skip


def _chat(case: Case, streamed: bool) -> list[dict[str, Any]]:
    text, thought, calls = _text(case), _thought(case), _calls(case)
    base = {"id": "c", "model": "m", "created": 1}
    call = [{"index": 0, "id": "t", "type": "function", "function": {"name": "f"}}]
    if not streamed:
        message: dict[str, Any] = {"role": "assistant", "content": text, **_beside(case, thought)}
        if calls:
            call[0]["function"] = {"name": "f", "arguments": calls}
            message["tool_calls"] = call
        choices = [
            {"index": i, "message": message, "finish_reason": "stop",
             "logprobs": _probabilities(case, thought, text), "token_ids": [1, 2, 3]}
            for i in range(case.choices)
        ]  # fmt: skip
        return [{**base, "object": "chat.completion", "choices": choices, "usage": _USAGE}]

    def chunk(*, finish: str | None = None, token: str = "", **delta: Any) -> dict[str, Any]:
        probabilities = _probabilities(case, token) if token else None
        choices = [
            {"index": i, "delta": delta, "finish_reason": finish, "logprobs": probabilities}
            for i in range(case.choices)
        ]
        return {**base, "object": "chat.completion.chunk", "choices": choices}

    out = [chunk(role="assistant", content="")]
    out += [chunk(token=p, content=None, **_beside(case, p)) for p in _pieces(case, thought)]
    out += [chunk(token=p, content=p) for p in _pieces(case, text)]
    for piece in _pieces(case, calls):
        out.append(chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}]))
    out.append(chunk(finish="stop"))
    return [*out, {**base, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE}]


def _completions(case: Case, streamed: bool) -> list[dict[str, Any]]:
    text = _text(case)
    base = {"id": "t", "object": "text_completion", "model": "m"}

    def legacy(pieces: list[str]) -> dict[str, Any] | None:
        if not case.logprobs:
            return None
        tops = [{p: -0.5} for p in pieces]
        offsets = [0] * len(pieces)
        return {"tokens": pieces, "token_logprobs": [-0.5] * len(pieces), "top_logprobs": tops,
                "text_offset": offsets}  # fmt: skip

    if not streamed:
        choices = [
            {"index": i, "text": text, "logprobs": legacy(_pieces(case, text)),
             "finish_reason": "stop"}
            for i in range(case.choices)
        ]  # fmt: skip
        return [{**base, "choices": choices, "usage": _USAGE}]
    out = [
        {**base, "choices": [{"index": i, "text": p, "logprobs": legacy([p]),
                              "finish_reason": None} for i in range(case.choices)]}
        for p in _pieces(case, text)
    ]  # fmt: skip
    ends = [{"index": i, "text": "", "finish_reason": "stop"} for i in range(case.choices)]
    return [*out, {**base, "choices": ends}]


def _messages(case: Case, streamed: bool) -> list[dict[str, Any]]:
    text, thought, calls = _text(case), _thought(case), _calls(case)
    sealed = {"type": "redacted_thinking", "data": "c2VhbGVk"}
    usage = {"input_tokens": 9, "output_tokens": 77}
    if not streamed:
        content: list[dict[str, Any]] = [sealed]
        if thought:
            content.append({"type": "thinking", "thinking": thought, "signature": "c2ln"})
        content.append({"type": "text", "text": text})
        if calls:
            value = msgspec.json.decode(calls)
            content.append({"type": "tool_use", "id": "t", "name": "f", "input": value})
        return [{"id": "m", "type": "message", "role": "assistant", "content": content,
                 "stop_reason": "end_turn", "usage": usage}]  # fmt: skip
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "usage": usage}
    out: list[dict[str, Any]] = [{"type": "message_start", "message": message}]

    def block(index: int, start: dict[str, Any], kind: str, name: str, pieces: list[str]) -> None:
        out.append({"type": "content_block_start", "index": index, "content_block": start})
        for piece in pieces:
            delta = {"type": kind, name: piece}
            out.append({"type": "content_block_delta", "index": index, "delta": delta})
        if kind == "thinking_delta":
            delta = {"type": "signature_delta", "signature": "c2ln"}
            out.append({"type": "content_block_delta", "index": index, "delta": delta})
        out.append({"type": "content_block_stop", "index": index})

    block(0, sealed, "", "", [])
    if thought:
        start = {"type": "thinking", "thinking": "", "signature": ""}
        block(1, start, "thinking_delta", "thinking", _pieces(case, thought))
    block(2, {"type": "text", "text": ""}, "text_delta", "text", _pieces(case, text))
    if calls:
        tool: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
        block(3, tool, "input_json_delta", "partial_json", _pieces(case, calls))
    out.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})
    return [*out, {"type": "message_stop"}]


def _responses(case: Case, streamed: bool) -> list[dict[str, Any]]:
    text, thought, calls = _text(case), _thought(case), _calls(case)
    entries = [_entry(p) for p in _pieces(case, text)] if case.logprobs else []
    reasoning = {
        "type": "reasoning", "id": "r", "encrypted_content": "c2VhbGVk",
        "summary": [{"type": "summary_text", "text": thought}] if thought else [],
        "content": [{"type": "reasoning_text", "text": thought}] if thought else [],
    }  # fmt: skip
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": entries}
    item = {"type": "message", "id": "i", "role": "assistant", "content": [part]}
    tool = {"type": "function_call", "id": "f", "name": "f", "call_id": "f", "arguments": calls}
    output = [reasoning, item, *([tool] if calls else [])]
    response = {
        "id": "r", "object": "response", "model": "m", "status": "completed", "output": output,
        "reasoning": {"effort": "high", "summary": "auto"},
        "usage": {"input_tokens": 9, "output_tokens": 77,
                  "output_tokens_details": {"reasoning_tokens": 55}},
    }  # fmt: skip
    if not streamed:
        return [response]
    out: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "output": []}}
    ]

    def say(index: int, stem: str, name: str, value: str, **more: Any) -> None:
        for piece in _pieces(case, value):
            entry = [_entry(piece)] if stem == "response.output_text" and case.logprobs else []
            out.append({"type": stem + ".delta", "output_index": index, "delta": piece,
                        "logprobs": entry, **more})  # fmt: skip
        out.append({"type": stem + ".done", "output_index": index, name: value, **more})

    if thought:
        say(0, "response.reasoning_summary_text", "text", thought, summary_index=0)
        summary = {"type": "summary_text", "text": thought}
        out.append({"type": "response.reasoning_summary_part.done", "output_index": 0,
                    "summary_index": 0, "part": summary})  # fmt: skip
        say(0, "response.reasoning_text", "text", thought, content_index=0)
        say(0, "response.reasoning", "text", thought, content_index=0)
    out.append({"type": "response.output_item.done", "output_index": 0, "item": reasoning})
    say(1, "response.output_text", "text", text, content_index=0)
    out.append({"type": "response.content_part.done", "output_index": 1, "content_index": 0,
                "part": part})  # fmt: skip
    out.append({"type": "response.output_item.done", "output_index": 1, "item": item})
    if calls:
        say(2, "response.function_call_arguments", "arguments", calls)
        out.append({"type": "response.output_item.done", "output_index": 2, "item": tool})
    return [*out, {"type": "response.completed", "response": response}]
