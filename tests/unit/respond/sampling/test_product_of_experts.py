"""The product of experts, and the engines' interfaces as they are described, played by fakes."""

from __future__ import annotations

import sys
from enum import Enum
from types import ModuleType, SimpleNamespace

import msgspec
import numpy as np
import pytest

from titer.core.nouns import Standing
from titer.core.wire import Request
from titer.respond.antidistill import Antidistill
from titer.respond.sampling import transformers_processor, vllm_v1, vllm_v2
from titer.respond.sampling.product_of_experts import (
    ARGUMENT,
    MAX_WEIGHT,
    VARIABLE,
    combine,
    load_proxy,
    weight_of,
)

V = 7


def _softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def _proxy(contexts):
    """Prefers the token that is the context's length: so that a test sees which context it got."""
    rows = np.zeros((len(contexts), V))
    for row, context in zip(rows, contexts, strict=True):
        row[len(context) % V] = 10.0
    return rows


@pytest.fixture
def proxy(monkeypatch):
    module = ModuleType("operators_own")
    module.make = lambda *_: _proxy
    monkeypatch.setitem(sys.modules, "operators_own", module)
    monkeypatch.setenv(VARIABLE, "operators_own:make")


def _params(weight=None):
    return SimpleNamespace(extra_args=None if weight is None else {ARGUMENT: weight})


def test_it_is_the_product_of_the_distributions():
    rng = np.random.default_rng(3)
    teacher, proxy = rng.normal(size=(2, 5, V))
    for g in (0.0, 0.3, MAX_WEIGHT):
        for t, p, mixed in zip(teacher, proxy, combine(teacher, proxy, g), strict=True):
            product = _softmax(t) ** (1 - g) * _softmax(p) ** g
            assert _softmax(mixed) == pytest.approx(product / product.sum())


def test_what_a_grammar_excludes_stays_excluded():
    teacher = np.array([0.0, -np.inf, 1.0])
    assert combine(teacher, np.array([0.0, 50.0, 0.0]), MAX_WEIGHT)[1] == -np.inf


def test_a_bad_weight_another_vocabulary_and_no_proxy_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="between 0 and"):
        combine(np.zeros(3), np.zeros(3), 0.95)
    with pytest.raises(ValueError, match="same tokenizer"):
        combine(np.zeros(3), np.zeros(4), 0.5)
    for nonsense in ("1", True, -0.1, 1.5, float("nan"), None):
        with pytest.raises(ValueError, match=ARGUMENT):
            weight_of({ARGUMENT: nonsense})
    assert weight_of(None) == weight_of({}) == 0
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(RuntimeError, match=VARIABLE):
        load_proxy()


class Move(Enum):
    UNIDIRECTIONAL = 0
    SWAP = 1


def _update(removed=(), added=(), moved=()):
    return SimpleNamespace(removed=removed, added=added, moved=moved)


def test_vllm_v1_follows_its_batch(proxy):
    plug = vllm_v1.ProductOfExperts(None, "cpu", False)
    live = [5]
    plug.update_state(_update(added=[(0, _params(), [1], []), (1, _params(1.0), [1, 2], live)]))
    live.append(6)  # the engine's own list grows
    logits = plug.apply(np.zeros((2, V)))
    assert not logits[0].any()
    assert logits[1].argmax() == 4
    assert logits[1].max() == pytest.approx(10 * MAX_WEIGHT)
    plug.update_state(_update(moved=[(1, 0, Move.SWAP)]))
    assert plug.apply(np.zeros((2, V))).any(axis=1).tolist() == [True, False]
    plug.update_state(_update(added=[(1, _params(0.5), None, [])]))
    plug.update_state(_update(moved=[(1, 0, Move.UNIDIRECTIONAL)]))
    logits = plug.apply(np.zeros((2, V)))
    assert logits[0].argmax() == 0
    assert not logits[1].any()
    plug.update_state(None)
    plug.update_state(_update(removed=[0]))
    assert not plug.apply(np.zeros((2, V))).any()
    assert plug.is_argmax_invariant() is False


def test_vllm_v1_forgets_who_sat_in_a_slot_before(proxy):
    plug = vllm_v1.ProductOfExperts(None, "cpu", False)
    plug.update_state(_update(added=[(0, _params(1.0), [1], [])]))
    plug.update_state(_update(added=[(0, _params(), [1], [])]))
    assert not plug.apply(np.zeros((1, V))).any()


def _ctx(slots, inputs, places, drafts=None):
    """What the engine tells about the rows of one step."""
    return SimpleNamespace(
        expanded_idx_mapping=np.array(slots),
        expanded_local_pos=np.array(drafts or [0] * len(slots)),
        input_ids=np.array(inputs),
        pos=np.array(places),
    )


def test_vllm_v2_knows_rows_by_their_slots(proxy):
    states = SimpleNamespace(
        device="cpu",
        max_num_reqs=4,
        all_token_ids=SimpleNamespace(gpu=np.arange(40).reshape(4, 10)),
    )
    plug = vllm_v2.ProductOfExperts(None, states)
    assert plug.add_request(3, _params(1.0))
    assert not plug.add_request(1, _params())
    plug.apply_staged_writes()
    # Slot 3 has five tokens, the last of them the input of this step.
    logits = plug.apply(np.zeros((2, V)), _ctx([1, 3], [12, 34], [2, 4]))
    assert not logits[0].any()
    assert logits[1].argmax() == 5
    # Two drafts behind the last token: each row follows one token more.
    drafted = plug.apply(np.zeros((3, V)), _ctx([3] * 3, [34, 91, 92], [4, 5, 6], [0, 1, 2]))
    assert drafted.argmax(axis=1).tolist() == [5, 6, 0]
    plug.add_request(3, _params())  # the slot is given to somebody else
    assert not plug.apply(np.zeros((1, V)), _ctx([3], [34], [4])).any()


@pytest.mark.parametrize("plug", [vllm_v1.ProductOfExperts, vllm_v2.ProductOfExperts])
def test_vllm_refuses_a_bad_weight_when_the_request_comes(plug):
    plug.validate_params(_params(0.5))
    with pytest.raises(ValueError, match=ARGUMENT):
        plug.validate_params(_params("all"))


def test_transformers_dilutes_every_row():
    plug = transformers_processor.ProductOfExperts(_proxy, 0.5)
    scores = plug(np.zeros((2, 3), dtype=int), np.zeros((2, V)))
    assert scores.argmax(axis=1).tolist() == [3, 3]
    untouched = np.ones((1, V))
    off = transformers_processor.ProductOfExperts(_proxy, 0.0)
    assert off(np.zeros((1, 3)), untouched) is untouched
    with pytest.raises(ValueError, match="between 0 and"):
        transformers_processor.ProductOfExperts(_proxy, 1.0)


def test_the_gateway_names_the_weight_to_the_engine():
    body = {"model": "m", "messages": [], "vllm_xargs": {"mine": 1}}
    request = Request(
        dialect="openai.chat", endpoint="/", body=body, raw=msgspec.json.encode(body)
    )
    asked = Antidistill().request(request, 0.4, Standing("s"))
    assert asked.body["vllm_xargs"] == {"mine": 1, ARGUMENT: 0.4}
    assert weight_of(asked.body["vllm_xargs"]) == pytest.approx(0.4 * MAX_WEIGHT)
    foreign = msgspec.structs.replace(request, dialect="anthropic.messages")
    assert Antidistill().request(foreign, 1.0, Standing("s")) is foreign
