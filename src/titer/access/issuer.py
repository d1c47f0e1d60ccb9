"""Changes to the key database: create, rotate, revoke, limit; each one transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from titer.access import token
from titer.access.limits import Limits
from titer.access.store import KeyRecord, Store
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms

#: Longest name of an organisation, tier or grant, and most grants: they are copied into facts.
MAX_NAME = 200
MAX_GRANTS = 32
#: Latest time a packed row can hold, in seconds (the year 2106).
MAX_SECONDS = 2**32 - 1

_INSERT = "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)"
_ROTATE = (
    "INSERT INTO keys SELECT ?, ?, account, pseudonym, slot, org, tier, grants, limits, ?, "
    "expires, 0, ? FROM keys WHERE id = ?"
)
_RETIRE = (
    "UPDATE keys SET seq = ?, expires = min(iif(expires = 0, ?, expires), ?), revoked = ? "
    "WHERE id = ?"
)
_RECORDS = (
    "SELECT k.id, coalesce(o.name, ''), k.tier, k.grants, k.created, k.expires, k.revoked, "
    "k.account, k.pseudonym, o.pseudonym, k.limits "
    "FROM keys k LEFT JOIN orgs o ON o.slot = k.org "
)


class Issuer:
    """Writes keys. `tag` makes the HMAC that is stored in place of a key."""

    def __init__(self, store: Store, *, names: Pseudonyms, tag: Callable[[bytes], bytes]) -> None:
        self._store = store
        self._names = names
        self._tag = tag

    def create(
        self,
        *,
        org: str,
        tier: str,
        grants: Sequence[str],
        expires: int | None,
        limits: Limits | None,
    ) -> tuple[str, str]:
        """(id, key). See `KeyBook.create`."""
        for name in (tier, *grants):
            _check_name(name)
        if org:
            _check_name(org)
        if len(grants) > MAX_GRANTS:
            raise InputError(f"at most {MAX_GRANTS} grants fit a key; name fewer")
        until = 0 if expires is None else -(-expires // 1_000_000)
        if expires is not None and not 0 < until <= MAX_SECONDS:
            raise InputError("the expiry must lie between 1970 and 2106, in microseconds")
        given = msgspec.json.encode(sorted(set(grants))).decode()
        own = "" if limits is None else msgspec.json.encode(limits).decode()
        with self._store.write() as (db, seq):
            org_slot = self._org(db, org, seq)
            key_id, key = _draw(db)
            name_of = bytes.fromhex(self._names.of("principal", key_id))
            who = (key_id, self._tag(key.encode()), key_id, name_of, self._store.next("slot"))
            db.execute(_INSERT, (*who, org_slot, tier, given, own, _seconds(), until, seq))
        return key_id, key

    def revoke(self, key_id: str) -> None:
        """Mark a key as revoked now; once is enough."""
        self.record(key_id)
        with self._store.write() as (db, seq):
            db.execute(
                "UPDATE keys SET revoked = ?, seq = ? WHERE id = ? AND revoked = 0",
                (_seconds(), seq, key_id),
            )

    def rotate(self, key_id: str, overlap_s: int) -> tuple[str, str]:
        """(id, key) of the successor. See `KeyBook.rotate`."""
        if overlap_s < 0:
            raise InputError("the overlap must not be negative; give seconds, 0 for none")
        now = _seconds()
        with self._store.write() as (db, seq):
            record = self.record(key_id)
            if record.revoked or 0 < record.expires <= now * 1_000_000:
                raise InputError("this key is revoked or has expired; create a new one")
            new_id, key = _draw(db)
            db.execute(_ROTATE, (new_id, self._tag(key.encode()), now, seq, key_id))
            until = min(now + overlap_s, MAX_SECONDS)
            db.execute(_RETIRE, (seq, until, until, 0 if overlap_s else now, key_id))
        return new_id, key

    def limit_org(self, org: str, limits: Limits | None) -> None:
        """Set or remove an organisation's own limits."""
        _check_name(org)
        with self._store.write() as (db, seq):
            slot = self._org(db, org, seq)
            text = "" if limits is None else msgspec.json.encode(limits).decode()
            db.execute("UPDATE orgs SET limits = ?, seq = ? WHERE slot = ?", (text, seq, slot))

    def record(self, key_id: str) -> KeyRecord:
        """One key; raises `InputError` when there is none (and does not repeat the id: what
        was typed may be a whole key).
        """
        with self._store.guarded():
            row = self._store.query(_RECORDS + "WHERE k.id = ?", (key_id,)).fetchone()
        if row is None:
            raise InputError("there is no key of this id; `titer keys list` shows the ids")
        return _record(row)

    def records(self) -> list[KeyRecord]:
        """All keys, oldest first."""
        with self._store.guarded():
            rows = self._store.query(_RECORDS + "ORDER BY k.created, k.seq").fetchall()
        return [_record(row) for row in rows]

    def _org(self, db: sqlite3.Connection, name: str, seq: int) -> int:
        """The slot of an organisation, which is added when it is new."""
        if not name:
            return 0
        row = db.execute("SELECT slot FROM orgs WHERE name = ?", (name,)).fetchone()
        if row:
            return int(row[0])
        slot = self._store.next("slot")
        pseudonym = bytes.fromhex(self._names.of("org", name))
        db.execute(
            "INSERT INTO orgs (slot, name, pseudonym, seq) VALUES (?, ?, ?, ?)",
            (slot, name, pseudonym, seq),
        )
        return slot


def _draw(db: sqlite3.Connection) -> tuple[str, str]:
    """A key whose id is not taken."""
    while True:
        key_id, key = token.make()
        if db.execute("SELECT 1 FROM keys WHERE id = ?", (key_id,)).fetchone() is None:
            return key_id, key


def _record(row: tuple[Any, ...]) -> KeyRecord:
    key_id, org, tier, grants, created, expires, revoked, account, name, org_name, limits = row
    principal = name.hex()
    return KeyRecord(
        id=key_id,
        org=org,
        tier=tier,
        grants=tuple(msgspec.json.decode(grants, type=list[str])),
        created=created * 1_000_000,
        expires=expires * 1_000_000,
        revoked=revoked * 1_000_000,
        account=account,
        principal=principal,
        subject=org_name.hex() if org_name else principal,
        limits=msgspec.json.decode(limits, type=Limits) if limits else None,
    )


def _check_name(name: str) -> None:
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise InputError(
            f"names of organisations, tiers and grants are 1 to {MAX_NAME} printable characters"
        )


def _seconds() -> int:
    return int(time.time())
