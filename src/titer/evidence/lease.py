"""Who may write a log, when several machines could: a lease with an epoch, kept in a database.

The file lock binds writers of one machine. Where a log can be opened from several (storage that
is shared or fails over), its writer also holds a lease: a row in a database that they share.

    epoch      goes up by one with every new holder; a holder of an older epoch is fenced off
    size, root the newest head, written *before* it is published, and only by the holder

So a writer that was thought dead and wakes up can neither append nor publish: it is refused before
each. And a machine whose disk lags behind is refused at opening, as the row knows the head.

No consensus is made here: the database decides. `SqliteLease` is for one host, whose processes
share a file; `titer.gateway.pg_lease` uses PostgreSQL.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Protocol

from titer.core.errors import EvidenceError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS titer_lease (
  log TEXT PRIMARY KEY, epoch INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL)
"""


class Lease(Protocol):
    """What `Log` asks. All may raise OSError while the database cannot be reached: nothing is
    written then, and the next call tries again.
    """

    def take(self, log: str) -> tuple[int, bytes]:
        """Become the holder; returns size and root of the newest head (0 and b"" for none).

        Raises BlockingIOError while another holds it.
        """
        ...

    def free(self, log: str) -> bool:
        """Whether nobody holds it at this moment. Takes nothing."""
        ...

    def check(self) -> None:
        """Raise EvidenceError when another has taken over."""
        ...

    def advance(self, size: int, root: bytes) -> None:
        """Write a head that is about to be published. Raises EvidenceError when fenced off."""
        ...

    def release(self) -> None:
        """Let another take over. Releasing twice is harmless."""
        ...


def fenced(epoch: int, found: object) -> EvidenceError:
    """The error of a writer that another has replaced."""
    return EvidenceError(
        f"lease: this writer holds epoch {epoch} of the log, and the database says {found}: "
        "another sequencer has taken over; this one writes nothing more"
    )


class SqliteLease:
    """A lease in a SQLite file, with a lock beside it that ends with its holder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = -1
        self._db: sqlite3.Connection | None = None
        self._log = ""
        self.epoch = 0

    def take(self, log: str) -> tuple[int, bytes]:
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise BlockingIOError(
                error.errno, f"another sequencer holds the lease {self._path}"
            ) from None
        try:
            db = sqlite3.connect(
                self._path, timeout=5, isolation_level=None, check_same_thread=False
            )
            db.execute("PRAGMA synchronous = FULL")
            db.execute(_SCHEMA)
            db.execute(
                "INSERT INTO titer_lease VALUES (?, 1, 0, x'')"
                " ON CONFLICT (log) DO UPDATE SET epoch = epoch + 1",
                (log,),
            )
            row = db.execute(
                "SELECT epoch, size, root FROM titer_lease WHERE log = ?", (log,)
            ).fetchone()
        except sqlite3.Error as error:
            os.close(lock)
            raise OSError(f"lease {self._path}: {error}") from error
        self._lock, self._db, self._log = lock, db, log
        self.epoch = int(row[0])
        return int(row[1]), bytes(row[2])

    def free(self, log: str) -> bool:  # noqa: ARG002 - one file, one lock
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(lock)

    def check(self) -> None:
        found = self._one("SELECT epoch FROM titer_lease WHERE log = ?", (self._log,))
        if found != self.epoch:
            raise fenced(self.epoch, found)

    def advance(self, size: int, root: bytes) -> None:
        changed = self._one(
            "UPDATE titer_lease SET size = ?, root = ? WHERE log = ? AND epoch = ? AND size <= ?"
            " RETURNING epoch",
            (size, root, self._log, self.epoch, size),
        )
        if changed != self.epoch:
            raise fenced(self.epoch, "otherwise")

    def release(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _one(self, statement: str, values: tuple[object, ...]) -> int | None:
        if self._db is None:
            raise ValueError("take the lease first")
        try:
            row = self._db.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise OSError(f"lease {self._path}: {error}") from error
        return None if row is None else int(row[0])
