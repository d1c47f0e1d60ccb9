"""Probabilities of the next token that a model gave, from a file: what its marks have room in.

JSON Lines. A line is a list of probabilities at one place, or a reply of OpenAI's chat or
completions with `logprobs` (as a body, or one of its choices): every token of it is then a place,
with its `top_logprobs`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from titer.audit import strength
from titer.core.errors import InputError
from titer.marks.contract import F64

#: Bytes of a file, and places that are used: the mean of so many is known to some percent.
MAX_BYTES = 64 << 20
MAX_PLACES = 5_000
#: Alternatives at one place.
MAX_TOP = 256
#: What a line raises that is neither.
_NONE = (
    msgspec.MsgspecError, RecursionError, TypeError, ValueError, OverflowError, AttributeError,
    KeyError,
)  # fmt: skip


def read(path: Path) -> F64:
    """Rows (places, tokens) as `strength.measured` makes them. Raises InputError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"--probabilities: cannot read {path} ({error.strerror})") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"--probabilities: {path} has more than {MAX_BYTES} bytes")
    places: list[list[float]] = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        if line.strip():
            try:
                places += _places(msgspec.json.decode(line))
            except _NONE:
                raise InputError(
                    f"--probabilities: {path}:{number}: neither a list of probabilities nor a "
                    "reply with logprobs"
                ) from None
        if len(places) >= MAX_PLACES:
            break
    try:
        return strength.measured(places[:MAX_PLACES])
    except InputError as error:
        raise InputError(f"--probabilities: {path}: {error}") from None


def _places(line: Any) -> Iterator[list[float]]:
    if isinstance(line, list):
        yield [float(p) for p in line[:MAX_TOP]]
        return
    for choice in line.get("choices", [line]):
        held = choice.get("logprobs") or {}
        for entry in held.get("content") or ():
            top = entry.get("top_logprobs") or ()
            yield _chances([one["logprob"] for one in top])
        for alternatives in held.get("top_logprobs") or ():
            yield _chances(list((alternatives or {}).values()))


def _chances(logs: list[float]) -> list[float]:
    if not logs:
        raise ValueError("no alternatives")
    return [math.exp(min(0.0, value)) for value in logs[:MAX_TOP]]
