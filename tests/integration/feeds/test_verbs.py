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


def test_calibrate_then_feed_then_feed_again(world, tmp_path, settled, capsys):
    log, data = world / "log.jsonl.zst", tmp_path / "data"
    settled(data)
    status, out, _ = verb(
        capsys, "calibrate", log, "--labels", world / "labels.jsonl", "--data", data, "--json"
    )
    made = json.loads(out)
    assert status == 0
    assert made["excluded"] == 30
    assert made["smallest_alpha"] == 1 / (made["subjects"] + 1)
    assert made["combination"]["subjects"] == made["subjects"]
    assert made["combination"]["smallest_alpha"] == made["smallest_alpha"]
    assert set(made["combination"]["of"]) <= {d["detector"] for d in made["detectors"]}
    assert made["version"] == 1
    assert made["signed_by"] == (data / "log" / "log.pub").read_text().strip()
    assert (data / "calibration.json").exists()
    _, out, _ = verb(capsys, "calibrate", log, "--data", data)
    assert "version 2" in out
    assert "smallest alpha that it supports" in out
    assert "all together:" in out
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
    assert {type(account["fdr"]) for account in report["accounts"]} == {bool}


def test_a_calibration_of_unknown_hands_is_refused_unless_trusted(world, tmp_path, capsys):
    log, data = world / "log.jsonl.zst", tmp_path / "data"
    verb(capsys, "calibrate", log, "--labels", world / "labels.jsonl", "--data", data)
    file, key = data / "calibration.json", (data / "log" / "log.pub").read_text().strip()
    status, _, err = verb(capsys, "hunt", log, "--calibration", file, "--seed", 1)
    assert status == 2
    assert "not trusted" in err
    assert key in err
    status, _, err = verb(capsys, "hunt", log, "--calibration", file, "--trust", "me")
    assert status == 2
    assert "--trust" in err
    text = file.read_text()
    file.write_text(text.replace('"seed": 0', '"seed": 1'))
    status, _, err = verb(capsys, "hunt", log, "--calibration", file, "--trust", key)
    assert status == 2
    assert "changed" in err
    status, _, err = verb(capsys, "feed", log, "--data", data)
    assert status == 2
    assert "calibration.json" in err
    file.write_text(text)
    status, _, err = verb(
        capsys, "hunt", log, "--calibration", file, "--trust", key, "--seed", 1, "--json"
    )
    assert status in {0, 1}, err


def test_what_cannot_be_read_is_refused(tmp_path, capsys):
    bad = tmp_path / "x.jsonl"
    bad.write_text('{"colour": 1}\n')
    for words in (("hunt", bad), ("feed", bad, "--data", tmp_path / "d"),
                  ("hunt", tmp_path / "none"),
                  ("calibrate", bad, "--data", tmp_path / "d")):  # fmt: skip
        status, _, err = verb(capsys, *words)
        assert status == 2
        assert "titer:" in err
