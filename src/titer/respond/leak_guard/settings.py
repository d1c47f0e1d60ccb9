"""What the guard protects: values only, so that a configuration loads without the compiler."""

from __future__ import annotations

from typing import Literal

import msgspec

#: Letters and digits of a secret that begin a suspicion; all before the last of them may leave.
PREFIX = 6

Action = Literal["redact", "refuse", "regenerate"]


class Reading(msgspec.Struct, frozen=True):
    """One way to read a secret. `begins` masks the prefix by the key: the guard unmasks it when
    it starts; `digest` is HMAC-SHA-256 of all codes, in hex.
    """

    length: int
    begins: str
    digest: str


class KnownSecret(msgspec.Struct, frozen=True):
    """A secret by the name that its operator gave it."""

    name: str
    readings: tuple[Reading, ...]


class LeakSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is protected and what is done about a leak; values are final."""

    texts: tuple[str, ...] = ()
    secrets: tuple[KnownSecret, ...] = ()
    system_prompts: bool = True
    on_leak: Action = "redact"
