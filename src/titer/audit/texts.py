"""Files of texts that a plan names by hash: prompts, marked replies, controls. JSON Lines.

One object a line with `text`; a prompt may have `id` and `system`. Exchange logs are read as well:
the text of a line is then `reply.text`. Read whole and bounded, since all of it is hashed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from titer.audit.plan import Material
from titer.core.errors import InputError

#: Bytes of one file: some 100 million tokens of replies would be more than any test needs.
MAX_BYTES = 512 << 20
#: Texts of one file.
MAX_TEXTS = 1_000_000
#: Characters of one text; longer ones are refused, not cut, since the hash names the whole.
MAX_CHARS = 1_000_000


class Text(msgspec.Struct, frozen=True):
    """One text; `system` is the system prompt that goes before a prompt."""

    text: str
    system: str = ""


class _Reply(msgspec.Struct):
    text: str = ""


class _Line(msgspec.Struct):
    text: str | None = None
    system: str = ""
    reply: _Reply | None = None


def read_texts(path: Path, *, what: str) -> tuple[tuple[Text, ...], Material]:
    """The texts of a file, and what a plan says about it. Raises InputError naming the line."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{what}: cannot read {path} ({error.strerror})") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"{what}: {path} has more than {MAX_BYTES} bytes; take a sample of it")
    texts: list[Text] = []
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Line)
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            read = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise InputError(f"{what}: {path}:{number}: not a JSON object with `text`") from None
        text = read.text if read.text is not None else read.reply.text if read.reply else None
        if text is None or len(text) > MAX_CHARS:
            raise InputError(
                f"{what}: {path}:{number}: needs `text` (or `reply.text`) of at most "
                f"{MAX_CHARS} characters"
            )
        if text:
            texts.append(Text(text, read.system))
        if len(texts) > MAX_TEXTS:
            raise InputError(f"{what}: {path} has more than {MAX_TEXTS} texts")
    if not texts:
        raise InputError(f"{what}: {path} holds no text")
    return tuple(texts), Material(hashlib.sha256(raw).hexdigest(), len(texts))


def require(path: Path, material: Material, *, what: str) -> tuple[Text, ...]:
    """The texts of a file that must be the one that the plan names. Raises InputError."""
    texts, found = read_texts(path, what=what)
    if found != material:
        raise InputError(
            f"{what}: {path} is not the file that the plan names ({material.sha256[:16]}...); "
            "restore it, or register another plan"
        )
    return texts
