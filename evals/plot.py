"""Small drawings as SVG text: axes, lines, points with intervals, bars. No library needed.

Colours tell series apart for most colour-blind readers (Okabe and Ito), marks do so in grey.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

WIDE, HIGH = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 168, 34, 48
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_FONT = "font-family='Helvetica, Arial, sans-serif' font-size='12' fill='#222222'"


class Axis:
    """Values from `low` to `high` onto pixels; `log` in powers of ten."""

    def __init__(self, low: float, high: float, *, log: bool = False, name: str = "") -> None:
        self.low, self.high, self.log, self.name = low, high, log, name

    def share(self, value: float) -> float:
        """Where a value lies between low (0) and high (1); cut at both."""
        if self.log:
            value = max(value, self.low)
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return min(max(part, 0.0), 1.0)

    def ticks(self) -> list[tuple[float, str]]:
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            found = [10.0**k for k in range(first, last + 1)]
            return [(v, _power(v)) for v in found if self.low <= v * 1.0001 <= self.high * 1.001]
        step = (self.high - self.low) / 5
        return [(self.low + k * step, f"{self.low + k * step:g}") for k in range(6)]


class Plot:
    """One drawing. Series are added in order; each has a colour and a mark of its own."""

    def __init__(self, title: str, x: Axis, y: Axis) -> None:
        self.title, self.x, self.y = title, x, y
        self.parts: list[str] = []
        self.names: list[tuple[str, str, int]] = []

    def at(self, x: float, y: float) -> tuple[float, float]:
        wide, high = WIDE - LEFT - RIGHT, HIGH - TOP - BOTTOM
        return (LEFT + wide * self.x.share(x), HIGH - BOTTOM - high * self.y.share(y))

    def line(
        self,
        name: str,
        points: Sequence[tuple[float, float]],
        *,
        marks: bool = True,
        dash: str = "",
    ) -> None:
        """A line through points; `dash` is for references and targets, drawn grey. One without a
        name is not in the legend.
        """
        number = sum(1 for _, _, n in self.names if n >= 0)
        colour = "#888888" if dash else COLOURS[number % len(COLOURS)]
        places = [self.at(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        style = f" stroke-dasharray='{dash}'" if dash else ""
        self.parts.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'{style}/>"
        )
        if marks and not dash:
            self.parts += [_mark(number, x, y, colour) for x, y in places]
        if name:
            self.names.append((name, colour, -1 if dash else number))

    def interval(self, x: float, low: float, high: float) -> None:
        """An upright bar of the last series' colour: an interval."""
        colour = self.names[-1][1]
        (at, a), (_, b) = self.at(x, low), self.at(x, high)
        self.parts.append(
            f"<line x1='{at:.1f}' y1='{a:.1f}' x2='{at:.1f}' y2='{b:.1f}' stroke='{colour}'"
            " stroke-width='1.2'/>"
        )

    def bars(self, groups: Sequence[str], series: dict[str, Sequence[tuple[float, float, float]]]):
        """Bars side by side: of each series, for each group, (value, low, high)."""
        wide = (WIDE - LEFT - RIGHT) / len(groups)
        each = wide * 0.84 / len(series)
        for number, (name, values) in enumerate(series.items()):
            colour = COLOURS[number % len(COLOURS)]
            for place, (value, low, high) in enumerate(values):
                left = LEFT + wide * place + wide * 0.08 + each * number
                floor, top = self.at(0, self.y.low)[1], self.at(0, value)[1]
                a, b = self.at(0, low)[1], self.at(0, high)[1]
                middle = left + each / 2
                self.parts += [
                    (
                        f"<rect x='{left:.1f}' y='{top:.1f}' width='{each * 0.9:.1f}'"
                        f" height='{max(floor - top, 0.8):.1f}' fill='{colour}'/>"
                    ),
                    (
                        f"<line x1='{middle:.1f}' y1='{a:.1f}' x2='{middle:.1f}' y2='{b:.1f}'"
                        " stroke='#222222' stroke-width='1'/>"
                    ),
                ]
            self.names.append((name, colour, number))
        for place, group in enumerate(groups):
            middle = LEFT + wide * (place + 0.5)
            self.parts.append(_text(middle, HIGH - BOTTOM + 18, group, anchor="middle"))

    def svg(self) -> str:
        """The drawing as text."""
        floor, right = HIGH - BOTTOM, WIDE - RIGHT
        out = [
            (
                f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDE} {HIGH}' role='img'"
                f" aria-label='{escape(self.title, quote=True)}'>"
            ),
            f"<rect width='{WIDE}' height='{HIGH}' rx='6' fill='#ffffff'/>",
            _text(LEFT, 20, self.title, weight="bold"),
        ]
        for value, label in self.y.ticks():
            _, y = self.at(self.x.low, value)
            out.append(f"<path d='M{LEFT} {y:.1f}H{right}' stroke='#dddddd'/>")
            out.append(_text(LEFT - 6, y + 4, label, anchor="end"))
        for value, label in self.x.ticks() if self.x.name else []:
            x, _ = self.at(value, self.y.low)
            out.append(f"<path d='M{x:.1f} {floor}v4' stroke='#222222'/>")
            out.append(_text(x, floor + 18, label, anchor="middle"))
        out.append(f"<path d='M{LEFT} {TOP}V{floor}H{right}' fill='none' stroke='#222222'/>")
        out.append(_text((LEFT + right) / 2, HIGH - 10, self.x.name, anchor="middle"))
        middle = (TOP + floor) / 2
        turn = f" transform='rotate(-90 16 {middle:.0f})'"
        out.append(_text(16, middle, self.y.name, anchor="middle", more=turn))
        out += self.parts
        for row, (name, colour, number) in enumerate(self.names):
            y = TOP + 8 + 18 * row
            dash = " stroke-dasharray='4 3'" if number < 0 else ""
            out.append(
                f"<path d='M{right + 10} {y}h18' stroke='{colour}' stroke-width='3'{dash}/>"
            )
            out.append(_text(right + 33, y + 4, name))
        return "\n".join([*out, "</svg>"]) + "\n"


def _power(value: float) -> str:
    plain = f"{value:g}"
    return plain if len(plain) <= 5 else f"1e{round(math.log10(value))}"


def _text(x: float, y: float, words: str, *, anchor="start", weight="normal", more="") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-weight='{weight}'"
        f" {_FONT}{more}>{escape(words)}</text>"
    )


_MARKS: tuple[Callable[[float, float, str], str], ...] = (
    lambda x, y, c: f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{c}'/>",
    lambda x, y, c: f"<rect x='{x - 4:.1f}' y='{y - 4:.1f}' width='8' height='8' fill='{c}'/>",
    lambda x, y, c: f"<path d='M{x:.1f} {y - 5:.1f}l5 9h-10z' fill='{c}'/>",
    lambda x, y, c: f"<path d='M{x:.1f} {y - 5:.1f}l5 5-5 5-5-5z' fill='{c}'/>",
    lambda x, y, c: f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='white' stroke='{c}'/>",
)


def _mark(number: int, x: float, y: float, colour: str) -> str:
    return _MARKS[number % len(_MARKS)](x, y, colour)
