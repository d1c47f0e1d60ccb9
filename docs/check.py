"""Fail when a verb, option, setting, plug-in or dialect has no page, or a link leads nowhere."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from titer.cli import build
from titer.config import reference
from titer.detect import BUILTIN as DETECTORS
from titer.gateway.dialects import BUILTIN as DIALECTS
from titer.respond import builtin

DOCS = Path(__file__).parent
ROOT = DOCS.parent

#: A Markdown link to something of this repository.
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#([^)\s]+))?\)")


def page(path: str, missing: list[str]) -> str:
    file = DOCS / path
    if not file.exists():
        missing.append(f"{path}: there is no such page")
        return ""
    return file.read_text(encoding="utf-8")


def options(parser: argparse.ArgumentParser) -> list[str]:
    """Every option string of a parser and of its sub-parsers."""
    found: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                found += [name, *options(sub)]
        elif not isinstance(action, argparse._HelpAction):
            found += [o for o in action.option_strings if o.startswith("--")]
            found += [str(action.metavar)] if not action.option_strings and action.metavar else []
    return found


def anchors(file: Path) -> set[str]:
    """The anchors that a code host gives to a page's headings."""
    heads = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken(file: Path) -> list[str]:
    """Links that do not resolve where pages are read as files, on a code host for one."""
    out: list[str] = []
    text = file.read_text(encoding="utf-8")
    name = file.relative_to(ROOT)
    if "[](" in text:
        out.append(f"{name}: a link without words; a code host would show nothing")
    for path, anchor in LINK.findall(text):
        target = file.parent / path
        if not target.exists():
            out.append(f"{name}: there is no {path}")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            out.append(f"{name}: {path} has no heading #{anchor}")
    return out


def main() -> int:
    missing: list[str] = []
    verbs = next(a for a in build()._actions if isinstance(a, argparse._SubParsersAction))
    for name, parser in verbs.choices.items():
        text = page(f"reference/cli/{name}.md", missing)
        missing += [
            f"reference/cli/{name}.md: {option} is not described"
            for option in options(parser)
            if text and option not in text
        ]
    for detector in DETECTORS:
        page(f"reference/detectors/{detector.card.name}.md", missing)
    for name in builtin():
        page(f"reference/mitigations/{name}.md", missing)
    pages = [p for p in DOCS.rglob("*.md") if "_build" not in p.parts]
    for file in (*sorted(ROOT.glob("*.md")), *sorted(pages)):
        missing += broken(file)
    dialects = "\n".join(f.read_text(encoding="utf-8") for f in DOCS.glob("reference/dialects/*"))
    missing += [
        f"reference/dialects: {d.name} is not described"
        for d in DIALECTS
        if d.name not in dialects
    ]
    if reference().strip() not in page("reference/configuration.md", missing):
        missing.append("reference/configuration.md: the table of settings is not up to date")
    glossary = page("glossary.md", missing).lower()
    missing += [f"glossary.md: {w} is missing" for w in WORDS if w not in glossary]
    print("\n".join(missing) or "docs: all is described, and every link leads somewhere")
    return 1 if missing else 0


#: The nouns that a reader meets first.
WORDS = (
    "exchange", "principal", "subject", "sketch", "frame", "finding", "bits", "calibration",
    "standing", "exposure", "campaign", "ladder", "rung", "dose", "decision", "shadow", "entry",
    "checkpoint", "dossier", "dialect", "detector", "mitigation", "hunt", "budget", "grant", "gap",
    "horizon", "worker", "ring", "upstream",
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
