"""What a TAXII server hands out: DIR/share/taxii.db, one SQLite file.

An object is published once per version (STIX 2.1, 3.6). `added` is strictly increasing over the
whole file, so that it is the order of a collection and its value is where a page ends.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from titer.core.errors import InputError

#: Versions of objects kept in one file; the oldest are not dropped: publishing says so instead.
MAX_KEPT = 5_000_000
#: Versions of objects of one inbox, and their bytes: the oldest are forgotten beyond that.
MAX_INBOX, MAX_INBOX_BYTES = 20_000, 64 << 20
#: Reports on what was posted that are kept.
MAX_STATUS = 10_000
#: Seconds a writer waits for another.
BUSY_S = 5.0

_TABLES = (
    """CREATE TABLE IF NOT EXISTS objects (
        added INTEGER PRIMARY KEY, collection TEXT NOT NULL, id TEXT NOT NULL,
        version TEXT NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL,
        UNIQUE (collection, id, version))""",
    "CREATE INDEX IF NOT EXISTS by_collection ON objects (collection, added)",
    """CREATE TABLE IF NOT EXISTS status (
        id TEXT PRIMARY KEY, reader TEXT NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL)
        WITHOUT ROWID""",
    # Of objects without a time of their own the version is when they were added (3.4.1).
    """UPDATE objects SET version = strftime('%Y-%m-%dT%H:%M:%S', added / 1000000, 'unixepoch')
        || printf('.%06dZ', added % 1000000) WHERE version = ''""",
    "PRAGMA user_version = 2",
)


class Kept(msgspec.Struct, frozen=True):
    """One version of one object. `added` is microseconds; `body` its JSON."""

    added: int
    id: str
    version: str
    type: str
    body: bytes


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks for (TAXII 2.1, 3.4 and 3.5). `version` is `last`, `first`, `all` or one
    exact version, several by commas.
    """

    after: int = 0
    limit: int = 1_000
    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    versions: tuple[str, ...] = ("last",)


