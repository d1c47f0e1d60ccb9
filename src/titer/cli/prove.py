"""`titer prove SUBJECT`: write a signed dossier that a stranger can verify offline."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from titer.cli.common import data_flag, json_flag, show, tell


def register(verbs: Any) -> None:
    parser = verbs.add_parser("prove", help="write a dossier that can be verified offline")
    parser.add_argument("subject", metavar="SUBJECT", help="as for `titer explain`")
    data_flag(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help="the dossier to write"
    )
    parser.add_argument(
        "--disclose", action="store_true",
        help="write your own name for the subject into the dossier, not only its pseudonym",
    )  # fmt: skip
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.console.prove import prove
    from titer.core.errors import InputError

    found, dossier = prove(arguments.data, arguments.subject, disclose=arguments.disclose)
    try:
        arguments.output.write_bytes(dossier)
    except OSError as error:
        raise InputError(f"cannot write {arguments.output}: {error.strerror}") from None
    if arguments.json:
        show({"subject": found.subject, "bits": found.bits, "bytes": len(dossier)})
    else:
        entries = f"{len(found.evidence)} entries about {found.subject}"
        tell([f"{arguments.output}: {entries}; check it with: titer verify {arguments.output}"])
    return 0
