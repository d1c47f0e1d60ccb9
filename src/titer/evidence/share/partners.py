"""Partners' indicators on disk: DIR/share/NAME.partner, one file each, of their last import."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from titer.core.errors import InputError
from titer.evidence import files
from titer.evidence.share.attention import Partner

SUFFIX = ".partner"
#: Partners of one directory: each is read into memory whole.
MAX_PARTNERS = 64
#: Bytes of one file: `reading.MAX_INDICATORS` of them are 12 MB.
MAX_FILE = 64 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def folder(data: Path) -> Path:
    """Where they are kept."""
    return data / "share"


def check_name(name: str, *, of: str = "a partner") -> str:
    """A name that stands in a path of files or of a URL. Raises `InputError`."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{of}'s name is small letters, digits and hyphens, 64 at most")
    return name


def put(data: Path, partner: Partner) -> None:
    """Keep a partner's indicators in place of those of its last import. Raises OSError."""
    files.make_directory(folder(data))
    path = folder(data) / (check_name(partner.name) + SUFFIX)
    files.replace(path, msgspec.json.encode(partner), mode=0o600)
    files.sync_directory(folder(data))


def remove(data: Path, name: str) -> bool:
    """Forget a partner's indicators; False when there are none."""
    path = folder(data) / (check_name(name) + SUFFIX)
    if not path.exists():
        return False
    path.unlink()
    return True


def load(data: Path) -> list[Partner]:
    """All partners, by name. Raises `InputError` when a file cannot be read."""
    found = sorted(folder(data).glob(f"*{SUFFIX}"))
    if len(found) > MAX_PARTNERS:
        raise InputError(f"{folder(data)}: more than {MAX_PARTNERS} partners; remove some")
    return [_read(path) for path in found]


def stamp(data: Path) -> tuple[tuple[str, int], ...]:
    """Something that changes when an import was made."""
    try:
        return tuple((p.name, p.stat().st_mtime_ns) for p in
                     sorted(folder(data).glob(f"*{SUFFIX}")))  # fmt: skip
    except OSError:
        return ()


def _read(path: Path) -> Partner:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
        if len(raw) > MAX_FILE:
            raise InputError(f"{path}: too large; import the indicators again")
        return msgspec.json.decode(raw, type=Partner)
    except (OSError, msgspec.MsgspecError, RecursionError):
        raise InputError(f"{path}: cannot be read; import the indicators again") from None
