"""What may be said: proof only where nothing is off and nothing innocent explains it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from titer.audit import nulls
from titer.audit.collect import tasks
from titer.audit.judge import Key, judge
from titer.audit.plan import Material, Registered
from titer.audit.relay import Passed
from titer.audit.statistics import Said
from titer.audit.target import Answer
from titer.audit.watch import Oddity
from titer.core.errors import EvidenceError

REGISTERED = Registered(0, 1, (), "")


def said(plan, texts, prompts):
    order = tasks(plan)
    answers = {t.n: Answer(text=texts[i % len(texts)].text) for i, t in enumerate(order)}
    return Said(order, answers, prompts, (), plan.logprobs)


class Case:
    """A suspect whose replies carry key 77's mark, or not, and everything around it."""

    def __init__(self, bench, *, marked: bool = True) -> None:
        self.bench = bench
        self.plan = bench.plan(prompts=Material("22" * 32, 200), sentinels=0)
        self.prompts = bench.texts(200, seed=1, length=5)
        self.suspect = said(
            self.plan, bench.texts(200, seed=2, key=77 if marked else None), self.prompts
        )
        self.controls = bench.texts(120, seed=3)

    def judge(self, **changed):
        fields = {
            "plan": self.plan, "registered": REGISTERED, "keys": (self.bench.key(),),
            "tokenizer": self.bench.words, "suspect": self.suspect, "base": None,
            "controls": self.controls, "public": (), "oddities": (), "relayed": {},
        }  # fmt: skip
        return judge(**(fields | changed))


@pytest.fixture(scope="module")
def case(bench):
    return Case(bench)


def test_a_marked_suspect_is_proved_and_an_unmarked_one_is_not(bench, case):
    found = case.judge()
    assert found.claim == "proof"
    outcome = found.outcomes[0]
    assert outcome.log10_p < -20
    assert outcome.rank_p == 1 / 201
    assert outcome.wrong_keys.good
    assert outcome.calibration.good
    assert outcome.effect > outcome.smallest_effect > 0
    assert [e.name for e in found.explanations if not e.tested] == [
        "common ancestor",
        "public data with our text",
    ]
    clean = Case(bench, marked=False).judge()
    assert clean.claim == "no evidence"
    assert clean.outcomes[0].effect < clean.outcomes[0].smallest_effect


def test_another_accounts_key_stays_quiet(bench, case):
    other = bench.key(78, account="other")
    plan = msgspec.structs.replace(case.plan, keys=(bench.key().planned, other.planned))
    found = case.judge(plan=plan, keys=(bench.key(), other))
    assert {o.account: o.claim for o in found.outcomes} == {
        "acct": "proof",
        "other": "no evidence",
    }
    first = found.outcomes[0]
    assert first.log10_adjusted == pytest.approx(first.log10_p + np.log10(2))


def test_a_base_model_with_the_mark_takes_the_proof_away(bench, case):
    base = said(case.plan, bench.texts(200, seed=4, key=77), case.prompts)
    found = case.judge(base=base)
    assert found.claim == "hint"
    assert "base model" in found.outcomes[0].why
    clean = said(case.plan, bench.texts(200, seed=4), case.prompts)
    assert case.judge(base=clean).claim == "proof"


def test_public_text_with_the_mark_takes_the_proof_away(bench, case):
    found = case.judge(public=bench.texts(100, seed=5, key=77))
    assert found.claim == "hint"
    assert [e for e in found.explanations if e.name.startswith("public")][0].explains
    assert case.judge(public=bench.texts(100, seed=5)).claim == "proof"


def test_a_suspect_that_passes_our_service_on_is_not_accused(case):
    for passed in (Passed(12, 12, 200), Passed(150, 0, 200)):
        found = case.judge(relayed={"acct": passed})
        assert found.claim == "hint"
        assert "pass us on" in found.outcomes[0].why
    assert case.judge(relayed={"acct": Passed(40, 2, 200)}).claim == "proof"


def test_a_key_that_leaked_before_proves_nothing_alone(bench, case):
    leaked = msgspec.structs.replace(bench.key(), leaked=500)
    found = case.judge(keys=(leaked,), asked_until=900)
    assert found.claim == "hint"
    assert "leaked" in found.outcomes[0].why
    assert case.judge(keys=(leaked,), asked_until=400).claim == "proof"


def test_an_echo_of_marked_prompts_proves_nothing(bench):
    case = Case(bench, marked=False)
    prompts = bench.texts(200, seed=6, key=77)
    suspect = said(case.plan, prompts, prompts)  # it repeats what it was shown
    found = case.judge(suspect=suspect)
    outcome = found.outcomes[0]
    assert outcome.echo_log10_p < -20
    assert outcome.echoed > 1000
    assert found.claim in ("no evidence", "refused")


def test_a_key_that_is_hot_on_the_language_is_refused(bench, case):
    """Controls that carry the key's mark stand for a key that happens to suit the language."""
    found = case.judge(controls=bench.texts(120, seed=7, key=77))
    assert found.claim == "refused"
    assert "calibration" in found.outcomes[0].why


def test_a_test_whose_null_is_off_is_refused(bench, case, monkeypatch):
    """Wrong keys that score too often: here because they all are the right one's neighbours."""
    from titer.audit import statistics

    true = statistics.under_keys

    def inflated(statistic, scheme, pairs, keys):
        found = true(statistic, scheme, pairs, keys)
        return msgspec.structs.replace(found, log_ps=found.log_ps - 1.5)

    monkeypatch.setattr(statistics, "under_keys", inflated)
    found = case.judge()
    assert found.claim == "refused"
    assert "wrong keys" in found.outcomes[0].why


def test_impossible_answers_are_refused(case):
    oddity = Oddity("impossible-logprobs", "", 1, 1, ("words",))
    assert case.judge(oddities=(oddity,)).claim == "refused"


def test_earlier_plans_cost(case):
    alone = case.judge().outcomes[0]
    looked = case.judge(registered=Registered(9, 1, ("ap-1", "ap-2", "ap-3"), "")).outcomes[0]
    assert looked.log10_adjusted == pytest.approx(alone.log10_p + np.log10(4))


def test_keys_that_are_not_the_plans_are_refused(bench, case):
    with pytest.raises(EvidenceError, match="not those of the plan"):
        case.judge(keys=(bench.key(account="someone"),))


def test_no_value_of_a_key_is_in_a_judgement(bench, case):
    value = 0x1234_5678_9ABC
    found = case.judge(keys=(Key(bench.key().planned, value, bench.key().scheme),))
    text = msgspec.json.encode(found)
    assert str(value).encode() not in text
    assert f"{value:x}".encode() not in text


def test_nulls_count_and_refuse():
    uniform = np.log(np.linspace(0.001, 1, 400))
    good = nulls.wrong_keys(uniform, np.zeros(400))
    assert good.good
    assert [c.hits for c in good.counts] == [40, 20, 4]
    bad = nulls.wrong_keys(uniform - np.log(3), np.zeros(400))
    assert "expected" in bad.why
    assert nulls.wrong_keys(np.zeros(0), np.zeros(0)).why


def test_a_strong_result_stands_against_any_choice_of_the_key(case):
    from titer.audit.report import picked

    outcome = case.judge().outcomes[0]
    assert outcome.log10_adjusted < -26
    assert "holds even if" in picked(outcome, 1e-6)
    weak = msgspec.structs.replace(outcome, log10_adjusted=-25.0)
    assert "has to be shown by dates" in picked(weak, 1e-6)
