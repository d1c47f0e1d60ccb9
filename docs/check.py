"""Fail when a verb, option, setting, plug-in or dialect has no page: docs cannot drift."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from titer.cli import build
from titer.config import reference
from titer.detect import BUILTIN as DETECTORS
from titer.gateway.dialects import BUILTIN as DIALECTS
from titer.respond import builtin

DOCS = Path(__file__).parent


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
    print("\n".join(missing) or "docs: every verb, option, setting and plug-in has its page")
    return 1 if missing else 0


#: The nouns that a reader meets first.
WORDS = (
    "exchange", "principal", "subject", "sketch", "frame", "finding", "bits", "calibration",
    "standing", "exposure", "campaign", "ladder", "rung", "dose", "decision", "shadow", "entry",
    "checkpoint", "dossier", "dialect",
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
