"""Pages and PDFs out of dossiers: everything said, nothing active, strangers' strings as text."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from titer.console.render import report, to_html, to_pdf
from titer.console.render.metrics import BODY, spelt, width, wrapped
from titer.console.render.model import plain
from titer.core.nouns import Campaign, Exchange, Finding, Principal
from titer.evidence import contents, dossier
from titer.evidence.contents import Contents, Infrastructure, Link, Mark, Share, Tie, Unknown
from titer.evidence.log import Log
from titer.evidence.verify import prove

VECTORS = Path(__file__).parents[3] / "docs" / "spec" / "vectors"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><svg onload=alert(1)>",
    "javascript:alert(1)",
    ") Tj ET Q /OpenAction << /S /JavaScript >> (",
    "\x1b[2J\u202edetrevni\x00",
    "\\",
    "&lt;b&gt;",
    "字" * 50,
)


#: Members beside the hostile one, so that a link can be more than a bare match.
MORE = tuple(f"{n:020x}" for n in range(8))


class Page(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}

    def handle_data(self, data):
        self.words.append(data)


def hostile(tmp_path, text):
    """A dossier of a campaign in which every free string is `text`."""
    with Log.open(tmp_path / "log", origin="titer.test/render") as log:
        member = "m-" + text
        found = Campaign(
            "c-" + text, (member, *MORE), (text,), (text,), 3.0, text, 1, 2, note=text, null=text
        )
        log.append([("campaign", msgspec.json.encode(found))], at=1)
        exchange = Exchange("x" + text, 1, Principal(member), text, text)
        log.append([("exchange", msgspec.json.encode(exchange))], at=1)
        finding = Finding("f" + text, 1, text, member, text, 1.0, text, calibration=text)
        log.append([("finding", msgspec.json.encode(finding))], at=1)
        told = Contents(
            infrastructure=Infrastructure(
                others=99,
                ties=(Tie(text, text, text, 1, Share(1, 1), Share(1, 1), Share(0, 1), 1),),
                unknown=(Unknown(text, text),),
                links=(Link("campaign", text, text, text, 1, Share(9, 9), Share(0, 99), 1),),
            ),
            alternatives=(contents.Alternative(text, "not tested", text, 1.0, 1.0),),
            marks=(Mark(text, text, 1, 1.0, text),),
        )
        return dossier.build(
            log, subject="c-" + text, campaign=True, told=told, where=text, at=9,
            summary={"bits": 3.0, "in_words": [text], text: text}, names={"p" + text: text},
        )  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_strings_of_strangers_are_text(tmp_path, text):
    made = report(prove(hostile(tmp_path, text)))
    page = to_html(made).decode()
    seen = Page(page)
    allowed = {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "ul", "li", "table",
        "colgroup", "col", "thead", "tbody", "tr", "th", "td", "figure", "svg", "rect", "text",
        "figcaption", "section", "div", "span", "footer",
    }  # fmt: skip
    assert set(seen.tags) <= allowed
    assert not {n for _, n in seen.attributes if n.startswith("on") or n in ("src", "href")}
    shown = plain(text)
    assert shown in "".join(seen.words) or shown[:10] in "".join(seen.words)
    assert all(c.isprintable() or c == "\n" for c in page)
    pdf = to_pdf(made)
    for active in (b"/OpenAction", b"/JavaScript", b"/AA", b"/URI", b"/Launch", b"/EmbeddedFile"):
        assert active not in pdf


def test_a_page_fetches_nothing_and_runs_nothing(tmp_path):
    page = to_html(report(prove((VECTORS / "campaign-v2.dossier").read_bytes()))).decode()
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|<script|<link|<iframe|url\(|@import", page)
    assert "KEY NOT CHECKED" in page
    key = (VECTORS / "campaign-v2.pub").read_text()
    pinned = to_html(report(prove((VECTORS / "campaign-v2.dossier").read_bytes(), key=key)))
    assert b"KEY NOT CHECKED" not in pinned


@pytest.mark.parametrize("name", ["subject-v1", "subject-v2", "campaign-v2"])
def test_every_version_and_kind_has_a_page_with_its_limits(name):
    found = prove((VECTORS / f"{name}.dossier").read_bytes())
    words = "".join(Page(to_html(report(found)).decode()).words)
    for limit in found.verified.limits:
        assert limit in words
    assert found.verified.root in words
    assert found.verified.key in words


def pdf_text(pdf, tmp_path):
    (tmp_path / "made.pdf").write_bytes(pdf)
    done = subprocess.run(
        ["pdftotext", "-layout", "made.pdf", "-"], cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stderr == b""
    return done.stdout.decode()


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler's pdftotext")
def test_another_reader_reads_the_pdf(tmp_path):
    made = prove((VECTORS / "campaign-v2.dossier").read_bytes())
    text = pdf_text(to_pdf(report(made)), tmp_path)
    for part in (
        "Dossier on campaign", "What this does not show", "AS64500", "not tested", "an operator",
        "canary", "00000000000000000001",
    ):  # fmt: skip
        assert part in text, part
    text = pdf_text(to_pdf(report(prove(hostile(tmp_path, "a (b\\) c")))), tmp_path)
    assert "a (b\\) c" in text


def test_25_000_members_are_listed_within_bounds():
    found = report(prove((VECTORS / "campaign-v2.dossier").read_bytes()))
    many = msgspec.structs.replace(found, listed=tuple(f"{n:020x}" for n in range(25_000)))
    pdf = to_pdf(many)
    assert len(pdf) < 2_000_000
    inside = b"".join(
        zlib.decompress(part.split(b"endstream")[0].strip(b"\r\n"))
        for part in pdf.split(b"stream\n")[1::1]
        if part[:1] == b"x"
    )
    assert inside.count(b"0000000000000") >= 25_000


def test_text_is_measured_and_wrapped():
    assert width("AV", BODY, 10) == pytest.approx(13.34)
    assert spelt("a\u5b57b") == "a\\u{5b57}b"
    lines = wrapped("word " * 40 + "x" * 300, BODY, 10, 100)
    assert all(width(line, BODY, 10) <= 100 for line in lines)
    assert "".join(lines).replace(" ", "") == "word" * 40 + "x" * 300
    assert wrapped("", BODY, 10, 100) == [""]


def test_the_dossier_itself_is_one_line_of_json():
    data = (VECTORS / "campaign-v2.dossier").read_bytes()
    assert json.loads(base64.b64decode(json.loads(data)["payload"]))["predicate"]["kind"]
