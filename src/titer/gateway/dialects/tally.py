"""What every tap keeps while a reply passes: bounded text, counts, and how it ended."""

from __future__ import annotations

import msgspec

from titer.core.nouns import ReplyFacts, Usage

#: Characters of reply text kept per reply; what goes beyond is counted, not kept. A reply of
#: 128k tokens has about half of it.
MAX_TEXT = 1_048_576
#: Characters of a finish reason that are kept.
MAX_FINISH = 32

#: What decoding bytes of a stranger may raise; everything else would be our own fault.
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)

#: Finish reasons in one vocabulary (OpenAI chat's), so that controls and detectors need one.
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "refusal": "content_filter",
}


class Seen(msgspec.Struct, gc=False):
    """A member whose presence counts and whose content does not."""


class Tally:
    """The part of a tap that no dialect changes. `garbage` counts undecodable payloads."""

    __slots__ = (
        "_chars", "_failed", "_finish", "_kept", "_logprobs", "_others", "_parts",
        "_reasoning", "_reasoning_tokens", "_refused", "_usage", "done", "garbage",
    )  # fmt: skip

    def __init__(self) -> None:
        self.done = False
        self.garbage = 0
        self._parts: list[str] = []
        self._others: dict[int, list[str]] | None = None
        self._kept = 0
        self._chars = 0
        self._reasoning = 0
        self._reasoning_tokens: int | None = None
        self._finish = ""
        self._refused = False
        self._logprobs = False
        self._failed = False
        self._usage: Usage | None = None

    def _say(self, text: str, index: int = 0) -> None:
        size = len(text)
        self._chars += size
        room = MAX_TEXT - self._kept
        if room <= 0:
            return
        if size > room:
            text, size = text[:room], room
        self._kept += size
        if index == 0:
            self._parts.append(text)
            return
        if self._others is None:
            self._others = {}
        self._others.setdefault(index, []).append(text)

    def _think(self, text: str) -> None:
        self._chars += len(text)
        self._reasoning += len(text)

    def _end(self, reason: str) -> None:
        self._finish = _FINISH.get(reason, reason[:MAX_FINISH])
        if self._finish == "content_filter":
            self._refused = True

    def text(self) -> str:
        """What was said, choice by choice, without reasoning and tool arguments."""
        if self._others is None:
            return "".join(self._parts)
        rest = ("".join(self._others[i]) for i in sorted(self._others))
        return "".join((*self._parts, *rest))

    def usage(self) -> Usage | None:
        """What the upstream reported, or None."""
        return self._usage

    def facts(self) -> ReplyFacts:
        """The reply without its text; `chars` counts reasoning and tool arguments too.

        Reasoning tokens that the upstream does not report are estimated at 4 characters each.
        """
        tokens = self._reasoning_tokens
        if tokens is None:
            tokens = (self._reasoning + 3) // 4
        return ReplyFacts(
            finish=self._finish,
            chars=self._chars,
            reasoning_tokens=tokens,
            refused=self._refused,
            logprobs=self._logprobs,
            complete=self.done and not self._failed,
        )
