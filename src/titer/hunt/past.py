"""What live traffic leaves behind once its rows are forgotten: counts, bounded, mergeable.

Rows are held for a while (`hunt.live`); older ones are folded into counts of the same kinds that
a `Source` is asked for. Kept of a text token are the callers who used it, if there were two or
more of them: what only one caller ever said ties nobody to anybody.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.nouns import Principal
from titer.hunt.memory import MemorySource
from titer.hunt.source import (
    BANDS,
    EVER,
    HOUR,
    HOUR_BINS,
    I64,
    MAX_VALUES,
    SPAN_BINS,
    VALUES,
    Callers,
    Rows,
    Span,
    Tokens,
    Totals,
    Uses,
    Values,
)
from titer.hunt.table import Table

#: Callers that a text token must have to be remembered.
KEPT = 2
#: (token, unit) pairs remembered: about 200 MB. Those used longest ago are forgotten first.
MAX_PAIRS = 5_000_000
#: Accounts remembered; those silent for longest are forgotten first, with all their counts.
MAX_ACCOUNTS = 500_000
#: Days after which a caller that was silent is forgotten.
MAX_DAYS = 45
_DAY = 24 * HOUR

_UNITS = ("texts", "served", "days", "hours", "endpoints")
_COUNTS = ("tokens", *_UNITS)


class Counts(msgspec.Struct):
    """Rows by two keys, sorted by both; `first` and `last` are hours since 1970."""

    one: I64
    two: I64
    rows: I64
    first: I64
    last: I64

    @classmethod
    def none(cls) -> Counts:
        """Nothing counted yet."""
        empty = np.empty(0, np.int64)
        return cls(empty, empty, empty, empty, empty)

    @classmethod
    def of(cls, one: I64, two: I64, hour: I64) -> Counts:
        """One row for each place of the arrays."""
        return cls(one, two, np.ones(len(one), np.int64), hour, hour).packed()

    def packed(self) -> Counts:
        """The same with one entry for each pair of keys."""
        if not len(self.one):
            return self
        order = np.lexsort((self.two, self.one))
        one, two = self.one[order], self.two[order]
        new = np.ones(len(one), np.bool_)
        new[1:] = (one[1:] != one[:-1]) | (two[1:] != two[:-1])
        start = np.flatnonzero(new)
        return Counts(
            one[start],
            two[start],
            np.add.reduceat(self.rows[order], start),
            np.minimum.reduceat(self.first[order], start),
            np.maximum.reduceat(self.last[order], start),
        )

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            np.concatenate((self.one, other.one)),
            np.concatenate((self.two, other.two)),
            np.concatenate((self.rows, other.rows)),
            np.concatenate((self.first, other.first)),
            np.concatenate((self.last, other.last)),
        ).packed()

    def only(self, kept: npt.NDArray[np.bool_]) -> Counts:
        """Those at the given places."""
        return Counts(
            self.one[kept], self.two[kept], self.rows[kept], self.first[kept], self.last[kept]
        )


class Past:
    """Counts of the rows that were folded in. Units are numbered as they come; never reused."""

    def __init__(self) -> None:
        self.accounts: dict[str, Principal] = {}
        self.number: dict[str, int] = {}
        self.tokens = Counts.none()
        self.texts = Counts.none()
        self.served = Counts.none()
        self.days = Counts.none()
        self.hours = Counts.none()
        self.endpoints = Counts.none()
        self.values = {name: Counts.none() for name in VALUES}
        self.begin = 0

    def fold(self, table: Table) -> None:
        """Take in the rows of a table, then forget what is too old or too much."""
        if not len(table):
            return
        source = MemorySource(table)
        subjects = source.callers().subjects
        number = self.number
        unit_of = np.array([number.setdefault(s, len(number)) for s in subjects], np.int64)
        for account in table.principals:
            self.accounts[account.id] = account
        unit = unit_of[source.unit]
        hour = table.at // HOUR
        self.begin = min(self.begin or int(table.at.min()), int(table.at.min()))
        zero = np.zeros(len(unit), np.int64)
        self.days = self.days.plus(Counts.of(unit, table.at // _DAY, hour))
        self.hours = self.hours.plus(Counts.of(unit, (table.at % _DAY) * HOUR_BINS // _DAY, hour))
        self.endpoints = self.endpoints.plus(Counts.of(unit, table.endpoint, hour))
        text = (table.chars > 0) & table.served
        self.texts = self.texts.plus(Counts.of(unit[text], zero[text], hour[text]))
        spent = Counts(unit, zero, table.tokens_out, hour, hour).packed()
        self.served = self.served.plus(spent)
        for name in VALUES:
            column = source.column(name)
            there = column != 0
            counts = Counts.of(unit[there], column[there], hour[there])
            self.values[name] = self.values[name].plus(counts)
        flat = table.frames[text].ravel()
        who, when = np.repeat(unit[text], BANDS), np.repeat(hour[text], BANDS)
        there = flat != 0
        said = Counts.of(flat[there], who[there], when[there])
        tokens = self.tokens.plus(said)
        users = np.repeat(*_runs(tokens.one))
        self.tokens = tokens.only(users >= KEPT)
        self._forget()

    def with_rows(self, table: Table) -> Past:
        """A past that these rows were folded into; this one stays as it is."""
        other = Past()
        other.accounts, other.number = dict(self.accounts), dict(self.number)
        other.begin, other.values = self.begin, dict(self.values)
        for name in _COUNTS:
            setattr(other, name, getattr(self, name))
        other.fold(table)
        return other

    def _forget(self) -> None:
        """Drop callers who were silent for long, and the pairs used longest ago."""
        if len(self.tokens.one) > MAX_PAIRS:
            kept = np.zeros(len(self.tokens.one), np.bool_)
            kept[np.argsort(-self.tokens.last, kind="stable")[:MAX_PAIRS]] = True
            self.tokens = self.tokens.only(kept)
        last = np.zeros(len(self.number), np.int64)
        np.maximum.at(last, self.days.one, self.days.last)
        now = int(last.max()) if len(last) else 0
        least = now - MAX_DAYS * 24
        if len(self.number) > MAX_ACCOUNTS:
            least = max(least, int(np.partition(last, -MAX_ACCOUNTS)[-MAX_ACCOUNTS]))
        self._drop(last < least)

    def forget(self, subject: str) -> None:
        """Drop the counts of a subject that was erased."""
        gone = np.zeros(len(self.number), np.bool_)
        if subject in self.number:
            gone[self.number[subject]] = True
        self._drop(gone)

    def _drop(self, gone: npt.NDArray[np.bool_]) -> None:
        """Drop the units at the given places, and number the others anew."""
        if not gone.any():
            return
        here = {s: n for s, n in self.number.items() if not gone[n]}
        renumber = np.full(len(gone), -1, np.int64)
        renumber[list(here.values())] = np.arange(len(here))
        self.number = {s: int(renumber[n]) for s, n in here.items()}
        self.accounts = {i: p for i, p in self.accounts.items() if p.subject in self.number}
        for name in _UNITS:
            setattr(self, name, _renumbered(getattr(self, name), renumber))
        self.values = {n: _renumbered(c, renumber) for n, c in self.values.items()}
        tokens = self.tokens.only(renumber[self.tokens.two] >= 0)
        tokens.two = renumber[tokens.two]
        self.tokens = tokens.packed()


def _renumbered(counts: Counts, renumber: I64) -> Counts:
    counts = counts.only(renumber[counts.one] >= 0)
    counts.one = renumber[counts.one]
    return counts.packed()


def _runs(keys: I64) -> tuple[I64, I64]:
    """(length of each run of equal keys, the same): for `np.repeat`."""
    if not len(keys):
        empty = np.empty(0, np.int64)
        return empty, empty
    start = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    size = np.diff(start, append=len(keys))
    return size, size


class PastAndRows:
    """A `Source` of what was folded and of the rows still held. Row samples are of the latter."""

    def __init__(self, past: Past, table: Table) -> None:
        self._rows = MemorySource(table)
        whole = past.with_rows(table)
        subjects = sorted(whole.number, key=lambda s: s.encode())
        place = {s: n for n, s in enumerate(subjects)}
        self._renumber = np.zeros(max(1, len(subjects)), np.int64)
        for subject, n in whole.number.items():
            self._renumber[n] = place[subject]
        accounts = [whole.accounts[i] for i in sorted(whole.accounts)]
        unit = np.array([place[p.subject] for p in accounts], np.int32)
        self._callers = Callers(accounts, unit, subjects)
        self._of_row_unit = np.array([place[s] for s in self._rows.callers().subjects], np.int64)
        self._count, self._whole = len(subjects), whole
        ends = [whole.begin, int(table.at.max()) if len(table) else whole.begin]
        last = int(whole.days.last.max()) * HOUR if len(whole.days.last) else ends[1]
        self._begin, self._end = whole.begin, max(ends[1], last)

    def callers(self) -> Callers:
        """Accounts, units and subjects."""
        return self._callers

    def totals(self) -> Totals:
        """Counts and times per unit; times of folded rows are whole hours."""
        whole = self._whole
        endpoint = np.zeros(self._count, np.int64)
        order = np.lexsort((-whole.endpoints.two, whole.endpoints.rows, whole.endpoints.one))
        endpoint[self._renumber[whole.endpoints.one[order]]] = whole.endpoints.two[order]
        first = np.full(self._count, np.iinfo(np.int64).max)
        last = np.zeros(self._count, np.int64)
        unit = self._renumber[whole.days.one]
        np.minimum.at(first, unit, whole.days.first * HOUR)
        np.maximum.at(last, unit, whole.days.last * HOUR)
        return Totals(
            rows=self._sum(whole.days),
            texts=self._sum(whole.texts),
            first=first,
            last=last,
            tokens_out=self._sum(whole.served),
            endpoint=endpoint,
            begin=self._begin,
            end=self._end,
        )

    def tokens(
        self, *, least: int, most: int, active: npt.NDArray[np.bool_], without: I64
    ) -> Tokens:
        """Shared frame tokens with their users; `least` is 2 or more."""
        if least < KEPT:
            raise ValueError("the past holds no token of a single caller")
        counts = self._whole.tokens
        unit = self._renumber[counts.two]
        kept = active[unit] & ~np.isin(counts.one, without)
        counts, unit = counts.only(kept), unit[kept]
        order = np.lexsort((unit, counts.one))
        token, unit = counts.one[order], unit[order]
        rows, first = counts.rows[order], counts.first[order]
        value, users = np.unique(token, return_counts=True)
        of_pair = np.repeat(users, users)
        common = of_pair > most
        hidden = np.bincount(unit[common], weights=rows[common], minlength=self._count)
        inside = (of_pair >= least) & ~common
        chosen = (users >= least) & (users <= most)
        begin = self._begin // HOUR
        return Tokens(
            value=value[chosen],
            start=np.concatenate(([0], np.cumsum(users[chosen]))).astype(np.int64),
            unit=unit[inside].astype(np.int32),
            rows=np.minimum(rows[inside], 2**31 - 1).astype(np.int32),
            first=np.maximum(first[inside] - begin, 0).astype(np.int32),
            common=int((users > most).sum()),
            common_rows=hidden.astype(np.int64),
        )

    def users(self, tokens: I64, spans: Sequence[Span] = (EVER,)) -> I64:
        """How many units use each token, to the hour of their first and last use of it."""
        counts = self._whole.tokens
        place = np.searchsorted(tokens, counts.one)
        place[place == len(tokens)] = 0
        hit = tokens[place] == counts.one if len(tokens) else np.zeros(len(place), np.bool_)
        place, first, last = place[hit], counts.first[hit], counts.last[hit]
        found = []
        for since, until in spans:
            kept = last >= since // HOUR
            if until:
                kept &= first < -(-until // HOUR)
            found.append(np.bincount(place[kept], minlength=len(tokens)))
        return np.stack(found)

    def uses(self, spans: Sequence[Span], *, least: int) -> Uses:
        """How many units use each shared token in each span, as `users`; `least` is 2 or more."""
        if least < KEPT:
            raise ValueError("the past holds no token of a single caller")
        value, users = np.unique(self._whole.tokens.one, return_counts=True)
        value = value[users >= least]
        return Uses(value, self.users(value, spans))

    def values(self, name: str) -> Values:
        """The most used values of one column by unit."""
        counts = self._whole.values[name]
        unit = self._renumber[counts.one]
        order = np.lexsort((counts.two, -counts.rows, unit))
        unit, value, rows = unit[order], counts.two[order], counts.rows[order]
        first = np.searchsorted(unit, np.arange(self._count + 1))
        kept = np.arange(len(unit)) - first[unit] < MAX_VALUES
        return Values(unit[kept].astype(np.int32), value[kept], rows[kept])

    def clock(self) -> I64:
        """Rows by hour of day and by part of the span (to the day)."""
        whole, out = self._whole, np.zeros((self._count, HOUR_BINS + SPAN_BINS), np.int64)
        np.add.at(out, (self._renumber[whole.hours.one], whole.hours.two), whole.hours.rows)
        at = np.clip(whole.days.two * _DAY + _DAY // 2, self._begin, self._end)
        span = (at - self._begin) * SPAN_BINS // (self._end - self._begin + 1) + HOUR_BINS
        np.add.at(out, (self._renumber[whole.days.one], span), whole.days.rows)
        return out

    def sample(self, units: I64, *, most: int) -> Rows:
        """Some text rows of some units, of those still held."""
        held = np.flatnonzero(np.isin(self._of_row_unit, units))
        rows = self._rows.sample(held, most=most)
        unit = self._of_row_unit[rows.unit].astype(np.int32)
        return msgspec.structs.replace(rows, unit=unit)

    def _sum(self, counts: Counts) -> I64:
        weights = counts.rows.astype(np.float64)
        unit = self._renumber[counts.one]
        return np.bincount(unit, weights=weights, minlength=self._count).astype(np.int64)
