"""What a report is made of, before it is a page: sections of words, tables and figures."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

#: Characters of an id or token that are shown: enough to find it in the file.
SHORT = 14
_LAST = 253_402_300_799_000_000


class Table(msgspec.Struct, frozen=True):
    """Rows of text under a head. `widths` are shares of the page; `right` columns of numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]
    right: tuple[int, ...] = ()


class Bars(msgspec.Struct, frozen=True):
    """A bar for every label, from 0 up. `labels` are shown as there is room."""

    caption: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    unit: str


class Span(msgspec.Struct, frozen=True):
    """One line of a `Spans` figure; `high` is infinite where nothing bounds it."""

    label: str
    value: float
    low: float
    high: float


class Spans(msgspec.Struct, frozen=True):
    """Values with their intervals on a logarithmic scale, beside a line at 1."""

    caption: str
    rows: tuple[Span, ...]


class Section(msgspec.Struct, frozen=True):
    """A heading and what stands under it: words, points, figures, then tables, then notes."""

    heading: str
    words: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    figures: tuple[Bars | Spans, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """A whole report. `warning` stands first, framed; `listed` last, in a small fixed font."""

    title: str
    subtitle: str
    warning: str
    sections: tuple[Section, ...]
    listed_heading: str
    listed: tuple[str, ...]
    foot: str


def plain(text: str, most: int = 4_000) -> str:
    """A stranger's string on one line: what does not print is replaced, what is long is cut."""
    cut = text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)


def cut(text: str) -> str:
    """The beginning of an id or token."""
    clean = plain(text, 400)
    return clean if len(clean) <= SHORT else clean[: SHORT - 1] + "\N{HORIZONTAL ELLIPSIS}"


def moment(at: int) -> str:
    """A time in microseconds, to the minute."""
    if not 0 <= at <= _LAST:
        return f"{at} us"
    return f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m-%d %H:%M} UTC"
