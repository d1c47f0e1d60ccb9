"""`titer verify FILE`: check a dossier offline. Exit 0 when it holds, 2 when it is refused."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli.common import json_flag, read_file, show, tell

if TYPE_CHECKING:
    from titer.evidence.vouched import Trust

#: Bytes of a file of roots.
MAX_ROOTS = 1 << 20


def register(verbs: Any) -> None:
    parser = verbs.add_parser("verify", help="check a dossier offline")
    parser.add_argument("file", metavar="FILE", type=Path, help="the dossier")
    parser.add_argument(
        "--key", metavar="KEY",
        help="the log's verifier key as its operator published it (log/log.pub); without it only "
        "the dossier's own key can be checked",
    )  # fmt: skip
    parser.add_argument(
        "--witness", metavar="KEY", action="append", default=[],
        help="a witness that you trust; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--quorum", metavar="K", type=int,
        help="how many of them must have cosigned one head (default: all named)",
    )  # fmt: skip
    parser.add_argument(
        "--roots", metavar="FILE", type=Path,
        help="roots (PEM) of a time stamping authority that you trust",
    )  # fmt: skip
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.core.errors import EvidenceError
    from titer.evidence.form import MAX_DOSSIER
    from titer.evidence.verify import verify

    data = read_file(arguments.file, limit=MAX_DOSSIER)
    try:
        verified = verify(data, key=arguments.key, trust=_trust(arguments))
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


def _trust(arguments: argparse.Namespace) -> Trust | None:
    """Whom the reader trusts besides the operator. Raises `EvidenceError`, `ConfigError`."""
    from titer.core.errors import ConfigError
    from titer.evidence.cosignature import Witness
    from titer.evidence.timestamp import read_roots
    from titer.evidence.vouched import Trust

    if not arguments.witness and arguments.roots is None:
        return None
    witnesses = tuple(Witness.parse(key) for key in arguments.witness)
    quorum = len(witnesses) if arguments.quorum is None else arguments.quorum
    if not 0 <= quorum <= len(witnesses):
        raise ConfigError(f"--quorum takes 0 to {len(witnesses)}: that many witnesses are named")
    path = arguments.roots
    roots = read_roots(read_file(path, limit=MAX_ROOTS)) if path is not None else ()
    return Trust(witnesses, quorum, roots)
