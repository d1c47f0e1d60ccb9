from __future__ import annotations

import pytest

from titer.evidence.log import Log


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
