"""Servers that cache, lie, swap, limit or refuse are told; honest ones are not."""

from __future__ import annotations

import msgspec
import pytest

from titer.audit.answers import Answers
from titer.audit.collect import Collector, tasks
from titer.audit.endpoint import Endpoint
from titer.audit.plan import Material, Target
from titer.audit.watch import watch
from titer.lab.radioactive.language import Language
from titer.lab.radioactive.serving import Mischief, Server, Speaker


def watched(bench, tmp_path, *, mischief=None, other=None, **changed):
    speaker = Speaker(bench.language, bench.words)
    server = Server(speaker, mischief=mischief, other=other and Speaker(other, bench.words))
    with server.running():
        target = Target(name="rival", url=f"{server.url}/v1", model="lab")
        fields = {"suspect": target, "prompts": Material("22" * 32, 60), "sentinels": 15}
        plan = bench.plan(**(fields | changed))
        held = Answers(tmp_path / "a", plan=plan.id, target="suspect", head=1)
        prompts = bench.texts(60, seed=5, length=6)
        reading = bench.texts(20, seed=6)
        with held:
            Collector(
                plan, Endpoint(plan.suspect), held, prompts=prompts, reading=reading,
                sleep=lambda s: None,
            ).run()  # fmt: skip
            found = watch(plan, tasks(plan), held.done, held.pace, bench.words)
    return {oddity.kind: oddity for oddity in found}


def test_an_honest_server_is_not_odd(bench, tmp_path):
    assert watched(bench, tmp_path) == {}


def test_an_honest_server_with_logprobs_is_not_odd(bench, tmp_path):
    assert watched(bench, tmp_path, statistics=("topk",), logprobs=5) == {}


@pytest.mark.parametrize(
    ("mischief", "kind"),
    [
        (Mischief(cache=True), "same-replies"),
        (Mischief(fingerprint=True), "fingerprint-changed"),
        (Mischief(throttle=2), "throttled"),
    ],
)
def test_tricks_are_told_and_void_nothing(bench, tmp_path, mischief, kind):
    found = watched(bench, tmp_path, mischief=mischief)
    assert set(found) == {kind}
    assert found[kind].voids == ()


def test_a_model_that_is_swapped_midway_is_told(bench, tmp_path):
    other = Language(seed=99, vocabulary=128, followers=16)
    found = watched(bench, tmp_path, mischief=Mischief(swap_after=45), other=other)
    assert set(found) == {"drift"}


def test_impossible_probabilities_void_what_uses_them(bench, tmp_path):
    found = watched(bench, tmp_path, mischief=Mischief(lie=True), statistics=("topk",), logprobs=5)
    assert found["impossible-logprobs"].voids == ("chances", "reading")


def test_usage_names_and_empty_replies(bench):
    from titer.audit.answers import Pace
    from titer.audit.target import Answer

    plan = bench.plan(prompts=Material("22" * 32, 40), sentinels=0)
    text = bench.texts(1, seed=1)[0].text
    answers = [Answer(text=text, tokens_out=40, model="m")] * 40

    def kinds(change):
        changed = [msgspec.structs.replace(a, **change(i)) for i, a in enumerate(answers)]
        held = dict(enumerate(changed))
        return {o.kind for o in watch(plan, tasks(plan), held, Pace(), bench.words)}

    assert kinds(lambda i: {}) == set()
    assert kinds(lambda i: {"tokens_out": 4000}) == {"usage"}
    assert kinds(lambda i: {"model": "other"}) == {"other-model"}
    assert kinds(lambda i: {"model": "m" if i % 3 else "n"}) == {"model-changed"}
    assert kinds(lambda i: {"text": "" if i % 4 == 0 else text}) == {"empty"}
