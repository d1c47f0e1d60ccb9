"""Paths are relative to the file that they stand in: every one, of every table."""

from __future__ import annotations

import typing
from pathlib import Path

import msgspec
import pytest

from titer.config import load
from titer.config.paths import rooted
from titer.config.sections import Config

FILE = """
[upstream]
url = "https://models.example"
ca = "up.pem"
credential = { file = "up.key" }

[gateway]
certificate = "chain.pem"
private_key = "/etc/key.pem"

[evidence]
anchor = "anchor"
[[evidence.witnesses]]
key = "KEY"
url = "https://w.example"
ca = "w.pem"
[[evidence.timestamps]]
name = "tsa"
url = "https://tsa.example"
roots = "roots.pem"
login = { env = "LOGIN" }

[respond.step_up]
url = "https://verify.example"
secret = { file = "step.key" }

[protect]
formats = "formats.json"
secrets = "secrets.json"
texts = ["rules.txt", "more.txt"]
[protect.summary]
url = "https://sum.example"
model = "small"
credential = { file = "sum.key" }

[marks]
tokenizer = "tokenizer.json"

[share]
hosts = ["lab.example"]
ca = "share.pem"
[share.partners.lab]
url = "https://lab.example/api/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/"
token = { file = "lab.token" }
[[share.webhooks]]
name = "pager"
url = "https://lab.example/hook"
secret = { file = "pager.secret" }
[[share.streams]]
name = "siem"
to = "file:events.jsonl"
[[share.streams]]
name = "other"
to = "https://lab.example/events"
token = { file = "siem.token" }

[taxii]
certificate = "taxii.pem"
private_key = "taxii.key"
[taxii.readers.lab]
token = { file = "reader.token" }

[match]
certificate = "match.pem"
private_key = "match.key"
clients = "clients.pem"
[match.partners.lab]
token = { file = "match.token" }
addresses = "addresses.txt"

[sequencer]
listen = "10.0.0.1:8443"
certificate = "seq.pem"
private_key = "seq.key"
ca = "gateways.pem"
lease = { file = "lease" }
"""
#: What of it is absolute, or no path.
LEFT = {"/etc/key.pem", "https://lab.example/events"}


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from strings(one)


@pytest.fixture
def config(tmp_path):
    (tmp_path / "titer.toml").write_text(FILE)
    return load(tmp_path / "titer.toml")


def test_every_path_of_the_file_is_beside_it(config, tmp_path):
    """What looks like a file's name in the text is under the folder in the result."""
    got = [*strings(msgspec.to_builtins(config))]
    wrote = [*strings(msgspec.toml.decode(FILE.encode()))]
    names = [w for w in wrote if w.endswith((".pem", ".key", ".json", ".txt", ".jsonl", ".token",
                                             ".secret")) or w in {"anchor", "lease"}]  # fmt: skip
    assert len(names) == 31
    for name in names:
        if name in LEFT:
            assert name in got
        elif name.startswith("file:"):
            assert f"file:{tmp_path / name.removeprefix('file:')}" in got
        else:
            assert str(tmp_path / name) in got, name
    assert "https://lab.example/events" in got
    assert config.evidence.timestamps[0].login.env == "LOGIN"


def test_what_a_table_means_by_a_file_is_marked_as_one():
    """A field of which the docstring speaks of a PEM file is a `FilePath`."""
    base = Path("/base")
    for field in msgspec.structs.fields(Config):
        table = field.type
        if not (isinstance(table, type) and issubclass(table, msgspec.Struct)):
            continue
        for inner in msgspec.structs.fields(table):
            if inner.name in {"certificate", "private_key", "ca", "clients"}:
                marked = [a for a in typing.get_args(inner.type) if hasattr(a, "__metadata__")]
                assert marked, f"{table.__name__}.{inner.name}"
    assert rooted(Config(), base) == Config()
