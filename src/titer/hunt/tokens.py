"""Which text tokens several unrelated units share, and which of them a second modality binds.

A token is one band of a text's sketch (the same template keeps most of its bands whatever
is filled in), or the hash of a whole masked text. No pair of units or of texts is ever built: the
work is sorting, linear in the rows but for a logarithm.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from titer.hunt.modalities import Floats, Modality, Units, excess
from titer.hunt.table import Ints, Table

Bools = npt.NDArray[np.bool_]

#: Units that must share a token before it can form a group.
MIN_UNITS = 5
#: Share of all units beyond which a token is boilerplate, when no history says so.
MAX_UNITS_SHARE = 0.5
#: Units of the history that must have used a token for it to be old.
OLD_UNITS = 2
#: Breadth of a token's users in the second modality before the token forms a group with it.
MIN_BREADTH = 0.4
#: Log-likelihood ratio (nats) besides the logarithm of the number of tokens looked at.
MIN_NATS = 7.0
#: (token, unit, value) entries weighed at a time: about 0.5 GB of temporary arrays.
CHUNK = 3_000_000


class Shared(msgspec.Struct, frozen=True):
    """Tokens that several units share: (token, unit) pairs sorted by token, and (row, token).

    Tokens are numbered 0..count-1. `rows_of` gives the rows in which a token stands.
    """

    count: int
    token: Ints
    unit: Ints
    row: Ints
    row_token: Ints
    boilerplate: int
    old: int


def shared_tokens(table: Table, units: Units, *, history: Ints | None, active: Bools) -> Shared:
    """The tokens of `MIN_UNITS` or more active units that are neither boilerplate nor old."""
    rows = np.flatnonzero((table.chars > 0) & active[units.of_row])
    flat = table.frames[rows].ravel()
    row = np.repeat(rows, table.frames.shape[1])
    unit = units.of_row[row].astype(np.int64)
    keep = _by_several(flat, unit)
    flat, row, unit = flat[keep], row[keep], unit[keep]
    values, token = np.unique(flat, return_inverse=True)
    pair = np.unique(token * units.count + unit)
    users = np.bincount(pair // units.count, minlength=len(values))
    most = max(MIN_UNITS, int(MAX_UNITS_SHARE * int(active.sum())))
    enough = users >= MIN_UNITS
    common = enough & (users > most)
    stale = enough & np.isin(values, history) if history is not None else np.zeros_like(enough)
    kept = enough & ~common & ~stale
    number = np.cumsum(kept) - 1
    pair = pair[kept[pair // units.count]]
    inside = kept[token]
    return Shared(
        count=int(kept.sum()),
        token=number[pair // units.count],
        unit=pair % units.count,
        row=row[inside],
        row_token=number[token[inside]],
        boilerplate=int(common.sum()),
        old=int(stale.sum()),
    )


def old_tokens(table: Table, units: Units) -> Ints:
    """Tokens that at least `OLD_UNITS` units of a history used: no news in a later log."""
    rows = np.flatnonzero(table.chars > 0)
    flat = table.frames[rows].ravel()
    unit = np.repeat(units.of_row[rows], table.frames.shape[1]).astype(np.int64)
    keep = _by_several(flat, unit)
    flat, unit = flat[keep], unit[keep]
    values, token = np.unique(flat, return_inverse=True)
    pair = np.unique(token * max(1, units.count) + unit)
    users = np.bincount(pair // max(1, units.count), minlength=len(values))
    old: Ints = values[users >= OLD_UNITS]
    return old


def bound_tokens(shared: Shared, modality: Modality) -> Bools:
    """Which tokens' users are bound by this modality."""
    bound = np.zeros(shared.count, np.bool_)
    if not shared.count:
        return bound
    floor = MIN_NATS + np.log(shared.count)
    entries = (modality.start[shared.unit + 1] - modality.start[shared.unit]).cumsum()
    begin = 0
    while begin < len(shared.token):
        before = entries[begin - 1] if begin else 0
        end = int(np.searchsorted(entries, before + CHUNK, side="right"))
        end = min(max(end, begin + 1), len(shared.token))
        if end < len(shared.token):  # end on a token's boundary
            edge = int(np.searchsorted(shared.token, shared.token[end], side="left"))
            end = (
                edge
                if edge > begin
                else int(np.searchsorted(shared.token, shared.token[begin], side="right"))
            )
        first = int(shared.token[begin])
        here = int(shared.token[end - 1]) - first + 1
        wide, nats = excess(
            modality, shared.token[begin:end] - first, shared.unit[begin:end], here
        )
        bound[first : first + here] = (wide >= MIN_BREADTH) & (nats >= floor)
        begin = end
    return bound


def share_of_rows(shared: Shared, chosen: Bools, units: Units) -> tuple[Floats, Bools, Ints]:
    """(per unit: share of its rows with a chosen token, rows marked, per unit: such rows)."""
    marked = np.zeros(len(units.of_row), np.bool_)
    marked[shared.row[chosen[shared.row_token]]] = True
    hits = np.bincount(units.of_row[marked], minlength=units.count)
    share: Floats = hits / np.maximum(units.rows, 1)
    return share, marked, hits


def _by_several(values: Ints, unit: Ints) -> Bools:
    """Rows whose value was seen with more than one unit, and a few more (hash slots collide).

    Two passes over a slot table instead of a sort of everything: most values are seen once.
    """
    if not len(values):
        return np.zeros(0, np.bool_)
    bits = min(26, max(10, int(np.ceil(np.log2(2 * len(values))))))
    slot = (values.view(np.uint64) >> np.uint64(64 - bits)).astype(np.int64)
    low = np.full(1 << bits, np.iinfo(np.int32).max, np.int32)
    high = np.full(1 << bits, -1, np.int32)
    small = unit.astype(np.int32)
    np.minimum.at(low, slot, small)
    np.maximum.at(high, slot, small)
    several: Bools = (low != high)[slot]
    return several
