"""OpenTelemetry GenAI spans, one per exchange, made after its end and only when configured.

The extra `titer[otel]` must be installed; without it `Telemetry.open` says so. Spans carry
counts and names (semantic conventions for generative AI), never text, keys or addresses.
"""

from __future__ import annotations

import time
from typing import Any

from titer.gateway.gate import Flight

_OPERATIONS = {
    "/v1/embeddings": "embeddings",
    "/v1/completions": "text_completion",
}


#: Characters of a model's name: a caller made it up.
MODEL_CHARS = 128


class Telemetry:
    """Writes spans with a tracer. `open` makes one that exports over OTLP/HTTP."""

    def __init__(self, tracer: Any, *, shutdown: Any = None) -> None:
        self._tracer = tracer
        self._shutdown = shutdown

    @classmethod
    def open(cls, endpoint: str) -> Telemetry:
        """Export to `endpoint` in batches. Raises RuntimeError when the extra is missing."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError:
            raise RuntimeError("install titer[otel] to export spans") from None
        provider = TracerProvider(resource=Resource.create({"service.name": "titer"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        return cls(provider.get_tracer("titer.gateway"), shutdown=provider.shutdown)

    def finished(self, flight: Flight, seconds: float) -> None:
        """One span for an exchange that has ended."""
        operation = _OPERATIONS.get(flight.endpoint, "chat")
        model = flight.model[:MODEL_CHARS]
        end = time.time_ns()
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": flight.dialect.partition(".")[0],
            "gen_ai.request.model": model,
            "http.response.status_code": flight.status,
            "titer.id": flight.id,
        }
        if flight.usage is not None:
            attributes["gen_ai.usage.input_tokens"] = flight.usage.tokens_in
            attributes["gen_ai.usage.output_tokens"] = flight.usage.tokens_out
        if flight.reply.finish:
            attributes["gen_ai.response.finish_reasons"] = (flight.reply.finish,)
        span = self._tracer.start_span(
            f"{operation} {model}", start_time=end - int(seconds * 1e9),
            attributes=attributes,
        )  # fmt: skip
        span.end(end_time=end)

    def close(self) -> None:
        """Export what is left."""
        if self._shutdown is not None:
            self._shutdown()
