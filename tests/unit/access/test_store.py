"""The key database under bad weather: whatever is wrong, nobody is let in by it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from titer.access import KeyBook
from titer.core.errors import ConfigError, Refused

NOW = 1_800_000_000_000_000


def test_the_file_is_its_owners_alone(book: KeyBook, data: Path) -> None:
    book.create(org="acme")
    for name in ("access.db", "access.db-wal"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["garbage", "header", "middle"])
def test_a_damaged_file_is_named(data: Path, damage: str) -> None:
    with KeyBook(data) as book:
        for i in range(300):
            book.create(org=f"org-{i}")
    path = data / "access.db"
    raw = bytearray(path.read_bytes())
    if damage == "garbage":
        raw = bytearray(os.urandom(5000))
    elif damage == "header":
        raw[:100] = bytes(100)
    else:
        raw[4096:] = b"\xa5" * (len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"access\.db.*restore it from a backup"):
        KeyBook(data)
    assert path.read_bytes() == bytes(raw)


def test_a_file_of_another_secret_is_refused(data: Path, tmp_path: Path) -> None:
    KeyBook(data).close()
    KeyBook(tmp_path / "other").close()
    shutil.copy(tmp_path / "other" / "access.db", data / "access.db")
    with pytest.raises(ConfigError, match="another secret"):
        KeyBook(data)


def test_a_later_schema_is_refused(data: Path) -> None:
    KeyBook(data).close()
    with sqlite3.connect(data / "access.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match="schema 99"):
        KeyBook(data)


def test_a_database_that_vanishes_closes_the_door_until_it_is_back(
    book: KeyBook, data: Path
) -> None:
    _, key = book.create(org="acme")
    book.admit(key, NOW)
    (data / "access.db").rename(data / "moved")
    with pytest.raises(ConfigError, match=r"access\.db"):
        book.refresh()
    with pytest.raises(Refused) as caught:
        book.admit(key, NOW)
    assert caught.value.problem.kind == "internal"
    (data / "moved").rename(data / "access.db")
    assert book.refresh()
    assert book.admit(key, NOW).key_id == key[6:16]


def test_a_restored_backup_takes_effect(book: KeyBook, data: Path) -> None:
    _, key = book.create(org="acme")
    book._store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(data / "access.db", data / "backup")
    _, later = book.create(org="acme")
    book.admit(later, NOW)
    for name in ("access.db-wal", "access.db-shm"):
        (data / name).unlink(missing_ok=True)
    (data / "backup").replace(data / "access.db")
    assert book.refresh()
    book.admit(key, NOW)
    with pytest.raises(Refused):
        book.admit(later, NOW)


def test_a_busy_moment_is_not_a_closed_door(
    book: KeyBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = book.create(org="acme")

    def busy() -> bool:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise ConfigError("busy") from error

    with monkeypatch.context() as patched:
        patched.setattr(book._store, "changed", busy)
        for _ in range(10):
            assert book.refresh() is False
            book.admit(key, NOW)
        with pytest.raises(ConfigError):
            book.refresh()
        with pytest.raises(Refused):
            book.admit(key, NOW)
    assert book.refresh()
    book.admit(key, NOW)


def test_a_failed_change_changes_nothing(book: KeyBook, data: Path) -> None:
    with pytest.raises(RuntimeError), book._store.write() as (db, _):
        db.execute("INSERT INTO orgs (slot, name, pseudonym, seq) VALUES (77, 'x', x'', 1)")
        raise RuntimeError
    assert book._store.query("SELECT count(*) FROM orgs").fetchone() == (0,)
    book.create(org="acme")
    with KeyBook(data) as again:
        assert len(again) == 1
