"""Figures as a few shapes, drawn the same way on an HTML page and in a PDF.

Lengths are points, y grows downwards, the origin is the figure's upper left corner.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from titer.console.render.model import Bars, Span, Spans

#: Width of every figure, and height of one with bars.
WIDTH, HEIGHT = 480.0, 100.0
#: Height of one line of an interval figure, and where its scale begins.
LINE, LEFT = 15.0, 190.0
#: Rows of an interval figure and bars of another: more are not told apart.
MAX_SPANS = 24
MAX_BARS = 120
#: Points that a bar may be wide.
WIDEST = 36.0
_SMALL = 7.5


class Box(NamedTuple):
    """A filled rectangle; `shade` 0 is black."""

    x: float
    y: float
    width: float
    height: float
    shade: Literal["ink", "bar", "line", "soft"]


class Label(NamedTuple):
    """Text with its baseline at y."""

    x: float
    y: float
    text: str
    size: float
    anchor: Literal["start", "middle", "end"]


class Drawing(NamedTuple):
    """The shapes of one figure, its size, its caption and what it says in words."""

    width: float
    height: float
    shapes: tuple[Box | Label, ...]
    caption: str


def draw(figure: Bars | Spans) -> Drawing:
    """The shapes of a figure."""
    if isinstance(figure, Bars):
        return _bars(figure)
    return _spans(figure)


def short(value: float) -> str:
    """A number as an axis shows it."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _bars(figure: Bars) -> Drawing:
    labels, values = _thinned(figure)
    top = max((*values, 0.0)) or 1.0
    left, bottom, height = 40.0, HEIGHT - 18.0, HEIGHT - 30.0
    width = (WIDTH - left) / max(1, len(values))
    shapes: list[Box | Label] = []
    for share in (0.5, 1.0):
        y = bottom - share * height
        shapes.append(Box(left, y, WIDTH - left, 0.4, "line"))
        shapes.append(Label(left - 4, y + 2.5, short(share * top), _SMALL, "end"))
    shapes.append(Label(left, 8.0, figure.unit, _SMALL, "start"))
    every = max(1, math.ceil(len(labels) / 8))
    for n, (label, value) in enumerate(zip(labels, values, strict=True)):
        x, tall = left + n * width, height * max(0.0, value) / top
        thick = min(WIDEST, width - min(2.0, width * 0.2))
        shapes.append(Box(x + (width - thick) / 2, bottom - tall, thick, tall, "bar"))
        if n % every == 0:
            shapes.append(Label(x + width / 2, bottom + 10, label, _SMALL, "middle"))
    shapes.append(Box(left, bottom, WIDTH - left, 0.8, "ink"))
    return Drawing(WIDTH, HEIGHT, tuple(shapes), figure.caption)


def _thinned(figure: Bars) -> tuple[list[str], list[float]]:
    """Neighbouring bars added up until there are few enough; the label is the first one's."""
    each = math.ceil(len(figure.values) / MAX_BARS) or 1
    starts = range(0, len(figure.values), each)
    return (
        [figure.labels[i] for i in starts],
        [sum(figure.values[i : i + each]) for i in starts],
    )


def _spans(figure: Spans) -> Drawing:
    rows = figure.rows[:MAX_SPANS]
    ends = [v for r in rows for v in (r.value, r.low, r.high) if 0 < v < math.inf]
    low = math.floor(math.log10(min((*ends, 0.5))))
    high = math.ceil(math.log10(max((*ends, 2.0))))
    low, high = max(low, -3), min(max(high, 1), 7)
    bottom = len(rows) * LINE + 4

    def x(value: float) -> float:
        exponent = math.log10(value) if value > 0 else low
        inside = min(max(exponent, low), high)
        return LEFT + (WIDTH - LEFT - 10) * (inside - low) / (high - low)

    shapes: list[Box | Label] = []
    for exponent in range(low, high + 1):
        at = x(10.0**exponent)
        shapes.append(Box(at, 0, 0.4, bottom, "line"))
        shapes.append(Label(at, bottom + 9, short(10.0**exponent), _SMALL, "middle"))
    shapes.append(Box(x(1.0) - 0.5, 0, 1.0, bottom, "soft"))
    for n, row in enumerate(rows):
        shapes += _span(row, n * LINE + LINE / 2 + 2, x)
    return Drawing(WIDTH, bottom + 14, tuple(shapes), figure.caption)


def _span(row: Span, y: float, x: object) -> Iterator[Box | Label]:
    assert callable(x)
    begin, end = x(row.low), x(row.high)
    yield Label(LEFT - 8, y + 2.5, row.label[:44], _SMALL, "end")
    yield Box(begin, y - 0.5, max(0.5, end - begin), 1.0, "bar")
    yield Box(begin, y - 2.5, 0.7, 5.0, "bar")
    if row.high < math.inf:
        yield Box(end, y - 2.5, 0.7, 5.0, "bar")
    else:
        yield Label(end + 1, y + 2.5, ">", _SMALL, "start")
    if row.value < math.inf:
        yield Box(x(row.value) - 2, y - 2, 4.0, 4.0, "ink")
