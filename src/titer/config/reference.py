"""The reference page of `titer.toml`, made from the docstrings of its tables."""

from __future__ import annotations

import inspect
import re
import types
import typing
from typing import Any, Literal

import msgspec

from titer.config.paths import FilePath
from titer.config.secrets import SecretRef
from titer.config.sections import Config

_FIELD = re.compile(r"^([a-z][a-z0-9_]*(?:, [a-z][a-z0-9_]*)*):\s+(.*)$")
_INTRO = """\
# titer.toml

Everything has a default: `titer serve --port P --upstream URL --data DIR` needs no file. Without
`--config FILE` the file `titer.toml` of the data directory is read, if there is one. Flags win
over the file. An unknown key or a wrong type is an error that names file, line and nearest key;
`titer check` looks for errors without starting anything.

Paths are relative to the folder of the file. A secret is never written here but referred to, as
`{ file = "PATH" }` (a file that other users cannot read) or `{ env = "NAME" }`.

This page is made from the docstrings of `titer.config`.
"""


def reference() -> str:
    """The whole page as Markdown."""
    parts = [_INTRO]
    told: set[Any] = set()
    for field in msgspec.structs.fields(Config):
        parts.extend(_table(_struct_of(field.type), _heading(field.name, field.type), told))
    return "\n".join(parts)


def describe(kind: type[msgspec.Struct]) -> tuple[str, dict[str, str]]:
    """A table's opening words, and the meaning of each of its keys.

    A docstring names its keys at the start of a line: `key: meaning` or `key, key: meaning`. Keys
    that a base class has are described there. Raises ValueError for a key without words.
    """
    opening: list[str] = []
    meanings: dict[str, list[str]] = {}
    for one in reversed(kind.__mro__[: kind.__mro__.index(msgspec.Struct)]):
        lines = opening = []
        for line in inspect.cleandoc(one.__doc__ or "").splitlines():
            found = _FIELD.match(line)
            names = found[1].split(", ") if found else []
            if found and all(name in kind.__struct_fields__ for name in names):
                lines = [found[2]]
                for name in names:
                    meanings[name] = lines
            else:
                lines.append(line.strip())
    missing = set(kind.__struct_fields__) - set(meanings)
    if missing:
        raise ValueError(f"{kind.__name__} does not describe {', '.join(sorted(missing))}")
    return _join(opening), {name: _join(words) for name, words in meanings.items()}


def _table(kind: type[msgspec.Struct], name: str, told: set[Any]) -> list[str]:
    """A table's section and those of the tables in it; `told` are those that have one."""
    told.add(kind)
    opening, meanings = describe(kind)
    out = [
        f"## `{name}`",
        "",
        opening,
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    inner: list[str] = []
    for field in msgspec.structs.fields(kind):
        default = "required" if field.required else _default(field)
        meaning = meanings[field.name]
        meaning = meaning[:1].upper() + meaning[1:]
        row = (f"`{field.name}`", _type(field.type), default, meaning)
        out.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
        struct = _struct_of(field.type)
        if struct not in (None, SecretRef) and struct not in told:
            inner.extend(_table(struct, _inner(name, field), told))
    return [*out, "", *inner]


def _inner(outer: str, field: msgspec.structs.FieldInfo) -> str:
    """How a table inside a table is headed: `[access.tiers.NAME.key]`, `give in [[ladder]]`."""
    if typing.get_origin(field.type) is tuple:
        return f"{field.name} in {outer}"
    named = ".NAME" if typing.get_origin(field.type) is dict else ""
    return f"{outer[:-1]}.{field.name}{named}]"


def _heading(name: str, kind: Any) -> str:
    return f"[[{name}]]" if typing.get_origin(kind) is tuple else f"[{name}]"


def _struct_of(kind: Any) -> Any:
    """The struct inside a type such as `tuple[Rung, ...]`, or None."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next(filter(None, map(_struct_of, typing.get_args(kind))), None)


def _type(kind: Any) -> str:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return "path" if kind == FilePath else _type(parts[0])
    if origin in (types.UnionType, typing.Union):
        return _type(next(part for part in parts if part is not type(None)))
    if origin is Literal:
        return ", ".join(f'`"{part}"`' for part in parts if part)
    if origin is tuple:
        return f"list of {_type(parts[0])}"
    if origin is dict:
        return f"table of {_type(parts[1])}"
    if kind is SecretRef:
        return "secret by reference"
    names = {str: "text", int: "whole number", float: "number", bool: "true, false"}
    return names.get(kind, "table")


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default
    if value is msgspec.NODEFAULT:
        return "empty"
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, msgspec.Struct):
        return "see below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def _join(lines: list[str]) -> str:
    return " ".join(line for line in lines if line).strip()
