"""The list of models: GET /v1/models and /v1/models/{model}, for both families' clients.

Anthropic's list has the same path and another shape; the gateway passes the upstream's answer
on, whichever it is. Source: OpenAI API reference, "Models".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from titer.core.errors import Refused
from titer.core.nouns import RequestFacts
from titer.core.wire import Problem, Reply, Request
from titer.gateway.dialects.contract import Rendered, Route
from titer.gateway.dialects.errors import openai_error, openai_stream_error
from titer.gateway.dialects.openai_common import SpentTap, error_only
from titer.gateway.dialects.openai_embeddings import slots
from titer.gateway.dialects.units import read_unit, write_unit


class OpenAIModels:
    """The codec; requests have no body and replies nothing to weigh."""

    name = "openai.models"
    family: Literal["openai", "anthropic"] = "openai"
    routes: tuple[Route, ...] = (
        Route("GET", "/v1/models", exchange=False),
        Route("GET", "/v1/models/*", exchange=False),
    )

    def parse(self, endpoint: str, raw: bytes) -> Request:
        """A request without a body; raises `Refused` when there is one."""
        if raw:
            raise Refused(
                Problem(
                    kind="invalid_request",
                    message="this route takes no body; send the request without one",
                    code="unexpected_body",
                )
            )
        return Request(dialect=self.name, endpoint=endpoint, body={}, raw=raw)

    def facts(self, request: Request) -> RequestFacts:
        """Nothing."""
        del request
        return RequestFacts()

    def texts(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Nothing."""
        del body
        return iter(())

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

    def codec(self) -> OpenAIModels:
        """Nothing is said twice in this dialect, so one codec serves every reply."""
        return self
