from __future__ import annotations

import json

import pytest

from titer.cli import main


def call(capsys, *words):
    status = main(["lab", *map(str, words)])
    return status, capsys.readouterr().out


SMALL = ("--honest", 400, "--accounts", 60, "--days", 1, "--whale", 0.1)


def test_a_careless_campaign_is_easy_and_a_careful_one_is_hard(tmp_path, capsys):
    status, _ = call(capsys, "world", "hydra-open", "--out", tmp_path / "e", *SMALL)
    assert status == 0
    status, text = call(capsys, "check", tmp_path / "e", "--against", tmp_path / "e")
    assert status == 1 and "easy: solved by" in text and "fraudar" in text
    knobs = ("--mix", 0.1, "--paraphrase", "half", "--origin", "unique")
    call(capsys, "world", "hydra-10-paraphrased", "--out", tmp_path / "h", *SMALL, *knobs)
    status, text = call(capsys, "check", tmp_path / "h", "--json")
    result = json.loads(text)
    assert status == 0, result["solved"]
    assert 58 <= result["attackers"] <= 62 and result["solved"] == []
    assert {row["name"] for row in result["rows"]} >= {"volume", "fraudar", "metadata"}
    assert all(0 <= row["precision"]["low"] <= row["precision"]["high"] <= 1
               for row in result["rows"])  # fmt: skip


def test_a_world_without_campaigns_accuses_nobody_rightly(tmp_path, capsys):
    call(capsys, "world", "honest", "--out", tmp_path, "--honest", 60, "--days", 0.5)
    status, text = call(capsys, "check", tmp_path)
    assert status == 0 and "0 of campaigns" in text and "metadata" not in text


def test_lists_and_refusals(tmp_path, capsys):
    status, text = call(capsys, "world", "--list")
    assert status == 0 and "hydra-50" in text
    status, text = call(capsys, "world", "--list", "--json")
    assert json.loads(text)["small-50"]["plan"]["days"] == 2.0
    for words in (
        ("world", "hydra-50"),
        ("world", "nowhere", "--out", tmp_path),
        ("world", "honest", "--out", tmp_path, "--campaign", "accounts"),
        ("world", "honest", "--out", tmp_path, "--campaign", "acounts=3"),
        ("world", "honest", "--out", tmp_path, "--campaign", "timing=never"),
        ("world", "honest", "--out", tmp_path, "--faults", "rain"),
        ("world", "honest", "--out", tmp_path, "--honest", "1"),
        ("world", "honest", "--out", tmp_path, "--prompts", tmp_path),
        ("check", tmp_path / "none"),
    ):
        assert call(capsys, *words)[0] not in (0, 1), words


@pytest.mark.parametrize("words", [["accounts=4,mix=0.2,timing=burst,knows=true"]])
def test_campaigns_on_the_command_line(tmp_path, capsys, words):
    options = [part for word in words for part in ("--campaign", word)]
    call(capsys, "world", "honest", "--out", tmp_path, "--honest", 40, "--days", 0.5, *options)
    plan = json.loads((tmp_path / "about.json").read_bytes())["plan"]
    assert len(plan["campaigns"]) == 1
    assert plan["campaigns"][0]["mix"] == 0.2 and plan["campaigns"][0]["knows"] is True
