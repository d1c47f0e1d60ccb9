"""Paths in a file of settings are relative to the folder that the file is in."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from titer.config.secrets import SecretRef

_ROOTED = "rooted"
#: A setting that is a path.
FilePath = Annotated[str, msgspec.Meta(extra={_ROOTED: ""})]
#: A setting that is a path if it begins with `file:`, and something else if not.
FilePlace = Annotated[str, msgspec.Meta(extra={_ROOTED: "file:"})]

S = TypeVar("S", bound=msgspec.Struct)


def rooted(table: S, base: Path) -> S:
    """A table with all its paths, and those of the tables in it, relative to `base`."""
    changed = {
        field.name: _rooted(getattr(table, field.name), field.type, base)
        for field in msgspec.structs.fields(table)
    }
    return msgspec.structs.replace(table, **changed)


def _rooted(value: Any, kind: Any, base: Path) -> Any:
    """A value of a field that is declared as `kind`."""
    if isinstance(value, SecretRef):
        file = value.file
        return value if file is None else msgspec.structs.replace(value, file=str(base / file))
    if isinstance(value, msgspec.Struct):
        return rooted(value, base)
    if isinstance(value, tuple):
        return tuple(_rooted(one, kind, base) for one in value)
    if isinstance(value, dict):
        return {name: _rooted(one, kind, base) for name, one in value.items()}
    prefix = _prefix(kind)
    if not isinstance(value, str) or prefix is None or not value.startswith(prefix):
        return value
    return f"{prefix}{base / value.removeprefix(prefix)}"


def _prefix(kind: Any) -> str | None:
    """What a path begins with in a field of this type; None where it holds no path."""
    for one in getattr(kind, "__metadata__", ()):
        if isinstance(one, msgspec.Meta) and _ROOTED in (one.extra or {}):
            return str((one.extra or {})[_ROOTED])
    found = (_prefix(part) for part in typing.get_args(kind))
    return next((prefix for prefix in found if prefix is not None), None)
