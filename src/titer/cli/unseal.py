"""`titer unseal DOSSIER`: read the names that were sealed to a key, alone or with others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from titer.cli.common import json_flag, keep_private, read_file, show, tell

#: Bytes of a private key's file.
MAX_KEY = 64 << 10


def register(verbs: Any) -> None:
    parser = verbs.add_parser("unseal", help="read the names that a dossier seals to your key")
    parser.add_argument("file", metavar="FILE", type=Path, help="the dossier")
    parser.add_argument(
        "--private", metavar="FILE", type=Path,
        help="your X25519 private key (PEM): openssl genpkey -algorithm X25519",
    )  # fmt: skip
    parser.add_argument(
        "--share", metavar="FILE", type=Path,
        help="where several must agree: open your share alone, and write it to this new file",
    )  # fmt: skip
    parser.add_argument(
        "--to", metavar="KEY", type=Path,
        help="seal that share to the X25519 public key (PEM) of whoever puts shares together",
    )  # fmt: skip
    parser.add_argument(
        "--with", dest="shares", metavar="FILE", type=Path, action="append", default=[],
        help="a share that its holder opened; give as many as it takes (yours by --private)",
    )  # fmt: skip
    parser.add_argument("--key", metavar="KEY", help="the log's verifier key, as for titer verify")
    parser.add_argument(
        "--data", metavar="DIR", type=Path,
        help="log who took part in this data directory, before anything is shown",
    )  # fmt: skip
    parser.add_argument("--by", metavar="NAME", default="", help="who does it, for --data")
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    from titer.core.errors import EvidenceError, InputError
    from titer.evidence.form import MAX_DOSSIER
    from titer.evidence.verify import verify

    if arguments.share and arguments.shares:
        raise InputError("--share writes your share, --with reads others': one of them at a time")
    if arguments.to and not arguments.share:
        raise InputError("--to is whom the share that --share writes is sealed to")
    if not arguments.private and (arguments.share or not arguments.shares):
        raise InputError("give your private key with --private")
    keep_private()
    data = read_file(arguments.file, limit=MAX_DOSSIER)
    try:
        found = verify(data, key=arguments.key)
        if arguments.share:
            return _share(arguments, data, found)
        if arguments.shares:
            return _combine(arguments, data, found)
        return _alone(arguments, data, found)
    except EvidenceError as error:
        if arguments.json:
            show({"unsealed": False, "why": str(error)})
        tell([f"titer: REFUSED: {error}"], error=True)
        return 2


def _alone(arguments: argparse.Namespace, data: bytes, found: Any) -> int:
    from titer.core.errors import InputError
    from titer.evidence import names

    pem = _own_key(arguments)
    own = names.recipient(names.read_private(pem).public_key())
    mine = [s for s in found.contents.sealed if s.recipient == own]
    if not mine:
        told = f"{arguments.file} seals nothing to this key ({own})"
        shared = found.contents.quorum
        if shared and own in [h.recipient for h in shared.holders]:
            told = (
                f"{arguments.file} gives this key one share of {shared.threshold} that it takes: "
                "write it with --share FILE, or put it together with others by --with FILE"
            )
        raise InputError(told)
    opened = names.unseal(mine[0], pem, origin=found.origin, subject=found.subject)
    _record(arguments, data, found, step="names", holders=[own], threshold=1, names=len(opened))
    return _tell(arguments, found, opened, [own])


def _share(arguments: argparse.Namespace, data: bytes, found: Any) -> int:
    from titer.core.errors import InputError
    from titer.evidence import quorum
    from titer.evidence.files import replace

    if arguments.share.exists():
        raise InputError(f"{arguments.share} is there already: name a new file")
    shared = _quorum(arguments, found)
    pem = _own_key(arguments)
    mine = quorum.open_share(shared, pem, origin=found.origin, subject=found.subject)
    own = shared.holders[mine.number - 1].recipient
    _record(
        arguments, data, found, step="share", holders=[own], threshold=shared.threshold, names=0
    )
    made: object = mine
    if arguments.to:
        made = quorum.seal_share(mine, read_file(arguments.to, limit=MAX_KEY))
    replace(arguments.share, msgspec.json.encode(made) + b"\n", mode=0o600)
    told = {"share": mine.number, "of": len(shared.holders), "threshold": shared.threshold}
    if arguments.json:
        show({"unsealed": False, "pinned": found.pinned, **told})
    else:
        _unpinned(found)
        tell(
            [
                f"{arguments.share}: share {mine.number} of {len(shared.holders)}",
                f"{shared.threshold} of them open the names; "
                + ("it is sealed" if arguments.to else "it is secret, hand it over encrypted"),
            ]
        )
    return 0


def _combine(arguments: argparse.Namespace, data: bytes, found: Any) -> int:
    from titer.core.errors import InputError
    from titer.evidence import quorum

    shared = _quorum(arguments, found)
    where = {"origin": found.origin, "subject": found.subject}
    pem = _own_key(arguments) if arguments.private else None
    given = []
    for path in arguments.shares:
        try:
            given.append(quorum.read_share(read_file(path, limit=quorum.MAX_FILE), pem))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    if pem is not None and quorum.holds(shared, pem):
        given.append(quorum.open_share(shared, pem, **where))
    opened = quorum.combine(shared, given, **where)
    _record(
        arguments, data, found, step="names", holders=opened.holders,
        threshold=shared.threshold, names=len(opened.names),
    )  # fmt: skip
    return _tell(arguments, found, opened.names, opened.holders)


def _own_key(arguments: argparse.Namespace) -> bytes:
    """The PEM of `--private`. Raises InputError naming the file."""
    from titer.core.errors import InputError
    from titer.evidence.names import read_private

    pem = read_file(arguments.private, limit=MAX_KEY)
    try:
        read_private(pem)
    except InputError as error:
        raise InputError(f"{arguments.private}: {error}") from None
    return pem


def _quorum(arguments: argparse.Namespace, found: Any) -> Any:
    from titer.core.errors import InputError

    if not found.contents.quorum:
        raise InputError(f"{arguments.file} has no names that several must open together")
    return found.contents.quorum


def _record(arguments: argparse.Namespace, data: bytes, found: Any, **did: Any) -> None:
    if arguments.data is not None:
        from titer.console.unmasking import record

        kept = record(arguments.data, data, found, by=arguments.by, **did)
        if not arguments.json:
            tell([kept.line()], error=True)


def _tell(arguments: argparse.Namespace, found: Any, opened: Any, holders: Any) -> int:
    if arguments.json:
        show({"unsealed": True, "pinned": found.pinned, "names": opened, "holders": holders})
    else:
        _unpinned(found)
        tell(f"{pseudonym} = {name}" for pseudonym, name in opened.items())
    return 0


def _unpinned(found: Any) -> None:
    if not found.pinned:
        tell(["KEY NOT CHECKED: give the operator's key with --key"], error=True)
