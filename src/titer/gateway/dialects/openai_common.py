"""What OpenAI's chat and completions share: usage, chunks, and the tap over both."""

from __future__ import annotations

from typing import Any

import msgspec

from titer.core.nouns import Usage
from titer.gateway.dialects.tally import UNREADABLE, Seen, Tally

DONE = b"[DONE]"


class Details(msgspec.Struct, gc=False):
    """The part of a usage report that says how much was reasoning."""

    reasoning_tokens: int | None = None


class Spent(msgspec.Struct, gc=False):
    """`usage` of chat, completions and embeddings; prompt tokens include cached ones."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    completion_tokens_details: Details | None = None


class Function(msgspec.Struct, gc=False):
    arguments: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    function: Function | None = None


class Said(msgspec.Struct, gc=False):
    """A `delta` or a `message`. vLLM writes reasoning as `reasoning`, others as
    `reasoning_content`, some as both.
    """

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None


class Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: Said | None = None
    message: Said | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Seen | None = None


class Chunk(msgspec.Struct, gc=False):
    """A streamed chunk or a whole reply."""

    choices: list[Choice] | None = None
    usage: Spent | None = None
    error: Any = None


_chunk = msgspec.json.Decoder(Chunk).decode


class ChoicesTap(Tally):
    """Reads chat and completions, streamed or whole."""

    __slots__ = ()

    def event(self, data: bytes) -> None:
        """One payload of the stream."""
        if data == DONE:
            self.done = True
            return
        try:
            chunk = _chunk(data)
        except UNREADABLE:
            self.garbage += 1
            return
        self._take(chunk)

    def body(self, body: bytes) -> None:
        """A whole reply."""
        try:
            chunk = _chunk(body)
        except UNREADABLE:
            self.garbage += 1
            return
        self._take(chunk)
        self.done = chunk.choices is not None

    def _take(self, chunk: Chunk) -> None:
        if chunk.choices:
            for choice in chunk.choices:
                said = choice.delta or choice.message
                if said is not None:
                    if said.content:
                        self._say(said.content, choice.index)
                    if said.refusal or said.tool_calls or said.function_call:
                        self._other(said, choice.index)
                    if said.reasoning_content or said.reasoning:
                        self._think(said.reasoning_content or said.reasoning or "")
                elif choice.text:
                    self._say(choice.text, choice.index)
                if choice.finish_reason:
                    self._end(choice.finish_reason)
                if choice.logprobs is not None:
                    self._logprobs = True
        if chunk.usage is not None:
            self._spend(chunk.usage)
        if chunk.error is not None:
            self._failed = True

    def _other(self, said: Said, index: int) -> None:
        if said.refusal:
            self._refused = True
            self._say(said.refusal, index)
        if said.tool_calls:
            for call in said.tool_calls:
                if call.function is not None and call.function.arguments:
                    self._chars += len(call.function.arguments)
        if said.function_call is not None and said.function_call.arguments:
            self._chars += len(said.function_call.arguments)

    def _spend(self, spent: Spent) -> None:
        self._usage = Usage(
            tokens_in=spent.prompt_tokens or 0, tokens_out=spent.completion_tokens or 0
        )
        details = spent.completion_tokens_details
        if details is not None and details.reasoning_tokens is not None:
            self._reasoning_tokens = details.reasoning_tokens


class SpentTap(Tally):
    """Reads replies that have usage and no text: embeddings, scores, model lists."""

    __slots__ = ()

    def event(self, data: bytes) -> None:
        """These routes do not stream; an event is garbage."""
        if data == DONE:
            self.done = True
        else:
            self.garbage += 1

    def body(self, body: bytes) -> None:
        """A whole reply."""
        try:
            chunk = _chunk(body)
        except UNREADABLE:
            self.garbage += 1
            return
        if chunk.usage is not None:
            self._usage = Usage(tokens_in=chunk.usage.prompt_tokens or 0)
        self._failed = chunk.error is not None
        self.done = True
