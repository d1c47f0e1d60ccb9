"""The counter-based green list: planter and recogniser agree, and only a key's holder finds it."""

from __future__ import annotations

import numpy as np
import pytest

from titer.core.errors import InputError
from titer.marks import contexts
from titer.marks.contexts import Contexts, as_tokens
from titer.marks.kgw import Kgw

KEY = 0x0123_4567_89AB_CDEF
MASK = 0xFFFF_FFFF


def mix32(x):
    x ^= x >> 16
    x = x * 0x85EBCA6B & MASK
    x ^= x >> 13
    x = x * 0xC2B2AE35 & MASK
    return x ^ x >> 16


def half_siphash(data, key, compress=1, finish=3):
    """HalfSipHash with 64 bits of output, written after its paper and not after the kernel."""
    k0, k1 = key & MASK, key >> 32
    v = [k0, k1 ^ 0xEE, 0x6C796765 ^ k0, 0x74656462 ^ k1]

    def turn(x, n):
        return (x << n | x >> (32 - n)) & MASK

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = turn(v[1], 5) ^ v[0]
            v[0] = turn(v[0], 16)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = turn(v[3], 8) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = turn(v[3], 7) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = turn(v[1], 13) ^ v[2]
            v[2] = turn(v[2], 16)

    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    for word in [*words, len(data) << 24]:
        v[3] ^= word
        rounds(compress)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(finish)
    first = v[1] ^ v[3]
    v[1] ^= 0xDD
    rounds(finish)
    return first, v[1] ^ v[3]


@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_kernel_computes_what_the_description_says(width):
    scheme = Kgw(width)
    tokens = as_tokens(np.random.default_rng(width).integers(0, 50_000, 60))
    found = contexts.scores(scheme, tokens, KEY)
    for value, position, context in zip(found.value, found.position, found.context, strict=True):
        a, b = half_siphash(int(context).to_bytes(8, "little"), KEY)
        x = mix32(mix32((int(tokens[position]) * 0x9E3779B1 + a) & MASK) ^ b)
        assert value == (x < 0.25 * 2**32)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_row_holds_the_value_of_every_token(width):
    scheme = Kgw(width)
    tokens = as_tokens(np.random.default_rng(width).integers(0, 300, 40))
    for position in range(width, 40):
        row = scheme.row(tokens[:position], KEY, 300)
        assert row[tokens[position]] == scheme.at(tokens, np.array([position]), KEY)[0]


def sampled(scheme, key, n, seed=0, vocabulary=500):
    """Text drawn from flat logits with the mark planted."""
    rng = np.random.default_rng(seed)
    tokens = list(rng.integers(0, vocabulary, scheme.width))
    for _ in range(n):
        logits = rng.standard_normal((1, vocabulary)).astype(np.float32)
        scheme.plant(logits, [as_tokens(np.array(tokens[-8:]))], np.array([key], np.uint64))
        tokens.append(int(np.argmax(logits[0] + rng.gumbel(size=vocabulary))))
    return as_tokens(np.array(tokens))


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_planted_text_is_found_by_its_key_alone(width):
    scheme = Kgw(width)
    tokens = sampled(scheme, KEY, 200)
    positions = Contexts().new(scheme, tokens)
    log_p = scheme.null.log_p(scheme.at(tokens, positions, KEY).sum(), len(positions))
    assert log_p < np.log(1e-12)
    others = np.random.default_rng(1).integers(0, 2**64, 2000, dtype=np.uint64)
    sums = scheme.sums(tokens, positions, others)
    assert sums[5] == scheme.at(tokens, positions, int(others[5])).sum()
    log_ps = scheme.null.log_ps(sums, len(positions))
    assert np.exp(log_ps.min()) > 1e-6
    assert 0.02 < (log_ps < np.log(0.05)).mean() < 0.075


def test_planting_leaves_masked_tokens_masked_and_short_contexts_alone():
    scheme = Kgw(4)
    logits = np.full((2, 100), -np.inf, np.float32)
    logits[1] = 0
    scheme.plant(logits, [as_tokens([1, 2, 3, 4]), as_tokens([1, 2])], np.array([1, 2], np.uint64))
    assert np.isneginf(logits[0]).all()
    assert (logits[1] == 0).all()


def test_every_key_makes_a_quarter_green():
    rows = [Kgw(1).row(as_tokens([7]), key, 20_000).mean() for key in range(50)]
    assert abs(np.mean(rows) - 0.25) < 0.005
    assert 0.002 < np.std(rows) < 0.005  # binomial: sqrt(.25 .75 / 20000) = .0031


def test_a_repeated_token_counts_once_and_documents_share_their_contexts():
    seen = Contexts()
    scheme = Kgw(2)
    assert len(seen.new(scheme, as_tokens(np.full(1_000_000, 5)))) == 1
    assert len(seen.new(scheme, as_tokens([5, 5, 5, 6]))) == 1
    assert len(seen) == 2


def test_distinct_contexts_survive_the_growth_of_the_table():
    scheme = Kgw(2)
    tokens = as_tokens(np.random.default_rng(0).integers(0, 9, 200_000))
    triples = {tuple(tokens[i : i + 3]) for i in range(len(tokens) - 2)}
    assert len(Contexts(10).new(scheme, tokens)) == len(triples) == 729
    wide = as_tokens(np.arange(300_000))
    assert len(Contexts(10).new(scheme, wide)) == 299_998


@pytest.mark.parametrize("ids", [[], [1], [1, 2]])
def test_a_text_shorter_than_the_width_scores_nothing(ids):
    scheme = Kgw(2)
    tokens = as_tokens(np.array(ids, np.int64))
    positions = Contexts().new(scheme, tokens)
    assert len(positions) == 0
    assert scheme.null.log_p(0, 0) == 0


@pytest.mark.parametrize("ids", [[[1, 2]], ["a"], [1.5], [-1], [2**31]])
def test_what_is_no_list_of_ids_is_refused(ids):
    with pytest.raises(InputError):
        as_tokens(ids)


def test_parameters_that_make_no_mark_are_refused():
    for bad in ({"width": 3}, {"gamma": 0.0}, {"delta": -1.0}):
        with pytest.raises(ValueError, match="kgw"):
            Kgw(**bad)
