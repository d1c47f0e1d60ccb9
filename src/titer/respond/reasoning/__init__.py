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

from collections.abc import Iterable
from typing import Any

from titer.core.nouns import Card, Standing
from titer.core.wire import Request, Transform
from titer.respond.reasoning.formats import Format, Formats
from titer.respond.reasoning.held import KNOWN
from titer.respond.reasoning.hide import STRUCTURE, Hide, Inside, structure
from titer.respond.reasoning.summary import Summed

__all__ = ["STRUCTURE", "Formats", "Reasoning", "structure"]

#: Up to these strengths a summary and the structure stand for the reasoning; above, nothing.
SUMMARY_TO, STRUCTURE_TO = 0.5, 0.75


class Reasoning:
    """The mitigation. `formats` says how models write their reasoning into text."""

    card = Card(
        name="reasoning",
        version="1",
        technique="AML.T0024.002",
        measures="takes the model's reasoning out of a reply: fields, tags in text and tool "
        "arguments, token probabilities; leaves counts and signed blobs",
        blind_to="what the answer itself explains; reasoning whose end alone is marked, of a "
        "model that no format describes, where a limit or the caller cuts it off before its end",
        benign_causes="people who read the reasoning; clients that show it get its structure",
        cost="at most 30 us an event; holds back at most half a tag, and the first three streams "
        "of an unknown model to their end",
        lifecycle="calibrated",
        apart=True,
    )

    def __init__(self, formats: Formats | None = None, *, summaries: bool = False) -> None:
        """`summaries`: the gateway has a summariser to ask."""
        self._formats = formats or Formats()
        self._summaries = summaries
        self._votes: dict[str, set[str]] = {}
        self._outside: dict[str, None] = {}
        self._plain: dict[str, int] = {}

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """What we wrote in place of reasoning goes back to the model as nothing."""
        del standing
        if strength <= 0 or not any(_ours(message) for message in _messages(request)):
            return request
        messages = [_without(message) for message in _messages(request)]
        return request.edit(put={"messages": messages})

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """A transform for a model of which nothing is known: all known formats."""
        return self._transform("", strength, standing.subject)

    def answer(self, request: Request, strength: float, standing: Standing) -> Transform | None:
        """A transform for a reply to this request."""
        stops = any(request.body.get(name) for name in _STOPS)
        apart = request.dialect in _BLOCKS
        return self._transform(request.model, strength, standing.subject, stops=stops, apart=apart)

    def _transform(
        self, model: str, strength: float, subject: str, *, stops: bool = False,
        apart: bool = False,
    ) -> Transform | None:  # fmt: skip
        if strength <= 0:
            return None
        form = self._formats.of(model)
        sure = self._formats.learnt(model)
        unknown = False
        if not sure and (apart or model in self._outside):
            form = Format(form.tags)
        elif len(self._votes.get(model, ())) >= VOTES:
            form = Format(form.tags, inside=True)
        elif model and not sure and not form.inside:
            unknown = True

        def lone() -> None:
            self._learn(model, subject)

        def outside() -> None:
            if form.inside or unknown:
                self._believe_outside(model)

        refuted = self._ended if unknown else self._forget
        inside = Inside(
            sure=sure, stops=stops, unknown=unknown, apart=outside, refuted=lambda: refuted(model)
        )
        if self._summaries and strength <= SUMMARY_TO:
            return Summed(form, lone, inside)
        stand = structure if strength <= STRUCTURE_TO else None
        return Hide(form, stand=stand, lone=lone, inside=inside)

    def _learn(self, model: str, subject: str) -> None:
        """A stream of this model ended reasoning that it had not begun. Once several callers had
        such streams its next ones are believed to begin so: one caller can have a model write
        anything.
        """
        if model and model not in self._outside and (
            model in self._votes or len(self._votes) < MAX_LEARNT
        ):  # fmt: skip
            votes = self._votes.setdefault(model, set())
            if len(votes) < VOTES:
                votes.add(subject)

    def _forget(self, model: str) -> None:
        """A stream that was believed to begin inside reasoning was an answer: not again."""
        if self._votes.pop(model, None) is not None:
            self._believe_outside(model)

    def _ended(self, model: str) -> None:
        """A stream of a model of which nothing was known was an answer all through."""
        self._plain[model] = self._plain.get(model, 0) + 1
        if self._plain[model] >= KNOWN:
            del self._plain[model]
            self._believe_outside(model)
        elif len(self._plain) > MAX_LEARNT:
            del self._plain[next(iter(self._plain))]

    def _believe_outside(self, model: str) -> None:
        self._outside[model] = None
        if len(self._outside) > MAX_LEARNT:
            del self._outside[next(iter(self._outside))]


#: Callers whose streams must have shown that a model begins inside its reasoning.
VOTES = 3

#: Dialects with a block or item for reasoning: a server that speaks them keeps it apart, and their
#: texts end before it is told why, so that nothing could correct a guess.
_BLOCKS = frozenset({"anthropic.messages", "openai.responses"})

#: Parameters by which a caller ends a text itself.
_STOPS = ("stop", "stop_sequences", "stop_token_ids")

#: Models of which that is remembered; aliases are made up by callers.
MAX_LEARNT = 512


def _messages(request: Request) -> list[Any]:
    found = request.body.get("messages")
    return found if type(found) is list else []


def _ours(message: Any) -> bool:
    return type(message) is dict and any(_blocks(message))


def _blocks(message: dict[str, Any]) -> Iterable[str]:
    """The members of an assistant's turn that hold a text of ours, as `member` or `content`."""
    for name in ("reasoning_content", "reasoning"):
        if type(message.get(name)) is str and STRUCTURE.match(message[name].strip()):
            yield name
    content = message.get("content")
    for block in content if type(content) is list else ():
        if type(block) is dict and STRUCTURE.match(str(block.get("thinking")).strip()):
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
            if type(b) is dict and STRUCTURE.match(str(b.get("thinking")).strip())
            else b
            for b in made["content"]
        ]
    return made
