"""`titer unseal DOSSIER`: read the names that were sealed to a key."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from titer.cli.common import json_flag, read_file, show, tell

#: Bytes of a private key's file.
MAX_KEY = 64 << 10


def register(verbs: Any) -> None:
    parser = verbs.add_parser("unseal", help="read the names that a dossier seals to your key")
    parser.add_argument("file", metavar="FILE", type=Path, help="the dossier")
    parser.add_argument(
        "--private", metavar="FILE", type=Path, required=True,
        help="your X25519 private key (PEM): openssl genpkey -algorithm X25519",
    )  # fmt: skip
    parser.add_argument("--key", metavar="KEY", help="the log's verifier key, as for titer verify")
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.core.errors import EvidenceError, InputError
    from titer.evidence import names
    from titer.evidence.form import MAX_DOSSIER
    from titer.evidence.verify import verify

    pem = read_file(arguments.private, limit=MAX_KEY)
    own = names.recipient(names.read_private(pem).public_key())
    try:
        found = verify(read_file(arguments.file, limit=MAX_DOSSIER), key=arguments.key)
        mine = [s for s in found.contents.sealed if s.recipient == own]
        if not mine:
            raise InputError(f"{arguments.file} seals nothing to this key ({own})")
        opened = names.unseal(mine[0], pem, origin=found.origin, subject=found.subject)
    except EvidenceError as error:
        if arguments.json:
            show({"unsealed": False, "why": str(error)})
        tell([f"titer: REFUSED: {error}"], error=True)
        return 2
    if arguments.json:
        show({"unsealed": True, "pinned": found.pinned, "names": opened})
    else:
        if not found.pinned:
            tell(["KEY NOT CHECKED: give the operator's key with --key"], error=True)
        tell(f"{pseudonym} = {name}" for pseudonym, name in opened.items())
    return 0
