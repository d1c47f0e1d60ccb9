from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import zstandard

from titer.cli import lab as verb
from titer.lab import writers
from titer.lab.scenario import make


@pytest.fixture(scope="module")
def world():
    return make("mixed", seed=9, accounts=30, days=0.2)


def test_the_log_has_the_fields_of_the_format(world, tmp_path):
    written = writers.write(world, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(lines) == written.exchanges > 50
    first = lines[0]
    assert first["at"].startswith("2026-05-01T") and first["at"].endswith("Z")
    assert set(first) == {
        "at", "principal", "org", "tier", "created", "origin", "endpoint", "request", "reply",
        "usage", "status",
    }  # fmt: skip
    assert set(first["origin"]) == {"ip", "asn", "ja4", "user_agent", "headers", "payment"}
    assert set(first["usage"]) == {"in", "out"}
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)


def test_labels_name_every_account_once_and_say_nothing_else(world, tmp_path):
    writers.write(world, tmp_path, replies=False)
    labels = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert len({label["principal"] for label in labels}) == len(labels) == len(world.members)
    assert {tuple(label) for label in labels} == {("principal", "campaign", "team")}
    assert {label["campaign"] for label in labels} == {None, "c-distil", "c-logits", "c-hydra"}


def test_a_compressed_log_has_the_same_bytes(world, tmp_path):
    plain = writers.write(world, tmp_path / "a")
    packed = writers.write(world, tmp_path / "b", compress=True)
    with Path(packed.log).open("rb") as raw:
        unpacked = zstandard.ZstdDecompressor().stream_reader(raw).read()
    assert Path(plain.log).read_bytes() == unpacked


def test_without_replies_only_the_end_is_told(world):
    event = next(world.events())
    assert set(writers.line(event, replies=False)["reply"]) == {"finish"}
    said = writers.line(event, replies=True)["reply"]["text"]
    assert abs(len(said) - 4 * event.tokens_out) <= 8 or event.tokens_out < 3


def run(capsys, *words):
    import argparse

    parser = argparse.ArgumentParser()
    verb.register(parser.add_subparsers())
    status = verb.run(parser.parse_args(["lab", *words]))
    return status, capsys.readouterr().out


def test_the_verb_lists_writes_and_scores(capsys, tmp_path):
    status, out = run(capsys, "list", "--json")
    assert status == 0 and "mixed" in json.loads(out)
    status, out = run(
        capsys, "write", "hydra", "--out", str(tmp_path), "--accounts", "10", "--days", "0.1",
        "--no-replies", "--json",
    )  # fmt: skip
    assert status == 0
    written = json.loads(out)
    report = tmp_path / "hunt.json"
    members = [f"x{n:04d}" for n in range(30)] + ["h00000"]
    report.write_bytes(
        msgspec.json.encode({"campaigns": [{"id": "c", "members": members, "review": False}]})
    )
    status, out = run(capsys, "score", written["labels"], str(report), "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["recall"]["hits"], found["recall"]["n"]) == (30, 30)
    assert (found["precision"]["hits"], found["precision"]["n"]) == (30, 31)
    assert (found["honest_accused"]["hits"], found["honest_accused"]["n"]) == (1, 10)
    status, out = run(capsys, "score", written["labels"], str(report))
    assert "c-hydra" in out and "95 % interval" in out
