"""Collection: everything once, in a fixed random order, within the budget, whatever breaks."""

from __future__ import annotations

import itertools

import pytest

from titer.audit.answers import Answers
from titer.audit.collect import LOST_IN_A_ROW, TRIES, Collector, tasks
from titer.audit.plan import Material
from titer.audit.target import Answer, Later, NotAnswered
from titer.audit.texts import Text
from titer.core.errors import InputError

PROMPTS = [Text(f"prompt {i}") for i in range(30)]
READING = [Text(f"read {i}") for i in range(10)]


class Fake:
    """Answers everything, unless `trouble` has something for a call."""

    def __init__(self, trouble=None) -> None:
        self.calls = []
        self.trouble = trouble or (lambda n: None)

    def generate(self, prompt, *, max_tokens, temperature, logprobs, seed):
        return self._answer(("write", prompt.text, seed, logprobs))

    def read(self, text, *, logprobs):
        return self._answer(("read", text, logprobs))

    def _answer(self, call):
        self.calls.append(call)
        problem = self.trouble(len(self.calls))
        if problem is not None:
            raise problem
        return Answer(text=f"reply {len(self.calls)}", tokens_out=10)


def collect(bench, path, fake, *, plan=None, lanes=1, slept=None):
    plan = plan or bench.plan()
    held = Answers(path, plan=plan.id, target="suspect", head=1)
    sleep = (slept if slept is not None else []).append
    return Collector(
        plan, fake, held, prompts=PROMPTS, reading=READING, lanes=lanes, sleep=sleep
    ), held  # fmt: skip


def test_every_prompt_is_asked_once_and_sentinels_early_and_late(bench, tmp_path):
    fake = Fake()
    collector, held = collect(bench, tmp_path / "a", fake)
    with held:
        progress = collector.run()
    assert progress.complete
    asked = [text for _, text, *_ in fake.calls]
    assert set(asked) == {p.text for p in PROMPTS}
    twice = [text for text in set(asked) if asked.count(text) == 3]
    assert len(twice) == 3
    for text in twice:
        places = [i for i, t in enumerate(asked) if t == text]
        assert min(places) <= len(asked) // 5
        assert max(places) >= len(asked) - len(asked) // 5 - 1
    assert asked[: len(asked) // 2] != [p.text for p in PROMPTS][: len(asked) // 2]
    seeds = [call[2] for call in fake.calls]
    assert len(set(seeds)) == len(seeds)


def test_the_order_follows_from_the_plan(bench):
    assert tasks(bench.plan()) == tasks(bench.plan())
    assert tasks(bench.plan()) != tasks(bench.plan(seed=5))
    both = tasks(
        bench.plan(
            statistics=("closed", "soft"), reading=Material("44" * 32, 10), logprobs=5, copies=2
        )
    )
    kinds = [t.kind for t in both]
    assert (kinds.count("read"), kinds.count("write")) == (10, 66)


def test_a_run_goes_on_where_it_was_cut_off(bench, tmp_path):
    fake = Fake(lambda n: KeyboardInterrupt() if n == 12 else None)
    collector, held = collect(bench, tmp_path / "a", fake)
    with held, pytest.raises(KeyboardInterrupt):
        collector.run()
    again = Fake()
    collector, held = collect(bench, tmp_path / "a", again)
    with held:
        before = len(held.done)
        assert collector.run().complete
    assert before == 11
    assert len(again.calls) == 36 - 11


def test_the_budget_of_requests_counts_tries_and_survives_restarts(bench, tmp_path):
    plan = bench.plan(requests=20)
    fake = Fake(lambda n: Later("status 503", throttled=True) if n % 2 else None)
    collector, held = collect(bench, tmp_path / "a", fake, plan=plan)
    with held:
        assert not collector.run().complete
    assert len(fake.calls) == 20
    more = Fake()
    collector, held = collect(bench, tmp_path / "a", more, plan=plan)
    with held:
        collector.run()
    assert not more.calls


def test_several_lanes_do_not_overrun_the_budget(bench, tmp_path):
    fake = Fake()
    collector, held = collect(bench, tmp_path / "a", fake, plan=bench.plan(requests=21), lanes=8)
    with held:
        assert not collector.run().complete
    assert len(fake.calls) == 21


def test_the_budget_of_tokens_is_never_exceeded(bench, tmp_path):
    plan = bench.plan(tokens=205)
    collector, held = collect(bench, tmp_path / "a", Fake(), plan=plan)
    with held:
        progress = collector.run()
    assert progress.tokens + plan.max_tokens > 205 >= progress.tokens


def test_limits_are_obeyed_and_waits_grow(bench, tmp_path):
    slept = []
    trouble = itertools.chain(
        [Later("status 429", after=7.0, throttled=True), Later("gone"), Later("gone"), None],
        itertools.repeat(None),
    )
    collector, held = collect(bench, tmp_path / "a", Fake(lambda n: next(trouble)), slept=slept)
    with held:
        assert collector.run().complete
        assert held.pace.throttled == 1
        assert held.pace.broken == 2
    assert slept == [7.0, 2.0, 4.0]


def test_a_long_wait_is_told_with_its_reason(bench, tmp_path):
    told = []
    trouble = itertools.chain([Later("no JSON")] * 5, itertools.repeat(None))
    collector, held = collect(bench, tmp_path / "a", Fake(lambda n: next(trouble)))
    collector._tell = told.append
    with held:
        assert collector.run().complete
    said = [one.waiting for one in told if one.waiting]
    assert said == ["no JSON: asked again in 8 s", "no JSON: asked again in 16 s"]


def test_a_dead_server_stops_the_run_and_keeps_the_questions(bench, tmp_path):
    fake = Fake(lambda n: Later("no answer") if n > 5 else None)
    collector, held = collect(bench, tmp_path / "a", fake)
    with held, pytest.raises(InputError, match="does not answer any more"):
        collector.run()
    assert len(fake.calls) == 5 + LOST_IN_A_ROW * TRIES
    collector, held = collect(bench, tmp_path / "a", Fake())
    with held:
        progress = collector.run()
    assert progress.failed == LOST_IN_A_ROW - 1
    assert progress.complete


def test_a_refused_credential_stops_at_once_and_a_refused_prompt_does_not(bench, tmp_path):
    general = Fake(lambda n: NotAnswered("status 401", general=True) if n == 8 else None)
    collector, held = collect(bench, tmp_path / "a", general)
    with held, pytest.raises(NotAnswered):
        collector.run()
    one = Fake(lambda n: NotAnswered("status 400") if n == 8 else None)
    collector, held = collect(bench, tmp_path / "b", one)
    with held:
        assert collector.run().failed == 1


def test_several_lanes_ask_everything_once(bench, tmp_path):
    fake = Fake()
    collector, held = collect(bench, tmp_path / "a", fake, lanes=8)
    with held:
        assert collector.run().complete
    assert len(fake.calls) == 36
    with pytest.raises(InputError, match="parallel"):
        collect(bench, tmp_path / "b", fake, lanes=99)
