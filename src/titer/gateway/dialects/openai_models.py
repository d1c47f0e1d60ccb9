"""The list of models: GET /v1/models and /v1/models/{model}, for both families' clients.

Anthropic's list has the same path and another shape; the gateway passes the upstream's answer
on, whichever it is. Source: OpenAI API reference, "Models".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from titer.core.errors import Refused
from titer.core.nouns import RequestFacts
from titer.core.wire import Problem, Request
from titer.gateway.dialects.contract import Route
from titer.gateway.dialects.openai_common import SpentTap
from titer.gateway.dialects.openai_family import OpenAIFamily


class OpenAIModels(OpenAIFamily):
    """The codec; requests have no body and replies nothing to weigh."""

    name = "openai.models"
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

    def tap(self) -> SpentTap:
        return SpentTap()
