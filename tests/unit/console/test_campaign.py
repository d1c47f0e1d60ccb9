"""What explain tells of a campaign."""

from __future__ import annotations

import json

import msgspec
import pytest

from titer.access import KeyBook
from titer.cli import main
from titer.core.nouns import Campaign, Considered
from titer.gateway.assembly import open_log

ID = "c-0123456789abcdef"


@pytest.fixture
def data(tmp_path):
    with KeyBook(tmp_path) as book:
        record, _ = book.create(org="acme")
    campaign = Campaign(
        ID, (record.subject, *(f"{n:020x}" for n in range(14))), ("text", "network"), ("payment",),
        7.0, "AML.T0024.002", 1_777_593_626_909_000, 1_777_852_684_178_000, exchanges=200,
        tokens_out=9000, note="15 units share 3 tokens", null="999 groups drawn at random",
        doubtful=(f"{3:020x}",), uncertain=(f"{99:020x}",),
        considered=(
            Considered("chance", "ruled out", "e-value", 128.0, 100.0),
            Considered("a team", "not tested"),
        ),
    )  # fmt: skip
    older = msgspec.structs.replace(campaign, tokens_out=1)
    with open_log(tmp_path) as log:
        log.append([("campaign", msgspec.json.encode(c)) for c in (older, campaign)])
    return tmp_path


def test_a_campaign_is_explained_as_it_was_last_told(data, capsys):
    assert main(["explain", ID, "--data", str(data)]) == 1
    text = capsys.readouterr().out
    for part in (
        "15 callers act as one, from 2026-05-01 to 2026-05-03", "given 9000 tokens",
        "7.0 bits", "at most 0.0078 (beside 999 groups drawn at random)",
        "Formed by text, network; tested on payment",
        "chance: ruled out (e-value: 128, limit 100)",
        "a team: not tested.", "Members: acme (", "and 5 more", "Least certain, worst first: 0",
        "not accused", f"titer prove {ID}",
    ):  # fmt: skip
        assert part in text, part
    assert "for people to look at" not in text


def test_the_same_as_json(data, capsys):
    assert main(["explain", ID, "--data", str(data), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert len(found["campaign"]["members"]) == 15
    assert list(found["names"].values()) == ["acme"]


def test_a_campaign_that_the_log_does_not_have(data, capsys):
    assert main(["explain", ID[:-1] + "0", "--data", str(data)]) == 2
    assert "share list" in capsys.readouterr().err
