"""The wish for a mark as it travels in a request: what the gateway writes and planters read.

    {"titer_mark_key": "0123456789abcdef", "titer_mark_width": 2, "titer_mark_delta": 2.0}

Strings and numbers alone, since vLLM's `vllm_xargs` takes no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

KEY, WIDTH, DELTA = "titer_mark_key", "titer_mark_width", "titer_mark_delta"

#: Hex digits of a key.
_DIGITS = 16
#: Logits that a planter adds at most: beyond, nothing but green tokens is left.
MAX_DELTA = 10.0


class Wish(NamedTuple):
    """A mark that a request asks for: `kgw` of this width and delta, by this key."""

    key: int
    width: int
    delta: float


def wish(arguments: Mapping[str, Any] | None) -> Wish | None:
    """What the arguments of a request ask for; None for no mark.

    Raises ValueError naming the argument that is wrong: engines turn that into HTTP 400.
    """
    if not arguments or arguments.get(KEY) is None:
        return None
    key = arguments[KEY]
    if type(key) is not str or not 1 <= len(key) <= _DIGITS:
        raise ValueError(f"{KEY} is a string of 1 to {_DIGITS} hex digits")
    try:
        number = int(key, 16)
    except ValueError:
        raise ValueError(f"{KEY} is a string of 1 to {_DIGITS} hex digits") from None
    width, delta = arguments.get(WIDTH, 2), arguments.get(DELTA, 2.0)
    if type(width) is not int or width not in {1, 2, 4}:
        raise ValueError(f"{WIDTH} is 1, 2 or 4")
    if type(delta) not in {int, float} or not 0 < delta <= MAX_DELTA:
        raise ValueError(f"{DELTA} is a number above 0 and at most {MAX_DELTA}")
    return Wish(number, width, float(delta))
