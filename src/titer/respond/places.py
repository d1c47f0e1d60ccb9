"""Where a reply says something, in the decoded payloads of every dialect, streamed or whole.

A transform that edits text needs more than the joined text of a unit: which choice, block or tool
call it belongs to, so that a state machine runs over each of them alone. `places` gives that for
chat, completions, responses, messages and the engines' own routes. What it does not know it does
not enter; the input of a tool call is entered for its strings and names, and never taken for
structure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from titer.core.wire import Reply

Kind = Literal["text", "reasoning", "arguments"]
Key = tuple[int, int, str]

#: Levels of a tool's input that are walked for strings; the input is JSON that a model wrote.
MAX_DEPTH = 32

_TOOL_DELTAS = frozenset(
    {
        "response.function_call_arguments", "response.custom_tool_call_input",
        "response.mcp_call_arguments", "response.code_interpreter_call_code",
    }
)  # fmt: skip
_DETAILS = ("text", "summary")


class Place(NamedTuple):
    """One string of a payload: `holder[name]`; `key` names the channel that it continues.

    `spells` is the object whose log-probabilities spell this text out, when there is one.
    """

    holder: Any
    name: Any
    kind: Kind
    key: Key
    spells: dict[str, Any] | None = None


def is_whole(unit: Reply) -> bool:
    """Whether a unit is a whole body, not an event of a stream."""
    return unit.raw[:1] in (b"{", b"[") or unit.raw[:64].lstrip()[:1] in (b"{", b"[")


def places(data: Any) -> Iterator[Place]:
    """Every string that the payload newly says or repeats, in order."""
    if type(data) is dict:
        choices = data.get("choices")
        if type(choices) is list:
            for at, choice in enumerate(choices):
                if type(choice) is dict:
                    yield from _choice(choice, at)
        elif "type" in data:
            yield from _typed(data)
        elif type(data.get("output")) is list:
            yield from _items(data["output"])
        elif type(data.get("text")) is str:
            yield Place(data, "text", "text", (_int(data, "index"), 0, "text"))
    elif type(data) is list:
        for at, one in enumerate(data):
            if type(one) is dict and type(one.get("text")) is str:
                yield Place(one, "text", "text", (_int(one, "index", at), 0, "text"))


def endings(data: Any) -> Iterator[tuple[int, int | None]]:
    """(index, inner index or None for all) of the channels that this payload ends."""
    if type(data) is not dict:
        return
    choices = data.get("choices")
    if type(choices) is list:
        for at, choice in enumerate(choices):
            if type(choice) is dict and choice.get("finish_reason"):
                yield _int(choice, "index", at), None
        return
    kind = data.get("type")
    if type(kind) is not str:
        return
    if kind == "content_block_stop":
        yield _int(data, "index"), None
    elif kind.startswith("response.") and kind.endswith(".done"):
        index = _int(data, "output_index")
        if kind == "response.output_item.done":
            yield index, None
        else:
            yield index, _inner(data)


def _choice(choice: dict[str, Any], at: int) -> Iterator[Place]:
    index = _int(choice, "index", at)
    if type(choice.get("text")) is str:
        yield Place(choice, "text", "text", (index, 0, "text"), choice)
    for member in ("delta", "message"):
        said = choice.get(member)
        if type(said) is dict:
            yield from _said(said, index, choice)


def _said(said: dict[str, Any], index: int, choice: dict[str, Any]) -> Iterator[Place]:
    for name, value in list(said.items()):
        if type(value) is str:
            if name == "content":
                yield Place(said, name, "text", (index, 0, "content"), choice)
            elif name == "refusal":
                yield Place(said, name, "text", (index, 0, "refusal"), choice)
            elif reasons(name):
                yield Place(said, name, "reasoning", (index, 0, name))
        elif name == "content" and type(value) is list:
            for part in value:
                if type(part) is dict and type(part.get("text")) is str:
                    yield Place(part, "text", "text", (index, 0, "content"), choice)
        elif name == "tool_calls" and type(value) is list:
            for at, call in enumerate(value):
                if type(call) is dict:
                    yield from _call(call, index, _int(call, "index", at))
        elif name == "function_call" and type(value) is dict:
            yield from _call({"function": value}, index, -1)
        elif name == "audio" and type(value) is dict and type(value.get("transcript")) is str:
            yield Place(value, "transcript", "text", (index, 0, "audio"))
        elif name == "reasoning_details" and type(value) is list:
            for at, detail in enumerate(value):
                for member in _DETAILS if type(detail) is dict else ():
                    if type(detail.get(member)) is str:
                        key = (index, _int(detail, "index", at), "details-" + member)
                        yield Place(detail, member, "reasoning", key)


def _call(call: dict[str, Any], index: int, inner: int) -> Iterator[Place]:
    for member in ("function", "custom"):
        function = call.get(member)
        for name in ("arguments", "input"):
            if type(function) is dict and type(function.get(name)) is str:
                yield Place(function, name, "arguments", (index, inner, "arguments"))


def _typed(data: dict[str, Any]) -> Iterator[Place]:
    kind = data["type"]
    if type(kind) is not str:
        return
    if kind.startswith("response."):
        yield from _event(data, kind)
    elif kind in ("content_block_start", "content_block_delta"):
        for member in ("content_block", "delta"):
            if type(data.get(member)) is dict:
                yield from _block(data[member], _int(data, "index"))
    elif type(data.get("content")) is list:
        for at, block in enumerate(data["content"]):
            if type(block) is dict:
                yield from _block(block, at)
    elif type(data.get("message")) is dict and type(data["message"].get("content")) is list:
        for at, block in enumerate(data["message"]["content"]):
            if type(block) is dict:
                yield from _block(block, at)
    elif type(data.get("output")) is list:
        yield from _items(data["output"])


def _block(block: dict[str, Any], index: int) -> Iterator[Place]:
    """One content block of Anthropic's messages, or a delta of one."""
    if type(block.get("thinking")) is str:
        yield Place(block, "thinking", "reasoning", (index, 0, "thinking"))
    if type(block.get("text")) is str:
        yield Place(block, "text", "text", (index, 0, "text"))
    if type(block.get("partial_json")) is str:
        yield Place(block, "partial_json", "arguments", (index, 0, "arguments"))
    if "input" in block:
        yield from strings_of(block, "input", (index, 0, "input"))


