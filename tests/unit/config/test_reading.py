"""Mistakes in titer.toml: each is named with file, line and remedy, and never with a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from titer.config import Config, load
from titer.config.reading import MAX_BYTES
from titer.config.resolving import MAX_TEXT, options
from titer.core.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "titer.toml"
    path.write_text(text)
    return path


def test_nothing_is_needed() -> None:
    assert load(None) == Config()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[gatway]\nport = 1", 1, "gatway: there is no such key; did you mean `gateway`?"),
        ("\n[gateway]\n\nprot = 1", 4, "gateway.prot: there is no such key; did you mean `port`?"),
        ("[gateway]\nxyzzy = 1", 2, "gateway.xyzzy: there is no such key; known here: body_byt"),
        ("[gateway]\nport = '80'", 2, "gateway.port: expected a whole number, got text in quo"),
        ("[gateway]\nport = true", 2, "gateway.port: expected a whole number, got true or fal"),
        ("[gateway]\nport = 1.0", 2, "gateway.port: expected a whole number, got a number"),
        ("[gateway]\nhold_ms = '1'", 2, "gateway.hold_ms: expected a number"),
        ("[gateway]\nhold_ms = nan", 2, "gateway.hold_ms: expected a finite number"),
        ("[gateway]\nhold_ms = inf", 2, "gateway.hold_ms: expected a finite number"),
        ("[gateway]\nhost = 5", 2, "gateway.host: expected text in quotes, got a whole number"),
        ("[gateway]\nhost = 2026-01-01", 2, "gateway.host: expected text in quotes, got a date"),
        ("[gateway]\nhost = ''", 2, "gateway.host: host must be an address"),
        ("[gateway]\nja4_header = 'a b'", 2, "gateway.ja4_header: ja4_header must be the name"),
        ('[upstream]\ncredential_header = "a\\r\\nb"', 2, "credential_header must be the name"),
        ("[upstream]\nurl = 'http://x:99999'", 2, "upstream.url: url: give a URL such as"),
        ("[gateway]\nenforce = 1", 2, "gateway.enforce: expected true or false"),
        ("[gateway]\nport = 70000", 2, "gateway.port: port must lie between"),
        ("[gateway]\nworkers = 0", 2, "gateway.workers: workers must lie between 1 and 256"),
        ("[gateway]\nidle_timeout = -1", 2, "gateway.idle_timeout: idle_timeout must be"),
        ("[gateway]\ncertificate = 'x'", 2, "gateway.certificate: certificate and private_key"),
        ("[gateway]\ntrusted_proxies = ['x']", 2, "gateway.trusted_proxies: trusted proxy 'x'"),
        ("[gateway]\ntrusted_proxies = [1]", 2, "gateway.trusted_proxies[1]: expected text"),
        ("[gateway]\ntrusted_proxies = 'x'", 2, "gateway.trusted_proxies: expected a list"),
        ("gateway = 5", 1, "gateway: expected a table, got a whole number"),
        ("gateway.port = 'x'", 1, "gateway.port: expected a whole number"),
        ("[upstream]\nurl = 'ftp://x'", 2, "upstream.url: url: give a URL such as"),
        ("[upstream]\ndialect = 'x'", 2, "upstream.dialect: expected one of 'openai', 'anthr"),
        ("[upstream.credential]\nfile = 'a'\nenv = 'b'", 1, "upstream.credential: give either"),
        ("[upstream]\ncredential = {}", 2, "upstream.credential: give either"),
        ("[upstream]\ncredential = {fil='a'}", 2, "upstream.credential.fil: there is no such"),
        ("[parameters]\nn = 0", 2, "parameters.n: parameters.n must be at least 1"),
        ("[parameters]\nunknown = 'keep'", 2, "parameters.unknown: expected one of 'drop'"),
        ("[access.tiers.a.key]\nrequests_per_minut = 1", 2, "did you mean `requests_per_minute`"),
        ("[access.tiers.a.key]\nrequests_per_day = -1", 2, "requests_per_day must be between"),
        ("[access.tiers.a]\norg = 1", 2, "access.tiers.a.org: expected a table"),
        ("[access]\ntiers = []", 2, "access.tiers: expected a table, got a list"),
        ("[[ladder]]\nat = 1\n[[ladder]]\nname = 'x'", 1, "ladder[1]: the key `name` is missing"),
        (
            "[[ladder]]\nname='a'\nat = 1\n[[ladder]]\nname='b'\nat='2'",
            6,
            "ladder[2].at: expected a number, got text",
        ),
        (
            "[[ladder]]\nname='a'\nat=1\ngive=[{mitigation='refuse', strength=2}]",
            4,
            "ladder[1].give[1].strength: strength must lie between 0 and 1",
        ),
        (
            "[[ladder]]\nname='a'\nat=1\ngive=[{mitigation='hemlock'}]",
            4,
            "ladder[1].give[1].mitigation: there is no such mitigation; known are",
        ),
        (
            "[[ladder]]\nname='a'\nat=1\ngive=[{mitigation='refuse'}]",
            1,
            "ladder[1]: rung 'a' ends service: set needs",
        ),
        ("[[ladder]]\nname='a'\nat=2\n[[ladder]]\nname='b'\nat=1", 4, "above the rung before"),
        ("[respond]\nmargin = -1", 2, "respond.margin: margin must not be negative"),
        ("[detect]\nhunt_every = -1", 2, "detect.hunt_every: hunt_every must not be"),
        ("[[gateway.open_routes]]\nmethod='get'\npath='/x'", 2, "method must be an HTTP method"),
        ("[[gateway.open_routes]]\nmethod='GET'\npath='x'", 3, "path must begin with a slash"),
        ("[[gateway.open_routes]]\nmethod='POST'\npath='/sleep'", 3, "cannot be opened"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}, line {line}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[upstream]\ncredential = 'sk-very-secret'",
        "[upstream]\ncredential = {value = 'sk-very-secret'}",
        "[upstream]\ncredential = ['sk-very-secret']",
        "[upstream]\ndialect = 'sk-very-secret'",
        "[upstream]\nurl = 'https://user:sk-very-secret@example.com'",
        "[gateway]\nport = 'sk-very-secret'",
        "[[ladder]]\nname = 'a'\nat = 1\nneeds = 'sk-very-secret'",
    ],
)
def test_values_are_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    assert "sk-very" not in str(caught.value)


def test_a_literal_secret_is_told_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'line 2.*\{ file = "PATH" \} or \{ env = "NAME" \}'):
        load(write(tmp_path, "[upstream]\ncredential = 'sk-very-secret'"))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"x = ]\ny = 1", "not valid TOML.*line 1"),
        (b"\xff\xfe", "UTF-8"),
        (b"a = 1\na = 2", "not valid TOML"),
        (b"#" * (1024 * 1024 + 1), "larger"),
        (b"a = " + b"[" * 5000, "not valid TOML"),
        (b"a = 1" + b"0" * 5000, "not valid TOML"),
    ],
)
def test_what_is_no_toml_is_said(tmp_path: Path, raw: bytes, words: str) -> None:
    path = tmp_path / "titer.toml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=words):
        load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "titer.toml")


def test_flags_win_and_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "[gateway]\nport = 1\nhost = '::1'")
    config = load(path, {"gateway.port": 2, "gateway.host": None, "upstream.url": "http://h"})
    assert (config.gateway.port, config.gateway.host) == (2, "::1")
    assert config.upstream.url == "http://h"
    with pytest.raises(ConfigError, match=r"^command line: upstream\.url: "):
        load(path, {"upstream.url": "nonsense"})
    with pytest.raises(ConfigError, match="line 1: upstream: expected a table"):
        load(write(tmp_path, "upstream = 1"), {"upstream.url": "http://h"})


def test_a_file_that_is_too_large_is_called_that_wherever_the_cut_falls(tmp_path) -> None:
    for shift in range(3):  # one of these cuts lies inside a character
        big = write(tmp_path, "#" + " " * shift + "\u20ac" * (MAX_BYTES // 3 + 1))
        with pytest.raises(ConfigError, match="larger than"):
            load(big)
        secret = tmp_path / "text.txt"
        secret.write_text(" " * shift + "\u20ac" * (MAX_TEXT // 3 + 1), encoding="utf-8")
        small = write(tmp_path, f"[protect]\ntexts = ['{secret}']\n")
        with pytest.raises(ConfigError, match="larger than"):
            options(load(small))
