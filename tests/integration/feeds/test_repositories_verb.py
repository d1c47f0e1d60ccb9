"""From an audit log to who takes what is not its own, by the verbs alone."""

from __future__ import annotations

import json
import random

import pytest

from titer.cli import main

START = 1_767_225_600_000
DAY = 86_400_000


def lines(days=60, people=60, thief=55):
    """A team's daily fetches, and one who clones everything on a late day."""
    rng = random.Random(4)
    for day in range(days):
        for person in range(people):
            for n in range(2):
                yield {
                    "@timestamp": START + day * DAY + person * 1_000 + n, "action": "git.fetch",
                    "actor": f"dev{person}", "actor_ip": "203.0.113.4",
                    "repo": f"acme/r{person % 6}-{rng.randrange(4)}",
                }  # fmt: skip
    for n in range(24):
        yield {
            "@timestamp": START + thief * DAY + 80_000_000 + n, "action": "git.clone",
            "actor": "dev5", "repo": f"acme/r{n % 6}-{n // 6}",
        }  # fmt: skip


@pytest.fixture
def data(tmp_path):
    log = tmp_path / "audit.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines()))
    assert main(["feed", str(log), "--data", str(tmp_path / "data")]) == 0
    return tmp_path / "data"


def test_the_one_who_takes_everything_is_listed(data, tmp_path, capsys):
    capsys.readouterr()
    assert main(["repositories", "--data", str(data), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["events"], told["actors"], told["days"]) == (60 * 2 * 60 + 24, 60, 60)
    (alarm,) = told["alarms"]
    assert (alarm["days"], alarm["name"]) == (1, "")
    names = tmp_path / "names"
    names.write_text("github:dev4\ngithub:dev5\n")
    assert main(["repositories", "--data", str(data), "--names", str(names)]) == 1
    out = capsys.readouterr().out
    assert "github:dev5" in out
    assert "new to it that day" in out
    assert main(["repositories", "--data", str(data), "--since", "2026-02-20"]) == 0
    assert "support p-values down to 1;" in capsys.readouterr().out


def test_what_cannot_be_asked_is_said(tmp_path, capsys):
    assert main(["repositories", "--data", str(tmp_path), "--level", "0"]) == 2
    assert "above 0" in capsys.readouterr().err
    assert main(["repositories", "--data", str(tmp_path / "none")]) == 2
    capsys.readouterr()
