"""OpenAI embeddings: POST /v1/embeddings. Source: OpenAI API reference, "Embeddings"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from titer.core.nouns import RequestFacts
from titer.core.wire import Request
from titer.gateway.dialects import fields
from titer.gateway.dialects.contract import Route
from titer.gateway.dialects.json_guard import read_object
from titer.gateway.dialects.openai_common import SpentTap
from titer.gateway.dialects.openai_family import OpenAIFamily

RULES = {
    "model": fields.STRING,
    "input": fields.STRING_OR_LIST,
    "dimensions": fields.POSITIVE,
    "encoding_format": fields.STRING,
    "user": fields.STRING,
    "stream": fields.BOOL,
}


class OpenAIEmbeddings(OpenAIFamily):
    """The codec; it keeps no state. Replies have vectors and no text."""

    name = "openai.embeddings"
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

    def tap(self) -> SpentTap:
        return SpentTap()
