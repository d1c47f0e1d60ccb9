"""OpenAI completions, the older text-in-text-out route: POST /v1/completions.

Source: OpenAI API reference, "Completions". Prompts may be token ids, which no detector of
text can read; the facts then carry `prompt: "<tokens>"`.
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
    "prompt": fields.STRING_OR_LIST,
    "suffix": fields.STRING,
    "logprobs": fields.COUNT,
    "echo": fields.BOOL,
    "best_of": fields.COUNT,
}

_TEXT = ("text",)


class OpenAICompletions(OpenAIFamily):
    """The codec; it keeps no state."""

    name = "openai.completions"
    routes: tuple[Route, ...] = (Route("POST", "/v1/completions"),)

    def parse(self, endpoint: str, raw: bytes) -> Request:
        """The request in `raw`; raises `Refused`."""
        body = read_object(raw)
        fields.check(body, RULES)
        fields.check_prompt(body.get("prompt"), "prompt")
        return Request(
            dialect=self.name,
            endpoint=endpoint,
            body=body,
            raw=raw,
            model=body.get("model") or "",
            stream=body.get("stream") is True,
        )

    def facts(self, request: Request) -> RequestFacts:
        """The request without its text; a turn is one prompt."""
        body = request.body
        params = fields.params(body)
        texts, tokens = fields.prompt_shape(body.get("prompt"))
        if tokens:
            params["prompt"] = "<tokens>"
        return RequestFacts(
            stream=request.stream,
            roles=("user",) * min(texts + tokens, fields.MAX_ROLES),
            turns=texts + tokens,
            params=params,
            biased=fields.biased(body),
        )

    def texts(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The prompts, then the suffix."""
        for text in fields.prompt_texts(body.get("prompt")):
            yield "user", text
        if type(body.get("suffix")) is str:
            yield "user", body["suffix"]

    def tap(self) -> ChoicesTap:
        return ChoicesTap()

    def slots(self, value: Any) -> Iterator[Slot]:
        return slots(value)


def slots(value: Any) -> Iterator[Slot]:
    """Where a chunk or a reply says something."""
    choices = value.get("choices") if type(value) is dict else None
    for choice in choices if type(choices) is list else ():
        if type(choice) is dict:
            yield Slot(choice, _TEXT)
