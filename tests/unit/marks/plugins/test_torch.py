"""Planting in torch tensors, in transformers and in Triton's interpreter, where they are there."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from titer.marks.contexts import as_tokens, context_hash
from titer.marks.keyed import of_context
from titer.marks.kgw import Kgw

torch = pytest.importorskip("torch", reason="torch is not installed")
from titer.marks.plugins import planting  # noqa: E402
from titer.marks.plugins.arguments import Wish  # noqa: E402
from titer.marks.plugins.transformers_processor import Planter  # noqa: E402

KEY = 0xFEDC_BA98_7654_3210
V = 1000


def expected(context, width, delta):
    row = np.zeros((1, V), np.float32)
    Kgw(width, delta=delta).plant(row, [as_tokens(np.array(context))], np.array([KEY], np.uint64))
    return row[0]


def test_a_cpu_tensor_is_marked_in_its_own_memory():
    row = torch.zeros(V)
    planting.plant(row, [3, 4], Wish(KEY, 2, 1.5))
    assert (row.numpy() == expected([3, 4], 2, 1.5)).all()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_tensor_operations_give_the_kernel_s_bits(width):
    tokens = as_tokens([7, 8, 9, 10])
    a, b = of_context(np.uint64(context_hash(tokens, 4, width)), np.uint64(KEY))
    found = planting.green(torch.zeros(V), int(a), int(b), Kgw(width).threshold)
    assert (found.numpy() == (expected([7, 8, 9, 10], width, 1.0) > 0)).all()


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_other_types_go_by_tensor_operations(kind):
    row = torch.zeros(V, dtype=getattr(torch, kind))
    planting.plant(row, [3, 4], Wish(KEY, 2, 1.5))
    assert (row.float().numpy() == expected([3, 4], 2, 1.5)).all()


def test_the_processor_leaves_the_scores_it_was_given():
    scores = torch.zeros(2, V)
    marked = Planter(KEY, width=2, delta=1.5)(torch.tensor([[1, 2, 3], [4, 5, 6]]), scores)
    assert (scores == 0).all()
    assert (marked[0].numpy() == expected([2, 3], 2, 1.5)).all()
    assert (marked[1].numpy() == expected([5, 6], 2, 1.5)).all()


def test_transformers_generates_marked_text():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    from titer.marks.recognise import recognise

    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(n_layer=1, n_head=1, n_embd=16, vocab_size=V, n_positions=256)
    )
    text = model.generate(
        torch.tensor([[1, 2, 3]]), do_sample=True, max_new_tokens=200, pad_token_id=0,
        logits_processor=transformers.LogitsProcessorList([Planter(KEY, width=2, delta=2.0)]),
    )  # fmt: skip
    right, wrong = recognise(Kgw(2), [as_tokens(text[0].tolist())], [KEY, KEY + 1])
    assert right.log10_p < -10
    assert wrong.log10_p > -4


INTERPRETED = """
import numpy as np, torch
from types import SimpleNamespace as N
from titer.marks.contexts import as_tokens
from titer.marks.kgw import Kgw
from titer.marks.plugins import triton_kgw
from titer.marks.plugins.arguments import Wish
V = 5000
tokens = torch.zeros(4, 64, dtype=torch.int32)
tokens[2, :5] = torch.tensor([1, 2, 3, 4, 5])
tokens[1, :3] = torch.tensor([9, 8, 7])
wishes = [None, Wish(0xFEDCBA9876543210, 2, 1.5), Wish(0x8123456789ABCDEF, 4, 2.0), None]
rows = [(0, 0, 3, 9), (2, 0, 5, 4), (2, 1, 30, 5), (2, 2, 31, 6), (1, 0, 7, 2), (1, 0, 9, 0)]
slots, drafts, inputs, places = (torch.tensor(c, dtype=torch.int32) for c in zip(*rows))
logits = torch.zeros(len(rows), V)
ctx = N(expanded_idx_mapping=slots, expanded_local_pos=drafts, input_ids=inputs, pos=places)
states = N(all_token_ids=N(gpu=tokens))
triton_kgw.plant(logits, states, ctx, triton_kgw.Wishes(wishes, "cpu"))
contexts = [None, [2, 3, 4, 5], [3, 4, 5, 30], [4, 5, 30, 31], [8, 7], None]
for row, context in enumerate(contexts):
    want = np.zeros((1, V), np.float32)
    if context is not None:
        w = wishes[rows[row][0]]
        Kgw(w.width, delta=w.delta).plant(want, [as_tokens(np.array(context))],
                                          np.array([w.key], np.uint64))
    assert (logits[row].numpy() == want[0]).all(), row
"""


def test_the_triton_kernel_gives_the_compiled_kernel_s_bits():
    pytest.importorskip("triton", reason="triton is not installed")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-c", INTERPRETED], check=True, env=environment)
