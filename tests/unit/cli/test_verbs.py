"""No verb ends in a traceback, and nothing that callers wrote steers the operator's terminal."""

from __future__ import annotations

import json
import os

import msgspec
import pytest

from titer.cli import main
from titer.core.nouns import Exchange, Principal
from titer.gateway.assembly import open_log

#: Clears the screen, in the two ways of saying so; then a line of our own making.
HOSTILE = "m\x1b[2J\x9b2J\nREFUSED \u202eevil"


@pytest.fixture(autouse=True)
def _umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def place(tmp_path):
    """Files that are not what a verb wants, by kind."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "bytes").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "nested").write_text("[" * 100_000)
    (tmp_path / "zeros").write_bytes(bytes(1 << 20))
    (tmp_path / "\x1b[31m").write_text("{}\n")
    return tmp_path


KINDS = ("dir", "text", "bytes", "nested", "zeros", "\x1b[31m", "nothing", "/dev/zero")


def refused(words, capsys):
    """The one line on standard error of a verb that refuses."""
    try:
        code = main(list(words))
    except SystemExit as end:  # argparse
        code = end.code
    out, err = capsys.readouterr()
    assert code == 2, (words, out, err)
    assert "Traceback" not in err
    assert "internal error" not in err
    assert not set(err) & set("\x1b\x9b\x07")
    (line,) = err.splitlines()
    return line


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "words",
    [
        ("verify", "{}"),
        ("feed", "{}", "--data", "{d}"),
        ("calibrate", "{}", "--data", "{d}"),
        ("serve", "--config", "{}", "--data", "{d}", "--upstream", "nope"),
        ("lab", "score", "{}", "{}"),
    ],
    ids=lambda words: words[0],
)
def test_a_wrong_file_is_refused_in_one_line(words, kind, place, capsys):
    path = str(place / kind)
    filled = [w.replace("{}", path).replace("{d}", str(place / "data")) for w in words]
    assert refused(filled, capsys).startswith("titer: ")


@pytest.mark.parametrize("kind", ["text", "nothing", "dir", "/dev/null"])
@pytest.mark.parametrize(
    "verb", ["standings", "explain x", "prove x -o {o}", "replay", "keys list"]
)
def test_a_wrong_data_directory_is_refused_in_one_line(verb, kind, place, capsys):
    words = verb.replace("{o}", str(place / "out")).split()
    if verb == "keys list" and kind == "dir":
        assert main([*words, "--data", str(place / kind)]) == 0  # a book without keys
        return
    assert refused([*words, "--data", str(place / kind)], capsys).startswith("titer: ")
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("demo", "--seconds", "nan"),
        ("demo", "--seconds", "-1"),
        ("lab", "write", "honest", "--out", "{}/x", "--days", "inf"),
        ("lab", "write", "nosuch", "--out", "{}/x"),
        ("keys", "create", "--data", "{}/d", "--org", "\x1b[31m"),
        ("keys", "create", "--data", "{}/d", "--org", "x", "--days", "nan"),
        ("keys", "create", "--data", "{}/d", "--org", "x", "--requests-per-day", "9" * 30),
        ("keys", "rotate", "\x1b[31m", "--data", "{}"),
        ("serve", "--upstream", "http://x:99999", "--data", "{}/d"),
        ("serve", "--upstream", "http://[::1", "--data", "{}/d"),
        ("serve", "--upstream", "http://x", "--data", "{}/d", "--workers", "0"),
    ],
    ids=lambda words: " ".join(words)[:40].encode("unicode_escape").decode(),
)
def test_wrong_values_are_refused_in_one_line(words, tmp_path, capsys):
    refused([w.replace("{}", str(tmp_path)) for w in words], capsys)


@pytest.fixture
def data(tmp_path):
    """A data directory whose log holds an exchange with a model name of a hostile caller."""
    caller = Principal("0123456789abcdef0123")
    fact = Exchange("e1", 1_700_000_000_000_000, caller, "openai.chat", HOSTILE)
    with open_log(tmp_path) as log:
        log.append([("exchange", msgspec.json.encode(fact))])
    return tmp_path


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_what_callers_wrote_cannot_steer_the_terminal(flags, data, capsys):
    subject = json.loads(next(iter(_bodies(data))))["principal"]["id"]
    assert main(["explain", subject, "--data", str(data), *flags]) == 0
    file = str(data / "x.dossier")
    assert main(["prove", subject, "--data", str(data), "-o", file, *flags]) == 0
    assert main(["verify", file, *flags]) == 0
    out = capsys.readouterr().out
    assert "\\u001b[2J" in out
    assert not set(out) & set("\x1b\x9b\u202e")
    assert not any(line.startswith("REFUSED") for line in out.splitlines())


def _bodies(data):
    from titer.evidence.log import View

    return [s.body for s in View.open(data / "log").scan()]


@pytest.mark.parametrize("subject", ["", "\x1b[31m", "a\nb", "\udcff", "../../etc", "x" * 100_000])
def test_a_hostile_subject_is_refused(subject, data, capsys):
    line = refused(["explain", subject, "--data", str(data)], capsys)
    assert len(line) < 500 or subject in line


def test_a_fault_of_ours_is_told_in_one_line(monkeypatch, capsys):
    def fail(_):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr("titer.cli.verify.run", fail)
    monkeypatch.delenv("TITER_DEBUG", raising=False)
    assert main(["verify", "x"]) == 2
    assert capsys.readouterr().err == (
        "titer: internal error: ZeroDivisionError; set TITER_DEBUG=1 to see where\n"
    )


def test_what_serve_feed_and_calibrate_make_is_private(tmp_path):
    from titer.cli.common import keep_private

    keep_private()
    (tmp_path / "file").write_text("")
    assert (tmp_path / "file").stat().st_mode & 0o077 == 0


def test_a_file_that_is_nested_without_end_gets_one_line(capsys, tmp_path):
    deep = tmp_path / "deep"
    deep.write_bytes(b'{"a":' * 100_000)
    assert main(["match", "finish", str(deep), "--state", str(deep), "--data", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "nested too deeply" in err
    assert err.count("\n") == 1


def test_a_word_that_is_not_utf_8_gets_one_line(capsys, tmp_path):
    assert main(["keys", "revoke", "\udcff", "--data", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "give it as UTF-8" in err
    assert err.count("\n") == 1
