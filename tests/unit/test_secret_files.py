"""Files for their owner alone: whole or not there, never replaced by mistake, shut to others."""

from __future__ import annotations

import os
import stat

import pytest

from titer import secret_files
from titer.core.errors import ConfigError


def test_a_new_file_never_takes_the_place_of_another(tmp_path):
    path = tmp_path / "deep" / "key"
    secret_files.create(path, b"one")
    with pytest.raises(FileExistsError):
        secret_files.create(path, b"two")
    assert secret_files.read(path, limit=9, what="it") == b"one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["key"]  # nothing is left beside


def test_a_replaced_file_is_whole_or_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "key"
    secret_files.create(path, b"one")
    secret_files.replace(path, b"two")
    assert path.read_bytes() == b"two"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        secret_files.replace(path, b"three")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_what_others_may_read_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    secret_files.create(path, b"one")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        secret_files.read(path, limit=9, what="this key")
