"""Strict reading of TOML into frozen structs: every mistake is named with file, line and remedy.

Messages name keys and expected types, never values: a value may be a secret that was pasted
into the wrong place. An unknown key is an error and not a warning: a misspelt limit is no limit.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

import msgspec

from titer.config.secrets import SecretRef
from titer.core.errors import ConfigError

#: No configuration of people is longer; what is, is another file.
MAX_BYTES = 1024 * 1024
_TABLE = re.compile(r"^\s*\[(\[)?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*[^=\s]+)*)\s*=")
_S = TypeVar("_S", bound=msgspec.Struct)
_Step = str | int


class Source:
    """One configuration text, and where its keys stand."""

    def __init__(self, path: Path | None) -> None:
        """Read a file; None is an empty configuration. Raises `ConfigError`."""
        self.path = path
        self.data: dict[str, Any] = {}
        self._lines: dict[tuple[_Step, ...], int] = {}
        self._given: set[tuple[_Step, ...]] = set()
        if path is None:
            return
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
        if len(raw) > MAX_BYTES:  # before decoding: the cut may fall inside a character
            raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes; this is no titer.toml")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: this is not UTF-8 text, so it is no TOML") from None
        try:
            self.data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
            raise ConfigError(f"{path}: not valid TOML: {error}") from None
        self._lines = _lines(text)

    def put(self, name: str, value: Any) -> None:
        """Set a dotted name as the command line does; it wins over the file."""
        *tables, last = name.split(".")
        data = self.data
        for table in tables:
            inner = data.get(table)
            if not isinstance(inner, dict):
                if inner is not None:
                    self.fail((table,), "expected a table")
                inner = data[table] = {}
            data = inner
        data[last] = value
        self._given.add((*tables, last))

    def fail(self, at: tuple[_Step, ...], problem: str) -> NoReturn:
        """Raise a `ConfigError` about the key at a path."""
        name = _spell(at)
        if at in self._given:
            raise ConfigError(f"command line: {name}: {problem}")
        line = next(
            (self._lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in self._lines), 0
        )
        where = f"{self.path or 'configuration'}" + (f", line {line}" if line else "")
        raise ConfigError(f"{where}: {name}: {problem}")

    def decode(self, kind: type[_S]) -> _S:
        """The whole configuration as one struct."""
        return self._struct(kind, self.data, ())

    def _struct(self, kind: type[_S], value: Any, at: tuple[_Step, ...]) -> _S:
        if not isinstance(value, Mapping):
            self.fail(at, f"expected a table, got {_word(value)}")
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for key in value:
            if key not in fields:
                self.fail((*at, key), _unknown(key, list(fields)))
        made = {}
        for name, field in fields.items():
            if name in value:
                made[field.name] = self._value(field.type, value[name], (*at, name))
            elif field.required:
                self.fail(at, f"the key `{name}` is missing")
        try:
            return kind(**made)
        except ValueError as error:
            self._blame(error, at, list(fields))

    def _blame(self, error: ValueError, at: tuple[_Step, ...], fields: list[str]) -> NoReturn:
        """A check of the struct itself failed; by convention its message names a field first."""
        text = str(error)
        found = next((f for f in fields if re.match(rf"(?:\w+\.)?{f}\b", text)), None)
        self.fail((*at, found) if found else at, text)

    def _value(self, kind: Any, value: Any, at: tuple[_Step, ...]) -> Any:
        origin, parts = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            return self._value(parts[0], value, at)
        if origin in (types.UnionType, typing.Union):
            kind = next(part for part in parts if part is not type(None))  # TOML has no null
            return self._value(kind, value, at)
        if kind is SecretRef:
            return self._secret(value, at)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(kind, value, at)
        if origin is tuple:
            if not isinstance(value, list):
                self.fail(at, f"expected a list, got {_word(value)}")
            return tuple(self._value(parts[0], item, (*at, i)) for i, item in enumerate(value))
        if origin is dict:
            if not isinstance(value, Mapping):
                self.fail(at, f"expected a table, got {_word(value)}")
            return {key: self._value(parts[1], item, (*at, key)) for key, item in value.items()}
        if origin is Literal:
            if value not in parts:
                self.fail(at, f"expected one of {', '.join(map(repr, parts))}")
            return value
        return self._scalar(kind, value, at)

    def _scalar(self, kind: Any, value: Any, at: tuple[_Step, ...]) -> Any:
        if kind is float and type(value) in (int, float):
            if not abs(value) < 2**53:  # also infinity and not-a-number
                self.fail(at, "expected a finite number")
            return float(value)
        if type(value) is not kind:
            self.fail(at, f"expected {_WORDS.get(kind, kind.__name__)}, got {_word(value)}")
        return value

    def _secret(self, value: Any, at: tuple[_Step, ...]) -> SecretRef:
        if isinstance(value, str):
            self.fail(
                at,
                "a secret is not written into the configuration. Put it into a file or an "
                'environment variable and refer to that: { file = "PATH" } or { env = "NAME" }',
            )
        return self._struct(SecretRef, value, at)


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if near:
        return f"there is no such key; did you mean `{near[0]}`?"
    return f"there is no such key; known here: {', '.join(sorted(known)) or 'none'}"


_WORDS = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return _WORDS.get(type(value), "a date or time")


def _spell(at: tuple[_Step, ...]) -> str:
    """A path as people write it: `ladder[2].give`, counted from 1."""
    out = ""
    for step in at:
        if isinstance(step, int):
            out += f"[{step + 1}]"
        else:
            out += ("." if out else "") + step[:100]
    return out or "top level"


def _lines(text: str) -> dict[tuple[_Step, ...], int]:
    """Where each key stands. Good enough for messages: lines inside multi-line values are read
    like any others, and the first line of a path wins.
    """
    found: dict[tuple[_Step, ...], int] = {}
    counts: dict[tuple[_Step, ...], int] = {}
    table: tuple[_Step, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _TABLE.match(line), _KEY.match(line)
        if header:
            table = _resolve(_names(header[2]), counts)
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            found.setdefault(table, number)
        elif key:
            names = _names(key[1])
            for n in range(1, len(names) + 1):
                found.setdefault((*table, *names[:n]), number)
    return found


def _resolve(names: tuple[str, ...], counts: dict[tuple[_Step, ...], int]) -> tuple[_Step, ...]:
    """A table's path, with the index of the array element that it is in."""
    path: tuple[_Step, ...] = ()
    for i, name in enumerate(names):
        path = (*path, name)
        if path in counts and i < len(names) - 1:
            path = (*path, counts[path])
    return path


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in text.split("."))