class Store:
    """One connection; not shared between threads."""

    def __init__(self, data: Path) -> None:
        folder = data / "share"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "taxii.db"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            for statement in _TABLES:
                self._db.execute(statement)
        except sqlite3.Error as error:
            self._db.close()
            raise InputError(f"{path}: cannot be used ({error}); restore or remove it") from None

    def close(self) -> None:
        self._db.close()

    def publish(self, collection: str, objects: Iterable[dict[str, Any]], now: int) -> int:
        """Add those versions that are not there yet; returns how many. Raises `InputError`."""
        with self._writing() as db:
            (count,) = db.execute("SELECT COUNT(*) FROM objects").fetchone()
            rows = ((one, msgspec.json.encode(one)) for one in objects)
            new = 0
            for one in _insert(db, collection, rows, now):
                new += one
                if count + new > MAX_KEPT:
                    raise InputError(f"more than {MAX_KEPT} objects; withdraw a collection first")
        return new

    def keep(
        self, collection: str, rows: Sequence[tuple[dict[str, Any], bytes]], now: int
    ) -> None:
        """Add what was posted to an inbox, and forget its oldest beyond what one may hold."""
        with self._writing() as db:
            for _ in _insert(db, collection, rows, now):
                pass
            (over, size) = db.execute(
                "SELECT COUNT(*) - ?, SUM(LENGTH(body)) FROM objects WHERE collection = ?",
                (MAX_INBOX, collection),
            ).fetchone()
            if over > 0 or (size or 0) > MAX_INBOX_BYTES:
                db.execute(
                    """DELETE FROM objects WHERE collection = ? AND added NOT IN (
                        SELECT added FROM (
                            SELECT added, SUM(LENGTH(body)) OVER (ORDER BY added DESC) AS size
                            FROM objects WHERE collection = ? ORDER BY added DESC LIMIT ?)
                        WHERE size <= ?)""",
                    (collection, collection, MAX_INBOX, MAX_INBOX_BYTES),
                )

    def delete(self, collection: str, wanted: Wanted) -> int:
        """Take the versions that are asked for away; returns how many there were."""
        with self._writing() as db:
            sql, values = _where(collection, wanted)
            return db.execute(
                f"DELETE FROM objects WHERE added IN (SELECT added {sql})",  # noqa: S608 - ours
                values,
            ).rowcount

    def bodies(self, collection: str, type_: str) -> Iterator[tuple[int, bytes]]:
        """(added, body) of every version of a type."""
        yield from self._db.execute(
            "SELECT added, body FROM objects WHERE collection = ? AND type = ?",
            (collection, type_),
        )

    def withdraw(self, collection: str) -> int:
        """Take everything of a collection away; returns how many versions there were."""
        with self._writing() as db:
            return db.execute("DELETE FROM objects WHERE collection = ?", (collection,)).rowcount

    def find(self, collection: str, wanted: Wanted) -> tuple[list[Kept], bool]:
        """The next objects in order of `added`, and whether there are more behind them."""
        sql, values = _where(collection, wanted)
        sql = f"SELECT added, id, version, type, body {sql} ORDER BY added LIMIT ?"
        values.append(wanted.limit + 1)
        rows = [Kept(*row) for row in self._db.execute(sql, values)]
        return rows[: wanted.limit], len(rows) > wanted.limit

    def holds(self, collection: str, id_: str) -> bool:
        """Whether a collection has any version of an object."""
        found = self._db.execute(
            "SELECT 1 FROM objects WHERE collection = ? AND id = ? LIMIT 1", (collection, id_)
        )
        return found.fetchone() is not None

    def note(self, id_: str, reader: str, body: bytes) -> None:
        """Keep the report on a post, and forget the oldest beyond `MAX_STATUS`."""
        with self._writing() as db:
            (last,) = db.execute("SELECT COALESCE(MAX(number), 0) FROM status").fetchone()
            db.execute("INSERT INTO status VALUES (?, ?, ?, ?)", (id_, reader, last + 1, body))
            db.execute("DELETE FROM status WHERE number <= ?", (last + 1 - MAX_STATUS,))

    def status(self, id_: str, reader: str) -> bytes | None:
        """The report on a post, for who made it."""
        found = self._db.execute(
            "SELECT body FROM status WHERE id = ? AND reader = ?", (id_, reader)
        ).fetchone()
        return found[0] if found else None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def moment(at: int) -> str:
    """Microseconds as TAXII writes them: to the microsecond, so that order is kept."""
    seconds, micros = divmod(at, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"


def _insert(
    db: sqlite3.Connection,
    collection: str,
    rows: Iterable[tuple[dict[str, Any], bytes]],
    now: int,
) -> Iterator[int]:
    """Add objects with their JSON; yields 1 for each that is new. An object without a time of its
    own (STIX 2.1, 3.1) is new when it is spelt as it never was before.
    """
    (last,) = db.execute("SELECT COALESCE(MAX(added), 0) FROM objects").fetchone()
    at = max(now, last + 1)
    for one, body in rows:
        version = str(one.get("modified") or one.get("created") or "")[:64]
        if not version:
            same = "SELECT 1 FROM objects WHERE collection = ? AND id = ? AND body = ?"
            if db.execute(same, (collection, one["id"], body)).fetchone():
                yield 0
                continue
            version = moment(at)
        done = db.execute(
            "INSERT OR IGNORE INTO objects VALUES (?, ?, ?, ?, ?, ?)",
            (at, collection, one["id"], version, one["type"], body),
        ).rowcount
        at += done
        yield done


def _where(collection: str, wanted: Wanted) -> tuple[str, list[Any]]:
    """What picks the objects that are asked for: only question marks stand for what came in."""
    sql = ["FROM objects o WHERE collection = ?"]
    values: list[Any] = [collection]
    if wanted.after:
        sql.append("AND added > ?")
        values.append(wanted.after)
    for column, words in (("id", wanted.ids), ("type", wanted.types)):
        if words:
            sql.append(f"AND {column} IN ({', '.join('?' * len(words))})")
            values += words
    sql.append(_versions(wanted.versions, values))
    return " ".join(sql), values


def _versions(words: Sequence[str], values: list[Any]) -> str:
    """The part of a query that picks versions. `first` and `last` are by version, per object."""
    if "all" in words:
        return ""
    same = "SELECT {}(version) FROM objects i WHERE i.collection = o.collection AND i.id = o.id"
    parts = []
    for word in words:
        if word in ("first", "last"):
            parts.append(f"version = ({same.format('MIN' if word == 'first' else 'MAX')})")
        else:
            parts.append("version = ?")
            values.append(word)
    return f"AND ({' OR '.join(parts)})"
