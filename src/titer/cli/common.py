"""What the verbs share: the flags that mean the same everywhere, and how results are printed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from titer.core.errors import InputError


def data_flag(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """`--data DIR`: where keys, log and state are kept."""
    parser.add_argument(
        "--data", metavar="DIR", type=Path, required=required,
        help="data directory: keys, evidence log and state are kept there",
    )  # fmt: skip


def json_flag(parser: argparse.ArgumentParser) -> None:
    """`--json`: one JSON document on standard output instead of text."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def show(value: Any) -> None:
    """Print a value as one line of JSON."""
    print(msgspec.json.encode(value).decode())


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
