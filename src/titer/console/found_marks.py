"""Marks that were found in texts, for a dossier: the output of `titer marks trace --json`.

A dossier holds e-values, recognition gives p-values: p becomes 1 / (2 sqrt(p)), an e-value
whatever p's distribution (Vovk and Wang, Annals of Statistics 49, 2021, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path

import msgspec

from titer.core.errors import InputError
from titer.core.nouns import Principal
from titer.evidence.contents import MAX_ROWS, Mark
from titer.evidence.log import View

#: Bytes of what `titer marks` printed: 10 accounts are some kilobytes.
MAX_FILE = 4 << 20


class _Row(msgspec.Struct):
    account: str
    epoch: int
    id: str
    scored: int
    adjusted_log10_p: float
    found: bool


class _Traced(msgspec.Struct):
    scheme: str
    keys: int
    results: list[_Row]


class _Called(msgspec.Struct):
    principal: Principal


def found_marks(path: Path, log: View, callers: Collection[str], *, at: int) -> tuple[Mark, ...]:
    """The marks of these callers, or of accounts of theirs, that were found.

    Raises `InputError` when the file is no such output.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
        traced = msgspec.json.decode(raw[:MAX_FILE], type=_Traced)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise InputError(f"{path} is not what `titer marks trace --json` prints") from None
    rows = [r for r in traced.results if r.found and r.adjusted_log10_p <= 0]
    known = _accounts(log, callers, {r.account for r in rows})
    return tuple(
        Mark(
            kind=f"watermark {traced.scheme}",
            name=f"key {row.id}, epoch {row.epoch}",
            at=at,
            bits=_bits(row.adjusted_log10_p),
            note=(
                f"text that has nothing to do with the key would look marked like this with "
                f"probability 10^{row.adjusted_log10_p:.1f} at most, adjusted for {traced.keys} "
                f"keys; {row.scored} contexts scored; account {row.account}"
            ),
        )
        for row in rows[:MAX_ROWS]
        if row.account in known
    )


def _bits(log10_p: float) -> float:
    if not math.isfinite(log10_p):
        raise InputError("a mark's p-value is no number")
    return max(0.0, round(-1.0 - log10_p * math.log2(10) / 2, 3))


def _accounts(log: View, callers: Collection[str], wanted: Collection[str]) -> set[str]:
    """Which of the wanted accounts are these callers, or belong to one."""
    found = set(wanted) & set(callers)
    if not wanted:
        return found
    decode = msgspec.json.Decoder(_Called).decode
    for stored in log.scan():
        if stored.kind == "exchange" and stored.body is not None:
            principal = decode(stored.body).principal
            if principal.id in wanted and principal.subject in callers:
                found.add(principal.id)
    return found
