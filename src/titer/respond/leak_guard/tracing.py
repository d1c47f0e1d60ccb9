"""Secrets in a lane: where one begins, and where one of its length would end."""

# ruff: noqa: PLR0917 - compiled functions are called by position
from __future__ import annotations

import numpy as np

from titer.respond.leak_guard.lanes import (
    I64,
    MASK_36,
    PENDING,
    RING,
    SIX,
    SPREAD,
    U8,
    U64,
    compiled,
)
from titer.respond.leak_guard.settings import PREFIX


@compiled
def keep(
    lane: int,
    code: int,
    age: int,
    numbers: I64,
    sreg: U64,
    ring: U8,
    begins: U8,
    starts: U64,
    lengths: I64,
    due: I64,
    checks: I64,
    copies: U8,
    i: int,
) -> int:
    """One more code of a lane for the secrets: does one begin, or end, here? Returns by how many
    the suspicions have become more.
    """
    more = 0
    ring[lane, numbers[3, lane] & (RING - 1)] = code
    numbers[3, lane] += 1
    value = ((sreg[lane] << SIX) | np.uint64(code)) & MASK_36
    sreg[lane] = value
    for k in range(PENDING):
        if due[0, lane, k] > 0:
            due[0, lane, k] -= 1
            if due[0, lane, k] == 0:
                n = checks[0, 0]
                if n < len(checks) - 1:
                    checks[0, 0] = n + 1
                    checks[n + 1, 0] = due[1, lane, k]
                    checks[n + 1, 1] = i
                    checks[n + 1, 2] = age + 1
                    for c in range(due[1, lane, k]):
                        place = numbers[3, lane] - due[1, lane, k] + c
                        copies[n + 1, c] = ring[lane, place & (RING - 1)]
                more -= 1
    mixed = value * SPREAD
    at = np.int64(mixed >> np.uint64(48))
    if not (np.int64(begins[at >> 3]) >> (at & 7)) & 1:
        return more
    for s in range(len(starts)):
        if starts[s] == mixed:
            for k in range(PENDING):
                if due[0, lane, k] == 0:
                    due[0, lane, k] = lengths[s] - PREFIX
                    due[1, lane, k] = lengths[s]
                    more += 1
                    break
    return more
