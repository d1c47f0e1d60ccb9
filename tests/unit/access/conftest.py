"""A key book over a fresh data directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from titer.access import KeyBook


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def book(data: Path) -> Iterator[KeyBook]:
    with KeyBook(data) as made:
        yield made
