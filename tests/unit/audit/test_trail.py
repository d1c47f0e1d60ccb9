"""Commitments and results as the log holds them: what is missing or made to fit is refused."""

from __future__ import annotations

import msgspec
import pytest

from titer.audit import commitments, trail
from titer.audit import plan as plans
from titer.audit.commitments import Commitments
from titer.audit.report import Collected, Result
from titer.core.errors import EvidenceError, InputError
from titer.evidence.log import Log, View
from titer.marks.keys import Issued, KeyRing, fresh, issued

RING = KeyRing((fresh(1, 5),))


@pytest.fixture
def log(tmp_path):
    with Log.open(tmp_path / "log", origin="titer.local/test") as log:
        yield log


def view(log):
    log.checkpoint()
    return View.open(log.directory)


def put(log, *entries):
    log.append([(commitments.KIND, msgspec.json.encode(e)) for e in entries])


def test_a_key_is_held_against_its_own_commitment(log):
    key = RING.key("acct")
    put(log, issued(key, 9))
    found = Commitments(view(log)).of("acct", 1)
    assert (found.entry, found.master, found.leaked) == (0, False, 0)
    assert commitments.check(RING, "acct", 1, found) == key
    with pytest.raises(EvidenceError, match="not the one that entry 0"):
        commitments.check(KeyRing((fresh(1, 5),)), "acct", 1, found)
    with pytest.raises(InputError, match="escrow"):
        commitments.check(KeyRing((fresh(2, 5),)), "acct", 1, found)


def test_a_master_covers_all_accounts_and_the_accounts_own_comes_first(log):
    put(log, Issued(at=1, epoch=1, commitment=RING.current.commitment))
    found = Commitments(view(log)).of("anybody", 1)
    assert found.master
    assert commitments.check(RING, "anybody", 1, found) == RING.key("anybody")
    put(log, issued(RING.key("acct"), 9))
    assert not Commitments(view(log)).of("acct", 1).master


def test_the_first_commitment_counts_and_leaks_are_known(log):
    put(log, issued(RING.key("acct"), 1), issued(KeyRing((fresh(1, 5),)).key("acct"), 2))
    held = Commitments(view(log))
    assert held.of("acct", 1).commitment == RING.key("acct").commitment
    with pytest.raises(InputError, match="no commitment to a key of acct in epoch 2"):
        held.of("acct", 2)
    put(log, Issued(at=77, epoch=1, commitment=RING.current.commitment, leaked=True))
    assert Commitments(view(log)).of("acct", 1).leaked == 77


def result(plan, /, *, entry=0, at=0, first=10**18, **changed):
    fields = {
        "plan": plan.id, "plan_entry": entry, "plan_at": at, "plan_root": "", "at": at + 1,
        "version": "t", "suspect": plan.suspect.name, "accounts": plan.accounts, "claim": "proof",
        "alpha": plan.alpha, "hypotheses": 1, "earlier_plans": (), "outcomes": (), "left_out": 0,
        "explanations": (), "oddities": (), "complete": True,
        "collected": (Collected("suspect", 1, 1, 0, 1, 1, first, first, "00", 0, 0),),
    }  # fmt: skip
    return Result(**(fields | changed))


def test_a_result_counts_under_its_plan(log, bench):
    plan = bench.plan()
    log.append([(plans.PLAN, plan.body())])
    at = view(log).read(0).at
    log.append([(plans.RESULT, result(plan, entry=0, at=at).body())])
    assert [r.claim for _, r in trail.results(view(log))] == ["proof"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"plan_entry": 1}, "elsewhere"),
        ({"suspect": "someone"}, "another suspect"),
        ({"accounts": ("other",)}, "another suspect"),
        ({"alpha": 0.01}, "otherwise"),
        ({"hypotheses": 2}, "otherwise"),
        ({"first": 5}, "before the plan"),
        ({"plan": "ap-none"}, "no plan"),
    ],
)
def test_a_result_that_its_plan_does_not_cover_is_refused(log, bench, changed, message):
    plan = bench.plan()
    log.append([(plans.PLAN, plan.body())])
    at = view(log).read(0).at
    log.append([(plans.RESULT, result(plan, **({"at": at} | changed)).body())])
    with pytest.raises(EvidenceError, match=message):
        list(trail.results(view(log)))


def test_a_second_result_and_an_altered_one_are_refused(log, bench):
    plan = bench.plan()
    log.append([(plans.PLAN, plan.body())])
    at = view(log).read(0).at
    body = result(plan, entry=0, at=at).body()
    later = result(plan, entry=0, at=at, version="t").body()
    log.append([(plans.RESULT, body), (plans.RESULT, later)])
    assert len(list(trail.results(view(log)))) == 1
    other = result(plan, entry=0, at=at, claim="hint").body()
    log.append([(plans.RESULT, other)])
    with pytest.raises(EvidenceError, match="two different results"):
        list(trail.results(view(log)))
    with pytest.raises(EvidenceError, match="calls itself"):
        trail.read_result(body.replace(b'"proof"', b'"hint"'))
    with pytest.raises(EvidenceError, match="not a result"):
        trail.read_result(b"[]")
