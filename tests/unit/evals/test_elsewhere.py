"""The other maker's worlds: reproducible, labelled, and with the knobs that they say they have."""

from __future__ import annotations

import json
from collections import Counter

import pytest

pytest.importorskip("evals.elsewhere_world")

from evals.elsewhere_world import Maker, Prompts, make
from evals.hunt_elsewhere import together


class Few(Prompts):
    """A handful of prompts in place of the published ones."""

    def __init__(self):
        self.talk = [f"talk {n}" for n in range(40)]
        self.support = [f"help {n}" for n in range(40)]
        self.agents, self.roles = ["do it"], ["You are a poet."]
        self.jobs = [[f"sum up {n}" for n in range(30)]]
        self.tasks = [[f"task {n}" for n in range(30)]]
        self.work = {name: [f"{name} {n}" for n in range(50)]
                     for name in ("gpteacher", "gsm8k", "seeds")}  # fmt: skip
        self.templates = {
            name: [f"{name} template {n} for {{item}} please" for n in range(9)]
            for name in ("evol_instruct", "reasoning_distill", "judge_scoring", "self_instruct",
                         "embedding_data_gen", "roleplay_gen")
        }  # fmt: skip


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_same_seed_gives_the_same_world(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make(tmp_path / name, Few(), 3, days=1, scale=0.02)
    assert (tmp_path / "a/log.jsonl").read_bytes() == (tmp_path / "b/log.jsonl").read_bytes()
    assert (tmp_path / "a/labels.jsonl").read_bytes() == (tmp_path / "b/labels.jsonl").read_bytes()


def test_labels_tell_campaigns_of_the_sizes_that_were_drawn(tmp_path):
    drawn = make(tmp_path, Few(), 4, days=1, scale=0.02)
    labels = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    sizes = Counter(label["campaign"] for label in labels if label["campaign"])
    assert sizes == {campaign["name"]: campaign["size"] for campaign in drawn}
    assert {line["principal"] for line in lines(tmp_path)} <= {x["principal"] for x in labels}
    times = [line["at"] for line in lines(tmp_path)]
    assert times == sorted(times)


@pytest.mark.parametrize("again", [1, 3])
def test_each_question_is_asked_so_often(again):
    maker = Maker(5, Few(), 1.0, 1.0)
    ask = maker.worker("plain", 60, again, 0.0)
    who = maker.account(campaign="c")
    for _ in range(60):
        ask(who)
    asked = Counter(line["request"]["messages"][-1]["content"] for line in maker.lines)
    assert max(asked.values()) == again
    assert all("system" in line["request"]["messages"][0]["role"] for line in maker.lines)


def test_jitter_leaves_words_out():
    maker = Maker(5, Few(), 1.0, 1.0)
    ask = maker.worker("evol", 50, 1, 0.5)
    who = maker.account()
    for _ in range(50):
        ask(who)
    lengths = {len(line["request"]["messages"][0]["content"].split()) for line in maker.lines}
    assert len(lengths) > 2


def test_worlds_are_added_up():
    none = {"hits": 0, "n": 10}
    row = {"titer": {"precision": {"hits": 5, "n": 5}, "recall": {"hits": 5, "n": 8},
                     "honest_accused": none},
           "campaigns": [{"pipeline": "evol", "own": 0.5, "exits": "own", "again": 1,
                          "jitter": 0.0, "size": 8, "found": 5}]}  # fmt: skip
    both = together([row, row])
    assert both["recall"].startswith("62.5 % (10 of 16")
    assert both["pipeline"]["evol"] == both["recall"]
    assert both["honest_accused"].startswith("0 % (0 of 20")
