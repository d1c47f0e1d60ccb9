"""Secrets by reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from titer.config.secrets import SecretRef
from titer.core.errors import ConfigError


def read(ref: SecretRef, base: Path = Path()) -> str:
    return ref.read(name="upstream.credential", base=base)


def test_a_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-1\r\n")
    path.chmod(0o600)
    assert read(SecretRef(file="key"), tmp_path) == "sk-1"
    assert read(SecretRef(file=str(path))) == "sk-1"
    path.chmod(0o640)  # a group may be meant to read it
    assert read(SecretRef(file="key"), tmp_path) == "sk-1"


def test_a_file_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-1")
    path.chmod(0o604)
    with pytest.raises(ConfigError, match="chmod o-r") as caught:
        read(SecretRef(file="key"), tmp_path)
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"two\nlines", b"\xff\xfe", b"a\x00b", b"x" * 70_000]
)
def test_what_is_no_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="upstream.credential"):
        read(SecretRef(file="key"), tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere cannot be read"):
        read(SecretRef(file="nowhere"), tmp_path)


def test_a_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "sk-2")
    assert read(SecretRef(env="UPSTREAM_KEY")) == "sk-2"
    monkeypatch.delenv("UPSTREAM_KEY")
    with pytest.raises(ConfigError, match="UPSTREAM_KEY is not set"):
        read(SecretRef(env="UPSTREAM_KEY"))
