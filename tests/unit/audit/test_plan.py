"""A plan is fixed by its content, comes first, and is refused when anything about it is odd."""

from __future__ import annotations

import msgspec
import pytest

from titer.audit import plan as plans
from titer.audit.plan import Material, Target
from titer.core.errors import EvidenceError, InputError
from titer.evidence.log import Log, View


@pytest.fixture
def log(tmp_path):
    with Log.open(tmp_path / "log", origin="titer.local/test") as log:
        yield log


def view(log):
    log.checkpoint()
    return View.open(log.directory)


def test_a_plan_is_found_again_and_a_changed_one_is_not(log, bench):
    plan = bench.plan()
    log.append([("note", b"{}"), (plans.PLAN, plan.body())])
    found = plans.require(view(log), plan)
    assert (found.index, found.others, found.concluded) == (1, (), "")
    for changed in (
        {"alpha": 1e-5},
        {"seed": 1},
        {"max_tokens": 41},
        {"prompts": Material("22" * 32, 31)},
        {"statistics": ("closed", "topk"), "logprobs": 5},
        {"wrong_keys": 201},
    ):
        with pytest.raises(InputError, match="not in the published log"):
            plans.require(view(log), bench.plan(**changed))


def test_a_plan_that_no_head_covers_does_not_count(log, bench):
    log.checkpoint()
    log.append([(plans.PLAN, bench.plan().body())])
    with pytest.raises(InputError, match="register it first"):
        plans.require(View.open(log.directory), bench.plan())


def test_other_plans_on_the_suspect_are_counted_and_results_seen(log, bench):
    first, second = bench.plan(), bench.plan(seed=9)
    elsewhere = bench.plan(suspect=Target(name="another", url="http://127.0.0.1:2/v1", model="x"))
    log.append([(plans.PLAN, p.body()) for p in (first, elsewhere, second)])
    log.append([(plans.RESULT, msgspec.json.encode({"id": "ar-1", "plan": second.id}))])
    found = plans.require(view(log), second)
    assert found.others == (first.id,)
    assert found.concluded == "ar-1"
    assert plans.require(view(log), first).concluded == ""


def test_a_body_that_was_altered_is_refused(bench):
    body = bench.plan().body()
    assert plans.read_body(body) == bench.plan()
    for broken in (
        body.replace(b'"alpha":1e-6', b'"alpha":0.01').replace(b"1e-06", b"0.01"),
        body.replace(b'"accounts":["acct"]', b'"accounts":["else"]'),
        b"[]",
        b"{}",
        b"not json",
    ):
        assert broken != body
        with pytest.raises(EvidenceError):
            plans.read_body(broken)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"wrong_keys": 99}, "null was not measured"),
        ({"controls": Material("33" * 32, 99)}, "controls"),
        ({"prompts": None}, "prompts"),
        ({"statistics": ("soft",), "logprobs": 5}, "reading"),
        ({"statistics": ("topk",)}, "logprobs"),
        ({"statistics": ("closed-filter",)}, "logged replies"),
        ({"statistics": ()}, "statistics"),
        ({"alpha": 0.05}, "alpha"),
        ({"keys": ()}, "keys"),
        ({"requests": 0}, "requests"),
        ({"temperature": 3.0}, "temperature"),
    ],
)
def test_a_plan_that_could_not_prove_anything_is_refused(bench, changed, message):
    with pytest.raises(ValueError, match=message):
        bench.plan(**changed)


def test_a_scheme_that_ties_values_is_for_plain_sums_alone(bench):
    key = msgspec.structs.replace(bench.key().planned, scheme="hf-synthid", parameters={})
    assert bench.plan(keys=(key,)).statistics == ("closed",)
    with pytest.raises(ValueError, match="closed alone"):
        bench.plan(keys=(key,), statistics=("closed", "topk"), logprobs=5)


def test_wrong_keys_follow_from_the_plan_alone(bench):
    keys = bench.plan().wrong()
    assert keys == bench.plan().wrong()
    assert len(set(keys)) == 200
    assert not set(keys) & set(bench.plan(seed=1).wrong())


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x", "url": "ftp://a"},
        {"name": ""},
        {"name": "x", "api": "callable"},
        {"name": "x", "api": "callable", "callable": "a:b", "url": "http://a"},
        {"name": "x", "url": "http://a", "callable": "a:b"},
    ],
)
def test_targets_that_cannot_be_asked_are_refused(fields):
    with pytest.raises(ValueError, match=r"url|callable|name"):
        Target(**fields)


def test_wrong_keys_are_those_of_the_specification(bench):
    """docs/spec/audit.md, in other words than the code's."""
    import hashlib

    plan = bench.plan()
    digest = hashlib.sha256(f"{plan.id} wrong key 17".encode()).hexdigest()
    assert plan.wrong()[17] == int(digest[:16], 16)
    bare = msgspec.json.decode(plan.body())
    del bare["id"], bare["accounts"]
    content = msgspec.json.encode(bare)
    assert plan.id == f"ap-{hashlib.sha256(content).hexdigest()[:20]}"
