"""The verbs `keys` and `check` as people and scripts use them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from titer.access import KeyBook, token
from titer.cli import main

NOW = 1_800_000_000_000_000


class Shell:
    """Runs a verb in this process and keeps what it said."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data, self._capsys, self.error = data, capsys, ""

    def __call__(self, *words: str, status: int = 0) -> str:
        assert main([*words, "--data", str(self.data)]) == status
        out, self.error = self._capsys.readouterr()
        return out

    def json(self, *words: str, status: int = 0) -> dict:
        out = self(*words, "--json", status=status)
        assert out.count("\n") == 1
        return json.loads(out)


@pytest.fixture
def titer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path / "data", capsys)


def test_create_prints_the_key_once(titer: Shell) -> None:
    made = titer.json("keys", "create", "--org", "acme")
    assert token.well_formed(made["key"])
    assert made["key"][6:16] == made["id"]
    with KeyBook(titer.data) as book:
        assert book.admit(made["key"], NOW).principal.id == made["principal"]
    listed = titer("keys", "list") + titer("keys", "list", "--json")
    assert made["id"] in listed
    assert made["key"][17:] not in listed


def test_create_for_people(titer: Shell) -> None:
    out = titer(
        "keys", "create", "--org", "acme", "--tier", "gold", "--grant", "a", "--grant", "b",
        "--days", "30", "--requests-per-minute", "5",
    )  # fmt: skip
    assert token.well_formed(out.strip())  # the key alone, to be piped
    assert "shown this once" in titer.error
    assert out.strip() not in titer.error
    (key,) = titer.json("keys", "list")["keys"]
    assert (key["tier"], key["grants"]) == ("gold", ["a", "b"])
    assert key["limits"]["requests_per_minute"] == 5
    assert 29 * 86_400 * 10**6 < key["expires"] - key["created"] <= 30 * 86_400 * 10**6 + 10**6


def test_a_grant_that_opens_nothing_is_said(titer: Shell) -> None:
    titer("keys", "create", "--org", "acme", "--grant", "logprob", "--grant", "distillation")
    assert "the grant logprob opens nothing of titer's own; did you mean logprobs?" in titer.error
    assert titer.error.count("note:") == 1
    titer.json("keys", "create", "--org", "acme", "--grant", "guided")
    assert "note:" not in titer.error


def test_revoke_and_rotate(titer: Shell) -> None:
    first = titer.json("keys", "create", "--org", "acme")
    second = titer.json("keys", "rotate", first["id"])
    assert (second["account"], second["principal"]) == (first["id"], first["principal"])
    assert titer.json("keys", "revoke", second["id"])["revoked"] > 0
    table = titer("keys", "list")
    assert len(re.findall("revoked", table)) == 2
    titer("keys", "rotate", second["id"], status=2)
    assert "create a new one" in titer.error


def test_limits_of_an_organisation(titer: Shell) -> None:
    key = titer.json("keys", "create", "--org", "acme")["key"]
    titer("keys", "limit", "--org", "acme", "--tokens-out-per-day", "1000")
    with KeyBook(titer.data) as book:
        assert book.admit(key, NOW).org_limits.tokens_out_per_day == 1000
    titer("keys", "limit", "--org", "acme", "--reset")
    with KeyBook(titer.data) as book:
        assert book.admit(key, NOW).budgets == ()
    titer("keys", "limit", "--org", "acme", status=2)


@pytest.mark.parametrize(
    "words",
    [
        ("create", "--org", "a\nb"),
        ("create", "--org", "a", "--days", "-1"),
        ("create", "--org", "a", "--days", "nan"),
        ("create", "--org", "a", "--requests-per-day", "-1"),
        ("revoke", "nobody"),
        ("rotate", "nobody"),
        ("list",),
    ],
)
def test_what_cannot_be_is_refused(titer: Shell, words: tuple[str, ...]) -> None:
    assert titer("keys", *words, status=2) == ""
    assert titer.error.startswith("titer: ")


def test_a_key_in_place_of_an_id_is_not_repeated(titer: Shell) -> None:
    key = titer.json("keys", "create", "--org", "acme")["key"]
    titer("keys", "revoke", key, status=2)
    assert key[17:] not in titer.error


def test_check_of_a_sound_directory(titer: Shell) -> None:
    titer("keys", "create", "--org", "acme")
    (titer.data / "titer.toml").write_text("[upstream]\nurl = 'http://127.0.0.1:1'\n")
    found = titer.json("check")
    assert found["ok"]
    assert {remark["level"] for remark in found["remarks"]} <= {"note"}
    assert "Nothing is wrong." in titer("check")


def test_check_of_a_directory_that_is_not_there(titer: Shell) -> None:
    titer("check", status=2)
    assert not titer.data.exists()


def problems(titer: Shell) -> str:
    found = titer.json("check", status=1)
    assert not found["ok"]
    return "\n".join(r["text"] for r in found["remarks"] if r["level"] == "problem")


def test_check_finds_mistakes_in_the_file(titer: Shell) -> None:
    titer("keys", "create", "--org", "acme")
    path = titer.data / "titer.toml"
    path.write_text("[gateway]\nprot = 1\n")
    assert "did you mean `port`" in problems(titer)
    path.write_text("[upstream]\nurl = 'http://h'\ncredential = { env = 'TITER_TEST_UNSET' }\n")
    assert "TITER_TEST_UNSET is not set" in problems(titer)
    path.write_text("[gateway]\ncertificate = 'c'\nprivate_key = 'k'\n")
    assert "certificate or key" in problems(titer)
    rung = "[[ladder]]\nname = 'strip'\nat = 5\ngive = [{ mitigation = 'logprobs' }]\n"
    path.write_text(f"{rung}uses = ['logits']\n")
    assert "expected one of 'logprobs', 'logit_bias', 'embeddings'" in problems(titer)
    path.write_text(rung)
    assert "rung strip doses everybody with its bits" in titer("check")
    path.write_text(f"{rung}uses = ['logprobs']\n")
    assert "rung strip" not in titer("check")
    path.unlink()
    titer("check", "--config", str(path), status=2)


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("secret", lambda p: p.chmod(0o644), "chmod 600"),
        ("secret", lambda p: p.unlink(), "`secret` is missing"),
        ("secret", lambda p: p.write_text("ab" * 32), "another secret"),
        ("access.db", lambda p: p.write_bytes(b"x" * 9999), "restore it from a backup"),
        ("calibration.json", lambda p: p.write_text("{"), "calibration"),
        (".", lambda p: p.chmod(0o755), "chmod 700"),
    ],
)
def test_check_finds_damage(titer: Shell, name: str, damage: object, words: str) -> None:
    titer("keys", "create", "--org", "acme")
    damage(titer.data / name)
    assert words in problems(titer)
