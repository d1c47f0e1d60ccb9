"""The events of OpenAI's Responses API: where text sits, and the tap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from titer.core.nouns import Usage
from titer.gateway.dialects.tally import UNREADABLE, Tally
from titer.gateway.dialects.units import Slot

ENDINGS = frozenset({"response.completed", "response.incomplete", "response.failed"})
SAYS = frozenset({"response.output_text.delta", "response.refusal.delta"})
THINKS = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})
ARGUES = frozenset(
    {
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
    }
)
_DELTA = ("delta",)
_TEXT = ("text",)
_REFUSAL = ("refusal",)


class OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class Spent(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class Part(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    logprobs: list[Any] | None = None


class Item(msgspec.Struct, gc=False):
    type: str = ""
    content: list[Part] | None = None
    summary: list[Part] | None = None
    arguments: str | None = None
    input: Any = None


class Incomplete(msgspec.Struct, gc=False):
    reason: str | None = None


class Response(msgspec.Struct, gc=False):
    """The response object: at the end of a stream, or as a whole body."""

    status: str | None = None
    usage: Spent | None = None
    incomplete_details: Incomplete | None = None
    error: Any = None


class Whole(Response, gc=False):
    object: str | None = None
    output: list[Item] | None = None


class Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: str | None = None
    logprobs: list[Any] | None = None
    content_index: int = 0
    response: Response | None = None
    error: Any = None


_event = msgspec.json.Decoder(Event).decode
_whole = msgspec.json.Decoder(Whole).decode


class ResponsesTap(Tally):
    """Reads deltas of a stream, or the output of a whole response."""

    __slots__ = ()

    def event(self, data: bytes) -> None:
        """One payload of the stream."""
        try:
            event = _event(data)
        except UNREADABLE:
            if data == b"[DONE]":
                self.done = True
            else:
                self.garbage += 1
            return
        kind = event.type
        if event.delta:
            if kind in SAYS:
                self._say(event.delta)
                if kind == "response.refusal.delta":
                    self._refused = True
                if event.logprobs:
                    self._logprobs = True
            elif kind in THINKS:
                self._think(event.delta)
            elif kind in ARGUES:
                self._chars += len(event.delta)
        elif kind in ENDINGS:
            self.done = True
            if event.response is not None:
                self._close(event.response)
        if event.error is not None or kind == "error":
            self._failed = True

    def body(self, body: bytes) -> None:
        """A whole response."""
        try:
            whole = _whole(body)
        except UNREADABLE:
            self.garbage += 1
            return
        for item in whole.output or ():
            self._item(item)
        self._close(whole)
        self.done = whole.output is not None

    def _item(self, item: Item) -> None:
        thinks = item.type == "reasoning"
        for part in (*(item.content or ()), *(item.summary or ())):
            if part.text and thinks:
                self._think(part.text)
            elif part.text:
                self._say(part.text)
            if part.refusal:
                self._refused = True
                self._say(part.refusal)
            if part.logprobs:
                self._logprobs = True
        if item.arguments:
            self._chars += len(item.arguments)
        if type(item.input) is str:
            self._chars += len(item.input)

    def _close(self, response: Response) -> None:
        details = response.incomplete_details
        self._end((details.reason if details is not None else None) or response.status or "")
        if response.error is not None or response.status == "failed":
            self._failed = True
        spent = response.usage
        if spent is None:
            return
        self._usage = Usage(tokens_in=spent.input_tokens or 0, tokens_out=spent.output_tokens or 0)
        if spent.output_tokens_details is not None:
            self._reasoning_tokens = spent.output_tokens_details.reasoning_tokens


def kind_of(value: dict[str, Any], default: str = "") -> str:
    """The `type` of an event or part; a hostile one that is no string is no type."""
    kind = value.get("type", default)
    return kind if type(kind) is str else ""


def slots(value: Any) -> Iterator[Slot]:
    """Where a delta or a whole response newly says something; echoes have none."""
    if type(value) is not dict:
        return
    kind = kind_of(value)
    if kind in SAYS:
        yield Slot(value, _DELTA)
    elif kind in THINKS:
        yield Slot(value, _DELTA, reasoning=True)
    elif type(value.get("output")) is list:
        for _, slot in output_slots(value["output"]):
            yield slot


def output_slots(output: list[Any]) -> Iterator[tuple[tuple[int, int, str], Slot]]:
    """The places of a response's output, each with its key (see `part_slot`)."""
    for index, item in enumerate(output):
        yield from item_slots(item, index)


def item_slots(item: Any, index: int) -> Iterator[tuple[tuple[int, int, str], Slot]]:
    """The places of one output item."""
    if type(item) is not dict:
        return
    thinks = item.get("type") == "reasoning"
    for member in ("content", "summary"):
        parts = item.get(member)
        for inner, part in enumerate(parts if type(parts) is list else ()):
            found = part_slot(part, index, inner, summary=member == "summary", thinks=thinks)
            if found is not None:
                yield found


def part_slot(
    part: Any, index: int, inner: int, *, summary: bool, thinks: bool
) -> tuple[tuple[int, int, str], Slot] | None:
    """The place in one content part; its key is (output index, part index, kind)."""
    if type(part) is not dict:
        return None
    if thinks or part.get("type") in ("reasoning_text", "summary_text"):
        kind = "summary" if summary or part.get("type") == "summary_text" else "reasoning"
        return (index, inner, kind), Slot(part, _TEXT, reasoning=True)
    if "refusal" in part:
        return (index, inner, "refusal"), Slot(part, _REFUSAL)
    if "text" in part:
        return (index, inner, "text"), Slot(part, _TEXT)
    return None
