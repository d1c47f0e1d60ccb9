"""The lease in a real PostgreSQL: one holder, fencing, and a session that is cut."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from titer.core.errors import ConfigError, EvidenceError
from titer.evidence.log import Log

BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
pytestmark = pytest.mark.skipif(BIN is None, reason="needs the Debian package postgresql")
pytest.importorskip("pg8000")

from titer.gateway.pg_lease import PostgresLease  # noqa: E402

ONE = [("start", b"{}")]


@pytest.fixture(scope="module")
def database(free):
    """A cluster of its own, run by another user when we are root: PostgreSQL insists."""
    user = None
    if os.geteuid() == 0:
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("needs a user postgres to run the database as")
    where = Path(tempfile.mkdtemp(prefix="titer-pg-", dir="/tmp"))
    port = free()
    run = {"check": True, "timeout": 120, "capture_output": True, "cwd": "/"}
    if user is not None:
        os.chown(where, user.pw_uid, user.pw_gid)
        run["user"] = "postgres"
    subprocess.run([BIN / "initdb", "-D", where / "d", "-A", "trust", "-U", "titer", "-N"], **run)
    options = f"-p {port} -k {where} -c listen_addresses=127.0.0.1 -c fsync=off"
    start = [BIN / "pg_ctl", "-D", where / "d", "-w", "-o", options, "-l", where / "l"]
    subprocess.run([*start, "start"], **{**run, "capture_output": False})
    yield f"postgresql://titer@127.0.0.1:{port}/postgres?sslmode=disable", (where, run, start)
    subprocess.run([BIN / "pg_ctl", "-D", where / "d", "-m", "immediate", "stop"], **run)
    shutil.rmtree(where, ignore_errors=True)


def opened(tmp_path, where, address, origin):
    return Log.open(tmp_path / where, origin=origin, lease=PostgresLease(address))


def test_one_holder_at_a_time_and_the_next_needs_the_newest_disk(tmp_path, database):
    address, _ = database
    with opened(tmp_path, "one", address, "titer.test/pg1") as log:
        log.append(ONE)
        log.checkpoint()
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        assert not PostgresLease(address).free("titer.test/pg1")
        with pytest.raises(BlockingIOError, match="another sequencer holds the lease"):
            opened(tmp_path, "two", address, "titer.test/pg1")
    assert PostgresLease(address).free("titer.test/pg1")
    with opened(tmp_path, "two", address, "titer.test/pg1") as log:
        log.append(ONE)
    with pytest.raises(EvidenceError, match="lags behind"):
        opened(tmp_path, "one", address, "titer.test/pg1")


def cut(address, log):
    """End the holder's session, as a network that fails would."""
    other = PostgresLease(address)
    other.take("titer.test/other")
    other._run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database()"
    )
    return other


def test_a_session_that_was_cut_goes_on_when_nobody_took_over(tmp_path, database):
    address, _ = database
    log = opened(tmp_path, "one", address, "titer.test/pg2")
    log.append(ONE)
    cut(address, log).release()
    with pytest.raises(OSError, match="the lease at"):
        log.append(ONE)
    assert log.append(ONE) == 1  # a new session, and still the same epoch
    cut(address, log).release()
    second = PostgresLease(address)
    second.take("titer.test/pg2")
    for _ in range(2):  # the first says that the session is gone, the next that we were replaced
        with pytest.raises((OSError, EvidenceError)) as error:
            log.append(ONE)
    assert isinstance(error.value, EvidenceError)
    assert "another sequencer has taken over" in str(error.value)
    second.release()
    with pytest.raises(EvidenceError, match="taken over"):
        log.checkpoint()
    assert log.size == 2
    log.abandon()


def test_a_database_that_is_down_stops_writing_and_loses_nothing(tmp_path, database, wait):
    address, (where, run, start) = database
    log = opened(tmp_path, "one", address, "titer.test/pg3")
    log.append(ONE)
    subprocess.run([BIN / "pg_ctl", "-D", where / "d", "-m", "immediate", "stop"], **run)
    for _ in range(2):
        with pytest.raises(OSError, match="the lease at"):
            log.append(ONE)
    subprocess.run([*start, "start"], **{**run, "capture_output": False})

    def appended():
        try:
            return log.append(ONE)
        except OSError:
            return None

    wait(appended, what="an append")
    assert log.size == 2
    log.close()


@pytest.mark.parametrize("address", ["", "mysql://x/y", "postgresql:///x"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ConfigError, match="postgresql://"):
        PostgresLease(address)
