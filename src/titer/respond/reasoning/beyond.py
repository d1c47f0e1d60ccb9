"""Reasoning in members that no dialect documents: found by name, emptied, blobs left alone.

Servers and relays invent members (`reasoning_details`, `thinking_blocks`,
`provider_specific_fields`, `thoughts`). Whatever a member with such a name holds as text is
reasoning. What a provider has encrypted or signed stays: its clients must send it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from titer.respond.places import MAX_DEPTH, reasons

#: Members that echo the request or belong to a tool: never structure of a reply.
_NOT_OURS = frozenset(
    {"tools", "instructions", "input", "metadata", "tool_choice", "prompt", "arguments", "schema"}
)

#: Members that name, sign or seal. A name is short; what is longer is not a name.
_NAMES = frozenset({"type", "id", "format", "status", "role", "object", "name", "phase"})
_BLOBS = frozenset({"signature", "encrypted_content"})
MAX_NAME = 128

#: Blocks whose `data` is a ciphertext of the provider.
_SEALED = frozenset({"redacted_thinking", "reasoning.encrypted", "encrypted_thinking"})

#: A request's reasoning options, as responses repeats them.
_OPTIONS = frozenset({"effort", "summary", "generate_summary", "context", "display", "mode"})
_OPTION_WORDS = frozenset(
    {"auto", "concise", "detailed", "none", "minimal", "low", "medium", "high", "xhigh", "max",
     "omitted", "summarized", "enabled", "disabled", "adaptive", "default", "standard"}
)  # fmt: skip

_HINTS = (b"easoning", b"hink", b"hought", b"cratchpad", b'"cot"', b"\\u", b"EASON", b"HINK")


def hinted(raw: bytes) -> bool:
    """Whether a unit's bytes can hold such a member at all."""
    return any(hint in raw for hint in _HINTS)


def undocumented(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every (holder, member) with text of reasoning in it, wherever a name says so."""
    yield from _walk(data, 0, inside=False)


def _walk(node: Any, depth: int, *, inside: bool) -> Iterator[tuple[Any, Any]]:
    if depth > MAX_DEPTH:
        return
    if type(node) is list:
        for at, value in enumerate(node):
            if type(value) is str:
                if inside and value:
                    yield node, at
            else:
                yield from _walk(value, depth + 1, inside=inside)
    elif type(node) is dict:
        kind = node.get("type")
        kind = kind if type(kind) is str else ""
        here = inside or (reasons(kind) and not kind.startswith("response."))
        for name, value in node.items():
            if type(value) is str:
                if value and (here or reasons(name)) and not _kept(name, value, kind):
                    yield node, name
            elif name not in _NOT_OURS or inside:
                yield from _walk(value, depth + 1, inside=here or reasons(name))


def _kept(name: str, value: str, kind: str) -> bool:
    if name in _BLOBS or (name == "data" and kind in _SEALED):
        return True
    if name in _NAMES:
        return len(value) <= MAX_NAME and " " not in value
    return name in _OPTIONS and value in _OPTION_WORDS