def _event(data: dict[str, Any], kind: str) -> Iterator[Place]:
    """One event of a responses stream; those that repeat are given as well."""
    index, inner = _int(data, "output_index"), _inner(data)
    if type(data.get("delta")) is str:
        stem = kind.removesuffix(".delta")
        what: Kind = "text"
        if reasons(kind):
            what = "reasoning"
        elif stem in _TOOL_DELTAS:
            what = "arguments"
        yield Place(data, "delta", what, (index, inner, stem), data)
        return
    stem = kind.removesuffix(".done")
    for name in ("text", "refusal", "arguments", "input", "code"):
        if type(data.get(name)) is str:
            what = "arguments" if stem in _TOOL_DELTAS else "text"
            what = "reasoning" if reasons(kind) else what
            yield Place(data, name, what, (index, inner, "echo-" + name), data)
    part = data.get("part")
    if type(part) is dict:
        yield from _part(part, index, inner, thinks=reasons(kind))
    if type(data.get("item")) is dict:
        yield from _item(data["item"], index)
    response = data.get("response")
    if type(response) is dict and type(response.get("output")) is list:
        yield from _items(response["output"])


def _items(output: list[Any]) -> Iterator[Place]:
    for index, item in enumerate(output):
        if type(item) is dict:
            yield from _item(item, index)


def _item(item: dict[str, Any], index: int) -> Iterator[Place]:
    thinks = item.get("type") == "reasoning"
    for member in ("content", "summary"):
        parts = item.get(member)
        if type(parts) is list:
            for inner, part in enumerate(parts):
                if type(part) is dict:
                    yield from _part(part, index, inner, thinks=thinks or member == "summary")
        elif type(parts) is str:
            what: Kind = "reasoning" if thinks or member == "summary" else "text"
            yield Place(item, member, what, (index, 0, "echo-" + member))
    for name in ("arguments", "input", "code"):
        if type(item.get(name)) is str:
            yield Place(item, name, "arguments", (index, 0, "echo-" + name))


def _part(part: dict[str, Any], index: int, inner: int, *, thinks: bool) -> Iterator[Place]:
    thinks = thinks or part.get("type") in ("reasoning_text", "summary_text")
    for name in ("text", "refusal"):
        if type(part.get(name)) is str:
            what: Kind = "reasoning" if thinks else "text"
            yield Place(part, name, what, (index, inner, "echo-" + what), part)


def strings_of(holder: Any, name: Any, key: Key, depth: int = 0) -> Iterator[Place]:
    """Every string inside `holder[name]`, as arguments; after an object's values its names, which
    a model may be asked to write a text into.
    """
    value = holder[name]
    if type(value) is str:
        yield Place(holder, name, "arguments", key)
    elif depth < MAX_DEPTH:
        inside: Iterable[Any] = ()
        if type(value) is dict:
            inside = list(value)
        elif type(value) is list:
            inside = range(len(value))
        for at, member in enumerate(inside):
            inner = (key[0], key[1] * 64 + at, key[2])
            yield from strings_of(value, member, inner, depth + 1)
            if type(value) is dict:
                yield Place(_Names(value), member, "arguments", (*inner[:2], "name-" + key[2]))


class _Names:
    """The names of an object's members, each to be read and set like a value."""

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def __getitem__(self, name: str) -> str:
        return name

    def __setitem__(self, name: str, other: str) -> None:
        members = {other if k == name else k: v for k, v in self._members.items()}
        self._members.clear()
        self._members.update(members)


def reasons(name: str) -> bool:
    """Whether a member or event of this name carries reasoning, whoever invented the name."""
    word = name.lower()
    return (
        ("reasoning" in word or "think" in word or "thought" in word or "scratchpad" in word)
        and not word.endswith(("tokens", "effort", "budget"))
    ) or word == "cot"  # fmt: skip


def _inner(data: dict[str, Any]) -> int:
    return _int(data, "summary_index" if "summary_index" in data else "content_index")


def _int(holder: dict[str, Any], name: str, default: int = 0) -> int:
    value = holder.get(name)
    return value if type(value) is int else default
