"""`titer level` with and without a service that keeps it."""

import json
import time

import msgspec

from titer.cli import main
from titer.core.nouns import Campaign
from titer.gateway.assembly import feed_sink, open_log
from titer.respond.ladder import default_ladder
from titer.respond.level import State


def said(capsys, *words):
    status = main(["level", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_without_a_service_it_is_worked_out(tmp_path, capsys):
    data = tmp_path / "data"
    with feed_sink(data, default_ladder()):
        pass
    assert said(capsys, "--data", str(data)) == (0, {
        "level": "green", "number": 0, "because": "", "since": 0, "kept": False,
    })  # fmt: skip
    now = time.time_ns() // 1000
    campaign = Campaign("c", ("a",), ("text",), ("origin",), 12.0, "x", now, now, tokens_out=5)
    with open_log(data) as log:
        log.append([("campaign", msgspec.json.encode(campaign))])
    status, told = said(capsys, "--data", str(data))
    assert (status, told["level"], told["kept"]) == (1, "amber", False)
    assert "12.0 bits" in told["because"]
    assert said(capsys, "--data", str(data), "--at-least", "red")[0] == 0
    (data / "titer.toml").write_text("[level]\nred_bits = 10\nred_tokens = 1\n")
    assert said(capsys, "--data", str(data), "--at-least", "red")[0] == 1


def test_a_running_service_has_the_last_word(tmp_path, capsys):
    data = tmp_path / "data"
    (data / "state").mkdir(parents=True)
    state = State("red", 5, "much", 0, 5)
    (data / "state" / "level.json").write_bytes(msgspec.json.encode(state))
    status, told = said(capsys, "--data", str(data))
    assert (status, told["level"], told["kept"]) == (1, "red", True)
    assert main(["level", "--data", str(data)]) == 1
    assert capsys.readouterr().out == "red: much\n"


def test_nothing_was_weighed(tmp_path, capsys):
    assert main(["level", "--data", str(tmp_path)]) == 2
    assert "titer serve" in capsys.readouterr().err
