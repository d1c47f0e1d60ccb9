"""Pseudonyms and ids: keyed, short, and the same for the same input.

The operator's secret (32 bytes) never leaves its data directory; without it a pseudonym cannot
be linked to a name, nor a guess of a name be tested.
"""

from __future__ import annotations

import hashlib
import hmac

#: Hex digits of a pseudonym: 80 bits, so that 10^9 names collide with probability < 10^-6.
PSEUDONYM_DIGITS = 20


class Pseudonyms:
    """Makes keyed pseudonyms. One instance holds one operator's secret."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("the pseudonym secret must have at least 16 bytes")
        self._secret = secret

    def of(self, kind: str, name: str) -> str:
        """The pseudonym of `name` as a `kind` (`principal`, `org`, `ip`, ...); empty for empty."""
        if not name:
            return ""
        tag = hmac.digest(self._secret, f"{kind}\x00{name}".encode(), hashlib.sha256)
        return tag.hex()[:PSEUDONYM_DIGITS]

    def key(self, purpose: str) -> bytes:
        """A 32-byte key derived for one purpose (sketches, for one)."""
        return hmac.digest(self._secret, b"key\x00" + purpose.encode(), hashlib.sha256)
