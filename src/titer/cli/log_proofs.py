"""The actions of `titer log` about proofs: make one, verify one."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from titer.cli.common import data_flag, quoted, read_file, show, tell


def register(actions: Any) -> None:
    proof = actions.add_parser("proof", help="write a .tlog-proof of one entry")
    proof.add_argument("index", metavar="INDEX", type=int, help="which entry")
    proof.add_argument(
        "--vouched", action="store_true",
        help="under the first head that others vouched for, instead of the newest",
    )  # fmt: skip
    proof.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="default: INDEX.tlog-proof"
    )
    data_flag(proof)

    verify = actions.add_parser("verify", help="verify a .tlog-proof, offline")
    verify.add_argument("file", metavar="FILE", type=Path, help="the proof")
    verify.add_argument(
        "--key", metavar="KEY", action="append", required=True,
        help="the log's verifier key; repeatable while two sign",
    )  # fmt: skip
    verify.add_argument("--entry", metavar="FILE", type=Path, help="the entry that it is about")
    verify.add_argument(
        "--witness", metavar="KEY", action="append", default=[], help="a witness; repeatable"
    )
    verify.add_argument(
        "--quorum", metavar="K", type=int, help="how many must have cosigned (default: all named)"
    )
    verify.add_argument(
        "--stale",
        metavar="S",
        type=int,
        help="cosignatures older than this do not count (seconds)",
    )


def proof(arguments: argparse.Namespace) -> int:
    from titer.console.explain import open_view
    from titer.core.errors import InputError

    log = open_view(arguments.data)
    size = None
    if arguments.vouched:
        kept = log.vouched_for(arguments.index)
        if kept is None:
            raise InputError(f"no head over entry {arguments.index} was vouched for yet")
        size = kept.size
    try:
        text = log.proof(arguments.index, size)
    except IndexError as error:
        raise InputError(str(error.args[0])) from None
    path = arguments.output or Path(f"{arguments.index}.tlog-proof")
    try:
        path.write_text(text)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    told = {"file": str(path), "index": arguments.index, "size": size or log.size}
    if arguments.json:
        show(told)
    else:
        key = quoted(arguments.data / "log" / "log.pub")
        tell([f'{path}: check it with: titer log verify {quoted(path)} --key "$(cat {key})"'])
    return 0


def verify(arguments: argparse.Namespace) -> int:
    from titer.core.errors import EvidenceError
    from titer.evidence import tlog_proof
    from titer.evidence.cosignature import Witness
    from titer.evidence.note import Verifier
    from titer.evidence.tiles import MAX_ENTRY

    data = read_file(arguments.file, limit=tlog_proof.MAX_PROOF)
    entry = read_file(arguments.entry, limit=MAX_ENTRY) if arguments.entry else None
    try:
        keys = [Verifier.parse(key.strip()) for key in arguments.key]
        witnesses = [Witness.parse(key) for key in arguments.witness]
        quorum = len(witnesses) if arguments.quorum is None else arguments.quorum
        proven = tlog_proof.verify(
            data, keys, entry=entry, witnesses=witnesses, quorum=quorum, now=int(time.time()),
            stale=arguments.stale,
        )  # fmt: skip
    except EvidenceError as error:
        if arguments.json:
            show({"verified": False, "why": str(error)})
        tell([f"titer: REFUSED: {error}"], error=True)
        return 2
    who = [one.name for one in proven.cosigned]
    if arguments.json:
        head = {"origin": proven.head.origin, "size": proven.head.size}
        line = proven.entry.decode("utf-8", "replace")
        show({"verified": True, "index": proven.index, "entry": line, "cosigned": who, **head})
    else:
        tell([f"entry {proven.index} of {proven.head.size} in {proven.head.origin}: verified"])
        tell([proven.entry.decode("utf-8", "replace"), *(f"cosigned by {n}" for n in who)])
    return 0
