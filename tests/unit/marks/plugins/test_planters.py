"""Planters of engines against fakes of the engines' interfaces: order, slots, drafts, bad wishes.

The fakes have the fields that vLLM 0.33, SGLang 0.5.23, transformers 5.24 and llama-cpp-python
document, with numpy where the engine has tensors.
"""

from __future__ import annotations

import enum
import importlib
import subprocess
import sys
from array import array
from types import SimpleNamespace

import numpy as np
import pytest

from titer.marks.contexts import as_tokens
from titer.marks.kgw import Kgw
from titer.marks.plugins import llama_cpp, sglang, transformers_processor, vllm_v1, vllm_v2
from titer.marks.plugins.arguments import Wish, wish

V = 300
KEY = 0x0123_4567_89AB_CDEF
ASKED = {"titer_mark_key": f"{KEY:016x}", "titer_mark_width": 2, "titer_mark_delta": 1.5}


class Direction(enum.Enum):
    UNIDIRECTIONAL = 0
    SWAP = 1


def params(extra=None):
    return SimpleNamespace(extra_args=extra)


def expected(context, key=KEY, width=2, delta=1.5):
    row = np.zeros((1, V), np.float32)
    Kgw(width, delta=delta).plant(row, [as_tokens(np.array(context))], np.array([key], np.uint64))
    return row[0]


def batch(size, removed=(), added=(), moved=()):
    return SimpleNamespace(batch_size=size, removed=removed, added=added, moved=moved)


class TestWishes:
    def test_what_the_gateway_writes_is_what_a_planter_reads(self):
        assert wish(ASKED) == Wish(KEY, 2, 1.5)
        assert wish({"titer_mark_key": "ff"}) == Wish(255, 2, 2.0)
        assert wish(None) is wish({}) is wish({"other": 1}) is None

    @pytest.mark.parametrize(
        "bad",
        [{"titer_mark_key": 5}, {"titer_mark_key": ""}, {"titer_mark_key": "0" * 17},
         {"titer_mark_key": "xyz"}, {**ASKED, "titer_mark_width": 3},
         {**ASKED, "titer_mark_width": True}, {**ASKED, "titer_mark_delta": 0},
         {**ASKED, "titer_mark_delta": float("nan")}, {**ASKED, "titer_mark_delta": "2"},
         {**ASKED, "titer_mark_delta": 99}],
    )  # fmt: skip
    def test_a_wrong_wish_is_refused_at_admission(self, bad):
        for planter in (vllm_v1.Planter, vllm_v2.Planter):
            with pytest.raises(ValueError, match="titer_mark"):
                planter.validate_params(params(bad))
            planter.validate_params(params(ASKED))
            planter.validate_params(params(None))


class TestVllmV1:
    def make(self):
        return vllm_v1.Planter(None, "cpu", False)

    def test_a_row_is_marked_after_prompt_and_live_output(self):
        planter = self.make()
        output = []
        planter.update_state(batch(2, added=[(0, params(ASKED), [7, 8, 9], output),
                                             (1, params(), [1, 2], [])]))  # fmt: skip
        for context in ([8, 9], [9, 20], [20, 21]):
            logits = np.zeros((2, V), np.float32)
            assert planter.apply(logits) is logits
            assert (logits[0] == expected(context)).all()
            assert (logits[1] == 0).all()
            output.append(20 + len(output))

    def test_removed_added_and_moved_are_followed_in_this_order(self):
        planter = self.make()
        other = {**ASKED, "titer_mark_key": "77"}
        planter.update_state(batch(3, added=[(0, params(ASKED), [1, 2], []),
                                             (1, params(), [3, 4], []),
                                             (2, params(other), [5, 6], [])]))  # fmt: skip
        planter.update_state(batch(3, moved=[(0, 1, Direction.SWAP)]))
        logits = np.zeros((3, V), np.float32)
        planter.apply(logits)
        assert (logits[0] == 0).all()
        assert (logits[1] == expected([1, 2])).all()
        planter.update_state(
            batch(1, removed=[1], added=[(1, params(), [9, 9], [])],
                  moved=[(2, 0, Direction.UNIDIRECTIONAL)])
        )  # fmt: skip
        logits = np.zeros((3, V), np.float32)
        planter.apply(logits)
        assert (logits[0] == expected([5, 6], key=0x77)).all()
        assert (logits[1:] == 0).all()
        planter.update_state(None)
        planter.update_state(batch(0, removed=[0]))
        assert planter.apply(logits) is logits
        assert not planter.is_argmax_invariant()

    def test_a_prompt_that_is_not_known_or_too_short_is_no_fault(self):
        planter = self.make()
        planter.update_state(batch(1, added=[(0, params(ASKED), None, [])]))
        logits = np.zeros((1, V), np.float32)
        planter.apply(logits)
        assert (logits == 0).all()


class Gpu:
    """A staged tensor: what the processor reads is its `gpu`."""

    def __init__(self, array):
        self.gpu = array


