"""Heads that others vouch for: kept beside the log, with what witnesses and time stampers said.

    heads/<size, 12 digits>/checkpoint    the head, with cosignatures among its signatures
    heads/<size, 12 digits>/<name>.tsr    an RFC 3161 reply over the bytes that the log signed

The newest head moves every second; such a one is kept for good, because it shows that the entries
under it were there at a time that the operator cannot set. What is stamped is the head without
cosignatures, so that either can come later than the other.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from titer.core.errors import EvidenceError
from titer.evidence import cosignature, files
from titer.evidence.checkpoint import MAX_CHECKPOINT

#: One head an hour for a hundred years; a listing reads no more names.
MAX_HEADS = 1_000_000
#: Bytes of a time stamp reply: certificates included, usually 3 to 6 KB.
MAX_TOKEN = 256 * 1024
#: Time stampers of one head.
MAX_TOKENS = 16

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}", re.ASCII)


class Vouched(msgspec.Struct, frozen=True):
    """A head with what others said. `tokens` are RFC 3161 replies (DER) by the stamper's name."""

    size: int
    signed: str
    tokens: dict[str, bytes]

    def stamped(self) -> bytes:
        """The bytes that a time stamp is about: the head with the log's signatures alone."""
        return own(self.signed).encode()


def own(signed: str) -> str:
    """A head without cosignatures: only the signature lines under the log's own name."""
    text, _, block = signed.partition("\n\n")
    origin = text.split("\n", 1)[0]
    kept = [line for line in block.splitlines() if line.startswith(f"\u2014 {origin} ")]
    return f"{text}\n\n" + "".join(f"{line}\n" for line in kept)


def sizes(directory: Path) -> list[int]:
    """The sizes of all heads that are kept, in order."""
    try:
        names = [p.name for p in (directory / "heads").iterdir() if p.name.isdigit()]
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names[:MAX_HEADS])


def read(directory: Path, size: int) -> Vouched:
    """One head. Raises EvidenceError when it is not there, or too large."""
    where = _where(directory, size)
    data = files.read(where / "checkpoint")
    if data is None or len(data) > MAX_CHECKPOINT:
        raise EvidenceError(f"heads: there is no head of size {size} in {where.parent}")
    tokens = {}
    for path in sorted(where.glob("*.tsr"))[:MAX_TOKENS]:
        token = path.read_bytes()
        if len(token) <= MAX_TOKEN:
            tokens[path.stem] = token
    return Vouched(size, data.decode("utf-8", "replace"), tokens)


def covering(directory: Path, index: int) -> Vouched | None:
    """The first head that an entry is under: what was said of it came soonest after."""
    for size in sizes(directory):
        if size > index:
            return read(directory, size)
    return None


def keep(directory: Path, size: int, signed: str) -> Vouched:
    """Keep a head, or add signature lines to the one that is kept. Durable on return.

    Raises EvidenceError when another head of this size is kept: that would be a split view.
    """
    where = _where(directory, size)
    found = files.read(where / "checkpoint")
    if found is not None:
        before = found.decode("utf-8", "replace")
        if before.partition("\n\n")[0] != signed.partition("\n\n")[0]:
            raise EvidenceError(f"heads: another head of size {size} is kept: a split view")
        signed = cosignature.add(before, signed.partition("\n\n")[2])
    files.make_directory(where)
    files.replace(where / "checkpoint", signed.encode())
    files.sync_directory(where)
    return read(directory, size)


def keep_token(directory: Path, size: int, name: str, token: bytes) -> None:
    """Keep a time stamper's reply over a head. Raises ValueError on a name that is none."""
    if _NAME.fullmatch(name) is None:
        raise ValueError("a stamper's name is 1 to 63 of a-z, 0-9, '.', '-'")
    if len(token) > MAX_TOKEN:
        raise ValueError(f"a time stamp has at most {MAX_TOKEN} bytes")
    where = _where(directory, size)
    files.replace(where / f"{name}.tsr", token)
    files.sync_directory(where)


def _where(directory: Path, size: int) -> Path:
    return directory / "heads" / f"{size:012d}"
