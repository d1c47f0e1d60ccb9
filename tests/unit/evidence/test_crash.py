"""The process dies before, or in the middle of, every single call to the disk in turn.

`test_kill.py` kills for real but seldom hits the short moments; here each of them is hit once.
"""

from __future__ import annotations

import errno
import os

import pytest

from titer.core.errors import EvidenceError
from titer.evidence import files, merkle
from titer.evidence.log import Log, View

ORIGIN = "titer.test/crash"


def pairs(start, count):
    return [
        ("exchange", b'{"id":"x%d","principal":{"id":"p%d"}}' % (i, i % 9))
        for i in range(start, start + count)
    ]


class World:
    """Writes by a fixed script, and remembers what it was told."""

    def __init__(self, directory):
        self.directory = directory
        self.acknowledged = 0
        self.heads = {}
        self.log = None

    def run(self):
        for sizes in ((3, 300), (5, 260, 1)):
            self.log = Log.open(self.directory, origin=ORIGIN)
            for count in sizes:
                first = self.log.size
                self.log.append(pairs(first, count), at=1)
                self.acknowledged = first + count
                self.log.checkpoint()
                self.heads[self.log.head.size] = self.log.head.root
            self.log.close()

    def die(self):
        if self.log is not None and self.log._lock >= 0:
            self.log.journal.close()
            os.close(self.log._lock)
            self.log._lock = -1

    def look(self):
        """Open again and check everything that was promised."""
        if (self.directory / "log.pub").exists():
            head = View.open(self.directory).head
            if head is not None:
                assert self.heads.setdefault(head.size, head.root) == head.root
        with Log.open(self.directory, origin=ORIGIN) as log:
            assert log.size >= self.acknowledged
            assert [s.body for s in log.scan()] == [b for _, b in pairs(0, log.size)]
            log.checkpoint()
            log.append(pairs(log.size, 2), at=1)
            log.checkpoint()
            log.check()
            for size, root in self.heads.items():
                merkle.verify_consistency(
                    log.consistency(size),
                    old=size,
                    new=log.size,
                    old_root=root,
                    new_root=log.head.root,
                )


def test_a_crash_at_every_call_loses_nothing(tmp_path, stopping):
    disk = stopping()
    for number in range(1000):
        world = World(tmp_path / str(number))
        disk.left = number
        try:
            world.run()
        except disk.Crash:
            disk.left = -1
            world.die()
            world.look()
        else:
            break
    disk.left = -1
    assert 60 < number < 1000
    assert world.acknowledged == 569


def test_a_crash_at_every_call_of_an_erasure_erases_whole_or_not_at_all(tmp_path, stopping):
    disk = stopping()
    outcomes = set()
    for number in range(100):
        directory = tmp_path / str(number)
        disk.left = -1
        log = Log.open(directory, origin=ORIGIN)
        log.append(pairs(0, 50), at=1)
        log.checkpoint()
        disk.left = number
        try:
            log.erase("p3", reason="asked")
        except disk.Crash:
            disk.left = -1
            log.journal.close()
            os.close(log._lock)
        else:
            break
        with Log.open(directory, origin=ORIGIN) as after:
            erased = [s.index for s in after.scan() if s.body is None]
            kinds = [s.kind for s in after.scan(50)]
            outcomes.add(bool(erased))
            assert erased in ([], [i for i in range(50) if i % 9 == 3])
            assert kinds == (["erasure"] if erased else [])
            if not erased:
                after.erase("p3", reason="asked again")
            with pytest.raises(LookupError):
                after.erase("p3", reason="once more")
            after.checkpoint()
            after.check()
            assert sum(s.kind == "erasure" for s in after.scan()) == 1
    assert outcomes == {True, False}
    assert number > 8


def test_a_crash_at_every_call_of_a_repair_loses_nothing(tmp_path, stopping):
    disk = stopping()
    for number in range(1000):
        world = World(tmp_path / str(number))
        disk.left = -1
        world.run()
        (world.directory / "tile/0/000").unlink()
        (world.directory / "tile/entries/001").unlink()
        with (world.directory / "bodies/000000000000").open("ab") as journal:
            journal.write(b"TJ1\n torn")
        disk.left = number
        try:
            Log.open(world.directory, origin=ORIGIN).close()
        except disk.Crash:
            disk.left = -1
            world.look()
        else:
            break
    assert 5 < number < 1000


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_gives_out_at_every_call_and_comes_back(tmp_path, stopping, number):
    disk = stopping(OSError(number, "injected"))
    for calls in range(0, 200, 3):
        directory = tmp_path / str(calls)
        disk.left = -1
        log = Log.open(directory, origin=ORIGIN)
        log.append(pairs(0, 250), at=1)
        log.checkpoint()
        kept, failed = 250, 0
        disk.left = calls
        for _ in range(4):
            try:
                log.append(pairs(kept, 100), at=1)
                kept += 100
                log.checkpoint()
            except OSError:
                failed += 1
                assert log.size == kept
        disk.left = -1
        log.append(pairs(kept, 10), at=1)
        log.checkpoint()
        assert log.head.size == log.size == kept + 10
        log.check()
        log.close()
        world = World(directory)
        world.acknowledged = kept + 10
        world.look()
        if not failed:
            break
    assert calls > 20


def test_a_failed_write_leaves_the_old_file(tmp_path, stopping):
    path = tmp_path / "head"
    files.replace(path, b"old")
    disk = stopping(OSError(errno.ENOSPC, "injected"))
    for calls in range(4):
        disk.left = calls
        with pytest.raises(OSError, match="injected"):
            files.replace(path, b"new and longer")
        assert path.read_bytes() == b"old"
    disk.left = -1
    files.replace(path, b"new")
    assert files.read(path) == b"new"
    assert files.read(tmp_path / "none") is None


def test_a_lock_file_is_not_evidence(tmp_path):
    with Log.open(tmp_path, origin=ORIGIN) as log:
        log.append(pairs(0, 1))
    (tmp_path / "checkpoint").write_bytes(b"")
    with pytest.raises(EvidenceError, match="note"):
        Log.open(tmp_path, origin=ORIGIN)
