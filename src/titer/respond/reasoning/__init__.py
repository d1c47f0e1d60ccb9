"""Hidden reasoning: taken out of a reply wherever it is served, streamed or whole.

    to 0.5     a summary by a model that the operator named; without one, as the next row
    to 0.75    its structure alone: `[3 steps, 412 tokens]`
    above      nothing

Whatever the strength, not one of the model's own words of reasoning leaves: not in a field, not
between tags in the text, not in arguments of a tool call, not as log-probabilities of tokens.
Counts of tokens stay, so that bills stay honest. What a provider has signed or encrypted
(Anthropic's `signature` and `redacted_thinking`, OpenAI's `encrypted_content`) passes untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from titer.core.nouns import Card, Standing
from titer.core.wire import Reply, Request, Transform
from titer.respond.places import Kind, places
from titer.respond.reasoning.beyond import hinted, undocumented
from titer.respond.reasoning.formats import Format, Formats
from titer.respond.reasoning.tags import TagChannel
from titer.respond.rewrite import Channel, Rewriter

__all__ = ["Formats", "Reasoning", "structure"]

#: Characters of one stretch of reasoning that are kept to count its steps.
MAX_KEPT = 1_048_576

#: Characters a token (OpenAI's rule of thumb): the model's own count comes after the text.
CHARS_PER_TOKEN = 4

STRUCTURE = re.compile(r"\[\d+ steps?, \d+ tokens?\]")
_STEP = re.compile(r"\n[ \t]*\n\s*")

#: Above this strength nothing stands for the reasoning.
STRUCTURE_TO = 0.75


def structure(hidden: str) -> str:
    """What stands for a stretch of reasoning: its paragraphs, and tokens at 4 characters each."""
    steps = max(1, len(_STEP.split(hidden.strip())))
    tokens = max(1, -(-len(hidden) // CHARS_PER_TOKEN))
    return f"[{steps} step{'s'[: steps > 1]}, {tokens} token{'s'[: tokens > 1]}]"


class Reasoning:
    """The mitigation. `formats` says how models write their reasoning into text."""

    card = Card(
        name="reasoning",
        version="1",
        technique="AML.T0024.002",
        measures="takes the model's reasoning out of a reply: fields, tags in text and tool "
        "arguments, token probabilities; leaves counts and signed blobs",
        blind_to="what the answer itself explains; reasoning whose end alone is marked, in the "
        "first stream of a model that no format describes",
        benign_causes="people who read the reasoning; clients that show it get its structure",
        cost="at most 30 us an event; holds back at most half a tag",
        lifecycle="calibrated",
        apart=True,
    )

    def __init__(self, formats: Formats | None = None) -> None:
        self._formats = formats or Formats()
        self._inside: dict[str, None] = {}

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """What we wrote in place of reasoning goes back to the model as nothing."""
        del standing
        if strength <= 0 or not any(_ours(message) for message in _messages(request)):
            return request
        messages = [_without(message) for message in _messages(request)]
        return request.edit(put={"messages": messages})

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """A transform for a model of which nothing is known: all known formats."""
        del standing
        return self._transform("", strength)

    def answer(self, request: Request, strength: float, standing: Standing) -> Transform | None:
        """A transform for a reply to this request."""
        del standing
        return self._transform(request.model, strength)

    def _transform(self, model: str, strength: float) -> Transform | None:
        if strength <= 0:
            return None
        form = self._formats.of(model)
        if model in self._inside:
            form = Format(form.tags, inside=True)
        return Hide(form, structured=strength <= STRUCTURE_TO, lone=lambda: self._learn(model))

    def _learn(self, model: str) -> None:
        """A stream of this model ended reasoning that it had not begun: its next ones begin so."""
        if model and len(self._inside) < MAX_LEARNT:
            self._inside[model] = None


#: Models of which that is remembered; aliases are made up by callers.
MAX_LEARNT = 512


class Hide(Rewriter):
    """At work on one reply."""

    def __init__(
        self, form: Format, *, structured: bool, lone: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(self._channel)
        self._form = form
        self._structured = structured
        self._lone = lone
        self._taken: list[str] = []

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
        if not self._structured or type(data) is not dict or "choices" not in data:
            return ()
        units: list[Reply] = []
        for place in places(data):
            if place.kind != "reasoning" and place.holder[place.name]:
                for key in [k for k, c in self.channels.items() if _waits(c, k, place.key[0])]:
                    units += self.finish(key[0], key[1], key[2])
        return units

    def _channel(self, kind: Kind, whole: bool) -> Channel:
        if kind == "reasoning":
            return FieldChannel(self._taken.append, structured=self._structured)
        return TagChannel(
            self._form,
            whole=whole,
            took=self._taken.append,
            replace=structure if self._structured and kind == "text" else None,
            lone=self._lone if kind == "text" and not whole else lambda: None,
        )


class FieldChannel:
    """A member that is reasoning all through."""

    def __init__(self, took: Callable[[str], None], *, structured: bool) -> None:
        self._took = took
        self._structured = structured
        self._kept: list[str] = []
        self._size = 0

    @property
    def waiting(self) -> bool:
        """Whether something is to be said in place of what was taken."""
        return self._structured and self._size > 0

    def push(self, text: str) -> str:
        if text:
            self._took(text)
            if self._structured:
                self._kept.append(text[: max(0, MAX_KEPT - self._size)])
            self._size += len(text)
        return ""

    def close(self) -> str:
        hidden = "".join(self._kept)
        self._kept.clear()
        self._size = 0
        return structure(hidden) if self._structured and hidden.strip() else ""


def _waits(channel: Channel, key: tuple[int, int, str], index: int) -> bool:
    return key[0] == index and isinstance(channel, FieldChannel) and channel.waiting


def _messages(request: Request) -> list[Any]:
    found = request.body.get("messages")
    return found if type(found) is list else []


def _ours(message: Any) -> bool:
    return type(message) is dict and any(_blocks(message))


def _blocks(message: dict[str, Any]) -> Iterable[str]:
    """The members of an assistant's turn that hold a text of ours, as `member` or `content`."""
    for name in ("reasoning_content", "reasoning"):
        if type(message.get(name)) is str and STRUCTURE.fullmatch(message[name].strip()):
            yield name
    content = message.get("content")
    for block in content if type(content) is list else ():
        if type(block) is dict and STRUCTURE.fullmatch(str(block.get("thinking")).strip()):
            yield "content"


def _without(message: Any) -> Any:
    if not _ours(message):
        return message
    made = dict(message)
    for name in set(_blocks(message)):
        if name != "content":
            made[name] = ""
    if type(made.get("content")) is list:
        made["content"] = [
            {**b, "thinking": ""}
            if type(b) is dict and STRUCTURE.fullmatch(str(b.get("thinking")).strip())
            else b
            for b in made["content"]
        ]
    return made
