"""The verbs feed, calibrate and hunt as a person runs them, on a log of the lab."""

import json

import pytest

from titer.cli import main
from titer.lab.scenario import make
from titer.lab.writers import write


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    out = tmp_path_factory.mktemp("world")
    write(make("hydra", seed=5, accounts=120, days=1.5), out, compress=True, replies=False)
    return out


def verb(capsys, *words):
    status = main([str(w) for w in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_hunt_works_on_a_log_alone(world, capsys):
    status, out, _ = verb(capsys, "hunt", world / "log.jsonl.zst", "--seed", 1, "--json")
    report = json.loads(out)
    labels = {}
    for line in (world / "labels.jsonl").read_text().splitlines():
        label = json.loads(line)
        labels[label["principal"]] = label["campaign"]
    assert status == 1
    assert set(report) >= {"campaigns", "accounts", "read", "calibration"}
    assert report["read"]["skipped"] == 0
    assert report["read"]["principals"] == len(report["accounts"])
    campaign = report["campaigns"][0]
    assert set(campaign) >= {
        "id", "bits", "members", "technique", "modalities", "first_seen", "last_seen",
        "exchanges", "tokens_out", "review",
    }  # fmt: skip
    assert not set(campaign["modalities"]["formed"]) & set(campaign["modalities"]["tested"])
    heads = {name for name, found in labels.items() if found}
    assert len(set(campaign["members"]) & heads) >= 27
    assert set(campaign["members"]) <= heads
    assert any("--seed 1" in note for note in report["notes"])


def test_a_hunt_is_repeated_by_its_seed(world, capsys):
    again = [
        verb(capsys, "hunt", world / "log.jsonl.zst", "--seed", 1, "--json") for _ in range(2)
    ]
    assert again[0] == again[1]


def test_calibrate_then_feed_then_feed_again(world, tmp_path, capsys):
    log, data = world / "log.jsonl.zst", tmp_path / "data"
    status, out, _ = verb(
        capsys, "calibrate", log, "--labels", world / "labels.jsonl", "--data", data, "--json"
    )
    made = json.loads(out)
    assert status == 0
    assert made["excluded"] == 30
    assert made["smallest_alpha"] == 1 / (made["subjects"] + 1)
    assert (data / "calibration.json").exists()
    status, out, _ = verb(capsys, "feed", log, "--data", data, "--json")
    fed = json.loads(out)
    assert fed["exchanges"] > 1_000
    assert fed["bad"] == 0
    assert status == (1 if fed["with_bits"] or fed["decisions"] else 0)
    status, out, _ = verb(capsys, "feed", log, "--data", data, "--json")
    assert json.loads(out)["exchanges"] == 0
    assert status == 0


def test_a_hunt_with_a_calibration_weighs_single_accounts(world, tmp_path, capsys):
    log, data = world / "log.jsonl.zst", tmp_path / "data"
    verb(capsys, "calibrate", log, "--labels", world / "labels.jsonl", "--data", data)
    _, out, _ = verb(capsys, "hunt", log, "--calibration", data / "calibration.json",
                     "--data", data, "--seed", 1, "--json")  # fmt: skip
    report = json.loads(out)
    assert report["calibration"]["id"].startswith("cal-")
    assert all(account["bits"] >= 0 for account in report["accounts"])


def test_what_cannot_be_read_is_refused(tmp_path, capsys):
    bad = tmp_path / "x.jsonl"
    bad.write_text('{"colour": 1}\n')
    for words in (("hunt", bad), ("feed", bad, "--data", tmp_path / "d"),
                  ("hunt", tmp_path / "none"),
                  ("calibrate", bad, "--data", tmp_path / "d")):  # fmt: skip
        status, _, err = verb(capsys, *words)
        assert status == 2
        assert "titer:" in err
