"""The lease of a log in PostgreSQL (`pip install 'titer[postgres]'`): for machines that share none
but a database.

The holder's session holds an advisory lock: it ends with the session, so that a standby takes over
when the holder's machine dies. A session that was cut takes the lock again, if nobody has taken
over in between: the epoch tells.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from titer.core.errors import ConfigError
from titer.evidence.lease import fenced

#: Seconds for connecting, and for each statement.
TIMEOUT = 5
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS titer_lease (log text PRIMARY KEY, epoch bigint NOT NULL,"
    " size bigint NOT NULL, root bytea NOT NULL)"
)


class PostgresLease:
    """A lease in the database of a `postgresql://USER:PASSWORD@HOST[:PORT]/NAME` address.

    TLS with a verified certificate, unless the address says `?sslmode=disable`.
    """

    def __init__(self, address: str) -> None:
        """Raises `ConfigError` when the address is none, or the extra is not installed."""
        try:
            import pg8000.native  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError("install the extra: pip install 'titer[postgres]'") from None
        parts = urlsplit(address)
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
            raise ConfigError("the lease: expected postgresql://USER:PASSWORD@HOST/NAME")
        mode = parse_qs(parts.query).get("sslmode", ["verify-full"])[0]
        self._arguments = {
            "user": unquote(parts.username or "titer"),
            "password": unquote(parts.password) if parts.password else None,
            "host": parts.hostname,
            "port": parts.port or 5432,
            "database": parts.path.strip("/") or "titer",
            "timeout": TIMEOUT,
            "ssl_context": None if mode == "disable" else ssl.create_default_context(),
        }
        self._where = f"{parts.hostname}/{parts.path.strip('/')}"
        self._connect: Any = pg8000.native.Connection
        self._faults: tuple[type[Exception], ...] = (
            pg8000.exceptions.Error, OSError,
        )  # fmt: skip
        self._session: Any = None
        self._log = ""
        self._key = 0
        self.epoch = 0

    def take(self, log: str) -> tuple[int, bytes]:
        self._set(log)
        self._open()
        self._run(_SCHEMA)
        rows = self._run(
            "INSERT INTO titer_lease VALUES (:log, 1, 0, '') ON CONFLICT (log) DO UPDATE"
            " SET epoch = titer_lease.epoch + 1 RETURNING epoch, size, root",
            log=log,
        )
        self.epoch = int(rows[0][0])
        return int(rows[0][1]), bytes(rows[0][2])

    def free(self, log: str) -> bool:
        self._set(log)
        try:
            self._open()
        except BlockingIOError:
            return False
        self.release()
        return True

    def check(self) -> None:
        if self._session is None:  # it was cut: the lock may be another's by now
            try:
                self._open()
            except BlockingIOError:
                raise fenced(self.epoch, "that the lock is taken") from None
        rows = self._run("SELECT epoch FROM titer_lease WHERE log = :log", log=self._log)
        found = rows[0][0] if rows else None
        if found != self.epoch:
            raise fenced(self.epoch, found)

    def advance(self, size: int, root: bytes) -> None:
        self.check()
        rows = self._run(
            "UPDATE titer_lease SET size = :size, root = :root WHERE log = :log"
            " AND epoch = :epoch AND size <= :size RETURNING epoch",
            size=size, root=root, log=self._log, epoch=self.epoch,
        )  # fmt: skip
        if not rows:
            raise fenced(self.epoch, "otherwise")

    def release(self) -> None:
        if self._session is not None:
            with contextlib.suppress(*self._faults):
                self._session.close()
            self._session = None

    def _set(self, log: str) -> None:
        self._log = log
        digest = hashlib.sha256(f"titer {log}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)

    def _open(self) -> None:
        """A session that holds the lock. Raises BlockingIOError, OSError."""
        try:
            session = self._connect(**self._arguments)
            session.run(f"SET statement_timeout = {TIMEOUT * 1000}")
            (held,) = session.run("SELECT pg_try_advisory_lock(:key)", key=self._key)[0]
        except self._faults as error:
            raise OSError(f"the lease at {self._where}: {_words(error)}") from None
        if not held:
            session.close()
            raise BlockingIOError(11, f"another sequencer holds the lease at {self._where}")
        self._session = session

    def _run(self, statement: str, **values: object) -> Any:
        try:
            return self._session.run(statement, **values)
        except self._faults as error:
            self.release()
            raise OSError(f"the lease at {self._where}: {_words(error)}") from None


def _words(error: Exception) -> str:
    """What the database said, on one line; nothing of it is a secret of ours."""
    return " ".join(str(error).split())[:200]
