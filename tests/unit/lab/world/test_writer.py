from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import zstandard

from titer.lab.score import read_labels
from titer.lab.world.plan import FAULTS, Campaign, World
from titer.lab.world.presets import find
from titer.lab.world.writer import write


def plan(**more):
    fields = {
        "name": "t",
        "honest": 80,
        "days": 2.0,
        "campaigns": (Campaign(accounts=12), Campaign(accounts=1, name="lone")),
        **more,
    }
    return World(**fields)


def lines(*paths):
    return [line for path in paths for line in Path(path).read_bytes().splitlines()]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return folder, write(plan(history_days=1.0), folder)


def test_labels_name_everybody_and_only_evaluation_learns_of_campaigns(written):
    folder, result = written
    labels = read_labels(folder / "labels.jsonl")
    assert len(labels) == result.accounts == 80 + 1 + 13
    assert Counter(one.campaign for one in labels.values()) == {None: 81, "c1": 12, "lone": 1}
    log = lines(*result.logs)
    assert len(log) == result.exchanges
    assert {json.loads(line)["principal"] for line in log} <= set(labels)
    text = b"".join(log)
    assert b"campaign" not in text and b"cover:" not in text


def test_the_note_holds_the_plan_and_the_realised_mix(written):
    folder, result = written
    about = json.loads((folder / "about.json").read_bytes())
    assert about["plan"]["honest"] == 80 and about["plan"]["seed"] == 1
    assert about["mix"] == result.mix and 0.3 < result.mix["c1"] < 0.7
    assert about["exchanges"] == result.exchanges


def test_history_lies_before_the_log(written):
    folder, result = written
    before = [json.loads(line)["at"] for line in lines(result.history)]
    assert len(before) == result.history_exchanges > 0
    assert max(before) < "2026-05-01" <= min(json.loads(x)["at"] for x in lines(*result.logs))


def test_several_processes_write_the_same_bytes(written, tmp_path):
    folder, result = written
    apart = write(plan(history_days=1.0), tmp_path, jobs=2)
    assert len(apart.logs) == 2
    assert lines(*apart.logs) == lines(*result.logs)
    assert apart.mix == result.mix and apart.exchanges == result.exchanges
    assert (tmp_path / "labels.jsonl").read_bytes() == (folder / "labels.jsonl").read_bytes()


def test_compressed_is_the_same_and_older_files_go(written, tmp_path):
    folder, result = written
    (tmp_path / "log-07.jsonl").write_text("old")
    packed = write(plan(history_days=1.0), tmp_path, compress=True)
    data = Path(packed.logs[0]).read_bytes()
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    assert plain.splitlines() == lines(*result.logs)
    assert not (tmp_path / "log-07.jsonl").exists()


def test_replies_are_written_on_request(tmp_path):
    small = plan(days=0.3, campaigns=())
    result = write(small, tmp_path, replies=True)
    log = [json.loads(line) for line in lines(*result.logs)]
    assert all(line["reply"]["text"] for line in log)
    bare = write(small, tmp_path)
    assert all("text" not in json.loads(line)["reply"] for line in lines(*bare.logs))


def test_every_fault_shows_and_says_who_came_with_it(tmp_path):
    result = write(plan(faults=FAULTS, honest=150, whale=0.3), tmp_path)
    log = lines(*result.logs)
    read, broken = [], 0
    for line in log:
        try:
            found = json.loads(line)
            read.append(found if isinstance(found, dict) else {})
        except (ValueError, RecursionError):
            broken += 1
    assert broken > 0
    sound = [
        x
        for x in read
        if isinstance(x.get("at"), str) and isinstance(x.get("principal"), str) and "request" in x
    ]
    stamps = [x["at"] for x in sound]
    assert any(at.startswith("2019") for at in stamps), "a clock years behind"
    assert any("+0" in at or "-0" in at[19:] for at in stamps), "a zone"
    days = [at[:10] for at in stamps if at.startswith("2026")]
    assert days != sorted(days)
    assert max(Counter(log).values()) > 1, "duplicates"
    assert sum("origin" not in x for x in sound) > 0.05 * len(sound)
    labels = read_labels(tmp_path / "labels.jsonl")
    seen = Counter(str(x.get("principal")) for x in sound)
    once = [name for name in seen if name.startswith("once-")]
    assert len(once) > 0.02 * len(sound) and all(seen[name] == 1 for name in once)
    assert set(once) <= set(labels)
    agents = defaultdict(set)
    for x in sound:
        if "origin" in x and isinstance(x["origin"], dict):
            agents[x["principal"]].add(x["origin"].get("user_agent"))
    assert max(len(v) for name, v in agents.items() if name.startswith("flood")) > 5
    stuffed = [x for x in sound if x["principal"].startswith("stuff")]
    assert stuffed and len(stuffed[0]["request"]["messages"][0]["content"]) > 3000


def test_faults_are_the_same_for_the_same_seed(tmp_path):
    small = plan(faults=FAULTS, days=1.0)
    one = lines(*write(small, tmp_path / "a").logs)
    assert one == lines(*write(small, tmp_path / "b").logs)


def test_published_prompts_make_a_world_of_their_split(tmp_path):
    from titer.lab.prompts import find_data

    data = find_data()
    if data is None:
        pytest.skip("no published prompts near here")
    texts = {}
    for split in ("tune", "test"):
        small = plan(
            days=0.5, prompts=str(data), split=split, campaigns=(Campaign(mix=1.0, accounts=9),)
        )
        result = write(small, tmp_path / split)
        log = [json.loads(line) for line in lines(*result.logs)]
        hired = {
            n for n, x in read_labels(tmp_path / split / "labels.jsonl").items() if x.campaign
        }
        texts[split] = {
            str(x["request"].get("messages", x["request"].get("input")))[-120:]
            for x in log
            if x["principal"] in hired
        }
    assert texts["tune"] and texts["test"] and not texts["tune"] & texts["test"]
    assert find("hydra-50").plan.prompts == "built-in"


def test_the_banned_are_listed_with_others_who_were(tmp_path):
    campaign = Campaign(accounts=30, lifecycle="replaced")
    result = write(plan(campaigns=(campaign,), days=3.0, honest=400), tmp_path)
    banned = (tmp_path / "banned.txt").read_text().split()
    labels = read_labels(tmp_path / "labels.jsonl")
    hired = [name for name in banned if labels[name].campaign]
    assert len(hired) == 10 and len(banned) > 10
    last = {}
    for line in lines(*result.logs):
        found = json.loads(line)
        last[found["principal"]] = found["at"]
    assert max(last[name] for name in banned if name in last) < "2026-05-04"
