"""A report as one HTML file: no script, nothing fetched, figures inline, printable.

The page forbids itself everything but its own style sheet (Content-Security-Policy), and every
string is escaped: a dossier comes from a stranger.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape as _escaped

from titer.console.render.figures import Box, Drawing, draw
from titer.console.render.model import Report, Section, Table, plain

#: Characters of one paragraph, cell or label.
MAX_TEXT = 10_000

_STYLE = """
:root{--ink:#1a1a1a;--soft:#666;--line:#ddd;--bar:#3b6ea5;--warn:#8a1c1c}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,"Helvetica Neue",Arial,sans-serif;color:var(--ink);background:#fff;
max-width:52rem;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 .2rem}
h2{font-size:1.15rem;margin:2rem 0 .5rem;padding-bottom:.2rem;border-bottom:1px solid var(--line)}
.sub{color:var(--soft);margin:0 0 1rem;overflow-wrap:anywhere}
.warn{border:2px solid var(--warn);color:var(--warn);padding:.6rem .9rem;font-weight:600}
p,li{overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;margin:.8rem 0;font-size:.86rem;table-layout:fixed}
th,td{text-align:left;vertical-align:top;padding:.3rem .5rem .3rem 0;overflow-wrap:anywhere;
border-bottom:1px solid var(--line)}
th{font-weight:600;border-bottom:1.5px solid var(--ink)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
figure{margin:1rem 0;break-inside:avoid}
figcaption,.note{color:var(--soft);font-size:.86rem}
svg{max-width:100%;height:auto}
.listed{font:11px/1.5 ui-monospace,Menlo,Consolas,monospace;columns:13em;column-gap:1.2em;
overflow-wrap:anywhere}
.listed span{display:block}
footer{margin-top:2rem;color:var(--soft);font-size:.8rem;overflow-wrap:anywhere}
@media print{body{margin:0;max-width:none;font-size:10.5pt}h2{break-after:avoid}
tr{break-inside:avoid}thead{display:table-header-group}@page{size:A4;margin:18mm}}
"""
_SHADES = {"ink": "#1a1a1a", "bar": "#3b6ea5", "line": "#dddddd", "soft": "#999999"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def escape(text: str) -> str:
    """Text that is nothing but text, wherever it comes from."""
    return _escaped(plain(text, MAX_TEXT))


def to_html(report: Report) -> bytes:
    """The whole page, UTF-8."""
    return "\n".join(_page(report)).encode("utf-8", "replace")


def _page(report: Report) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<title>{escape(report.title)}</title><style>{_STYLE}</style></head><body>"
    yield f'<h1>{escape(report.title)}</h1><p class="sub">{escape(report.subtitle)}</p>'
    if report.warning:
        yield f'<p class="warn">{escape(report.warning)}</p>'
    for section in report.sections:
        yield from _section(section)
    if report.listed:
        yield f'<h2>{escape(report.listed_heading)}</h2><div class="listed">'
        yield "".join(f"<span>{escape(one)}</span>" for one in report.listed)
        yield "</div>"
    yield f"<footer>{escape(report.foot)}</footer></body></html>\n"


def _section(section: Section) -> Iterator[str]:
    yield f"<section><h2>{escape(section.heading)}</h2>"
    for text in section.words:
        yield f"<p>{escape(text)}</p>"
    if section.points:
        yield "<ul>" + "".join(f"<li>{escape(p)}</li>" for p in section.points) + "</ul>"
    for figure in section.figures:
        yield svg(draw(figure))
    for table in section.tables:
        yield from _table(table)
    for text in section.notes:
        yield f'<p class="note">{escape(text)}</p>'
    yield "</section>"


def _table(table: Table) -> Iterator[str]:
    total = sum(table.widths)
    columns = "".join(f'<col style="width:{100 * w / total:.1f}%">' for w in table.widths)
    yield f"<table><colgroup>{columns}</colgroup><thead>{_row(table, table.head, 'th')}</thead>"
    yield "<tbody>"
    for row in table.rows:
        yield _row(table, row, "td")
    yield "</tbody></table>"


def _row(table: Table, cells: tuple[str, ...], tag: str) -> str:
    made = (
        f"<{tag}{' class=n' if n in table.right else ''}>{escape(cell)}</{tag}>"
        for n, cell in enumerate(cells)
    )
    return f"<tr>{''.join(made)}</tr>"


def svg(drawing: Drawing) -> str:
    """A drawing as an inline figure with its caption."""
    size = f'width="{drawing.width * 1.4:.0f}" height="{drawing.height * 1.4:.0f}"'
    caption = escape(drawing.caption)
    parts = [
        (
            f'<figure><svg {size} viewBox="0 0 {drawing.width:g} {drawing.height:g}" role="img" '
            f'aria-label="{caption}" font-family="inherit">'
        )
    ]
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            parts.append(
                f'<rect x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.2f}" '
                f'height="{shape.height:.2f}" fill="{_SHADES[shape.shade]}"/>'
            )
        else:
            parts.append(
                f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}" '
                f'text-anchor="{shape.anchor}">{escape(shape.text)}</text>'
            )
    return "".join((*parts, f"</svg><figcaption>{caption}</figcaption></figure>"))
