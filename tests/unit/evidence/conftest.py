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
