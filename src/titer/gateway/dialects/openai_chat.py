"""OpenAI chat completions: POST /v1/chat/completions, streamed or not.

vLLM, SGLang, llama.cpp and most others speak it too; reasoning arrives as `reasoning_content`
or `reasoning`. Source: OpenAI API reference, "Chat completions".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from titer.core.nouns import RequestFacts
from titer.core.wire import Request
from titer.gateway.dialects import fields
from titer.gateway.dialects.contract import Route
from titer.gateway.dialects.json_guard import read_object
from titer.gateway.dialects.openai_common import ChoicesTap
from titer.gateway.dialects.openai_family import OpenAIFamily
from titer.gateway.dialects.units import Slot

RULES = fields.SAMPLING | {
    "max_completion_tokens": fields.COUNT,
    "logprobs": fields.BOOL,
    "top_logprobs": fields.COUNT,
    "tools": fields.LIST,
    "functions": fields.LIST,
    "response_format": fields.OBJECT,
    "parallel_tool_calls": fields.BOOL,
    "reasoning_effort": fields.STRING,
}

#: A message that has nothing to be read beside its content.
_PLAIN = {"role", "content"}

_IMAGES = frozenset({"image_url", "input_image", "image"})
_PROSE = ("text", "refusal", "thinking")
_CONTENT = ("content",)
_REASONING = ("reasoning_content", "reasoning")
_REFUSAL = ("refusal",)


class OpenAIChat(OpenAIFamily):
    """The codec; it keeps no state."""

    name = "openai.chat"
    routes: tuple[Route, ...] = (Route("POST", "/v1/chat/completions"),)

    def parse(self, endpoint: str, raw: bytes) -> Request:
        """The request in `raw`; raises `Refused`."""
        body = read_object(raw)
        fields.check(body, RULES)
        fields.check_messages(body.get("messages"))
        return Request(
            dialect=self.name,
            endpoint=endpoint,
            body=body,
            raw=raw,
            model=body.get("model") or "",
            stream=body.get("stream") is True,
        )

    def facts(self, request: Request) -> RequestFacts:
        """The request without its text; a turn is a user's message."""
        body = request.body
        messages = body["messages"]
        images = 0
        for message in messages:
            content = message.get("content")
            if type(content) is list:
                images += sum(1 for part in content if str(part.get("type")) in _IMAGES)
        return RequestFacts(
            stream=request.stream,
            roles=fields.roles(messages),
            turns=[message["role"] for message in messages].count("user"),
            tools=fields.count_tools(body),
            images=images,
            params=fields.params(body),
            biased=fields.biased(body),
        )

    def texts(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Every message's text, then what the tools are said to do (role `tools`)."""
        for message in fields.messages(body):
            role = fields.role(message.get("role"))
            content = message.get("content")
            if type(content) is str:
                yield role, content
            elif type(content) is list:
                for part in content:
                    for name in _PROSE if type(part) is dict else ():
                        if type(part.get(name)) is str:
                            yield role, part[name]
            if message.keys() != _PLAIN:
                yield from ((role, text) for text in _asides(message))
        prediction = body.get("prediction")
        if type(prediction) is dict and type(prediction.get("content")) is str:
            yield "assistant", prediction["content"]
        for offered in ("tools", "functions"):
            for text in fields.tool_texts(body.get(offered)):
                yield "tools", text

    def tap(self) -> ChoicesTap:
        return ChoicesTap()

    def slots(self, value: Any) -> Iterator[Slot]:
        return slots(value)


def _asides(message: Mapping[str, Any]) -> Iterator[str]:
    """What an assistant's turn carries beside its content: the caller wrote that as well."""
    for name in ("refusal", "reasoning_content", "reasoning"):
        if type(message.get(name)) is str:
            yield message[name]
    calls = message.get("tool_calls")
    for call in calls if type(calls) is list else ():
        inner = call.get("function") if type(call) is dict else None
        if type(inner) is dict and type(inner.get("arguments")) is str:
            yield inner["arguments"]


def slots(value: Any) -> Iterator[Slot]:
    """Where a chunk or a reply says something."""
    choices = value.get("choices") if type(value) is dict else None
    for choice in choices if type(choices) is list else ():
        said = None
        if type(choice) is dict:
            said = choice.get("delta") or choice.get("message") or choice.get("delta")
        if type(said) is not dict:
            continue
        yield Slot(said, _CONTENT)
        if "refusal" in said:
            yield Slot(said, _REFUSAL)
        yield Slot(said, _REASONING, reasoning=True)
