"""What the verbs share: the flags that mean the same everywhere, and how results are printed."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from titer.core.errors import InputError

#: What steers a terminal or hides in text: C0, DEL, C1, marks that break lines or reorder text,
#: lone surrogates. Models are named by callers, dossiers are written by strangers.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
#: Bytes of a file of labels: about a million accounts.
MAX_LABELS = 64 << 20
#: Other users have no business in a data directory, whatever the umask of the shell was.
_PRIVATE = 0o077


def data_flag(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """`--data DIR`: where keys, log and state are kept."""
    parser.add_argument(
        "--data", metavar="DIR", type=Path, required=required,
        help="data directory: keys, evidence log and state are kept there",
    )  # fmt: skip


def json_flag(parser: argparse.ArgumentParser) -> None:
    """`--json`: one JSON document on standard output instead of text."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def scheme_flags(parser: argparse.ArgumentParser) -> None:
    """`--scheme` and `--set`: which mark is meant."""
    parser.add_argument("--scheme", metavar="S", default="kgw", help="see `titer marks schemes`")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="parameters",
        help="a parameter of the scheme, such as width=2; repeatable",
    )  # fmt: skip


def show(value: Any) -> None:
    """Print a value as one line of JSON, itself harmless on a terminal."""
    print(_CONTROLS.sub(_escape, msgspec.json.encode(value).decode()))


def plain(text: str) -> str:
    """One line of text with every character spelt out that would steer a terminal."""
    return _CONTROLS.sub(_escape, text)


def quoted(path: Path) -> str:
    """A path as a shell takes it, for commands that are told."""
    return shlex.quote(str(path))


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 caller`, `2 callers`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tell(lines: Iterable[str], *, error: bool = False) -> None:
    """Print lines for people, on standard output or standard error."""
    for line in lines:
        print(plain(line), file=sys.stderr if error else sys.stdout)


def keep_private() -> None:
    """Make what this process creates from now on readable by its user alone."""
    os.umask(_PRIVATE)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def read_file(path: Path, *, limit: int) -> bytes:
    """A whole file of at most `limit` bytes. Raises `InputError`."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > limit:
        raise InputError(f"{path} has more than {limit} bytes; that is no file of this kind")
    return data


class _Label(msgspec.Struct):
    principal: str
    campaign: str | None = None


def read_labels(path: Path) -> dict[str, str | None]:
    """A labels.jsonl: account name -> campaign, None for an honest one. Raises `InputError`."""
    labels: dict[str, str | None] = {}
    decode = msgspec.json.Decoder(_Label).decode
    for number, line in enumerate(read_file(path, limit=MAX_LABELS).split(b"\n"), 1):
        if line.strip():
            try:
                label = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise InputError(f"{path}:{number}: not a label line") from None
            labels[label.principal] = label.campaign
    return labels
