"""A log that is copied while it is written, by the script of the docs; a copy that takes over."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from titer.core.errors import EvidenceError
from titer.evidence.lease import SqliteLease
from titer.evidence.log import Log

SCRIPT = Path(__file__).parents[3] / "docs" / "how-to" / "mirror-the-log.sh"
ORIGIN = "titer.test/mirror"
ONE = [("start", b"{}")]

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="needs rsync")


def mirror(source, copy):
    subprocess.run(["sh", str(SCRIPT), str(source), str(copy)], check=True, timeout=120)


def finding(number):
    return ("finding", b'{"subject":"s%d","note":"a secret of s%d"}' % (number, number))


def test_every_copy_of_a_log_that_is_being_written_opens_and_holds(tmp_path):
    """Heads, tiles that fill up, new keys and erasures go on while the copies are made."""
    stop = threading.Event()
    wrong = []

    def write(log):
        try:
            for turn in range(10_000):
                log.append([finding(turn % 97 + n) for n in range(30)])
                if turn % 3 == 0:
                    log.checkpoint()
                if turn % 60 == 59:
                    log.erase(f"s{turn % 97}", reason="asked for")
                if stop.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - said by the test
            wrong.append(error)

    with Log.open(tmp_path / "log", origin=ORIGIN) as log:
        log.append(ONE)
        log.checkpoint()
        thread = threading.Thread(target=write, args=(log,))
        thread.start()
        try:
            for number in range(4):
                least = log.head.size
                mirror(tmp_path / "log", tmp_path / "copy")
                shutil.copytree(tmp_path / "copy", tmp_path / f"opened-{number}")
                with Log.open(tmp_path / f"opened-{number}") as copy:
                    assert copy.size >= least
                    copy.check()
        finally:
            stop.set()
            thread.join()
        assert not wrong
    mirror(tmp_path / "log", tmp_path / "copy")
    with Log.open(tmp_path / "log") as log, Log.open(tmp_path / "copy") as copy:
        assert copy.signed_head == log.signed_head
        assert [e.body for e in copy.scan()] == [e.body for e in log.scan()]
        assert any(e.body is None for e in copy.scan())  # erased in the copy too


def test_a_copy_takes_over_only_when_it_is_up_to_date(tmp_path):
    def opened(where):
        return Log.open(tmp_path / where, origin=ORIGIN, lease=SqliteLease(tmp_path / "lease.db"))

    with opened("one") as log:
        log.append([*ONE, finding(1)])
        log.checkpoint()
        mirror(tmp_path / "one", tmp_path / "two")
        log.append([finding(2)])
    with pytest.raises(EvidenceError, match="knows a head of 3 entries, this disk holds 2"):
        opened("two")
    mirror(tmp_path / "one", tmp_path / "two")
    with opened("two") as log:
        assert log.size == 3
        log.append([finding(3)])
    with pytest.raises(EvidenceError, match="lags behind or was rolled back"):
        opened("one")
    mirror(tmp_path / "two", tmp_path / "one")  # the other way round, before it is a standby again
    with opened("one") as log:
        log.check()
        assert log.size == 4


def test_a_copy_that_broke_off_opens_as_it_was(tmp_path):
    """The head comes last: a journal without it is longer than its head, and never shorter."""
    with Log.open(tmp_path / "log", origin=ORIGIN) as log:
        log.append([finding(n) for n in range(300)])
        log.checkpoint()
        mirror(tmp_path / "log", tmp_path / "copy")
        log.append([finding(n) for n in range(300)])
        log.checkpoint()
        before = (tmp_path / "copy" / "checkpoint").read_bytes()
        mirror(tmp_path / "log", tmp_path / "copy")
        (tmp_path / "copy" / "checkpoint").write_bytes(before)
        with Log.open(tmp_path / "copy") as copy:
            assert copy.size == 600
            copy.checkpoint()
            copy.check()
