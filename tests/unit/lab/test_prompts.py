from __future__ import annotations

import random
import re

import pytest

from titer.core.errors import InputError
from titer.lab.generators import extraction, tongues
from titer.lab.generators.grammar import Hand, expand, fill
from titer.lab.prompts import BuiltIn, find_data
from titer.lab.published import Published, arrival_windows


def test_a_grammar_draws_words_and_numbers():
    rules = {"ask": ["How do I {verb} {n:3-5} {thing}s?"], "verb": ["fix"], "thing": ["bike"]}
    texts = {expand(random.Random(seed), rules, "ask") for seed in range(40)}
    assert texts == {f"How do I fix {n} bikes?" for n in (3, 4, 5)}


def test_a_grammar_that_loops_is_refused():
    with pytest.raises(ValueError, match="loops"):
        expand(random.Random(1), {"a": ["{b}"], "b": ["{a}"]}, "a")
    with pytest.raises(KeyError):
        fill(random.Random(1), {}, "{nothing}")


def test_people_differ_from_each_other_and_rarely_repeat_themselves():
    rng = random.Random(7)
    prompts = BuiltIn()
    people = [prompts.person(rng) for _ in range(40)]
    texts = [person.opening(rng) for person in people for _ in range(10)]
    assert len(set(texts)) > 0.97 * len(texts)


def test_many_scripts_are_spoken():
    rng = random.Random(1)
    scripts = {tongues.Speaker(rng).lang for _ in range(400)}
    assert len(scripts) == len(tongues.TONGUES) >= 10
    for lang in tongues.TONGUES:
        assert expand(rng, tongues.TONGUES[lang], "ask")
        assert expand(rng, tongues.TONGUES[lang], "more")


def test_a_habit_of_typing_is_kept():
    hand = Hand(random.Random(3))
    first = hand.write(random.Random(9), "Where is the Station?")
    assert first == hand.write(random.Random(9), "Where is the Station?")


def test_a_campaign_keeps_its_templates_and_walks_its_list():
    rng = random.Random(5)
    harvest = BuiltIn().harvest(rng, families=("reason",), size=500)
    assert len(set(harvest.seeds)) > 490
    heads = {harvest.prompt(rng, seed)[:30] for seed in harvest.seeds}
    assert len(heads) == 1
    assert all(seed in harvest.prompt(rng, seed) for seed in harvest.seeds[:20])


def test_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="families"):
        extraction.Pipeline(random.Random(1), ("poetry",))


def test_a_folder_that_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        find_data(str(tmp_path))


def test_a_missing_set_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="missing"):
        Published(tmp_path).person(random.Random(1))
    assert arrival_windows(tmp_path) == []


@pytest.mark.data
def test_published_prompts_split_by_source():
    folder = find_data()
    if folder is None:
        pytest.skip("needs ../shared/data (or TITER_DATA)")
    rng = random.Random(1)
    halves = {}
    for split in ("tune", "test"):
        prompts = Published(folder, split=split)
        assert prompts.person(rng).opening(rng)
        assert prompts.batch(rng).item(rng)
        assert prompts.evaluation(rng).item(rng)
        assert prompts.support(rng).fixed
        halves[split] = {r["source"] for r in prompts._set("benign", "mtbench_vicuna_xstest")}
        assert prompts.harvest(rng, families=("reason", "evolve"), size=50).seeds
    assert halves["tune"] and halves["test"]
    assert not halves["tune"] & halves["test"]
    windows = arrival_windows(folder)
    assert len(windows) > 20
    assert all(abs(sum(share for _, share in client) - 1) < 1e-3 for client in windows)


def test_published_pipelines_leave_no_slot_open():
    data = find_data()
    if data is None:
        pytest.skip("no published prompts near here")
    source = Published(data, split="test")
    for seed in range(6):
        for head, tail in source.pipeline(random.Random(seed), ("instruct", "evolve", "reason")):
            assert head
            assert not re.search(r"\{\{\s*\w+\s*\}\}|\{%", head + tail)
