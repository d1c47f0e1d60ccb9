"""What all dialects of OpenAI's family share: its errors, and units without echoes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from titer.core.wire import Problem, Reply
from titer.gateway.dialects.contract import Codec, Rendered
from titer.gateway.dialects.errors import openai_error, openai_stream_error
from titer.gateway.dialects.units import Slot, read_unit, write_unit


class OpenAIFamily:
    """Base of codecs. One that says something gives `slots`; one that ends otherwise, `final`."""

    family: Literal["openai", "anthropic"] = "openai"

    def slots(self, value: Any) -> Iterator[Slot]:
        """Where a decoded unit says something: nowhere."""
        del value
        return iter(())

    def final(self, event: str, value: Any) -> bool:
        """Streams end with `[DONE]`, which is no JSON, and with nothing else."""
        del event, value
        return False

    def error(self, problem: Problem) -> Rendered:
        return openai_error(problem)

    def stream_error(self, problem: Problem) -> bytes:
        return openai_stream_error(problem)

    def unit(self, raw: bytes, event: str, data: bytes | None) -> Reply:
        return read_unit(raw, event, data, slots=self.slots, final=self.final)

    def render(self, unit: Reply) -> bytes:
        return write_unit(unit, slots=self.slots)

    def codec(self) -> Codec:
        """Nothing is said twice, so one codec serves every reply."""
        return self
