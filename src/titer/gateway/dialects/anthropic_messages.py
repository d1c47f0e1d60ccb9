"""Anthropic messages: POST /v1/messages, streamed or not.

Source: Anthropic API reference, "Messages" and "Streaming messages". A stream is
message_start, per block content_block_start / _delta / _stop, message_delta, message_stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from titer.core.nouns import RequestFacts
from titer.core.wire import Problem, Reply, Request
from titer.gateway.dialects import fields
from titer.gateway.dialects.anthropic_events import MessagesTap, final, slots
from titer.gateway.dialects.contract import Rendered, Route, Tap
from titer.gateway.dialects.errors import anthropic_error, anthropic_stream_error
from titer.gateway.dialects.json_guard import read_object
from titer.gateway.dialects.units import read_unit, write_unit

RULES = {
    "model": fields.STRING,
    "stream": fields.BOOL,
    "max_tokens": fields.COUNT,
    "system": fields.STRING_OR_LIST,
    "temperature": fields.NUMBER,
    "top_p": fields.NUMBER,
    "top_k": fields.INTEGER,
    "stop_sequences": fields.LIST,
    "tools": fields.LIST,
    "thinking": fields.OBJECT,
    "metadata": fields.OBJECT,
    "tool_choice": fields.OBJECT,
}


class AnthropicMessages:
    """The codec; it keeps no state."""

    name = "anthropic.messages"
    family: Literal["openai", "anthropic"] = "anthropic"
    routes: tuple[Route, ...] = (Route("POST", "/v1/messages"),)

    def parse(self, endpoint: str, raw: bytes) -> Request:
        """The request in `raw`; raises `Refused`."""
        body = read_object(raw)
        fields.check(body, RULES)
        fields.check_messages(body.get("messages"))
        system = body.get("system")
        for block in system if type(system) is list else ():
            if type(block) is not dict:
                fields.bad("system", "system must be a string or an array of text blocks")
        return Request(
            dialect=self.name,
            endpoint=endpoint,
            body=body,
            raw=raw,
            model=body.get("model") or "",
            stream=body.get("stream") is True,
        )

    def facts(self, request: Request) -> RequestFacts:
        """The request without its text; a turn is a user's message that is not a tool result."""
        body = request.body
        messages = body["messages"]
        roles = fields.roles(messages)
        if body.get("system"):
            roles = ("system", *roles)[: fields.MAX_ROLES]
        turns = images = 0
        for message in messages:
            kinds = [b.get("type") for b in _blocks(message.get("content"))]
            images += kinds.count("image")
            turns += message["role"] == "user" and "tool_result" not in kinds
        return RequestFacts(
            stream=request.stream,
            roles=roles,
            turns=turns,
            tools=fields.count_tools(body),
            images=images,
            params=fields.params(body),
        )

    def texts(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """System prompt, every block of every turn, tool results, then the tools."""
        for text in _texts(body.get("system")):
            yield "system", text
        for message in fields.messages(body):
            role = fields.role(message.get("role"))
            content = message.get("content")
            if type(content) is str:
                yield role, content
                continue
            for block in _blocks(content):
                inner = "tool" if block.get("type") == "tool_result" else role
                for text in _block_texts(block):
                    yield inner, text
        for text in fields.tool_texts(body.get("tools")):
            yield "tools", text

    def error(self, problem: Problem) -> Rendered:
        return anthropic_error(problem)

    def stream_error(self, problem: Problem) -> bytes:
        return anthropic_stream_error(problem)

    def tap(self) -> Tap:
        return MessagesTap()

    def unit(self, raw: bytes, event: str, data: bytes | None) -> Reply:
        return read_unit(raw, event, data, slots=slots, final=final)

    def render(self, unit: Reply) -> bytes:
        return write_unit(unit, slots=slots)

    def codec(self) -> AnthropicMessages:
        """Nothing is said twice in this dialect, so one codec serves every reply."""
        return self


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [b for b in content if type(b) is dict] if type(content) is list else []


def _texts(content: Any) -> Iterator[str]:
    if type(content) is str:
        yield content
    for block in _blocks(content):
        if type(block.get("text")) is str:
            yield block["text"]


def _block_texts(block: Mapping[str, Any]) -> Iterator[str]:
    """The prose of one block: text, thinking, a tool's input or result, a plain document."""
    for name in ("text", "thinking"):
        if type(block.get(name)) is str:
            yield block[name]
    yield from _texts(block.get("content"))
    source = block.get("source")
    if type(source) is dict and source.get("type") in ("text", "content"):
        if type(source.get("data")) is str:
            yield source["data"]
        yield from _texts(source.get("content"))
    yield from fields.strings(block.get("input"))
