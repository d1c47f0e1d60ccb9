"""The Gumbel sampler: the exact choice, the distribution it leaves, repeats, two keys."""

from __future__ import annotations

import numpy as np
import pytest

from titer.marks.contexts import as_tokens
from titer.marks.gumbel import Gumbel, derived, likeliest, pair

KEY = 0x0123_4567_89AB_CDEF


def chosen(logits, drawn):
    return likeliest(logits, drawn, int(logits.argmax()))


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0, 12.0])
def test_the_choice_is_the_largest_of_all_scores(spread):
    rng = np.random.default_rng(7)
    for size in (1, 2, 511, 513, 5000):
        for _ in range(40):
            logits = (spread * rng.standard_normal(size)).astype(np.float32)
            logits[rng.random(size) < 0.2] = -np.inf
            logits[rng.integers(size)] = 0.5
            drawn = rng.integers(0, 1 << 32, size, dtype=np.uint64).astype(np.uint32)
            u = (drawn.astype(np.float64) + 0.5) / 2**32
            assert chosen(logits, drawn) == np.argmax(logits - np.log(-np.log(u)))


def test_extreme_draws_and_masked_tokens_are_chosen_rightly():
    logits = np.array([-np.inf, 0.0, -80.0, 5.0], np.float32)
    drawn = np.array([2**32 - 1, 0, 2**32 - 1, 1], np.uint32)
    u = (drawn.astype(np.float64) + 0.5) / 2**32
    assert chosen(logits, drawn) == np.argmax(logits - np.log(-np.log(u)))
    masked = np.array([-np.inf, -np.inf, 1.0], np.float32)
    assert chosen(masked, np.array([2**32 - 1, 2**32 - 1, 0], np.uint32)) == 2


def test_over_keys_the_distribution_is_the_model_s():
    """8,000 keys, one context: each of four tokens within 4 standard deviations."""
    p = np.array([0.5, 0.3, 0.15, 0.05])
    logits = np.log(p).astype(np.float32)
    context = as_tokens([1, 2, 3, 4])
    n = 8000
    keys = np.random.default_rng(2).integers(0, 2**63, n)
    counts = np.bincount(
        [Gumbel(4, 0.0).sampler(int(k), 0).sample(logits, context) for k in keys], minlength=4
    )
    assert (np.abs(counts - n * p) < 4 * np.sqrt(n * p * (1 - p))).all()


def test_a_context_is_marked_once_and_then_left_to_chance():
    logits = np.zeros(1000, np.float32)
    context = as_tokens([1, 2, 3, 4])
    sampler = Gumbel(4, 0.0).sampler(KEY, 5)
    marked = sampler.sample(logits, context)
    assert Gumbel(4, 0.0).sampler(KEY, 6).sample(logits, context) == marked
    later = {sampler.sample(logits, context) for _ in range(20)}
    assert len(later) > 10


def test_contexts_that_are_too_short_are_left_to_chance():
    logits = np.zeros(1000, np.float32)
    chosen = {Gumbel(4, 0.0).sampler(KEY, s).sample(logits, as_tokens([1, 2])) for s in range(20)}
    assert len(chosen) > 10


def test_the_second_key_takes_its_share():
    logits = np.zeros(5000, np.float32)
    contexts = [as_tokens([i, 2, 3, 4]) for i in range(600)]
    sampler = Gumbel(4, 0.3).sampler(KEY, 1)
    a, b = (Gumbel(4, alpha).sampler(KEY, 1) for alpha in (0.0, 1.0))
    by_a = by_b = 0
    for context in contexts:
        chosen = sampler.sample(logits, context)
        by_a += chosen == a.sample(logits, context)
        by_b += chosen == b.sample(logits, context)
    assert by_a + by_b >= 600
    assert 130 < by_b < 230  # binomial(600, .3): sd 11


def test_keys_are_derived_and_differ():
    assert pair(KEY) == (derived(KEY, b"key_a"), derived(KEY, b"key_b"))
    assert len({KEY, *pair(KEY)}) == 3
