"""Turns events and bodies into `Reply` units and back, for every dialect alike.

A dialect only says where text sits in its payloads (`Slot`). A transform edits `unit.text`,
`unit.reasoning` or `unit.data` and sets `edited`; it need not know the dialect:

* `text` or `reasoning` changed -> the new string is written where the old one was (several
  places: all of it into the first), and the token probabilities of that unit are dropped, as
  they spell out what was replaced;
* only `data` changed (rounded log-probabilities), or it already says what `text` and `reasoning`
  say (a transform that edits each choice for itself) -> it is written as it is.

The framing stays: every line of the event other than `data:` is kept, in its line ending.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from titer.core.wire import Reply
from titer.gateway.dialects.tally import UNREADABLE

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

#: Members that spell out a text token by token.
_SPELLING = ("logprobs", "token_ids", "prompt_logprobs", "prompt_token_ids")


class Slot(NamedTuple):
    """A place where a payload newly says something: `names` are members of `holder` that mean
    the same (the first is written when none is there).
    """

    holder: dict[str, Any]
    names: tuple[str, ...]
    reasoning: bool = False

    def read(self) -> str:
        """The string here, or empty."""
        for name in self.names:
            value = self.holder.get(name)
            if type(value) is str and value:
                return value
        return ""

    def write(self, text: str) -> None:
        """Put `text` under every name that is present."""
        present = [n for n in self.names if n in self.holder]
        for name in present or self.names[:1]:
            self.holder[name] = text


Slots = Callable[[Any], Iterable[Slot]]


def read_unit(
    raw: bytes,
    event: str,
    data: bytes | None,
    *,
    slots: Slots,
    final: Callable[[str, Any], bool],
) -> Reply:
    """One event or body as a unit; undecodable payloads give `data=None`, as they came."""
    whole = data is not None and event == "" and len(raw) == len(data)
    if data is None:
        return Reply(raw=raw, event=event)
    if data == b"[DONE]":
        return Reply(raw=raw, event=event, final=True)
    try:
        value = _read(data)
    except UNREADABLE:
        return Reply(raw=raw, event=event, final=whole)
    text, reasoning = said(slots(value))
    return Reply(
        raw=raw,
        data=value,
        event=event,
        text=text,
        reasoning=reasoning,
        final=whole or final(event, value),
    )


def _read(data: bytes) -> Any:
    """A payload, also one that many clients read although it is no JSON: NaN and infinities (here
    null), halves of surrogate pairs (here `?`). Engines write them, above all as
    log-probabilities, and what a client can read must not pass by the transforms. Raises what is
    in `UNREADABLE`.
    """
    try:
        return _decode(data)
    except UNREADABLE:
        value = json.loads(data, parse_constant=_number, parse_float=_number)
        written = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return _decode(written.encode("utf-8", "replace"))


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def write_unit(unit: Reply, *, slots: Slots) -> bytes:
    """The bytes of `unit`: `raw` unless something changed, else its framing with the payload."""
    if not unit.edited or unit.data is None:
        return unit.raw
    try:
        before = _read(payload(unit.raw))
    except UNREADABLE:
        before = None  # a transform's own unit
    text, reasoning = said(slots(before))
    if text == unit.text and reasoning == unit.reasoning and before == unit.data:
        return unit.raw
    now_text, now_reasoning = said(slots(unit.data))
    if text != unit.text != now_text:
        put(slots(unit.data), unit.text, reasoning=False)
        silence(unit.data)
    if reasoning != unit.reasoning != now_reasoning:
        put(slots(unit.data), unit.reasoning, reasoning=True)
        silence(unit.data)
    return frame(unit.raw, unit.event, _encode(unit.data))


def unchanged(unit: Reply) -> bool:
    """Whether the payload is still what `raw` says."""
    try:
        return bool(_read(payload(unit.raw)) == unit.data)
    except UNREADABLE:
        return False


def said(slots: Iterable[Slot]) -> tuple[str, str]:
    """(text, reasoning) of a payload, its places joined in order."""
    text = reasoning = ""
    for slot in slots:
        value = slot.read()
        if value:
            if slot.reasoning:
                reasoning += value
            else:
                text += value
    return text, reasoning


def put(slots: Iterable[Slot], text: str, *, reasoning: bool) -> None:
    """Write `text` into the first place of its kind and empty the others."""
    for slot in slots:
        if slot.reasoning is not reasoning:
            continue
        if slot.read() or text:
            slot.write(text)
        text = ""


def silence(value: Any) -> None:
    """Drop token probabilities and ids anywhere in a payload: they spell its old text."""
    stack: list[Any] = [value]
    while stack:
        node = stack.pop()
        if type(node) is dict:
            for name in _SPELLING:
                if node.get(name):
                    node[name] = [] if name == "logprobs" and type(node[name]) is list else None
            stack.extend(v for v in node.values() if type(v) in (dict, list))
        else:
            stack.extend(v for v in node if type(v) in (dict, list))


def is_body(raw: bytes) -> bool:
    """Whether `raw` is a whole JSON body and not an event (whose lines start with a name)."""
    return raw.lstrip()[:1] in (b"{", b"[")


def payload(raw: bytes) -> bytes:
    """The `data` of an event's bytes, or the body itself (WHATWG HTML, section 9.2.6)."""
    if is_body(raw):
        return raw
    return b"\n".join(
        line[5:].removeprefix(b" ") for line in raw.splitlines() if line.startswith(b"data:")
    )


def frame(raw: bytes, event: str, data: bytes) -> bytes:
    """`data` in the framing of `raw`; a unit made from nothing gets a plain event's framing."""
    if not raw:
        name = f"event: {event}\n".encode() if event else b""
        return name + b"data: " + data + b"\n\n"
    if is_body(raw):
        return data
    ending = b"\r\n" if b"\r\n" in raw else b"\n" if b"\n" in raw else b"\r"
    return ending.join(_lines(raw.split(ending), data))


def _lines(lines: list[bytes], data: bytes) -> Iterator[bytes]:
    written = False
    for line in lines:
        if line != b"data" and not line.startswith(b"data:"):
            yield line
        elif not written:
            written = True
            yield b"data: " + data
