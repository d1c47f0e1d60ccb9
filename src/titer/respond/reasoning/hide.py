"""Reasoning taken out of one reply, channel by channel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from titer.core.wire import Reply
from titer.respond.places import Kind, places
from titer.respond.reasoning.beyond import hinted, undocumented
from titer.respond.reasoning.formats import Format
from titer.respond.reasoning.held import HeldChannel
from titer.respond.reasoning.tags import TagChannel
from titer.respond.rewrite import Channel, Rewriter

#: Characters of one stretch of reasoning that are kept to count its steps.
MAX_KEPT = 1_048_576

#: Characters a token (OpenAI's rule of thumb): the model's own count comes after the text.
CHARS_PER_TOKEN = 4

STRUCTURE = re.compile(r"\[\d+ steps?, \d+ tokens?\]")
_STEP = re.compile(r"\n[ \t]*\n\s*")


def structure(hidden: str) -> str:
    """What stands for a stretch of reasoning: its paragraphs, and tokens at 4 characters each."""
    steps = max(1, len(_STEP.split(hidden.strip())))
    tokens = max(1, -(-len(hidden) // CHARS_PER_TOKEN))
    return f"[{steps} step{'s'[: steps > 1]}, {tokens} token{'s'[: tokens > 1]}]"


class Inside:
    """What is known of whether a reply's text begins inside reasoning. `sure` when an operator's
    format says so, `stops` when the caller ends texts itself, so that an end tells nothing,
    `unknown` when nothing is known of the model.
    """

    def __init__(
        self, *, sure: bool = False, stops: bool = False, unknown: bool = False,
        apart: Callable[[], None] = lambda: None, refuted: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._sure, self._stops = sure, stops
        self.unknown = unknown
        self._told_apart, self._told_refuted = apart, refuted
        self._ends: set[str] = set()
        self.apart = False

    def look(self, data: Any) -> None:
        """A payload before its texts are judged: reasoning in a field is not in the text too."""
        if not self.apart and any(
            place.kind == "reasoning" and place.holder[place.name] for place in places(data)
        ):
            self.apart = True
            self._told_apart()
        choices = data.get("choices") if type(data) is dict else None
        for choice in choices if type(choices) is list else ():
            if type(choice) is dict and type(choice.get("finish_reason")) is str:
                self._ends.add(choice["finish_reason"])

    def plain(self) -> None:
        """A text of an unknown model was an answer, unless the caller or a limit cut it off."""
        if not self._stops and self._ends and self._ends <= _ENDED:
            self._told_refuted()

    def opened(self) -> None:
        """A text of an unknown model began with the tag that opens its reasoning."""
        self._told_refuted()

    def answer(self) -> bool:
        """Whether a text that never closed its reasoning was the answer: the model ended it."""
        ended = bool(self._ends) and self._ends <= _ENDED
        if self._sure or self._stops or not ended:
            return False
        self._told_refuted()
        return True


#: Reasons by which a model ends a text itself.
_ENDED = frozenset({"stop", "tool_calls", "function_call"})


class Hide(Rewriter):
    """At work on one reply. `stand` writes what stands for a stretch; None: nothing does."""

    strict = True

    def __init__(
        self,
        form: Format,
        *,
        stand: Callable[[str], str] | None,
        lone: Callable[[], None] = lambda: None,
        inside: Inside | None = None,
    ) -> None:
        super().__init__(self._channel)
        self._inside = inside or Inside()
        self._form = form
        self._stand_in = stand
        self._lone = lone
        self._taken: list[str] = []

    def feed(self, unit: Reply) -> Iterable[Reply]:
        if unit.data is not None:
            self._inside.look(unit.data)
        return super().feed(unit)

    def taken(self) -> str:
        taken = "".join(self._taken)
        self._taken.clear()
        return taken

    def beyond(self, unit: Reply) -> bool:
        if not hinted(unit.raw):
            return False
        known = {(id(place.holder), place.name) for place in places(unit.data)}
        changed = False
        for holder, name in list(undocumented(unit.data)):
            if (id(holder), name) not in known:
                self._taken.append(holder[name])
                holder[name] = ""
                changed = True
        return changed

    def ahead(self, data: Any) -> Iterable[Reply]:
        """In chat, what stands for reasoning comes before the answer's first word."""
        if self._stand_in is None or type(data) is not dict or "choices" not in data:
            return ()
        units: list[Reply] = []
        for place in places(data):
            if place.kind != "reasoning" and place.holder[place.name]:
                for key in [k for k, c in self.channels.items() if _waits(c, k, place.key[0])]:
                    units += self.finish(key[0], key[1], key[2])
        return units

    def _channel(self, kind: Kind, whole: bool) -> Channel:
        if kind == "reasoning":
            return FieldChannel(self._taken.append, self._stand_in)
        lone = self._lone if kind == "text" and not whole else lambda: None

        def make(took: Callable[[str], None], lone: Callable[[], None]) -> TagChannel:
            return TagChannel(
                self._form,
                whole=whole,
                took=took,
                replace=self._stand_in if kind == "text" else None,
                lone=lone,
                outside=lambda: self._inside.apart,
                answer=self._inside.answer,
            )

        if whole or not self._inside.unknown or kind != "text":
            return make(self._taken.append, lone)
        return HeldChannel(
            make, took=self._taken.append, lone=lone, plain=self._inside.plain,
            opened=self._inside.opened,
            apart=lambda: self._inside.apart,
        )  # fmt: skip


class FieldChannel:
    """A member that is reasoning all through."""

    def __init__(self, took: Callable[[str], None], stand: Callable[[str], str] | None) -> None:
        self._took = took
        self._stand_in = stand
        self._kept: list[str] = []
        self._size = 0

    @property
    def waiting(self) -> bool:
        """Whether something is to be said in place of what was taken."""
        return self._stand_in is not None and self._size > 0

    def push(self, text: str) -> str:
        if text:
            self._took(text)
            if self._stand_in is not None:
                self._kept.append(text[: max(0, MAX_KEPT - self._size)])
            self._size += len(text)
        return ""

    def close(self) -> str:
        hidden = "".join(self._kept)
        self._kept.clear()
        self._size = 0
        if self._stand_in is None or not hidden.strip():
            return ""
        return self._stand_in(hidden)


def _waits(channel: Channel, key: tuple[int, int, str], index: int) -> bool:
    return key[0] == index and isinstance(channel, FieldChannel) and channel.waiting
