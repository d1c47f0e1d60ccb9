"""Lanes of letters in another order or under a key: what such writings cannot change.

Read where letters follow each other as in no language: columns and rails, and differences between
letters some places apart, which a key of that length leaves as they were (Kasiski, 1863).
"""

# ruff: noqa: PLR0917 - compiled functions are called by position
from __future__ import annotations

from typing import Any

import numpy as np

from titer.respond.leak_guard.lanes import (
    FIVE,
    GRAM,
    I64,
    LAG_FROM,
    LAG_TO,
    LAGS,
    MASK,
    ONE,
    PLAIN,
    SCRAMBLED,
    SPREAD,
    U8,
    U64,
    anew,
    compiled,
    rich,
    score,
    there,
)

#: Places by which a lane of letters at a distance is found again.
CODES = 16


@compiled
def scrambles(
    code: Any, many_codes: Any, codes: I64, scrambled: U8, by: Any, heard: U64, reg: U64,
    numbers: I64, limit: I64, down: Any,
) -> int:  # fmt: skip
    """One more letter (1..26), the last of `many_codes`; the suspicions that are more."""
    value = reg[PLAIN]
    hit = (
        there(scrambled, (value * SPREAD) >> (by - ONE))
        and rich(value, GRAM - 1)
        and anew(heard, value)
    )
    more = score(numbers, limit, SCRAMBLED, hit, down)
    for lag in range(LAG_FROM, LAG_TO + 1):
        lane = LAGS + lag - LAG_FROM
        diff = code - codes[(many_codes - 1 - lag) & (CODES - 1)]
        diff += 26 if diff < 0 else 0
        value = ((reg[lane] << FIVE) | np.uint64(diff)) & MASK
        reg[lane] = value
        hit = (
            there(scrambled, (value * SPREAD) >> (by - ONE))
            and rich(value, GRAM - 1)
            and anew(heard, (value << FIVE) | np.uint64(lag))
        )
        more += score(numbers, limit, lane, hit, down)
    return more
