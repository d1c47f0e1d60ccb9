"""The answers of `hunt.source` from columns in memory: for live traffic and for small logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from titer.core.nouns import Origin
from titer.hunt import hashing
from titer.hunt.source import (
    BANDS,
    EVER,
    HOUR,
    HOUR_BINS,
    I32,
    I64,
    MAX_VALUES,
    SPAN_BINS,
    Callers,
    Rows,
    Span,
    Tokens,
    Totals,
    Uses,
    Values,
    inside,
)
from titer.hunt.table import Table

_DAY = 24 * HOUR
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)

_OF_ORIGIN: dict[str, Callable[[Origin], int]] = {
    "network": lambda o: hashing.of_text(o.net),
    "address": lambda o: hashing.of_text(o.ip),
    "provider": lambda o: o.asn,
    "payment": lambda o: hashing.of_text(o.payment),
    "software": hashing.of_software,
}


class MemorySource:
    """A `Source` over a `Table`. Nothing is copied but what an answer needs.

    `unit` is the unit of each row.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        order = sorted(range(len(table.principals)), key=lambda i: table.principals[i].id)
        accounts = [table.principals[i] for i in order]
        subjects = sorted({p.subject for p in accounts}, key=lambda s: s.encode())
        number = {subject: i for i, subject in enumerate(subjects)}
        unit = np.array([number[p.subject] for p in accounts], np.int32)
        self._callers = Callers(accounts, unit, subjects)
        of_place = np.array([number[p.subject] for p in table.principals], np.int32)
        self.unit = of_place[table.account] if len(table) else np.empty(0, np.int32)
        self._count = len(subjects)
        self._text = (table.chars > 0) & table.served
        self._begin = int(table.at.min()) if len(table) else 0
        self._end = int(table.at.max()) if len(table) else 0

    def callers(self) -> Callers:
        """Accounts, units and subjects."""
        return self._callers

    def totals(self) -> Totals:
        """Counts and times per unit."""
        table, unit, count = self._table, self.unit, self._count
        first = np.full(count, np.iinfo(np.int64).max)
        last = np.full(count, np.iinfo(np.int64).min)
        np.minimum.at(first, unit, table.at)
        np.maximum.at(last, unit, table.at)
        out = np.zeros(count, np.int64)
        np.add.at(out, unit, table.tokens_out)
        endpoint = np.zeros(count, np.int64)
        who, what, _ = _counted(unit, table.endpoint)
        endpoint[who[::-1]] = what[::-1]  # the first of each unit is written last
        return Totals(
            rows=np.bincount(unit, minlength=count).astype(np.int64),
            texts=np.bincount(unit[self._text], minlength=count).astype(np.int64),
            first=first,
            last=last,
            tokens_out=out,
            endpoint=endpoint,
            begin=self._begin,
            end=self._end,
        )

    def tokens(
        self, *, least: int, most: int, active: npt.NDArray[np.bool_], without: I64
    ) -> Tokens:
        """Shared frame tokens with their users."""
        rows = np.flatnonzero(self._text & active[self.unit])
        flat = self._table.frames[rows].ravel()
        row = np.repeat(rows, BANDS)
        unit = self.unit[row].astype(np.int64)
        keep = flat != 0
        if least > 1:
            keep &= _by_several(flat, unit)
        flat, row, unit = flat[keep], row[keep], unit[keep]
        values, token = np.unique(flat, return_inverse=True)
        hour = ((self._table.at[row] - self._begin) // HOUR).astype(np.int64)
        order = np.lexsort((hour, unit, token))
        token, unit, hour = token[order], unit[order], hour[order]
        new = np.ones(len(token), np.bool_)
        new[1:] = (token[1:] != token[:-1]) | (unit[1:] != unit[:-1])
        starts = np.flatnonzero(new)
        token, unit, first = token[starts], unit[starts], hour[starts]
        cells = np.diff(starts, append=len(new))
        users = np.bincount(token, minlength=len(values))
        known = np.isin(values, without)
        common = (users > most) & ~known
        hidden = np.bincount(
            unit[common[token]], weights=cells[common[token]], minlength=self._count
        )
        kept = (users >= least) & (users <= most) & ~known
        inside = kept[token]
        return Tokens(
            value=values[kept],
            start=np.concatenate(([0], np.cumsum(users[kept]))).astype(np.int64),
            unit=unit[inside].astype(np.int32),
            rows=cells[inside].astype(np.int32),
            first=first[inside].astype(np.int32),
            common=int(common.sum()),
            common_rows=hidden.astype(np.int64),
        )

    def users(self, tokens: I64, spans: Sequence[Span] = (EVER,)) -> I64:
        """How many units use each of these tokens in each span."""
        rows = np.flatnonzero(self._text)
        flat = self._table.frames[rows].ravel()
        place = np.searchsorted(tokens, flat)
        place[place == len(tokens)] = 0
        hit = tokens[place] == flat if len(tokens) else np.zeros(len(flat), np.bool_)
        width = max(1, self._count)
        row = np.repeat(rows, BANDS)[hit]
        pair, at = place[hit] * width + self.unit[row], self._table.at[row]
        return np.stack([
            np.bincount(np.unique(pair[inside(at, span)]) // width, minlength=len(tokens))
            for span in spans
        ])  # fmt: skip

    def uses(self, spans: Sequence[Span], *, least: int) -> Uses:
        """How many units use each shared token in each span."""
        everybody = np.ones(self._count, np.bool_)
        found = self.tokens(
            least=least, most=max(1, self._count), active=everybody, without=np.empty(0, np.int64)
        )
        return Uses(found.value, self.users(found.value, spans))

    def column(self, name: str) -> I64:
        """One of `VALUES`, row by row."""
        table = self._table
        if name not in _OF_ORIGIN:
            return {"parameters": table.shape, "model": table.model}[name]
        codes = np.array([_OF_ORIGIN[name](o) for o in table.origins] or [0], np.int64)
        return codes[table.origin] if len(table) else np.empty(0, np.int64)

    def values(self, name: str) -> Values:
        """The most used values of one column by unit."""
        column = self.column(name)
        there = column != 0
        who, what, rows = _counted(self.unit[there], column[there])
        first = np.searchsorted(who, np.arange(self._count + 1))
        kept = np.arange(len(who)) - first[who] < MAX_VALUES
        return Values(who[kept].astype(np.int32), what[kept], rows[kept])

    def clock(self) -> I64:
        """Rows by hour of day and by part of the span."""
        at, width = self._table.at, HOUR_BINS + SPAN_BINS
        hour = (at % _DAY) * HOUR_BINS // _DAY
        span = (at - self._begin) * SPAN_BINS // (self._end - self._begin + 1) + HOUR_BINS
        base = self.unit.astype(np.int64) * width
        size = self._count * width
        counts = np.bincount(base + hour, minlength=size) + np.bincount(
            base + span, minlength=size
        )
        return counts.reshape(self._count, width).astype(np.int64)

    def sample(self, units: I64, *, most: int) -> Rows:
        """Some text rows of some units in full."""
        table = self._table
        wanted = np.zeros(self._count, np.bool_)
        wanted[units] = True
        rows = np.flatnonzero(self._text & wanted[self.unit])
        order = np.lexsort((table.at[rows], table.draw[rows], self.unit[rows]))
        rows = rows[order]
        unit = self.unit[rows]
        first = np.searchsorted(unit, np.arange(self._count + 1))
        rows = rows[np.arange(len(rows)) - first[unit] < most]
        rows = rows[np.lexsort((table.draw[rows], table.at[rows], self.unit[rows]))]
        software = np.array([hashing.of_software(o) for o in table.origins] or [0], np.int64)
        return Rows(
            unit=self.unit[rows],
            at=table.at[rows],
            draw=table.draw[rows],
            endpoint=table.endpoint[rows],
            model=table.model[rows],
            parameters=table.shape[rows],
            software=software[table.origin[rows]] if len(rows) else np.empty(0, np.int64),
            exact=table.exact[rows],
            meaning=table.cells[rows],
            frames=table.frames[rows],
            chars=table.chars[rows],
            tokens_out=table.tokens_out[rows],
        )


def _counted(unit: I32, value: I64) -> tuple[I64, I64, I64]:
    """(unit, value, rows), by unit, then rows falling, then value."""
    codes, place = np.unique(value, return_inverse=True)
    width = max(1, len(codes))
    pair, rows = np.unique(unit.astype(np.int64) * width + place, return_counts=True)
    who, what = pair // width, codes[pair % width] if len(codes) else pair
    order = np.lexsort((what, -rows, who))
    return who[order], what[order], rows[order].astype(np.int64)


def _by_several(values: I64, unit: I64) -> npt.NDArray[np.bool_]:
    """Rows whose value was seen with more than one unit, and a few more (hash slots collide).

    Two passes over a slot table instead of a sort of everything: most values are seen once.
    """
    if not len(values):
        return np.zeros(0, np.bool_)
    bits = min(26, max(10, int(np.ceil(np.log2(2 * len(values))))))
    slot = ((values.view(np.uint64) * _SPREAD) >> np.uint64(64 - bits)).astype(np.int64)
    low = np.full(1 << bits, np.iinfo(np.int32).max, np.int32)
    high = np.full(1 << bits, -1, np.int32)
    small = unit.astype(np.int32)
    np.minimum.at(low, slot, small)
    np.maximum.at(high, slot, small)
    several: npt.NDArray[np.bool_] = (low != high)[slot]
    return several
