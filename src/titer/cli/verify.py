"""`titer verify FILE`: check a dossier offline. Exit 0 when it holds, 2 when it is refused."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from titer.cli.common import json_flag, read_file, show, tell


def register(verbs: Any) -> None:
    parser = verbs.add_parser("verify", help="check a dossier offline")
    parser.add_argument("file", metavar="FILE", type=Path, help="the dossier")
    parser.add_argument(
        "--key", metavar="KEY",
        help="the log's verifier key as its operator published it (log/log.pub); without it only "
        "the dossier's own key can be checked",
    )  # fmt: skip
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.core.errors import EvidenceError
    from titer.evidence.form import MAX_DOSSIER
    from titer.evidence.verify import verify

    data = read_file(arguments.file, limit=MAX_DOSSIER)
    try:
        verified = verify(data, key=arguments.key)
    except EvidenceError as error:
        if arguments.json:
            show({"verified": False, "why": str(error)})
        tell([f"titer: REFUSED: {error}"], error=True)
        return 2
    if arguments.json:
        show({"verified": True, "dossier": verified})
    else:
        tell(verified.lines())
    return 0
