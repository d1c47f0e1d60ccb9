from __future__ import annotations

import sys

import pytest

from titer.core.nouns import Origin, ReplyFacts, RequestFacts, Usage
from titer.engine import Flight
from titer.gateway.telemetry import Telemetry


class Tracer:
    def __init__(self):
        self.spans = []

    def start_span(self, name, *, start_time, attributes):
        self.spans.append((name, start_time, attributes))
        return self

    def end(self, end_time):
        self.ended = end_time


def test_a_span_has_numbers_and_no_text():
    tracer = Tracer()
    flight = Flight(
        "id1", 1, "caller-words", Origin(ip="token"), "openai.chat", "/v1/chat/completions", "m",
        b"private", b"private", 7, RequestFacts(), ReplyFacts(finish="stop"), Usage(3, 4), 200,
    )  # fmt: skip
    Telemetry(tracer).finished(flight, 2.0)
    ((name, start, attributes),) = tracer.spans
    assert name == "chat m"
    assert tracer.ended - start == 2_000_000_000
    assert attributes["gen_ai.usage.output_tokens"] == 4
    assert attributes["gen_ai.provider.name"] == "openai"
    for word in ("private", "caller-words", "token'"):
        assert word not in repr(attributes)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(RuntimeError, match=r"titer\[otel\]"):
        Telemetry.open("http://127.0.0.1:1/v1/traces")
