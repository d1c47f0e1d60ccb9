"""Two sequencers by mistake: the second is refused, and the first is fenced off once replaced."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from titer.core.errors import EvidenceError
from titer.evidence.lease import SqliteLease
from titer.evidence.log import Log

ORIGIN = "titer.test/lease"
ONE = [("start", b"{}")]


def opened(tmp_path, where):
    return Log.open(tmp_path / where, origin=ORIGIN, lease=SqliteLease(tmp_path / "lease.db"))


def test_a_second_sequencer_is_refused_also_on_another_disk(tmp_path):
    with opened(tmp_path, "one") as log:
        log.append(ONE)
        log.checkpoint()
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        with pytest.raises(BlockingIOError, match="another sequencer holds the lease"):
            opened(tmp_path, "two")
    with opened(tmp_path, "two") as log:  # failed over, with a disk that is up to date
        log.append(ONE)
    with pytest.raises(EvidenceError, match="lags behind or was rolled back"):
        opened(tmp_path, "one")


def test_a_disk_that_went_on_by_itself_never_becomes_the_log_again(tmp_path):
    with opened(tmp_path, "one") as log:
        log.append(ONE)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with opened(tmp_path, "two") as log:
        log.append(ONE)
    with Log.open(tmp_path / "one") as log:  # without the lease: by mistake
        log.append(ONE * 2)
    with pytest.raises(EvidenceError, match="went on by itself"):
        opened(tmp_path, "one")


def test_a_holder_that_was_replaced_neither_appends_nor_publishes(tmp_path):
    log = opened(tmp_path, "one")
    log.append(ONE)
    log.checkpoint()
    log.append(ONE)
    with sqlite3.connect(tmp_path / "lease.db") as db:  # another took over meanwhile
        db.execute("UPDATE titer_lease SET epoch = epoch + 1")
    db.close()
    for act in (lambda: log.append(ONE), log.checkpoint):
        with pytest.raises(EvidenceError, match="another sequencer has taken over"):
            act()
    assert log.size == 2
    assert log.head.size == 1
    log.abandon()


def test_a_head_that_the_lease_knows_and_nobody_saw_is_published_after_a_crash(tmp_path):
    log = opened(tmp_path, "one")
    log.append(ONE)
    log._tree.extend(log._pending)
    log._tree.write()
    log._lease.advance(1, log._tree.root())
    log.abandon()  # killed between the database and the file
    with opened(tmp_path, "one") as again:
        assert again.size == 1
        again.checkpoint()
        assert again.head.size == 1


def test_a_database_that_cannot_be_asked_stops_writing_and_loses_nothing(tmp_path, monkeypatch):
    log = opened(tmp_path, "one")

    def gone(*_):
        raise sqlite3.OperationalError("disk I/O error")

    db = log._lease._db
    monkeypatch.setattr(log._lease, "_db", type("Gone", (), {"execute": gone, "close": gone})())
    with pytest.raises(OSError, match="lease"):
        log.append(ONE)
    monkeypatch.setattr(log._lease, "_db", db)
    assert log.append(ONE) == 0
    log.close()
