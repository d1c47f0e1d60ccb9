"""What the hunt asks of an engine: small, exact answers out of many exchanges.

The logic of the hunt is written once, on these answers (numpy arrays). Engines differ only in how
they count: from columns in memory (`hunt.memory`), from Parquet facts with DuckDB and numba
(`hunt.embedded`), from the same facts on Spark (`hunt.spark`). All answers are integers in a
stated order, so that every engine gives the same bytes and so the same campaigns.

Units are organisations where declared, else accounts: numbered 0.. in the order of their subject
(the pseudonym, as UTF-8 bytes). Every value is a signed 64-bit hash; 0 means unknown or absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.nouns import Principal

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

#: Columns that hold one value a row, by which callers may be tied. `cohort` (the week in which an
#: account was created) is no column: the logic makes it from the callers.
VALUES = ("network", "address", "provider", "payment", "software", "parameters", "model")
#: Bands of a sketch that are tokens of text.
BANDS = 8
#: Of a unit, the values of one column that are kept: its most used, ties by the smaller value.
MAX_VALUES = 12
#: Bins of the clock: hours of the day (UTC) in twos, then twentieths of the whole span.
HOUR_BINS = 12
SPAN_BINS = 20
#: Microseconds in an hour.
HOUR = 3_600_000_000
#: Bits of a word that sorts as a number: signed, so one is lost.
WORD = 63
#: Rows with `at` from the first on and, unless the second is 0, before the second (microseconds).
Span = tuple[int, int]
EVER: Span = (0, 0)
#: Spans that one question may have: a row's are kept as bits of a byte.
MAX_SPANS = 8


def inside(at: I64, span: Span) -> npt.NDArray[np.bool_]:
    """Which of some times lie in a span."""
    since, until = span
    chosen: npt.NDArray[np.bool_] = at >= since
    return chosen & (at < until) if until else chosen


class Callers(msgspec.Struct, frozen=True):
    """Accounts in the order of their ids, and the unit of each (`unit[i]` of `accounts[i]`)."""

    accounts: list[Principal]
    unit: I32
    subjects: list[str]


class Totals(msgspec.Struct, frozen=True):
    """Per unit: rows (any status), rows that carry text (`chars` > 0 and status < 400), first and
    last time (microseconds), tokens out (served rows only), and the endpoint that it uses most
    (ties: the smaller value). `begin`, `end`: least and greatest `at` of all rows.
    """

    rows: I64
    texts: I64
    first: I64
    last: I64
    tokens_out: I64
    endpoint: I64
    begin: int
    end: int


class Tokens(msgspec.Struct, frozen=True):
    """Text tokens that several units use. Sorted by value, then by unit.

    `value` (k); the pairs of token i stand at `start[i]:start[i+1]` of `unit`, `rows` (rows of
    that unit with the token), `first` (whole hours from `Totals.begin` to its first such row).
    `common` counts tokens of more than `most` units, which are left out; `common_rows` per unit
    the (row, band) cells that lie on them: what the cap hides.
    """

    value: I64
    start: I64
    unit: I32
    rows: I32
    first: I32
    common: int
    common_rows: I64


class Uses(msgspec.Struct, frozen=True):
    """Text tokens sorted by `value` (k), and how many units use each in each of some spans of
    time: `users` (spans, k).
    """

    value: I64
    users: I64


class Values(msgspec.Struct, frozen=True):
    """Of one column: (unit, value, rows), at most `MAX_VALUES` a unit, value 0 left out.

    Sorted by unit, then rows falling, then value.
    """

    unit: I32
    value: I64
    rows: I64


class Rows(msgspec.Struct, frozen=True):
    """Some rows in full, sorted by unit, `at`, `draw`, then by the other columns from `endpoint`
    on, in order. One entry a row. `meaning` is (n, 4), `frames` (n, BANDS).
    """

    unit: I32
    at: I64
    draw: I32
    endpoint: I64
    model: I64
    parameters: I64
    software: I64
    exact: I64
    meaning: I64
    frames: I64
    chars: I32
    tokens_out: I64


class Source(Protocol):
    """One log, ready to be counted. Calls may take minutes; each is asked for once or twice."""

    def callers(self) -> Callers: ...

    def totals(self) -> Totals: ...

    def tokens(
        self, *, least: int, most: int, active: npt.NDArray[np.bool_], without: I64
    ) -> Tokens:
        """Frame tokens (all bands together) of `least`..`most` active units, over rows that carry
        text; not those in `without` (sorted values). `active` is indexed by unit. No value stands
        in two bands, each of which has its own key, and 0 is no token: so each band can be
        counted alone, and `rows` counts (row, band) cells.
        """
        ...

    def users(self, tokens: I64, spans: Sequence[Span] = (EVER,)) -> I64:
        """Of each of the given (sorted) frame tokens, how many units use it in text rows of each
        span: (spans, tokens).
        """
        ...

    def uses(self, spans: Sequence[Span], *, least: int) -> Uses:
        """The same of all frame tokens that `least` units or more use in text rows of any time."""
        ...

    def values(self, name: str) -> Values: ...

    def clock(self) -> I64:
        """Per unit, rows in each of `HOUR_BINS` + `SPAN_BINS` bins: (units, 32)."""
        ...

    def sample(self, units: I64, *, most: int) -> Rows:
        """Text rows of the given units (sorted): all of them for a unit with at most `most`, else
        its `most` rows of the smallest (`draw`, `at`, the other columns from `endpoint` on). On
        files each call reads the whole log: ask once for all units.
        """
        ...
