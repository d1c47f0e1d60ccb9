from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from titer.evidence.log import Log

#: A file system in memory: these tests sync thousands of times, and the disk proves nothing.
MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path():
    """Pytest's fixture of that name, in memory where there is such a place."""
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where, prefix="titer-test-") as name:
        yield Path(name)


CALLS = ("pwrite", "fsync", "fdatasync", "replace", "ftruncate", "open", "mkdir")


class Crash(BaseException):
    """The machine stops here."""


class Disk:
    """Counts calls to the disk and lets the n-th fail, after half of it when it is a write."""

    Crash = Crash

    def __init__(self, monkeypatch, error=None):
        self.left = -1
        self.error = error
        self.real = {name: getattr(os, name) for name in CALLS}
        for name in CALLS:
            monkeypatch.setattr(os, name, self.standing_before(name))

    def standing_before(self, name):
        real = self.real[name]

        def call(*args, **kwargs):
            if self.left == 0 and name == "open" and not args[1] & os.O_CREAT:
                return real(*args, **kwargs)  # reading goes on
            if self.left > 0:
                self.left -= 1
            elif self.left == 0:
                if name == "pwrite":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2], args[2])
                raise self.error or Crash
            return real(*args, **kwargs)

        return call


@pytest.fixture
def stopping(monkeypatch):
    """Makes a disk that stops the process (or fails with an error) at a chosen call."""

    def make(error=None):
        return Disk(monkeypatch, error)

    return make


@pytest.fixture
def opened(tmp_path):
    """A fresh log that is closed at the end, whatever happened to it."""
    log = Log.open(tmp_path / "log", origin="titer.test/unit")
    yield log
    if log._lock >= 0:
        log.close()


@pytest.fixture
def bodies():
    """Entries whose bodies tell their index."""

    def make(start: int, count: int, kind: str = "exchange") -> list[tuple[str, bytes]]:
        return [(kind, b'{"id":"x%d"}' % i) for i in range(start, start + count)]

    return make
