"""`titer secrets`: which secrets the leak guard must not let out, kept as keyed hashes alone."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

import msgspec

from titer.cli.common import counted, data_flag, json_flag, keep_private, show, tell
from titer.core.errors import InputError

#: Bytes of a secret on standard input; longer ones are texts.
MAX_INPUT = 4096
#: Characters of a secret's name: it stands in lists and counters.
MAX_NAME = 64


def register(verbs: Any) -> None:
    parser = verbs.add_parser("secrets", help="secrets that must not leave in a reply")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="take a secret from standard input; its hash is kept")
    add.add_argument("name", help="what to call it; not the secret itself")
    remove = actions.add_parser("remove", help="guard it no more")
    remove.add_argument("name", help="as `titer secrets list` shows it")
    actions.add_parser("list", help="show the names")
    for action in actions.choices.values():
        data_flag(action)
        json_flag(action)


def run(arguments: argparse.Namespace) -> int:
    from titer.access.secret import load_or_create
    from titer.core.ids import Pseudonyms
    from titer.evidence.files import replace, sync_directory
    from titer.respond.leak_guard.secrets import (
        MAX_SECRETS,
        PURPOSE,
        SecretFile,
        describe,
        read_secrets,
    )

    keep_private()
    path: Path = arguments.data / "secrets.json"
    found = {secret.name: secret for secret in read_secrets(path).secrets}
    if arguments.action == "add":
        name = arguments.name
        if not name.isprintable() or not 0 < len(name) <= MAX_NAME:
            raise InputError(f"a name has 1 to {MAX_NAME} printable characters")
        if len(found) >= MAX_SECRETS:
            raise InputError(f"there are {MAX_SECRETS} secrets; remove some first")
        key = Pseudonyms(load_or_create(arguments.data)).key(PURPOSE)
        found[name] = describe(name, _read(), key)
    elif arguments.action == "remove":
        if arguments.name not in found:
            raise InputError("there is no secret of that name; see `titer secrets list`")
        del found[arguments.name]
    if arguments.action != "list":
        file = SecretFile(secrets=tuple(found[name] for name in sorted(found)))
        replace(path, msgspec.json.format(msgspec.json.encode(file)) + b"\n")
        sync_directory(arguments.data)
    if arguments.json:
        show({"file": str(path), "secrets": sorted(found)})
        return 0
    how_many = f"{path}: {counted(len(found), 'secret')}"
    tell(sorted(found) if arguments.action == "list" else [how_many])
    if arguments.action == "add":
        where = path.absolute()  # in the file, a path is relative to the file's own folder
        tell([f'Name it in titer.toml: [protect] secrets = "{where}"; then restart titer.'],
             error=True)  # fmt: skip
    return 0


def _read() -> str:
    """The secret: typed unseen on a terminal, else the first line of standard input."""
    if sys.stdin.isatty():
        return getpass.getpass("secret: ")
    raw = sys.stdin.buffer.readline(MAX_INPUT + 1)
    if len(raw) > MAX_INPUT:
        raise InputError(f"longer than {MAX_INPUT} bytes: give it as a text under [protect] texts")
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise InputError("the secret is not UTF-8 text") from None
