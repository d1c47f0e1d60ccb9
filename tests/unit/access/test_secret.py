"""The operator's secret: made once, kept closed, never silently replaced."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from titer.access.secret import load_or_create
from titer.core.errors import ConfigError


def test_it_is_made_once_and_read_again(data: Path) -> None:
    first = load_or_create(data)
    assert len(first) == 32
    assert load_or_create(data) == first
    assert (data / "secret").read_text().strip() == first.hex()


def test_nobody_else_may_read_it(data: Path) -> None:
    load_or_create(data)
    assert stat.S_IMODE((data / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert [path.name for path in data.iterdir()] == ["secret"]


def test_a_readable_secret_is_refused(data: Path) -> None:
    load_or_create(data)
    (data / "secret").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_or_create(data)


@pytest.mark.parametrize("damage", [b"", b"ab" * 31, b"zz" * 32, b"\xff" * 64, b"ab" * 500])
def test_a_damaged_secret_is_refused_and_left_alone(data: Path, damage: bytes) -> None:
    load_or_create(data)
    (data / "secret").write_bytes(damage)
    with pytest.raises(ConfigError, match="backup") as caught:
        load_or_create(data)
    assert "abab" not in str(caught.value)
    assert (data / "secret").read_bytes() == damage


def test_those_who_start_together_agree(data: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: load_or_create(data), range(32)))
    assert len(made) == 1


def test_a_data_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="file/data/secret"):
        load_or_create(tmp_path / "file" / "data")
