"""Every action of the command line, found by asking it, on data directories that are none."""

from __future__ import annotations

import argparse
import os
import random

import pytest

from titer.cli import build, main

#: What required options are given; anything else gets the name of a file with a line of text.
VALUES = {"--org": "acme", "--by": "jo", "--reason": "why", "--title": "t", "--width": "2"}
#: They listen until they are stopped, when they find nothing wrong.
SERVERS = {"serve", "taxii serve", "match serve", "witness serve"}
#: What is in a data directory, by the reference page.
FILES = (
    "secret", "access.db", "calibration.json", "secrets.json", "log/log.pub", "log/log.key",
    "log/checkpoint", "log/keys/subjects", "state/standings.json", "state/level.json",
    "marks/keys.json", "networks/x.networks", "share/lab.partner", "share/taxii.db", "titer.toml",
)  # fmt: skip


def actions(parser, path=()):
    subs = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not subs:
        yield " ".join(path), parser
    for sub in subs:
        for name, one in sub.choices.items():
            yield from actions(one, (*path, name))


ALL = {
    name: parser
    for name, parser in actions(build())
    if any("--data" in a.option_strings for a in parser._actions)
}


def words(name, text, data):
    """The action with a data directory, and something for all else that it needs."""
    filled = name.split()
    places = []
    for action in ALL[name]._actions:
        if not action.option_strings and action.nargs != 0:
            places.append("1" if action.type is int else text)
        elif action.required and action.dest != "data":
            flag = action.option_strings[0]
            other = next(iter(action.choices)) if action.choices else text
            filled += [flag, VALUES.get(flag, "1" if action.type is int else other)]
    return [*filled, "--data", str(data), "--json", *(["--", *places] if places else [])]


@pytest.fixture(autouse=True)
def _as_before(tmp_path, monkeypatch):
    before = os.umask(0o022)
    monkeypatch.chdir(tmp_path)
    yield
    os.umask(before)


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text").write_text("hello\n")
    return str(tmp_path / "text")


@pytest.mark.parametrize("name", ALL)
def test_a_file_is_no_data_directory(name, text, capsys):
    assert main(words(name, text, text)) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines() == [
        f"titer: {text} is a file; --data takes the directory that serve or feed use"
    ]


@pytest.mark.parametrize("name", sorted(set(ALL) - SERVERS))
@pytest.mark.parametrize(
    "junk", [random.Random(1).randbytes(300), b'{"a":[1]}\n'], ids=["bytes", "json"]
)
def test_a_directory_of_junk_is_no_fault_of_ours(name, junk, text, tmp_path, capsys):
    for file in FILES:
        path = tmp_path / "data" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(junk)
        path.chmod(0o600)
    assert main(words(name, text, tmp_path / "data")) in (0, 1, 2)
    err = capsys.readouterr().err
    assert "internal error" not in err and "Traceback" not in err
