"""Every scheme: what its planter marks its recogniser finds, under its key alone; bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from titer.core.errors import InputError
from titer.marks import contexts
from titer.marks.contexts import Contexts, as_tokens
from titer.marks.gumbel import Gumbel
from titer.marks.hf_kgw import HfKgw
from titer.marks.hf_synthid import HfSynthid
from titer.marks.kgw import Kgw
from titer.marks.recognise import Evidence, gather, recognise, trace
from titer.marks.schemes import BUILTIN, scheme
from titer.marks.sglang_murmur import SglangMurmur
from titer.marks.tournament import Tournament
from titer.marks.vllm_philox import VllmPhilox

KEY = 0x5EED_0000_CAFE_F00D
V = 400
ALL = [
    Kgw(1), Kgw(2), Kgw(4), Gumbel(4, 0.0), Gumbel(2, 0.1), Tournament(2, 30), VllmPhilox(4),
    VllmPhilox(2, 0.1), SglangMurmur(4), SglangMurmur(2, "beef", 0.5), HfKgw(V), HfKgw(V, 0.25,
    "selfhash", 3), HfSynthid(5, 30),
]  # fmt: skip
TRACED = [marks for marks in ALL if not getattr(marks, "key_b", "")]


def planted(marks, n=150, seed=0, key=KEY):
    """A text that carries the mark: each token is drawn by the scheme's own rule."""
    rng = np.random.default_rng(seed)
    tokens = list(rng.integers(0, V, 8))
    sampler = marks.sampler(key, seed) if isinstance(marks, Gumbel) else None
    for _ in range(n):
        logits = rng.standard_normal(V).astype(np.float32)
        context = as_tokens(np.array(tokens))
        if sampler is not None:
            tokens.append(sampler.sample(logits, context))
            continue
        if isinstance(marks, Kgw):
            marks.plant(logits[None], [context], np.array([key], np.uint64))
        elif isinstance(marks, Tournament):
            marks.plant(logits, context, key)
        elif isinstance(marks, VllmPhilox | SglangMurmur):  # -log(1 - u) is largest where u is
            u = -np.expm1(-marks.row(context, key, V)) if marks.null.variance == 1 else None
            noise = np.log(-np.log(u)) if u is not None else -marks.row(context, key, V)
            tokens.append(int(np.argmax(logits - noise)))
            continue
        else:
            logits += (2.0 if isinstance(marks, HfKgw) else 0.3) * marks.row(context, key, V)
        tokens.append(int(np.argmax(logits + rng.gumbel(size=V))))
    return as_tokens(np.array(tokens))


@pytest.mark.parametrize("marks", ALL, ids=lambda m: f"{m.name}-{m.width}")
def test_the_planted_mark_is_found_by_its_key_alone(marks):
    text = planted(marks, 60 if marks.name == "hf-kgw" and marks.width == 2 else 150)
    if getattr(marks, "key_b", ""):
        assert recognise(marks, [text], [KEY])[0].log10_p < -5
        return
    right, *wrong = recognise(marks, [text], [KEY, *range(1, 41)])
    assert right.log10_p < -5
    assert right.total > right.expected
    assert min(w.log10_p for w in wrong) > -4
    assert right.holm_log10_p == pytest.approx(right.log10_p + math.log10(41))


@pytest.mark.parametrize("marks", TRACED, ids=lambda m: f"{m.name}-{m.width}")
def test_an_unmarked_text_is_found_as_often_as_the_level_says(marks):
    """1,000 keys (40 where a key needs a table), seed 9; bounds hold with probability 0.9999."""
    keys = 40 if marks.width == 2 and marks.name == "hf-kgw" else 1000
    text = as_tokens(np.random.default_rng(9).integers(0, V, 300))
    evidence = gather(marks, [text])
    log_ps = marks.null_for(evidence.tokens, evidence.positions).log_ps(
        marks.sums(evidence.tokens, evidence.positions, np.arange(7, 7 + keys, dtype=np.uint64)),
        len(evidence.positions),
    )
    for level in (0.5, 0.1):
        spread = 4 * math.sqrt(level * (1 - level) / keys)
        share = (log_ps <= math.log(level)).mean()
        # a discrete statistic rejects less often than the level, never more
        assert level - spread - 0.06 < share < level + spread


@pytest.mark.parametrize("marks", TRACED, ids=lambda m: f"{m.name}-{m.width}")
def test_sums_are_those_of_each_key(marks):
    text = as_tokens(np.random.default_rng(2).integers(0, V, 60))
    positions = Contexts().new(marks, text)
    keys = np.array([1, 2**63 + 5, KEY], np.uint64)
    if isinstance(marks, HfKgw):
        keys = keys % 2**32
    expected = [marks.at(text, positions, int(key)).sum() for key in keys]
    assert marks.sums(text, positions, keys) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("marks", ALL, ids=lambda m: f"{m.name}-{m.width}")
def test_texts_of_no_or_three_tokens_prove_nothing(marks):
    for text in ([], [3], [3, 1, 2]):
        (found,) = recognise(marks, [as_tokens(np.array(text, np.int64))], [KEY])
        assert found.log10_p > -4
        assert found.scored <= 3


@pytest.mark.parametrize("marks", [Kgw(2), Gumbel(4), VllmPhilox(4), SglangMurmur(4)])
def test_one_token_a_million_times_proves_nothing(marks):
    (found,) = recognise(marks, [as_tokens(np.full(1_000_000, 17))], [KEY])
    assert found.tokens == 1_000_000
    assert found.scored <= 5
    assert found.log10_p > -5


