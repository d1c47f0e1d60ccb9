"""The key book: who a presented key belongs to, answered from memory in a few microseconds.

Admission, and what each step stops:

1. The presented text is cut to one more than a key's length: a megabyte of key costs nothing.
2. Its id finds a row of the table, or the dummy row: an unknown id costs what a wrong secret
   costs, so that ids cannot be found by the clock.
3. One HMAC-SHA-256 over the whole text under a pepper derived from the operator's secret, and
   a constant-time comparison: a stolen `access.db` yields no key, and no guess can be tested.
4. Expiry is compared with `now`. Revoked keys have no row.

Every failure is the same refusal and one count. No key is kept, logged or named in an error.
Rows are packed: about 200 bytes a key, all parts together. No accepted caller is kept: unpacking
a row costs a microsecond, and with many callers a cache of them costs more than it saves.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from titer.access import token
from titer.access.issuer import Issuer
from titer.access.limits import Caller, Limits, Tier
from titer.access.secret import load_or_create
from titer.access.store import KeyRecord, Store
from titer.core.errors import ConfigError, Refused
from titer.core.ids import Pseudonyms
from titer.core.nouns import Principal
from titer.core.wire import Problem

__all__ = ["Caller", "KeyBook"]

#: Refreshes in a row that may find the database busy before admission closes.
MAX_BUSY = 10
#: digest, principal, org (pseudonyms), created, expires (s), slot, org slot, profile.
_ROW = struct.Struct("<32s10s10sIIIII")
_NO_ORG = bytes(10)
_NO_TIER = Tier()
#: What keys of one kind share: tier, grants, limits, limits of the organisation.
_Profile = tuple[str, tuple[str, ...], Limits, Limits]
_REFUSED = Problem(
    kind="authentication",
    message="No valid API key was given. Send a current key of this service; "
    "its operator can issue one.",
    code="invalid_api_key",
)
_CLOSED = Problem(
    kind="internal",
    message="Keys cannot be checked at the moment; the operator must look at access.db.",
    code="access_closed",
)
_SELECT = (
    "SELECT k.id, k.digest, k.pseudonym, o.pseudonym, k.created, k.expires, k.slot, k.org, "
    "k.tier, k.grants, k.limits, k.revoked, k.seq FROM keys k LEFT JOIN orgs o ON o.slot = k.org "
    "WHERE k.seq > ? ORDER BY k.seq"
)


class KeyBook:
    """The keys of one data directory. One instance per process; not shared over a fork.

    `tiers` names the limits of tiers (a tier that is not named is unlimited). `denied` counts
    refusals. Raises `ConfigError` when the secret or the database is damaged.
    """

    def __init__(self, data: Path, *, tiers: Mapping[str, Tier] | None = None) -> None:
        names = Pseudonyms(load_or_create(data))
        self._pepper = names.key("access")
        self._tiers = dict(tiers or {})
        self._dummy = _ROW.pack(secrets.token_bytes(32), _NO_ORG, _NO_ORG, 0, 1, 0, 0, 0)
        self.denied = 0
        self._busy = 0
        self._closed = False
        self._rows: dict[str, bytes] = {}
        self._profiles: list[_Profile] = []
        self._profile_of: dict[tuple[str, str, str], int] = {}
        self._org_limits: dict[int, Limits] = {}
        self._seq = 0
        self._store = Store(data / "access.db", check=self._tag(b"titer access.db"))
        self._issuer = Issuer(self._store, names=names, tag=self._tag)
        try:
            self.refresh()
        except ConfigError:
            self._store.close()
            raise

    def __len__(self) -> int:
        """Keys that are not revoked."""
        return len(self._rows)

    def __repr__(self) -> str:
        return f"KeyBook({len(self)} keys)"

    def close(self) -> None:
        self._closed = True
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the hot path

    def admit(self, presented: str, now: int) -> Caller:
        """The caller that a key belongs to; `now` in microseconds.

        Raises `Refused` (kind `authentication`, the same for every cause; kind `internal`
        after the database became unreadable).
        """
        if self._closed:
            raise Refused(_CLOSED)
        text = presented[: token.KEY_LENGTH + 1]
        key_id = text[6:16]
        row = self._rows.get(key_id, self._dummy)
        tag = self._tag(text.encode("utf-8", "replace"))
        if not hmac.compare_digest(tag, row[:32]) or row is self._dummy:
            self.denied += 1
            raise Refused(_REFUSED)
        _, name, org, created, expires, slot, org_slot, profile = _ROW.unpack(row)
        if expires and now >= expires * 1_000_000:
            self.denied += 1
            raise Refused(_REFUSED)
        tier, grants, limits, org_limits = self._profiles[profile]
        if self._org_limits:
            org_limits = self._org_limits.get(org_slot, org_limits)
        principal = Principal(
            name.hex(), org.hex() if org_slot else "", tier, created * 1_000_000, grants
        )
        return Caller(key_id, principal, slot, org_slot, limits, org_limits)

    def _tag(self, text: bytes) -> bytes:
        return hmac.digest(self._pepper, text, hashlib.sha256)

    # -- keeping up with the database

    def refresh(self) -> bool:
        """Take over what any process has changed; True when something was. Cheap: one system
        call and one pragma when nothing was. To be called about once a second.

        Raises `ConfigError` when the database cannot be read any more; admission then refuses
        everybody until a later call succeeds.
        """
        try:
            changed = self._store.changed()
            if changed is None:
                self._store.reopen()
                self._clear()
            if changed is not False or self._closed:
                self._pull()
        except ConfigError as error:
            self._store.forget()
            self._busy += 1
            if not _is_busy(error) or self._busy > MAX_BUSY:
                self._closed = True
                raise
            return False
        self._busy = 0
        self._closed = False
        return changed is not False

    def _clear(self) -> None:
        for table in (self._rows, self._profile_of, self._org_limits):
            table.clear()
        self._profiles.clear()
        self._seq = 0

    def _pull(self) -> None:
        since = self._seq
        with self._store.guarded():
            for row in self._store.query(_SELECT, (since,)):
                self._absorb(row)
            orgs = self._store.query(
                "SELECT slot, limits, seq FROM orgs WHERE seq > ? ORDER BY seq", (since,)
            )
            for slot, limits, seq in orgs:
                if limits:
                    self._org_limits[slot] = _limits(limits)
                else:
                    self._org_limits.pop(slot, None)
                self._seq = max(self._seq, seq)

    def _absorb(self, row: tuple[Any, ...]) -> None:
        key_id, digest, name, org, created, expires, slot, org_slot, *rest = row
        tier, grants, limits, revoked, seq = rest
        if revoked:
            self._rows.pop(key_id, None)
        else:
            profile = self._profile((tier, grants, limits))
            self._rows[key_id] = _ROW.pack(
                digest, name, org or _NO_ORG, created, expires, slot, org_slot, profile
            )
        self._seq = max(self._seq, seq)

    def _profile(self, words: tuple[str, str, str]) -> int:
        """The number of this tier, grants and limits: few differ, so rows share them."""
        number = self._profile_of.get(words)
        if number is None:
            tier, grants, limits = words
            given = self._tiers.get(tier, _NO_TIER)
            own = _limits(limits) if limits else given.key
            granted = tuple(msgspec.json.decode(grants, type=list[str]))
            self._profiles.append((tier, granted, own, given.org))
            number = self._profile_of[words] = len(self._profiles) - 1
        return number

    # -- what `titer keys` does

    def create(
        self,
        *,
        org: str,
        tier: str = "standard",
        grants: Sequence[str] = (),
        expires: int | None = None,
        limits: Limits | None = None,
    ) -> tuple[KeyRecord, str]:
        """A new key: (its record, the key itself, which is kept nowhere).

        `org` is the organisation's name ("" for none), `expires` microseconds (rounded up to
        a second). Raises `InputError` for names that are too long or not printable.
        """
        key_id, key = self._issuer.create(
            org=org, tier=tier, grants=grants, expires=expires, limits=limits
        )
        self._pull()
        return self._issuer.record(key_id), key

    def list(self) -> Sequence[KeyRecord]:
        """All keys ever made, revoked ones too, oldest first."""
        return self._issuer.records()

    def revoke(self, key_id: str) -> KeyRecord:
        """Stop a key, here at once and in other processes at their next refresh.

        Revoking twice changes nothing. Raises `InputError` for an unknown id.
        """
        self._issuer.revoke(key_id)
        self._pull()
        return self._issuer.record(key_id)

    def rotate(self, key_id: str, overlap_s: int = 0) -> tuple[KeyRecord, str]:
        """A new key for the same account: same pseudonym, budgets, grants, tier, expiry.

        The old key works for another `overlap_s` seconds; 0 stops it at once. Raises
        `InputError` for an unknown id, and for a key that is revoked or has expired.
        """
        new_id, key = self._issuer.rotate(key_id, overlap_s)
        self._pull()
        return self._issuer.record(new_id), key

    def limit_org(self, org: str, limits: Limits | None) -> None:
        """Give an organisation limits of its own; None: the tier of each key decides again."""
        self._issuer.limit_org(org, limits)
        self._pull()


def _limits(text: str) -> Limits:
    return msgspec.json.decode(text, type=Limits)


def _is_busy(error: ConfigError) -> bool:
    """Whether another process merely held the database too long."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )
