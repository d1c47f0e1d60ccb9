"""Fail when a verb, option, setting, plug-in or dialect has no page, a link leads nowhere, or a
how-to gives a command that the command line does not take.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
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


def commands(text: str) -> list[list[str]]:
    """The `titer` commands of a page's fenced blocks, as words. What has brackets is a form."""
    found: list[list[str]] = []
    for kind, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if kind not in {"", "sh"} or "titer " not in line or "[" in line or "..." in line:
                continue
            bare = re.sub(r"\"?\$\(cat [^)]*\)\"?", "WORD", line)
            lexer = shlex.shlex(bare, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            taking: list[str] | None = []
            for word in lexer:
                if set(word) <= set("();<>|&"):
                    taking = [] if word[0] not in "<>" else None
                elif taking is not None:
                    taking.append(word)
                    if taking == ["titer"]:
                        found.append(taking)
    return [words[1:] for words in found]


def refused(words: list[str], parser: argparse.ArgumentParser) -> str:
    """Why the command line does not take these words; a capital stands for any number."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            parser.parse_args(["7" if re.fullmatch("[A-Z]", word) else word for word in words])
    except SystemExit as end:
        return said.getvalue().strip().splitlines()[-1] if end.code else ""
    return ""


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
    whole = build()
    verbs = next(a for a in whole._actions if isinstance(a, argparse._SubParsersAction))
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
    followed = [ROOT / "README.md", *DOCS.glob("how-to/*.md"), *DOCS.glob("tutorial/*.md")]
    for file in sorted(followed):
        for words in commands(file.read_text(encoding="utf-8")):
            if why := refused(words, whole):
                missing.append(f"{file.relative_to(ROOT)}: `titer {' '.join(words)}`: {why}")
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
