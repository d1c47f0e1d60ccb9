"""`titer render DOSSIER`: a verified dossier as a page that people can read and print."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from titer.cli.common import json_flag, read_file, show, tell
from titer.core.errors import ConfigError, EvidenceError, InputError


def render_flags(parser: argparse.ArgumentParser) -> None:
    """`--html FILE` and `--pdf FILE`."""
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="write a self-contained page for people"
    )
    parser.add_argument("--pdf", metavar="FILE", type=Path, help="write a PDF for people")


def register(verbs: Any) -> None:
    parser = verbs.add_parser("render", help="make a page or a PDF out of a dossier")
    parser.add_argument("file", metavar="FILE", type=Path, help="the dossier")
    parser.add_argument("--key", metavar="KEY", help="the log's verifier key, as for titer verify")
    render_flags(parser)
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.evidence.form import MAX_DOSSIER

    if arguments.html is None and arguments.pdf is None:
        raise ConfigError("say what to make: --html FILE, --pdf FILE, or both")
    data = read_file(arguments.file, limit=MAX_DOSSIER)
    try:
        written = write_renders(arguments, data, key=arguments.key)
    except EvidenceError as error:
        if arguments.json:
            show({"rendered": False, "why": str(error)})
        tell([f"titer: REFUSED: {error}"], error=True)
        return 2
    if arguments.json:
        show({"rendered": True, "files": written})
    else:
        tell(f"{path}: written" for path in written)
    return 0


def write_renders(arguments: argparse.Namespace, data: bytes, *, key: str | None) -> list[str]:
    """Write what was asked for, from the dossier alone; returns the files' names.

    Raises `EvidenceError` when the dossier does not hold.
    """
    if arguments.html is None and arguments.pdf is None:
        return []
    from titer.console.render import report, to_html, to_pdf
    from titer.evidence.verify import prove

    page = report(prove(data, key=key))
    written = []
    for path, made in ((arguments.html, to_html), (arguments.pdf, to_pdf)):
        if path is None:
            continue
        try:
            path.write_bytes(made(page))
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from None
        written.append(str(path))
    return written
