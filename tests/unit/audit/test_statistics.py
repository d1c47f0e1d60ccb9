"""Every statistic sees a model that took up a mark, and none sees one that did not."""

from __future__ import annotations

import numpy as np
import pytest

from titer.audit import statistics
from titer.audit.collect import tasks
from titer.audit.pairs import LoggedTexts
from titer.audit.plan import Material
from titer.audit.statistics import Said
from titer.audit.target import Place
from titer.audit.tokens import UNKNOWN, Alternatives
from titer.lab.radioactive.serving import Speaker
from titer.marks.kgw import Kgw


class Tinted:
    """A model that has taken up a mark completely: the language, green tokens made likelier."""

    window = 2

    def __init__(self, language, scheme, key, delta) -> None:
        self._language, self._scheme, self._key = language, scheme, key
        self._delta = delta

    def logits(self, contexts):
        logits = self._language.logits(contexts)
        rows = [self._scheme.row(c, self._key, logits.shape[1]) for c in contexts]
        return logits + np.float32(self._delta) * np.array(rows, np.float32)


def asked(bench, speaker, *, statistics_, copies=1):
    plan = bench.plan(
        prompts=Material("22" * 32, 40), reading=Material("44" * 32, 40), sentinels=0,
        statistics=tuple(s for s in statistics_ if not s.endswith("-filter")), logprobs=12,
        copies=copies,
    )  # fmt: skip
    prompts, reading = bench.texts(40, seed=1, length=5), bench.texts(40, seed=2, key=77)
    order = tasks(plan)
    answers = {}
    for task in order:
        if task.kind == "read":
            answers[task.n] = speaker.read(reading[task.text].text, logprobs=12)
        else:
            answers[task.n] = speaker.generate(
                prompts[task.text], max_tokens=40, temperature=1.0, logprobs=12, seed=task.n
            )
    return Said(order, answers, prompts, reading, 12), reading


NAMES = ("closed", "closed-filter", "topk", "topk-filter", "argmax", "soft")


@pytest.mark.parametrize("width", [1, 2])
def test_all_statistics_on_a_model_with_the_mark_and_one_without(bench, width):
    scheme = Kgw(width=width)
    keys = [77, *range(1000, 1100)]
    for delta, marked in ((2.0, True), (0.0, False)):
        speaker = Speaker(Tinted(bench.language, scheme, 77, delta), bench.words)
        said, reading = asked(bench, speaker, statistics_=NAMES)
        logged = LoggedTexts(scheme, [bench.words.encode(t.text) for t in reading])
        for name in NAMES:
            found = statistics.sample(name, scheme, bench.words, said, logged=logged)
            tested = statistics.under_keys(name, scheme, found.pairs, keys)
            log10 = tested.log_ps / np.log(10)
            if marked:
                assert log10[0] < -6, name
                assert log10[0] < log10[1:].min(), name
            else:
                assert log10[0] > -3, name
            assert (log10[1:] < -1).mean() < 0.25, name
            assert abs(tested.zs[1:].mean()) < 0.5, name


def test_alternatives_follow_our_tokens_and_stop_where_the_servers_split_them(bench):
    reader = Alternatives(bench.words, 1, 2)
    one, two, three = bench.words.words[:3]
    ids = bench.words.encode(f"{one} {two} {three}")
    top = ((f" {two}", -0.5), (" unheard-of", -1.0), (f" {one}", -2.0))
    whole = (Place(one, None, ()), Place(f" {two}", -0.5, top), Place(f" {three}", -0.1, top))
    contexts, tokens, chances = reader.along(ids, whole)
    assert contexts.tolist() == [[0], [1]]
    assert tokens.tolist() == [[1, len(bench.words)], [1, len(bench.words)]]
    assert chances[0].tolist() == pytest.approx([np.exp(-0.5), np.exp(-1.0)])
    split = (Place(one, None, ()), Place(f" {two[:2]}", -0.5, top), Place(two[2:], -0.1, top))
    assert len(reader.along(ids, split)[0]) == 0
    only = reader.along(ids, whole, np.array([2]))
    assert only[0].tolist() == [[1]]
    several = Alternatives(bench.words, 1, 2)
    assert several._one(f"{one} {two}") == UNKNOWN
