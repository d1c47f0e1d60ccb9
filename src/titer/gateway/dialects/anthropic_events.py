"""The events of Anthropic's Messages API: where text sits, and the tap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from titer.core.nouns import Usage
from titer.gateway.dialects.tally import UNREADABLE, Tally
from titer.gateway.dialects.units import Slot

_TEXT = ("text",)
_THINKING = ("thinking",)


class Spent(msgspec.Struct, gc=False):
    """`usage`; `input_tokens` leaves out what was read from or written to the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class Block(msgspec.Struct, gc=False):
    """A content block or a delta of one."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    input: msgspec.Raw | None = None


class Message(msgspec.Struct, gc=False):
    type: str = ""
    content: list[Block] | None = None
    stop_reason: str | None = None
    usage: Spent | None = None


class Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: Block | None = None
    content_block: Block | None = None
    message: Message | None = None
    usage: Spent | None = None


_event = msgspec.json.Decoder(Event).decode
_message = msgspec.json.Decoder(Message).decode


class MessagesTap(Tally):
    """Reads a stream of blocks, or a whole message."""

    __slots__ = ()

    def event(self, data: bytes) -> None:
        """One payload of the stream."""
        try:
            event = _event(data)
        except UNREADABLE:
            self.garbage += 1
            return
        block = event.delta or event.content_block
        if block is not None:
            if block.text:
                self._say(block.text)
            else:
                self._other(block)
            if event.usage is not None:
                self._spend(event.usage)
            return
        if event.type == "message_stop":
            self.done = True
        elif event.type == "error":
            self._failed = True
        elif event.message is not None and event.message.usage is not None:
            self._spend(event.message.usage)

    def body(self, body: bytes) -> None:
        """A whole message."""
        try:
            message = _message(body)
        except UNREADABLE:
            self.garbage += 1
            return
        for block in message.content or ():
            if block.text:
                self._say(block.text)
            else:
                self._other(block)
            if block.input is not None:
                self._chars += len(block.input)
        if message.stop_reason:
            self._end(message.stop_reason)
        if message.usage is not None:
            self._spend(message.usage)
        self._failed = message.type == "error"
        self.done = message.content is not None

    def _other(self, block: Block) -> None:
        if block.thinking:
            self._think(block.thinking)
        if block.partial_json:
            self._chars += len(block.partial_json)
        if block.stop_reason:
            self._end(block.stop_reason)

    def _spend(self, spent: Spent) -> None:
        """Counts are totals so far: a later report replaces an earlier one."""
        before = self._usage or Usage()
        tokens_in = before.tokens_in
        if spent.input_tokens is not None:
            cached = (spent.cache_read_input_tokens or 0) + (
                spent.cache_creation_input_tokens or 0
            )
            tokens_in = spent.input_tokens + cached
        tokens_out = before.tokens_out
        if spent.output_tokens is not None:
            tokens_out = spent.output_tokens
        self._usage = Usage(tokens_in=tokens_in, tokens_out=tokens_out)


class CountTap(Tally):
    """Reads the reply of count_tokens: a number, nothing said."""

    __slots__ = ()

    def event(self, data: bytes) -> None:
        """The route does not stream; an event is garbage."""
        del data
        self.garbage += 1

    def body(self, body: bytes) -> None:
        """`{"input_tokens": n}`."""
        try:
            spent = msgspec.json.decode(body, type=Spent)
        except UNREADABLE:
            self.garbage += 1
            return
        if spent.input_tokens is not None:
            self._usage = Usage(tokens_in=0, tokens_out=0)
            self.done = True


def slots(value: Any) -> Iterator[Slot]:
    """Where an event or a whole message says something."""
    if type(value) is not dict:
        return
    block = value.get("delta") or value.get("content_block")
    if type(block) is dict:
        yield from _block_slots(block)
        return
    content = value.get("content")
    for block in content if type(content) is list else ():
        if type(block) is dict:
            yield from _block_slots(block)


def _block_slots(block: dict[str, Any]) -> Iterator[Slot]:
    if "thinking" in block:
        yield Slot(block, _THINKING, reasoning=True)
    elif "text" in block:
        yield Slot(block, _TEXT)


def final(event: str, value: Any) -> bool:
    """Whether this event closes the stream."""
    return (value.get("type", event) if type(value) is dict else event) == "message_stop"
