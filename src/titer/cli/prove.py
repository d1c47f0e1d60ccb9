"""`titer prove SUBJECT`: write a signed dossier that a stranger can verify offline."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from titer.cli.common import counted, data_flag, json_flag, quoted, read_file, show, tell
from titer.cli.render import render_flags, write_renders

#: Bytes of a public key, and of a file of account names.
MAX_KEY = 64 << 10
MAX_NAMES = 64 << 20


def register(verbs: Any) -> None:
    parser = verbs.add_parser("prove", help="write a dossier that can be verified offline")
    parser.add_argument(
        "subject", metavar="SUBJECT", help="as for `titer explain`, or the id of a campaign"
    )
    data_flag(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help="the dossier to write"
    )
    parser.add_argument(
        "--disclose", action="store_true",
        help="write your own name for the subject into the dossier, not only its pseudonym",
    )  # fmt: skip
    sealing_flags(parser)
    parser.add_argument(
        "--partner", metavar="NAME", action="append", default=[],
        help="compare with this partner's indicators (titer share import); may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--indicators", action="store_true",
        help="compare with every partner's indicators that are held and may be told",
    )  # fmt: skip
    parser.add_argument(
        "--least-weight", metavar="W", type=float, default=0.0,
        help="of --partner and --indicators: leave out what weighs less here (0 to 1)",
    )  # fmt: skip
    parser.add_argument(
        "--marks", metavar="FILE", type=Path,
        help="what `titer marks trace --json` printed: marks of these callers found in texts",
    )  # fmt: skip
    parser.add_argument(
        "--exchanges", metavar="N", type=int,
        help="exchanges to include (of a campaign: findings and decisions too)",
    )  # fmt: skip
    render_flags(parser)
    json_flag(parser)


def sealing_flags(parser: argparse.ArgumentParser) -> None:
    """Who may read callers' names: `--seal-to`, `--unmask-to`, `--threshold`, `--names`."""
    parser.add_argument(
        "--seal-to", metavar="KEY", type=Path, action="append", default=[],
        help="seal callers' names to the holder of this X25519 public key (PEM); may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--unmask-to", metavar="KEY", type=Path, action="append", default=[],
        help="a holder (X25519 public key, PEM) of whom --threshold together can read the names; "
        "give one for each",
    )  # fmt: skip
    parser.add_argument(
        "--threshold", metavar="M", type=int, default=0,
        help="how many of the --unmask-to holders it takes to read the names",
    )  # fmt: skip
    parser.add_argument(
        "--names", metavar="FILE", type=Path,
        help="names of accounts, one a line, for --seal-to and --unmask-to (default: those of "
        "your keys)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    from titer.console.prove import Wanted, prove
    from titer.core.errors import InputError

    if not 0 <= arguments.least_weight <= 1:
        raise InputError("--least-weight lies between 0 and 1, as weights of `share import` do")
    if arguments.indicators and arguments.partner:
        raise InputError("--indicators compares with every partner: leave --partner out")
    wanted = Wanted(
        disclose=arguments.disclose,
        **sealing(arguments),
        partners=None if arguments.indicators else arguments.partner,
        least_weight=arguments.least_weight,
        marks=arguments.marks,
        exchange_cap=arguments.exchanges,
    )
    made = prove(arguments.data, arguments.subject, wanted)
    try:
        arguments.output.write_bytes(made.dossier)
    except OSError as error:
        raise InputError(f"cannot write {arguments.output}: {error.strerror}") from None
    written = write_renders(arguments, made.dossier, key=None)
    if arguments.json:
        show({"kind": made.kind, "subject": made.subject, "bits": made.bits,
              "callers": made.callers, "sealed": made.sealed,
              "bytes": len(made.dossier), "renders": written})  # fmt: skip
        return 0
    about = f"{made.kind} {made.subject}"
    if made.kind == "campaign":
        about += f", {made.callers} members"
    tell([f"{arguments.output}: {about}; check it with: titer verify {quoted(arguments.output)}"])
    if made.sealed:
        who = f"{arguments.threshold} of those keys" if arguments.threshold else "that key"
        sealed = counted(made.sealed, "caller")
        tell([f"names of {sealed} are sealed; titer unseal opens them, with {who}"])
    tell(f"{path}: a rendering of it" for path in written)
    return 0


def sealing(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those fields of `console.prove.Wanted` that `sealing_flags` are about. Raises InputError."""
    from titer.core.errors import InputError

    if bool(arguments.unmask_to) != bool(arguments.threshold):
        raise InputError("--unmask-to and --threshold go together: who, and how many of them")
    return {
        "recipients": [read_file(path, limit=MAX_KEY) for path in arguments.seal_to],
        "holders": [read_file(path, limit=MAX_KEY) for path in arguments.unmask_to],
        "threshold": arguments.threshold,
        "names": read_names(arguments.names),
    }


def read_names(path: Path | None) -> list[str]:
    """Names of accounts and organisations, one a line; none without a file. Raises InputError."""
    from titer.core.errors import InputError

    if path is None:
        return []
    try:
        text = read_file(path, limit=MAX_NAMES).decode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text; give names of accounts, one a line") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
