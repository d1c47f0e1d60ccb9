"""How the inner loops of this room are compiled, and the mixers that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

#: 2^64 and 2^32 divided by the golden ratio: Weyl increments (Steele et al., OOPSLA 2014).
PHI64 = np.uint64(0x9E37_79B9_7F4A_7C15)
PHI32 = np.uint32(0x9E37_79B1)


def compiled(function: F) -> F:
    """Compile on first use, without the interpreter lock; keep the machine code where we may."""
    return _compile(function, forceinline=False)


def inlined(function: F) -> F:
    """The same, always as a part of its caller: a call inside a loop would not vectorise."""
    return _compile(function, forceinline=True)


def _compile(function: F, *, forceinline: bool) -> F:
    options: dict[str, Any] = {
        "nogil": True, "error_model": "numpy", "forceinline": forceinline
    }  # fmt: skip
    try:
        return cast("F", numba.njit(cache=True, **options)(function))
    except RuntimeError:  # no writable place beside the package nor in the user's cache
        return cast("F", numba.njit(**options)(function))


@inlined
def mix64(x: np.uint64) -> np.uint64:
    """SplitMix64's finaliser: every bit of `x` moves about half of all bits."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58_476D_1CE4_E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D0_49BB_1331_11EB)
    return x ^ (x >> np.uint64(31))


@inlined
def mix32(x: np.uint32) -> np.uint32:
    """MurmurHash3's 32-bit finaliser. The casts keep products in 32 bits, so that loops
    over it become vector instructions.
    """
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x85EB_CA6B))
    x = np.uint32(x ^ (x >> np.uint32(13)))
    x = np.uint32(x * np.uint32(0xC2B2_AE35))
    return np.uint32(x ^ (x >> np.uint32(16)))
