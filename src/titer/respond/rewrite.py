"""A transform that runs one small state machine per channel of a reply, and holds no units back.

A channel is one text as a client joins it: the content of one choice, one block, the arguments of
one tool call. Characters that cannot be judged yet (half a tag, the beginning of what may be a
leak) move on to the next unit of their channel, so units never wait and their order stays. Text
that is left over when a channel ends leaves in a unit of its own, a copy of the channel's last.

What a stream repeats afterwards (`*.done` of responses) is judged as a whole; since a channel
gives the same outcome for any split, the repetition says what the deltas said.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from titer.core.wire import Reply
from titer.respond.places import Key, Kind, Place, endings, is_whole, places
from titer.respond.spelling import hush, spelled

#: Channels of one reply. 128 choices of two texts each are far beyond what is served; what
#: comes after is judged unit by unit, without memory.
MAX_CHANNELS = 1024


class Channel(Protocol):
    """A state machine over one text: the same outcome however the text is cut into pieces."""

    def push(self, text: str) -> str:
        """What may leave now that `text` has come."""
        ...

    def close(self) -> str:
        """What is left when no more comes."""
        ...


Make = Callable[[Kind, bool], Channel | None]


class Rewriter:
    """`make(kind, whole)` gives a fresh channel, or None to leave that kind alone."""

    held = 0

    #: Whether probabilities may spell a text that is in no channel, so that they are always read.
    strict = False

    def __init__(self, make: Make) -> None:
        self._make = make
        self.channels: dict[Key, Channel] = {}
        self._last: dict[Key, Any] = {}
        self._grown: dict[Key, tuple[str, str]] = {}

    def feed(self, unit: Reply) -> Iterable[Reply]:
        data = unit.data
        if data is None:
            return (*self.finish(), unit) if unit.final else (unit,)
        if is_whole(unit):
            self._whole(unit)
            return (unit,)
        before = list(self.ahead(data))
        self._edit(unit)
        if unit.final:
            return (*before, *self.finish(), unit)
        for index, inner in endings(data):
            before += self.finish(index, inner)
        return (*before, unit) if before else (unit,)

    def flush(self) -> Iterable[Reply]:
        """No unit is held; characters wait for their channel's next unit or its end."""
        return ()

    def over(self) -> Iterable[Reply]:
        """The reply has ended: what channels still say if no unit was the last by its word."""
        return self.finish()

    def taken(self) -> str:
        """What was taken out since this was asked last; for transforms that come after."""
        return ""

    def beyond(self, unit: Reply) -> bool:
        """A look at what no channel covers; whether the payload was changed."""
        del unit
        return False

    def ahead(self, data: Any) -> Iterable[Reply]:
        """Units that have to leave before this payload's own."""
        del data
        return ()

    # one unit

    def _edit(self, unit: Reply) -> None:
        old: list[str] = []
        new: list[str] = []
        changed = echoed = False
        data = unit.data
        for place in places(data):
            value = place.holder[place.name]
            if place.key[2].startswith("echo-"):
                echoed = True
                out = self._once(place.kind, value)
            else:
                out = self._judge(place, value, data)
                if place.kind == "text":
                    old.append(value)
                    new.append(out)
            if out != value:
                place.holder[place.name] = out
                changed = True
            if place.kind == "reasoning" and not echoed and unit.reasoning == value:
                unit.reasoning = out
        if echoed:
            unit.text = self._once("text", unit.text)
            unit.reasoning = self._once("reasoning", unit.reasoning)
        elif "".join(old) == unit.text:
            unit.text = "".join(new)
        self._tidy(unit, changed=changed)

    def _whole(self, unit: Reply) -> None:
        changed = False
        old: list[str] = []
        new: list[str] = []
        for place in places(unit.data):
            value = place.holder[place.name]
            out = self._once(place.kind, value)
            if place.kind == "text":
                old.append(value)
                new.append(out)
            if out != value:
                place.holder[place.name] = out
                changed = True
        if "".join(old) == unit.text:
            unit.text = "".join(new)
        self._tidy(unit, changed=changed)

    def _tidy(self, unit: Reply, *, changed: bool) -> None:
        changed |= self.beyond(unit)
        if (changed or self.strict) and spelled(unit.raw):
            changed |= hush(unit.data)
        unit.edited = unit.edited or changed
        unit.hidden += self.taken()

    def _once(self, kind: Kind, text: str) -> str:
        if not text:
            return text
        channel = self._make(kind, True)
        return text if channel is None else channel.push(text) + channel.close()

    def _judge(self, place: Place, value: str, data: Any) -> str:
        key = place.key
        channel = self.channels.get(key)
        if channel is None:
            channel = self._make(place.kind, False)
            if channel is None:
                return value
            if len(self.channels) < MAX_CHANNELS:
                self.channels[key] = channel
        self._last[key] = data
        if type(data) is dict and "meta_info" in data and "choices" not in data:
            before, out = self._grown.get(key, ("", ""))
            out += channel.push(value.removeprefix(before))
            self._grown[key] = value, out
            return out
        return channel.push(value)

    # endings

    def finish(
        self, index: int | None = None, inner: int | None = None, word: str = ""
    ) -> list[Reply]:
        """Close channels (all, or those of one index); what they still say, as units."""
        found = [
            key
            for key in self.channels
            if (index is None or (key[0] == index and inner in (None, key[1])))
            and word in ("", key[2])
        ]
        units = []
        for key in found:
            rest = self.channels.pop(key).close()
            data = self._last.pop(key, None)
            before = self._grown.pop(key, ("", ""))[1]
            if rest and data is not None:
                units.append(_unit(data, key, before + rest))
        if units:
            units[-1].hidden += self.taken()
        return units


def _said_once(delta: Any) -> None:
    """Take out what clients join to what they have: a tool's name said again is another name."""
    if type(delta) is not dict:
        return
    delta.pop("role", None)
    calls = delta.get("tool_calls")
    for call in (
        *(calls if type(calls) is list else ()),
        {"function": delta.get("function_call")},
    ):
        if type(call) is dict:
            for name in ("id", "type"):
                call.pop(name, None)
            for member in ("function", "custom"):
                if type(call.get(member)) is dict:
                    call[member].pop("name", None)


def _unit(data: Any, key: Key, text: str) -> Reply:
    """A unit like `data` that says `text` on one channel and nothing else."""
    made = copy.deepcopy(data)
    if type(made) is dict and made.get("type") == "content_block_start":
        said = {"thinking": {"type": "thinking_delta", "thinking": ""}}
        delta = said.get(key[2], {"type": "text_delta", "text": ""})
        made = {"type": "content_block_delta", "index": key[0], "delta": delta}
    kind: Kind = "text"
    for place in places(made):
        own = place.key == key
        place.holder[place.name] = text if own else ""
        kind = place.kind if own else kind
        if place.spells is not None and place.spells.get("logprobs"):
            empty: Any = [] if type(place.spells["logprobs"]) is list else None
            place.spells["logprobs"] = empty
    event = ""
    if type(made) is dict:
        made.pop("usage", None)
        for choice in made.get("choices") or ():
            if type(choice) is dict:
                if "finish_reason" in choice:
                    choice["finish_reason"] = None
                _said_once(choice.get("delta"))
        if type(made.get("type")) is str:
            event = made["type"]
    return Reply(
        raw=b"",
        data=made,
        event=event,
        text=text if kind == "text" else "",
        reasoning=text if kind == "reasoning" else "",
        edited=True,
    )
