"""The engines' own code, where it is there: detectors beside recognisers, and processors' batches.

Needs torch and transformers; vLLM and SGLang installed, or their wheels named by TITER_VLLM_WHEEL
and TITER_SGLANG_WHEEL (`evals/engine_modules.py`). `python -m evals engines` compares more texts.
"""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from titer.marks.contexts import as_tokens
from titer.marks.kgw import Kgw

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
from evals import engine_modules, marks_engines  # noqa: E402

from titer.marks.plugins.transformers_processor import Planter as TransformersPlanter  # noqa: E402
from titer.marks.plugins.vllm_v1 import Planter as VllmPlanter  # noqa: E402
from titer.marks.plugins.vllm_v2 import Planter as VllmSecond  # noqa: E402

V, KEY = 300, 0x0123_4567_89AB_CDEF


def wheel(name):
    given = os.environ.get(f"TITER_{name.upper()}_WHEEL")
    return Path(given) if given else None


def package(name):
    try:
        return getattr(engine_modules, name)(wheel(name))
    except ImportError as error:
        pytest.skip(f"{name} is not there: {error}")


def agree(name, case, vocabulary):
    rng = np.random.default_rng(7)
    ours = marks_engines.made_scheme(name, case)
    texts = [marks_engines.plain(rng, 120, vocabulary), marks_engines.plain(rng, 120, 30)]
    if name != "hf-kgw":
        texts.append(marks_engines.marked(rng, ours, case.key, 120))
    found = marks_engines.compared(name, case, texts)
    assert found["scored_otherwise"] == 0
    assert found["largest_relative_difference"] < 1e-13
    assert found["largest_relative_difference_log_p"] < 1e-9


@pytest.mark.parametrize("alpha", [None, 0.1])
def test_vllm_s_detector_says_the_same(alpha):
    agree("vllm-philox", marks_engines.vllm_case(package("vllm"), 4, alpha, KEY), 128_256)


@pytest.mark.parametrize("key_b", ["", "c0ffee"])
def test_sglang_s_detector_says_the_same(key_b):
    agree(
        "sglang-murmur", marks_engines.sglang_case(package("sglang"), 4, key_b, 0.5, KEY), 99_999
    )


@pytest.mark.parametrize(("seeding", "width"), [("lefthash", 1), ("selfhash", 3)])
def test_transformers_detector_says_the_same(seeding, width):
    agree("hf-kgw", marks_engines.kgw_case(1000, seeding, width, 0.25, 15_485_863), 1000)


def test_transformers_synthid_says_the_same():
    agree("hf-synthid", marks_engines.synthid_case(5, 1 << 16, 0, [654, 400, 836]), 5000)


def expected(context, width):
    row = np.zeros((1, V), np.float32)
    keys = np.array([KEY], np.uint64)
    Kgw(width, delta=2.0).plant(row, [as_tokens(np.array(context))], keys)
    return row[0]


def test_planters_have_what_vllm_s_interfaces_ask_for():
    package("vllm")
    first, _ = engine_modules.vllm_processors(wheel("vllm"))
    second = engine_modules.vllm_second(wheel("vllm"))
    for base, planter in (
        (first.LogitsProcessor, VllmPlanter),
        (second.LogitsProcessor, VllmSecond),
    ):
        assert base.__abstractmethods__
        for name in base.__abstractmethods__:
            asked = list(inspect.signature(getattr(base, name)).parameters)
            given = list(inspect.signature(getattr(planter, name)).parameters)
            assert given == asked, (planter, name)


def test_vllm_s_own_batches_are_followed():
    """Its builder says what was removed, added and moved; rows end up where it says."""
    package("vllm")
    interface, state = engine_modules.vllm_processors(wheel("vllm"))
    asked = SimpleNamespace(extra_args={"titer_mark_key": f"{KEY:016x}", "titer_mark_width": 2})
    plain = SimpleNamespace(extra_args=None)
    outputs = [[7, 8], [9], [5, 6]]
    planter = VllmPlanter(None, "cpu", False)
    builder = state.BatchUpdateBuilder()
    for row, (wanted, output) in enumerate(zip((asked, plain, asked), outputs, strict=True)):
        builder.added.append((row, wanted, [1, 2], output))
    planter.update_state(builder.get_and_reset(3))
    logits = planter.apply(torch.zeros(3, V))
    assert (logits[0].numpy() == expected([7, 8], 2)).all()
    assert not logits[1].any()
    assert (logits[2].numpy() == expected([5, 6], 2)).all()

    builder.moved.append((0, 2, interface.MoveDirectionality.SWAP))
    planter.update_state(builder.get_and_reset(3))
    outputs[0].append(3)  # the engine's list is live
    logits = planter.apply(torch.zeros(3, V))
    assert (logits[2].numpy() == expected([8, 3], 2)).all()
    assert (logits[0].numpy() == expected([5, 6], 2)).all()

    builder.removed_append(0)
    planter.update_state(builder.get_and_reset(2))
    logits = planter.apply(torch.zeros(3, V))
    assert not logits[0].any()


def test_vllm_s_second_interface_is_followed():
    """Its own description of a step, in tensors: two requests, of which one has two drafts."""
    package("vllm")
    interface = engine_modules.vllm_second(wheel("vllm"))
    tokens = torch.zeros(4, 16, dtype=torch.int32)
    tokens[2, :3] = torch.tensor([4, 5, 6])
    none = SimpleNamespace()
    states = interface.LogitsProcRequestState(
        device=torch.device("cpu"), max_num_reqs=4, vocab_size=V,
        all_token_ids=SimpleNamespace(gpu=tokens), prompt_len=none, prefill_len=none,
        total_len=none,
    )  # fmt: skip
    planter = VllmSecond(None, states)
    asked = {"titer_mark_key": f"{KEY:016x}", "titer_mark_width": 2}
    assert planter.add_request(2, SimpleNamespace(extra_args=asked))
    assert not planter.add_request(0, SimpleNamespace(extra_args=None))
    planter.apply_staged_writes()
    context = interface.LogitsContext(
        expanded_idx_mapping=torch.tensor([0, 2, 2]), idx_mapping=torch.tensor([0, 2]),
        idx_mapping_np=np.array([0, 2]), expanded_local_pos=torch.tensor([0, 0, 1]),
        input_ids=torch.tensor([9, 6, 30]), pos=torch.tensor([5, 2, 3]),
        seq_lens_upper_bound_np=np.array([6, 4]),
    )  # fmt: skip
    logits = planter.apply(torch.zeros(3, V), context)
    assert not logits[0].any()
    assert (logits[1].numpy() == expected([5, 6], 2)).all()
    assert (logits[2].numpy() == expected([6, 30], 2)).all()


def test_transformers_continuous_batching_plants_at_width_1_and_drops_the_others():
    """Its own list of processors: a row's last token is all that it tells them."""
    processors = pytest.importorskip(
        "transformers.generation.continuous_batching.cb_logits_processors",
        reason="this transformers keeps its processors elsewhere",
    )
    listed = processors.ContinuousBatchingLogitsProcessorList(
        transformers.LogitsProcessorList(
            [TransformersPlanter(KEY, width=1), TransformersPlanter(KEY, width=2)]
        )
    )
    kept = list(listed.logits_processor)
    assert [p.supports_continuous_batching for p in kept] == [True]
    scores = listed(torch.tensor([5, 17, 5]), torch.zeros(3, V), torch.empty(0))
    for row, last in zip(scores, (5, 17, 5), strict=True):
        assert (row.numpy() == expected([last], 1)).all()
