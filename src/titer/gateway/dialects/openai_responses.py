"""OpenAI responses: POST /v1/responses, streamed or not.

Its stream says everything twice: deltas first, then events that repeat what the deltas said
(`response.output_text.done`, `response.output_item.done`, `response.completed` with the whole
output). A control that edits only deltas leaks the original in the echo. `codec()` therefore
gives one stateful codec per reply, whose `render` writes into every echo what really left.
Source: OpenAI API reference, "Responses" and "Streaming events".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from titer.core.nouns import RequestFacts
from titer.core.wire import Problem, Request
from titer.gateway.dialects import fields
from titer.gateway.dialects.contract import Route
from titer.gateway.dialects.errors import responses_stream_error
from titer.gateway.dialects.json_guard import read_object
from titer.gateway.dialects.openai_family import OpenAIFamily
from titer.gateway.dialects.responses_echo import EchoCodec
from titer.gateway.dialects.responses_events import ENDINGS, ResponsesTap, kind_of, slots
from titer.gateway.dialects.units import Slot

RULES = {
    "model": fields.STRING,
    "stream": fields.BOOL,
    "input": fields.STRING_OR_LIST,
    "instructions": fields.STRING,
    "max_output_tokens": fields.COUNT,
    "max_tool_calls": fields.COUNT,
    "temperature": fields.NUMBER,
    "top_p": fields.NUMBER,
    "top_logprobs": fields.COUNT,
    "include": fields.LIST,
    "tools": fields.LIST,
    "text": fields.OBJECT,
    "reasoning": fields.OBJECT,
    "store": fields.BOOL,
    "background": fields.BOOL,
    "parallel_tool_calls": fields.BOOL,
    "previous_response_id": fields.STRING,
    "user": fields.STRING,
}

#: Members of an input item that hold the caller's prose, besides `content`.
_PROSE = ("text", "refusal", "output", "arguments", "input")


class OpenAIResponses(OpenAIFamily):
    """The codec; state lives in what `codec()` returns."""

    name = "openai.responses"
    routes: tuple[Route, ...] = (Route("POST", "/v1/responses"),)

    def parse(self, endpoint: str, raw: bytes) -> Request:
        """The request in `raw`; raises `Refused`."""
        body = read_object(raw)
        fields.check(body, RULES)
        items = body.get("input")
        for item in items if type(items) is list else ():
            if type(item) is not dict:
                fields.bad("input", "every item of input must be an object")
        return Request(
            dialect=self.name,
            endpoint=endpoint,
            body=body,
            raw=raw,
            model=body.get("model") or "",
            stream=body.get("stream") is True,
        )

    def facts(self, request: Request) -> RequestFacts:
        """The request without its text; tool outputs count as role `tool`."""
        body = request.body
        items = body.get("input")
        roles: list[str] = ["system"] if body.get("instructions") else []
        images = 0
        if type(items) is list:
            for item in items:
                roles.append(_role(item))
                content = item.get("content")
                if type(content) is list:
                    images += sum(
                        1 for p in content if type(p) is dict and p.get("type") == "input_image"
                    )
        elif items:
            roles.append("user")
        return RequestFacts(
            stream=request.stream,
            roles=tuple(roles[: fields.MAX_ROLES]),
            turns=roles.count("user"),
            tools=fields.count_tools(body),
            images=images,
            params=fields.params(body),
        )

    def texts(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Instructions, input items, prompt variables, then the tools (role `tools`)."""
        if type(body.get("instructions")) is str:
            yield "system", body["instructions"]
        items = body.get("input")
        if type(items) is str:
            yield "user", items
        for item in items if type(items) is list else ():
            role = _role(item)
            for text in _prose(item):
                yield role, text
        prompt = body.get("prompt")
        variables = prompt.get("variables") if type(prompt) is dict else None
        for value in variables.values() if type(variables) is dict else ():
            if type(value) is str:
                yield "user", value
        for text in fields.tool_texts(body.get("tools")):
            yield "tools", text

    def stream_error(self, problem: Problem) -> bytes:
        return responses_stream_error(problem)

    def tap(self) -> ResponsesTap:
        return ResponsesTap()

    def slots(self, value: Any) -> Iterator[Slot]:
        return slots(value)

    def final(self, event: str, value: Any) -> bool:
        kind = kind_of(value, event) if type(value) is dict else event
        return kind in ENDINGS

    def codec(self) -> EchoCodec:
        """A codec for one reply, which keeps echoes true to what left: `unit` alone is stateless
        and passes them as they came.
        """
        return EchoCodec()


def _role(item: Mapping[str, Any]) -> str:
    kind = item.get("type")
    if type(kind) is str and kind.endswith("_output"):
        return "tool"
    if type(kind) is str and (kind.endswith("_call") or kind == "reasoning"):
        return "assistant"
    return fields.role(item.get("role", "user"))


def _prose(item: Mapping[str, Any]) -> Iterator[str]:
    content = item.get("content")
    if type(content) is str:
        yield content
    for part in (*_parts(content), *_parts(item.get("summary")), item):
        for name in _PROSE:
            value = part.get(name)
            if type(value) is str:
                yield value
            elif type(value) is list:  # tool outputs may be arrays of parts
                for inner in _parts(value):
                    if type(inner.get("text")) is str:
                        yield inner["text"]


def _parts(value: Any) -> list[dict[str, Any]]:
    return [p for p in value if type(p) is dict] if type(value) is list else []
