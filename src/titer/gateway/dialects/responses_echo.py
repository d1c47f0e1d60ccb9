"""Keeps the echoes of a Responses stream true to what left the gateway.

Rules: (1) a delta's text counts as sent when `render` is called for its unit, so every delta and
echo is marked `edited`: it must be rendered when it leaves, and comes out as it was unless it
changed; (2) an echo is written again whenever it says otherwise than what was sent for its part;
(3) text that was echoed but never streamed is new: it is a unit's `text`, and transforms see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from titer.core.wire import Reply
from titer.gateway.dialects.responses_events import (
    ENDINGS,
    SAYS,
    item_slots,
    kind_of,
    output_slots,
    part_slot,
    slots,
)
from titer.gateway.dialects.units import (
    Slot,
    frame,
    is_body,
    read_unit,
    silence,
    unchanged,
    write_unit,
)

Key = tuple[int, int, str]

#: Characters remembered of one reply; beyond it an echo carries nothing, which never leaks.
MAX_ECHO = 8 * 1_048_576

_KINDS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "summary",
}
_DONE = {
    "response.output_text.done": ("text", "text"),
    "response.refusal.done": ("refusal", "refusal"),
    "response.reasoning_text.done": ("reasoning", "text"),
    "response.reasoning_summary_text.done": ("summary", "text"),
}


class EchoCodec:
    """`unit` and `render` for one reply, with a memory of what was said and what was sent."""

    __slots__ = ("_said", "_sent", "_size")

    def __init__(self) -> None:
        self._said: set[Key] = set()
        self._sent: dict[Key, list[str]] = {}
        self._size = 0

    def unit(self, raw: bytes, event: str, data: bytes | None) -> Reply:
        """One event decoded; `text` holds what neither deltas nor earlier echoes have said."""
        unit = read_unit(raw, event, data, slots=slots, final=_final)
        value = unit.data
        if type(value) is not dict or is_body(raw):
            return unit
        kind = kind_of(value)
        if kind in _KINDS:
            self._said.add(_key(value, _KINDS[kind]))
            unit.edited = True
            return unit
        for key, slot in echoes(value):
            unit.edited = True
            text = slot.read()
            if not text or key in self._said:
                continue
            self._said.add(key)
            if slot.reasoning:
                unit.reasoning += text
            else:
                unit.text += text
        return unit

    def render(self, unit: Reply) -> bytes:
        """The bytes of a unit that leaves now; call it for every one."""
        value = unit.data
        if type(value) is not dict or is_body(unit.raw):
            return write_unit(unit, slots=slots)
        kind = kind_of(value)
        if kind in _KINDS:
            text = unit.text if kind in SAYS else unit.reasoning
            self._keep(_key(value, _KINDS[kind]), text)
            return write_unit(unit, slots=slots)
        return self._echo(unit, value)

    def _echo(self, unit: Reply, value: dict[str, Any]) -> bytes:
        changed = False
        fresh = {False: unit.text, True: unit.reasoning}
        told = self._new(value)
        for key, slot in echoes(value):
            text = slot.read()
            if not text and key not in self._sent:
                continue
            if key not in self._sent:
                new = text  # first said here; every part stays where it is if none was changed
                if fresh[slot.reasoning] != told[slot.reasoning]:
                    new, fresh[slot.reasoning] = fresh[slot.reasoning], ""
                    told[slot.reasoning] = None  # of several, the first takes all that was left
                self._keep(key, new)
            else:
                new = "".join(self._sent[key])
            if new != text:
                slot.write(new)
                silence(slot.holder)
                changed = True
        if changed or not unchanged(unit):
            return frame(unit.raw, unit.event, msgspec.json.encode(value))
        return unit.raw

    def _new(self, value: dict[str, Any]) -> dict[bool, str | None]:
        """The text, and the reasoning, of parts that were not sent before, as it came."""
        told: dict[bool, str | None] = {False: "", True: ""}
        met: set[Key] = set()
        for key, slot in echoes(value):
            text = slot.read()
            if text and key not in self._sent and key not in met:
                met.add(key)
                told[slot.reasoning] = (told[slot.reasoning] or "") + text
        return told

    def _keep(self, key: Key, text: str) -> None:
        kept = self._sent.setdefault(key, [])
        if self._size + len(text) <= MAX_ECHO:
            self._size += len(text)
            kept.append(text)


def echoes(value: dict[str, Any]) -> Iterator[tuple[Key, Slot]]:
    """The places where an event repeats parts that deltas have built, each with its key."""
    kind = kind_of(value)
    if kind in _DONE:
        part, member = _DONE[kind]
        yield _key(value, part), Slot(value, (member,), part in ("reasoning", "summary"))
        return
    index = _index(value, "output_index")
    if "part" in value:
        summary = "summary_index" in value
        inner = _index(value, "summary_index" if summary else "content_index")
        found = part_slot(value["part"], index, inner, summary=summary, thinks=summary)
        if found is not None:
            yield found
    elif "item" in value:
        yield from item_slots(value["item"], index)
    else:
        response = value.get("response")
        if type(response) is dict and type(response.get("output")) is list:
            yield from output_slots(response["output"])


def _key(value: dict[str, Any], kind: str) -> Key:
    inner = "summary_index" if kind == "summary" else "content_index"
    return _index(value, "output_index"), _index(value, inner), kind


def _index(value: dict[str, Any], name: str) -> int:
    index = value.get(name)
    return index if type(index) is int else 0


def _final(event: str, value: Any) -> bool:
    kind = kind_of(value, event) if type(value) is dict else event
    return kind in ENDINGS