def test_a_hundred_megabytes_of_ids_are_recognised():
    """25 million tokens of a small vocabulary: most contexts repeat."""
    text = as_tokens(np.random.default_rng(4).integers(0, 500, 25_000_000, dtype=np.uint32))
    (found,) = recognise(Kgw(1), [text], [KEY])
    assert (found.tokens, found.scored) == (25_000_000, 250_000)
    assert found.log10_p > -5


def test_synthid_looks_many_n_grams_up_as_it_does_few():
    marks = HfSynthid(5, 30)
    text = as_tokens(np.random.default_rng(3).integers(0, 50_000, 70_000))
    places = np.arange(marks.start, len(text))
    many = marks.at(text, places, KEY)
    assert (many[::700] == marks.at(text, places[::700], KEY)).all()


def test_the_same_document_twice_counts_once():
    marks = Kgw(2)
    text = planted(marks)
    once, twice = (recognise(marks, [text] * n, [KEY])[0] for n in (1, 2))
    assert once.scored == twice.scored
    assert once.log10_p == twice.log10_p


def test_documents_do_not_run_into_each_other():
    marks = VllmPhilox(4)
    texts = [as_tokens([1, 2, 3, 4, 5]), as_tokens([9, 8, 7])]
    evidence = gather(marks, texts)
    apart = sum(
        marks.at(t, np.arange(k, len(t)), KEY).sum()  # the first contexts of both are the same
        for k, t in enumerate(texts)
    )
    assert marks.at(evidence.tokens, evidence.positions, KEY).sum() == pytest.approx(apart)


def test_contexts_carry_over_when_asked_to():
    marks = Kgw(1)
    seen = Contexts()
    text = as_tokens([1, 2, 3, 4])
    assert len(gather(marks, [text], seen).positions) == 3
    assert len(gather(marks, [text], seen).positions) == 0


def test_tracing_names_the_account_among_many():
    """20,000 keys, a text of 300 tokens, seed 3."""
    keys = np.random.default_rng(3).integers(0, 2**64, 20_000, dtype=np.uint64)
    for marks in (Kgw(2), Gumbel(4, 0.0)):
        text = planted(marks, 300, key=int(keys[12_345]))
        first, second = trace(marks, gather(marks, [text]), keys, best=2)
        assert first.key == keys[12_345]
        assert first.holm_log10_p < -6
        assert second.holm_log10_p > -3
        assert first.log10_p == pytest.approx(recognise(marks, [text], [first.key])[0].log10_p)


def test_a_key_that_all_accounts_share_cannot_trace():
    with pytest.raises(InputError, match="key_b"):
        trace(SglangMurmur(2, "beef"), gather(SglangMurmur(2), []), np.arange(3, dtype=np.uint64))


def test_tracing_is_the_same_on_any_number_of_threads():
    keys = np.arange(20_000, dtype=np.uint64)
    evidence = gather(Kgw(2), [as_tokens(np.arange(100) % 37)])
    assert trace(Kgw(2), evidence, keys, threads=1) == trace(Kgw(2), evidence, keys, threads=2)
    assert trace(Kgw(2), evidence, keys[:0]) == []


def test_synthid_null_holds_where_a_binomial_would_not():
    """A text of 20,000 n-grams over a table of 65,536 places: 200 keys, seed 1."""
    marks = HfSynthid(5, 30)
    text = as_tokens(np.random.default_rng(1).integers(0, 50_000, 20_000))
    evidence = gather(marks, [text])
    sums = marks.sums(evidence.tokens, evidence.positions, np.arange(1, 201, dtype=np.uint64))
    null = marks.null_for(evidence.tokens, evidence.positions)
    log_ps = null.log_ps(sums, len(evidence.positions))
    share = (log_ps <= math.log(0.1)).mean()
    assert 0.04 < share < 0.16
    assert sums.std() ** 2 == pytest.approx(null.variance * len(evidence.positions), rel=0.3)


def test_too_much_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr("titer.marks.recognise.MAX_TOKENS", 10)
    with pytest.raises(InputError, match="in parts"):
        gather(Kgw(2), [as_tokens(np.arange(11))])
    monkeypatch.setattr(contexts, "MAX_CONTEXTS", 1000)
    with pytest.raises(InputError, match="distinct contexts"):
        Contexts().new(Kgw(2), as_tokens(np.arange(5000)))
    monkeypatch.setattr("titer.marks.recognise.MAX_KEYS", 2)
    nothing = Evidence(as_tokens([1]), np.empty(0, np.int64), 1)
    with pytest.raises(InputError, match="keys"):
        trace(Kgw(2), nothing, np.arange(3, dtype=np.uint64))


def test_schemes_are_made_again_from_name_and_parameters():
    for marks in ALL:
        again = scheme(marks.name, marks.parameters)
        assert again.name in BUILTIN
        assert again.parameters == marks.parameters
    for name, parameters in (("nope", {}), ("kgw", {"heft": 1}), ("kgw", {"width": 3}),
                             ("hf-kgw", {}), ("vllm-philox", {"alpha": 2.0})):  # fmt: skip
        with pytest.raises(InputError):
            scheme(name, parameters)
    assert "key_b" not in SglangMurmur(4, "beef").parameters