class TestVllmV2:
    def make(self, slots=4):
        self.tokens = np.zeros((slots, 64), np.int64)
        states = SimpleNamespace(
            device="cpu", max_num_reqs=slots, vocab_size=V, all_token_ids=Gpu(self.tokens)
        )
        return vllm_v2.Planter(None, states)

    def step(self, planter, rows):
        """`rows` are (slot, offset among the request's rows, input token, position)."""
        slots, drafts, inputs, places = (np.array(c) for c in zip(*rows, strict=True))
        ctx = SimpleNamespace(
            expanded_idx_mapping=slots, idx_mapping_np=np.unique(slots),
            expanded_local_pos=drafts, input_ids=inputs, pos=places,
        )  # fmt: skip
        logits = np.zeros((len(rows), V), np.float32)
        assert planter.apply(logits, ctx) is logits
        return logits

    def test_rows_are_slots_and_not_requests(self):
        planter = self.make()
        assert planter.add_request(2, params(ASKED))
        assert not planter.add_request(0, params())
        planter.apply_staged_writes()
        self.tokens[2, :4] = [5, 6, 7, 8]
        logits = self.step(planter, [(0, 0, 3, 9), (2, 0, 8, 3)])
        assert (logits[0] == 0).all()
        assert (logits[1] == expected([7, 8])).all()

    def test_a_slot_is_taken_over_whole(self):
        planter = self.make()
        planter.add_request(1, params(ASKED))
        planter.add_request(1, params())
        assert (self.step(planter, [(1, 0, 3, 9)]) == 0).all()

    def test_drafts_are_in_the_inputs_and_not_in_the_committed_tokens(self):
        planter = self.make()
        planter.add_request(3, params({**ASKED, "titer_mark_width": 4}))
        self.tokens[3, :5] = [1, 2, 3, 4, 5]
        rows = [(3, 0, 5, 4), (3, 1, 30, 5), (3, 2, 31, 6)]
        logits = self.step(planter, rows)
        for row, context in enumerate(([2, 3, 4, 5], [3, 4, 5, 30], [4, 5, 30, 31])):
            assert (logits[row] == expected(context, width=4)).all()

    def test_the_beginning_of_a_text_is_left_alone(self):
        planter = self.make()
        planter.add_request(0, params(ASKED))
        assert (self.step(planter, [(0, 0, 9, 0)]) == 0).all()


def test_sglang_marks_the_rows_that_ask_for_it():
    request = SimpleNamespace(origin_input_ids=[1, 2, 3], output_ids=[])
    late = SimpleNamespace(origin_input_ids=[1, 2, 3], output_ids=[4, 5, 6])
    logits = np.zeros((4, V), np.float32)
    given = [{**ASKED, "__req__": request}, None, {**ASKED, "__req__": late},
             {"titer_mark_key": "bad key", "__req__": late}]  # fmt: skip
    assert sglang.Planter()(logits, given) is logits
    assert (logits[0] == expected([2, 3])).all()
    assert (logits[2] == expected([5, 6])).all()
    assert (logits[[1, 3]] == 0).all()
    assert sglang.Planter()(logits, None) is logits


def test_sglang_s_drafts_are_left_alone():
    """Each draft has the request's own parameters again, and its row follows tokens untold."""
    request = SimpleNamespace(origin_input_ids=array("q", [1, 2]), output_ids=array("q", [3]))
    other = SimpleNamespace(origin_input_ids=array("q", [1, 2]), output_ids=array("q", [3]))
    one, two = {**ASKED, "__req__": request}, {**ASKED, "__req__": other}
    logits = np.zeros((5, V), np.float32)
    sglang.Planter()(logits, [one, one, one, two, two])
    assert (logits[[0, 3]] == expected([2, 3])).all()
    assert (logits[[1, 2, 4]] == 0).all()


class Scores(np.ndarray):
    """An array with the one method of a tensor that is used."""

    def clone(self):
        return self.copy()


@pytest.mark.parametrize("width", [1, 2])
def test_transformers_gets_marked_copies_and_last_tokens_alone_will_do_at_width_1(width):
    planter = transformers_processor.Planter(KEY, width=width, delta=1.5)
    scores = np.zeros((2, V), np.float32).view(Scores)
    ids = np.array([[4, 5, 6], [7, 8, 9]])
    marked = planter(ids, scores)
    assert (scores == 0).all()
    for row in range(2):
        assert (marked[row] == expected(ids[row, -width:], width=width)).all()
    assert planter.supports_continuous_batching is (width == 1)
    last = planter(ids[:, -1], scores)  # continuous batching
    assert (last == marked).all() if width == 1 else (last == 0).all()


def test_llama_cpp_gets_a_function_of_ids_and_scores():
    process = llama_cpp.planter(KEY, width=2, delta=1.5)
    scores = np.zeros(V, np.float32)
    assert process(np.array([3, 4, 5]), scores) is scores
    assert (scores == expected([4, 5])).all()
    with pytest.raises(ValueError, match="width"):
        llama_cpp.planter(KEY, width=3)


def test_masked_tokens_stay_masked():
    scores = np.full(V, -np.inf, np.float32)
    llama_cpp.planter(KEY)([1, 2], scores)
    assert np.isneginf(scores).all()


@pytest.mark.parametrize(
    "module", ["vllm_v1", "vllm_v2", "sglang", "transformers_processor", "llama_cpp"]
)
def test_an_engine_s_front_end_can_load_them_without_what_is_heavy(module):
    heavy = ["torch", "triton", "numba", "numpy", "transformers"]
    code = (
        f"import sys, titer.marks.plugins.{module}; "
        f"sys.exit([m for m in {heavy} if m in sys.modules] or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_planter_registers_itself():
    from importlib.metadata import entry_points

    for group in ("vllm.logits_processors", "vllm.general_plugins"):
        assert not [e for e in entry_points(group=group) if "titer" in e.value]
    assert importlib.import_module("titer.marks.plugins").__doc__
