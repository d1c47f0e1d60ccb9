"""OpenAI embeddings: POST /v1/embeddings. Source: OpenAI API reference, "Embeddings"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from titer.core.nouns import RequestFacts
from titer.core.wire import Problem, Reply, Request
from titer.gateway.dialects import fields
from titer.gateway.dialects.contract import Rendered, Route
from titer.gateway.dialects.errors import openai_error, openai_stream_error
from titer.gateway.dialects.json_guard import read_object
from titer.gateway.dialects.openai_common import SpentTap, error_only
from titer.gateway.dialects.units import Slot, read_unit, write_unit

RULES = {
    "model": fields.STRING,
    "input": fields.STRING_OR_LIST,
    "dimensions": fields.POSITIVE,
    "encoding_format": fields.STRING,
    "user": fields.STRING,
    "stream": fields.BOOL,
}


class OpenAIEmbeddings:
    """The codec; it keeps no state. Replies have vectors and no text."""

    name = "openai.embeddings"
    family: Literal["openai", "anthropic"] = "openai"
    routes: tuple[Route, ...] = (Route("POST", "/v1/embeddings"),)

    def parse(self, endpoint: str, raw: bytes) -> Request:
        """The request in `raw`; raises `Refused`."""
        body = read_object(raw)
        fields.check(body, RULES)
        fields.check_prompt(body.get("input"), "input")
        return Request(
            dialect=self.name,
            endpoint=endpoint,
            body=body,
            raw=raw,
            model=body.get("model") or "",
        )

    def facts(self, request: Request) -> RequestFacts:
        """The request without its text; a turn is one input."""
        params = fields.params(request.body)
        texts, tokens = fields.prompt_shape(request.body.get("input"))
        if tokens:
            params["input"] = "<tokens>"
        return RequestFacts(
            roles=("user",) * min(texts + tokens, fields.MAX_ROLES),
            turns=texts + tokens,
            params=params,
        )

    def texts(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The inputs."""
        for text in fields.prompt_texts(body.get("input")):
            yield "user", text

    def error(self, problem: Problem) -> Rendered:
        return openai_error(problem)

    def stream_error(self, problem: Problem) -> bytes:
        return openai_stream_error(problem)

    def tap(self) -> SpentTap:
        return SpentTap()

    def unit(self, raw: bytes, event: str, data: bytes | None) -> Reply:
        return read_unit(raw, event, data, slots=slots, final=error_only)

    def render(self, unit: Reply) -> bytes:
        return write_unit(unit, slots=slots)

    def codec(self) -> OpenAIEmbeddings:
        """Nothing is said twice in this dialect, so one codec serves every reply."""
        return self


def slots(value: Any) -> Iterator[Slot]:
    """A reply of vectors says nothing."""
    del value
    return iter(())
