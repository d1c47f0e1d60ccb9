"""Lines that could not be used, kept aside with their numbers and the reason.

Of the text only its length and a keyed hash are kept, unless the operator asks for it: a log of
prompts must not leave a second copy where nobody looks for one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO, Any

import msgspec

#: Bad lines written down per file and run; all are counted. About 1 MB without their text.
MAX_KEPT = 10_000
#: Bytes of a line kept when its text is asked for.
MAX_TEXT = 64 << 10


class Aside:
    """Writes one file's bad lines; the file is made when the first one comes."""

    def __init__(self, path: Path, *, key: bytes, keep_text: bool) -> None:
        self.path = path
        self._key = key
        self._keep_text = keep_text
        self._file: IO[bytes] | None = None
        self._kept = 0

    def put(self, *, line: int, reason: str, text: bytes, length: int | None = None) -> None:
        """One bad line. `length` when the line was too long to hold."""
        if self._kept >= MAX_KEPT:
            return
        self._kept += 1
        if self._file is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self.path.open("ab")
        kept: dict[str, Any] = {
            "line": line,
            "reason": reason,
            "bytes": len(text) if length is None else length,
        }
        if length is None:
            kept["hash"] = hashlib.blake2b(text, key=self._key, digest_size=16).hexdigest()
        if self._keep_text and text:
            kept["text"] = text[:MAX_TEXT].decode("utf-8", "replace")
        self._file.write(msgspec.json.encode(kept) + b"\n")

    @property
    def used(self) -> bool:
        """Whether a bad line was written."""
        return self._kept > 0

    def close(self) -> None:
        """Finish the file, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None
