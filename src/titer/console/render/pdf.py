"""A report as a PDF: A4, the standard fonts, tables that break between rows, numbered pages.

Text outside of Western Europe's characters is spelt by its number: the standard fonts have no
others, and titer brings none. There is nothing active in the file: no script, link, form or
attachment. Memory is the pages' compressed text, about 2 kB a page.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable

import pydyf

from titer.console.render.figures import Box, draw
from titer.console.render.metrics import BODY, BOLD, FONTS, MONO, Font, spelt, width, wrapped
from titer.console.render.model import Report, Section, Table

#: A4 in points, and its margins.
PAGE = (595.0, 842.0)
MARGIN, TOP, BOTTOM = 57.0, 60.0, 60.0
ROOM = PAGE[0] - 2 * MARGIN
#: Sizes and leading in points.
TITLE, HEADING, TEXT, CELL, LIST = 18.0, 12.5, 10.0, 8.0, 6.5
LEAD = 1.36
#: Columns of the list at the end.
COLUMNS = 5

_SHADES = {
    "ink": (0.1, 0.1, 0.1), "bar": (0.23, 0.43, 0.65), "line": (0.87, 0.87, 0.87),
    "soft": (0.6, 0.6, 0.6), "warn": (0.54, 0.11, 0.11), "grey": (0.4, 0.4, 0.4),
}  # fmt: skip


class _Pages:
    """Pages as they fill up. `y` is the distance from the top of the page."""

    def __init__(self) -> None:
        self.done: list[bytes] = []
        self._parts: list[bytes] = []
        self.y = TOP

    def room(self, height: float) -> bool:
        """Whether so much more fits on this page."""
        return self.y + height <= PAGE[1] - BOTTOM

    def need(self, height: float) -> bool:
        """Begin a new page unless so much fits on this one; True when one was begun."""
        if self.room(height) or self.y == TOP:
            return False
        self.turn()
        return True

    def turn(self) -> None:
        """Begin a new page."""
        self.done.append(zlib.compress(b"".join(self._parts)))
        self._parts = []
        self.y = TOP

    def text(
        self, x: float, y: float, text: str, font: Font, size: float, *, shade: str = "ink"
    ) -> None:
        """One line with its baseline at y; the text is spelt already."""
        raw = text.encode("cp1252", "replace")
        raw = raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
        self._parts.append(
            b"%b rg BT /%b %.2f Tf %.2f %.2f Td (%b) Tj ET\n"
            % (_colour(shade), font.encode(), size, x, PAGE[1] - y, raw)
        )

    def box(self, x: float, y: float, wide: float, high: float, shade: str) -> None:
        """A filled rectangle whose upper edge is at y."""
        self._parts.append(
            b"%b rg %.2f %.2f %.2f %.2f re f\n"
            % (_colour(shade), x, PAGE[1] - y - high, wide, high)
        )

    def frame(self, x: float, y: float, wide: float, high: float, shade: str) -> None:
        """An outlined rectangle whose upper edge is at y."""
        self._parts.append(
            b"%b RG 1.5 w %.2f %.2f %.2f %.2f re S\n"
            % (_colour(shade), x, PAGE[1] - y - high, wide, high)
        )

    def lines(
        self, text: str, font: Font, size: float, *, shade: str = "ink", indent: float = 0.0
    ) -> None:
        """A paragraph."""
        for line in wrapped(text, font, size, ROOM - indent):
            self.need(size * LEAD)
            self.y += size * LEAD
            self.text(MARGIN + indent, self.y, line, font, size, shade=shade)


def to_pdf(report: Report) -> bytes:
    """The whole file."""
    pages = _Pages()
    pages.lines(report.title, BOLD, TITLE)
    pages.y += 3
    pages.lines(report.subtitle, BODY, TEXT, shade="grey")
    if report.warning:
        _framed(pages, report.warning)
    for section in report.sections:
        _section(pages, section)
    if report.listed:
        _heading(pages, report.listed_heading)
        _listed(pages, report.listed)
    pages.turn()
    return _file(report, pages.done)


def _section(pages: _Pages, section: Section) -> None:
    first = draw(section.figures[0]).height if section.figures and not section.words else 0.0
    _heading(pages, section.heading, below=first)
    for text in section.words:
        pages.lines(text, BODY, TEXT)
        pages.y += 4
    for point in section.points:
        pages.need(TEXT * LEAD)
        pages.text(MARGIN, pages.y + TEXT * LEAD, "\N{BULLET}", BODY, TEXT)
        pages.lines(point, BODY, TEXT, indent=12)
        pages.y += 3
    for figure in section.figures:
        drawing = draw(figure)
        pages.need(drawing.height + 34)
        pages.y += 8
        for shape in drawing.shapes:
            if isinstance(shape, Box):
                pages.box(
                    MARGIN + shape.x, pages.y + shape.y, shape.width, shape.height, shape.shade
                )
            else:
                text = spelt(shape.text)
                wide = width(text, BODY, shape.size)
                back = {"start": 0.0, "middle": wide / 2, "end": wide}[shape.anchor]
                pages.text(MARGIN + shape.x - back, pages.y + shape.y, text, BODY, shape.size)
        pages.y += drawing.height + 2
        pages.lines(drawing.caption, BODY, CELL, shade="grey")
        pages.y += 4
    for table in section.tables:
        _table(pages, table)
    for text in section.notes:
        pages.lines(text, BODY, CELL, shade="grey")
        pages.y += 2


def _heading(pages: _Pages, text: str, *, below: float = 0.0) -> None:
    """A heading on the page of what follows it, which is `below` points high."""
    pages.need(80 + below)
    pages.y += 14
    pages.lines(text, BOLD, HEADING)
    pages.box(MARGIN, pages.y + 4, ROOM, 0.6, "line")
    pages.y += 8


def _framed(pages: _Pages, text: str) -> None:
    lines = wrapped(text, BOLD, TEXT, ROOM - 20)
    high = len(lines) * TEXT * LEAD + 14
    pages.y += 8
    pages.frame(MARGIN, pages.y, ROOM, high, shade="warn")
    for n, line in enumerate(lines, 1):
        pages.text(MARGIN + 10, pages.y + 5 + n * TEXT * LEAD, line, BOLD, TEXT, shade="warn")
    pages.y += high + 4


def _table(pages: _Pages, table: Table) -> None:
    total = sum(table.widths)
    wide = [ROOM * w / total for w in table.widths]
    pages.need(60)
    pages.y += 6
    _row(pages, table, table.head, wide, BOLD)
    pages.box(MARGIN, pages.y + 1.5, ROOM, 0.9, "ink")
    pages.y += 3
    for row in table.rows:
        if _row(pages, table, row, wide, BODY):
            pages.box(MARGIN, pages.y + 1.5, ROOM, 0.4, "line")
        pages.y += 3
    pages.y += 6


def _row(pages: _Pages, table: Table, row: Iterable[str], wide: list[float], font: Font) -> bool:
    cells = [wrapped(cell, font, CELL, w - 6) for cell, w in zip(row, wide, strict=True)]
    tall = max(len(cell) for cell in cells)
    per_page = int((PAGE[1] - TOP - BOTTOM - 40) / (CELL * LEAD))
    for begin in range(0, tall, per_page):  # a row that is higher than a page goes on
        part = [cell[begin : begin + per_page] for cell in cells]
        high = max(len(cell) for cell in part) * CELL * LEAD
        if pages.need(high + 4) and font == BODY:
            _row(pages, table, table.head, wide, BOLD)
            pages.box(MARGIN, pages.y + 1.5, ROOM, 0.9, "ink")
            pages.y += 3
        x = MARGIN
        for column, (cell, w) in enumerate(zip(part, wide, strict=True)):
            for n, line in enumerate(cell, 1):
                shift = w - 6 - width(line, font, CELL) if column in table.right else 0.0
                pages.text(x + shift, pages.y + n * CELL * LEAD, line, font, CELL)
            x += w
        pages.y += high
    return True


def _listed(pages: _Pages, listed: tuple[str, ...]) -> None:
    """Names in columns, read down each column of a page."""
    step = LIST * LEAD
    column = ROOM / COLUMNS
    longest = int((column - 4) / width("0", MONO, LIST))
    at = 0
    while at < len(listed):
        rows = max(1, int((PAGE[1] - BOTTOM - pages.y) / step) - 1)
        batch = listed[at : at + rows * COLUMNS]
        rows = min(rows, -(-len(batch) // COLUMNS))
        for n, one in enumerate(batch):
            down, across = n % rows, n // rows
            y = pages.y + (down + 1) * step
            pages.text(MARGIN + across * column, y, spelt(one)[:longest], MONO, LIST)
        at += len(batch)
        pages.y += rows * step
        if at < len(listed):
            pages.turn()


def _file(report: Report, pages: list[bytes]) -> bytes:
    pdf = pydyf.PDF()
    fonts = {}
    for key, base in FONTS.items():
        font = pydyf.Dictionary({
            "Type": "/Font", "Subtype": "/Type1", "BaseFont": f"/{base}",
            "Encoding": "/WinAnsiEncoding",
        })  # fmt: skip
        pdf.add_object(font)
        fonts[key] = font.reference
    resources = pydyf.Dictionary({"Font": pydyf.Dictionary(fonts)})
    pdf.add_object(resources)
    foot = wrapped(report.foot, BODY, 7.0, ROOM - 70)[0]
    for number, packed in enumerate(pages, 1):
        last = _Pages()
        last.text(MARGIN, PAGE[1] - 34, foot, BODY, 7.0, shade="grey")
        label = f"{number} of {len(pages)}"
        last.text(
            PAGE[0] - MARGIN - width(label, BODY, 7.0),
            PAGE[1] - 34,
            label,
            BODY,
            7.0,
            shade="grey",
        )
        last.turn()
        body = zlib.compress(zlib.decompress(packed) + zlib.decompress(last.done[0]))
        content = pydyf.Stream([body], {"Filter": "/FlateDecode"})
        pdf.add_object(content)
        pdf.add_page(
            pydyf.Dictionary(
                {
                    "Type": "/Page",
                    "Parent": pdf.pages.reference,
                    "Contents": content.reference,
                    "MediaBox": pydyf.Array([0, 0, *PAGE]),
                    "Resources": resources.reference,
                }
            )
        )
    pdf.catalog["Lang"] = pydyf.String("en")
    pdf.info["Title"] = pydyf.String("Dossier")
    pdf.info["Producer"] = pydyf.String("titer")
    out = io.BytesIO()
    pdf.write(out, version=b"1.7")
    return out.getvalue()


def _colour(shade: str) -> bytes:
    return b"%.2f %.2f %.2f" % _SHADES[shade]
