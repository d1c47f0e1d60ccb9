"""The keys on disk: one SQLite file, `access.db`, that holds no key, only HMACs of keys.

What is trusted: the file's rows decide who may call, so it is readable by its owner alone and
bound to the operator's secret by a check value; a file of another secret is refused. Every
change takes the next number of one sequence, so that a reader pulls only what is new. Rows are
never deleted: a revoked key keeps its id, so that old evidence still names it.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from titer.access.limits import Limits
from titer.core.errors import ConfigError

#: Version of the tables below, kept in `PRAGMA user_version`.
SCHEMA = 1
#: Seconds a writer waits for another one (each holds the file for a few milliseconds).
BUSY_S = 5.0

_META = "CREATE TABLE meta (name TEXT PRIMARY KEY, tag BLOB, number INTEGER) WITHOUT ROWID"
_ORGS = """CREATE TABLE orgs (
    slot INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, pseudonym BLOB NOT NULL,
    limits TEXT NOT NULL DEFAULT '', seq INTEGER NOT NULL)"""
_KEYS = """CREATE TABLE keys (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL, account TEXT NOT NULL, pseudonym BLOB NOT NULL,
    slot INTEGER NOT NULL, org INTEGER NOT NULL, tier TEXT NOT NULL, grants TEXT NOT NULL,
    limits TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,
    revoked INTEGER NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID"""
_CREATE = (
    _META,
    _ORGS,
    _KEYS,
    "CREATE INDEX keys_seq ON keys (seq)",
    "CREATE INDEX orgs_seq ON orgs (seq)",
    f"PRAGMA user_version = {SCHEMA}",
)


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One key as its operator sees it; the key itself cannot be had from it.

    `account` is the id of the first key of a chain of rotations: the caller stays the same.
    `principal` and `subject` are the pseudonyms that findings and dossiers use. Times are
    microseconds; 0 means never. `limits` is None when the tier decides.
    """

    id: str
    org: str
    tier: str
    grants: tuple[str, ...] = ()
    created: int = 0
    expires: int = 0
    revoked: int = 0
    account: str = ""
    principal: str = ""
    subject: str = ""
    limits: Limits | None = None


class Store:
    """One connection to `access.db`; not shared between threads or over a fork."""

    def __init__(self, path: Path, *, check: bytes) -> None:
        """Open or create. Raises `ConfigError` when the file is damaged, foreign, or newer."""
        self.path = path
        self._check = check
        self._version = -1
        self._inode = 0
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        with self.guarded():
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            os.close(fd)
            db = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
            try:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                self._prepare(db)
            except BaseException:
                db.close()
                raise
            return db
        raise AssertionError  # pragma: no cover  (guarded() re-raises)

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")
        with _transaction(db):
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _CREATE:
                    db.execute(statement)
                db.execute("INSERT INTO meta VALUES ('check', ?, 0)", (self._check,))
                db.execute("INSERT INTO meta VALUES ('seq', NULL, 0)")
                db.execute("INSERT INTO meta VALUES ('slot', NULL, 0)")
        if version not in (0, SCHEMA):
            raise ConfigError(
                f"{self.path}: written by another version of titer (schema {version}, "
                f"this one reads {SCHEMA}); use that version, or restore a backup"
            )
        row = db.execute("SELECT tag FROM meta WHERE name = 'check'").fetchone()
        if row is None or not hmac.compare_digest(bytes(row[0]), self._check):
            raise ConfigError(
                f"{self.path}: made with another secret; restore the file `secret` that "
                "belongs to it, or move access.db aside and create the keys again"
            )

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn the library's errors into one that names the file and what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise ConfigError(
                f"{self.path}: the key database cannot be used ({error}); restore it from a "
                "backup, or move it aside and create the keys again"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{self.path}: the key database cannot be opened ({error.strerror}); "
                "check the owner and the mode of the data directory"
            ) from error

    @contextlib.contextmanager
    def write(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """One transaction: the connection, and the sequence number of this change."""
        with self.guarded():
            self._db.execute("BEGIN IMMEDIATE")
            with _transaction(self._db):
                yield self._db, self.next("seq")

    def next(self, counter: str) -> int:
        """The next number of the counter `seq` or `slot` (inside `write`)."""
        (number,) = self._db.execute(
            "UPDATE meta SET number = number + 1 WHERE name = ? RETURNING number", (counter,)
        ).fetchone()
        return int(number)

    def query(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """Rows of a statement of ours; iterate inside `guarded`."""
        return self._db.execute(sql, values)

    def changed(self) -> bool | None:
        """Whether another process wrote since the last call; None: it is another file now."""
        with self.guarded():
            inode = os.stat(self.path).st_ino  # noqa: PTH116  (one call, once a second)
            (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if inode != self._inode:
            first, self._inode, self._version = self._inode == 0, inode, version
            return True if first else None
        changed = bool(version != self._version)
        self._version = version
        return changed

    def forget(self) -> None:
        """Let the next `changed` say True again: what it announced could not be read."""
        self._version = -1

    def reopen(self) -> None:
        """Connect again: the file was replaced (a restored backup)."""
        self._db.close()
        self._version, self._inode = -1, 0
        self._db = self._open()

    def close(self) -> None:
        self._db.close()


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
