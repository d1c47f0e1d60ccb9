"""Keys of marks: one per account and epoch, derived, committed to before use, escrowed.

    secret(account, epoch) = HMAC-SHA-256(master of the epoch, "titer mark" || account || epoch)
    engine key             = its first 8 bytes, big endian: what samplers are given
    commitment             = SHA-256("titer mark key v1" || 0 || secret)

A key is symmetric: whoever holds it can plant the mark as well as recognise it. What makes a
recognition evidence is that the commitment stood in a log, under a time-stamped head, before the
text existed, and that the key was not known outside. Each epoch has a master of its own, so that
one that leaked says nothing about others. The commitment to a master covers all accounts of its
epoch at once; that of an account lets its one key be revealed and no other.

This module is on the serving path: it needs the standard library and msgspec alone.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

import msgspec

from titer.core.unprinted import Unprinted

#: Bytes of a master and of an account's secret.
SECRET_BYTES = 32
#: Hex digits of a commitment that stand for it in the facts of an exchange.
ID_DIGITS = 16
#: Epochs of one ring; one a day for ten years.
MAX_EPOCHS = 3650


class Epoch(Unprinted, frozen=True, kw_only=True, omit_defaults=True):
    """A span of time with one master. Times are microseconds; `leaked` is when it was reported
    that others may know the master, 0 for never.
    """

    number: int
    master: bytes
    created: int
    leaked: int = 0

    @property
    def commitment(self) -> str:
        """SHA-256 over the master (hex)."""
        return hashlib.sha256(b"titer mark master v1\x00" + self.master).hexdigest()


class MarkKey(Unprinted, frozen=True):
    """The key of one account in one epoch."""

    account: str
    epoch: int
    secret: bytes

    @property
    def engine(self) -> int:
        """The 64 bits that a sampler is given."""
        return int.from_bytes(self.secret[:8])

    @property
    def commitment(self) -> str:
        """What goes into the log (64 hex digits)."""
        return commitment(self.secret)

    @property
    def id(self) -> str:
        """How an exchange's facts name the key that marked it."""
        return self.commitment[:ID_DIGITS]


class Issued(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of a `mark-key` entry. Without an account it is about the epoch's master.

    `leaked` says that from `at` on the key proves nothing about new text.
    """

    at: int
    epoch: int
    commitment: str
    account: str = ""
    leaked: bool = False


class KeyRing:
    """All epochs of an operator, the last one in use."""

    def __init__(self, epochs: Iterable[Epoch]) -> None:
        """Raises ValueError on epochs that are none, out of order, or of a short master."""
        self.epochs = tuple(epochs)
        numbers = [epoch.number for epoch in self.epochs]
        if not numbers or numbers != sorted(set(numbers)) or len(numbers) > MAX_EPOCHS:
            raise ValueError(f"a key ring has 1 to {MAX_EPOCHS} epochs in rising order")
        if any(len(epoch.master) != SECRET_BYTES for epoch in self.epochs):
            raise ValueError(f"a master has {SECRET_BYTES} bytes")

    @property
    def current(self) -> Epoch:
        """The epoch that new marks are planted under."""
        return self.epochs[-1]

    def epoch(self, number: int | None = None) -> Epoch:
        """An epoch by its number, the current one for None. Raises KeyError."""
        if number is None:
            return self.current
        for epoch in self.epochs:
            if epoch.number == number:
                return epoch
        raise KeyError(number)

    def key(self, account: str, number: int | None = None) -> MarkKey:
        """An account's key. Raises KeyError for an epoch that there is not."""
        epoch = self.epoch(number)
        message = b"titer mark\x00" + account.encode() + b"\x00" + epoch.number.to_bytes(8)
        return MarkKey(account, epoch.number, hmac.digest(epoch.master, message, hashlib.sha256))

    def rotated(self, at: int, *, leaked: bool = False) -> KeyRing:
        """The ring with a fresh epoch; `leaked` notes that others may know the current master."""
        ring = self.reported(self.current.number, at) if leaked else self
        return KeyRing((*ring.epochs, fresh(self.current.number + 1, at)))

    def reported(self, number: int, at: int) -> KeyRing:
        """The ring with the note that others may know an epoch's master; the first report counts.

        Raises KeyError.
        """
        told = self.epoch(number)
        if not told.leaked:
            told = msgspec.structs.replace(told, leaked=at)
        return KeyRing(told if epoch.number == number else epoch for epoch in self.epochs)


def fresh(number: int, at: int) -> Epoch:
    """A new epoch with a random master."""
    return Epoch(number=number, master=secrets.token_bytes(SECRET_BYTES), created=at)


def commitment(secret: bytes) -> str:
    """The commitment to an account's secret (64 hex digits)."""
    return hashlib.sha256(b"titer mark key v1\x00" + secret).hexdigest()


def issued(key: MarkKey, at: int) -> Issued:
    """The entry that commits to an account's key."""
    return Issued(at=at, epoch=key.epoch, commitment=key.commitment, account=key.account)


def derived(key: int, domain: bytes) -> int:
    """Two keys of one: the first 8 bytes, big endian, of SHA-256(domain || key, big endian)."""
    return int.from_bytes(hashlib.sha256(domain + key.to_bytes(8)).digest()[:8])
