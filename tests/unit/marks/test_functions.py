"""The engines' functions as they are compiled here, beside a plain writing of each."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from titer.marks.contexts import as_tokens
from titer.marks.gumbel import Gumbel
from titer.marks.hf_kgw import HfKgw
from titer.marks.keys import derived
from titer.marks.kgw import Kgw
from titer.marks.mersenne import among_first, bits, numbers, shuffled
from titer.marks.sglang_murmur import SglangMurmur
from titer.marks.sha256 import first_64_bits
from titer.marks.tournament import Tournament
from titer.marks.vllm_philox import VllmPhilox

RNG = np.random.default_rng(11)
WORD = 0xFFFF_FFFF
TOKENS = as_tokens(RNG.integers(0, 1 << 31, 1_500))


def philox(counter, key):
    """Philox4x32-10 as its authors write it."""
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD251_1F53 * counter[0], 0xCD9E_8D57 * counter[2]
        counter = (
            (p1 >> 32) ^ counter[1] ^ k0, p1 & WORD, (p0 >> 32) ^ counter[3] ^ k1, p0 & WORD,
        )  # fmt: skip
        k0, k1 = (k0 + 0x9E37_79B9) & WORD, (k1 + 0xBB67_AE85) & WORD
    return counter


def vllm_value(tokens, position, width, key):
    """-log(1 - u) of a token, block after block of its context."""
    k0, k1 = key & WORD, key >> 32
    context = [int(tokens[j]) if j >= 0 else WORD for j in range(position - width, position)]
    state = (0x574D_4358, width, 0, 0)
    for offset in range(0, width, 4):
        block = context[offset : offset + 4]
        block += [WORD - place for place in range(len(block), 4)]
        state = philox(tuple(s ^ b for s, b in zip(state, block, strict=True)), (k0 ^ offset, k1))
    token = int(tokens[position])
    words = philox((token >> 2, *state[:3]), (k0 ^ state[3], k1 ^ 0x574D_544B))
    u = np.float32(((words[token & 3] >> 8) + 1) / (2**24 + 1))
    return -math.log1p(-float(u))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("alpha", [None, 0.1])
def test_philox_is_vllm_s_at_every_width(width, alpha):
    key = int(RNG.integers(1 << 62)) * 2 + 1
    positions = np.concatenate([np.arange(6), RNG.integers(6, len(TOKENS), 700)])
    scheme = VllmPhilox(width, alpha)
    found = scheme.at(TOKENS, positions, key)
    parts = [(key, 1.0)] if alpha is None else scheme._parts(key)
    for i in (0, 1, 4, 5, 100, 511, 512, 699):
        plain = sum(w * vllm_value(TOKENS, int(positions[i]), width, k) for k, w in parts)
        assert found[i] == pytest.approx(plain, rel=1e-14)
    row = scheme.row(TOKENS[:7], key, 40)
    after = np.append(TOKENS[:7], as_tokens([33]))
    plain = sum(w * vllm_value(after, 7, width, k) for k, w in parts)
    assert row[33] == pytest.approx(plain, rel=1e-14)


@pytest.mark.parametrize(
    "scheme",
    [Kgw(2), Gumbel(4, 0.0), Gumbel(1, 0.3), Gumbel(2, 1.0), Tournament(4), Tournament(1, 17),
     VllmPhilox(4), VllmPhilox(6), VllmPhilox(2, 0.1), SglangMurmur(3)],
    ids=lambda s: f"{s.name}-{s.parameters}",
)  # fmt: skip
@pytest.mark.parametrize("count", [0, 1, 15, 40])
def test_sums_over_keys_are_those_of_single_keys(scheme, count):
    keys = RNG.integers(0, 1 << 63, 1_100, dtype=np.uint64)  # more than are worked on at once
    positions = np.sort(RNG.choice(np.arange(9, len(TOKENS)), count, replace=False))
    totals = scheme.sums(TOKENS, positions, keys)
    for k in (0, 1, 511, 512, 1_023, 1_024, 1_099):
        single = scheme.at(TOKENS, positions, int(keys[k])).sum()
        assert totals[k] == pytest.approx(single, rel=1e-12, abs=1e-12)


def test_keys_are_derived_alike_one_by_one_and_together():
    keys = RNG.integers(0, 1 << 63, 50, dtype=np.uint64)
    for domain in (b"key_a", b"key_b"):
        assert first_64_bits(domain, keys).tolist() == [derived(int(k), domain) for k in keys]


def test_vllm_s_quotient_is_a_product_for_every_word():
    above = np.arange(1, (1 << 24) + 1, dtype=np.float64)
    quotient = (above / 16777217.0).astype(np.float32)
    assert ((above * (1.0 / 16777217.0)).astype(np.float32) == quotient).all()


def test_a_prefix_that_leaves_no_room_is_refused():
    keys = np.array([7], np.uint64)
    expected = hashlib.sha256(bytes(47) + (7).to_bytes(8)).digest()[:8]
    assert first_64_bits(bytes(47), keys)[0] == int.from_bytes(expected)
    with pytest.raises(ValueError, match="47 bytes"):
        first_64_bits(bytes(48), keys)


@pytest.mark.parametrize("seed", [0, 1, 5_489, 2**32 - 1])
def test_the_twister_is_the_usual_one(seed):
    usual = np.random.RandomState(seed).randint(0, 1 << 32, 2_000, dtype=np.uint32)
    assert (numbers(np.uint64(seed), 2_000) == usual).all()
    assert (bits(np.uint64(seed), 900) == usual[:900] % 2).all()


def shuffle(seed, size):
    """torch.randperm(size) on the CPU, number by number."""
    drawn = np.random.RandomState(seed).randint(0, 1 << 32, size, dtype=np.uint32)
    out = list(range(size))
    for i in range(size - 1):
        other = i + int(drawn[i]) % (size - i)
        out[i], out[other] = out[other], out[i]
    return out


@pytest.mark.parametrize(("size", "first"), [(2, 1), (50, 1), (50, 49), (700, 175), (1_300, 650)])
def test_membership_is_that_of_the_whole_shuffle(size, first):
    for seed in (3, 77):
        front = set(shuffle(seed, size)[:first])
        assert shuffled(np.uint64(seed), size, first).tolist() == shuffle(seed, size)[:first]
        for count in (1, min(5, size), size):  # few are followed, of many all places are
            wanted = RNG.permutation(size)[:count].astype(np.uint32)
            seeds = np.full(count, seed, np.uint32)
            found = among_first(seeds, np.arange(count), wanted, size, first)
            assert found.tolist() == [int(w) in front for w in wanted]
    mixed = np.array([77, 3, 77, 3], np.uint32)
    wanted = np.array([0, 0, size, 1], np.uint32)  # a token beyond the vocabulary is never green
    found = among_first(mixed, np.argsort(mixed), wanted, size, first)
    assert found.tolist() == [
        0 in shuffle(77, size)[:first], 0 in shuffle(3, size)[:first], False,
        1 in shuffle(3, size)[:first],
    ]  # fmt: skip


@pytest.mark.parametrize("key", [0, 1, 15_485_863, (1 << 62) + 99, (1 << 63) - 1])
def test_seeds_of_green_lists_are_python_s(key):
    tokens = as_tokens([5, (1 << 31) - 1, 0, 123_456, 7])
    seeds = HfKgw(1_000)._seeds(tokens, np.arange(1, 5), key)
    assert seeds.tolist() == [key * int(t) % ((1 << 64) - 1) for t in tokens[:4]]
