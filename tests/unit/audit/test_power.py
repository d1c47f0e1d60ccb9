"""The power calculator: what it says beside what happens, and when it says no."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from titer.audit import probabilities, strength, tails
from titer.audit.power import Attenuation, Fit, Question, answer, attenuation
from titer.core.errors import InputError
from titer.marks.contract import BinomialNull, GammaNull
from titer.marks.gumbel import Gumbel
from titer.marks.kgw import Kgw
from titer.marks.schemes import scheme as scheme_of
from titer.marks.sglang_murmur import SglangMurmur
from titer.marks.tournament import Tournament
from titer.marks.vllm_philox import VllmPhilox


def fit(access, width, **changed):
    fields = {
        "access": access, "width": width, "constant": math.log(0.05), "marked": 0.0, "share": 0.5,
        "spread": 0.2, "marked_from": 20_000, "marked_to": 200_000, "share_from": 0.1,
        "share_to": 1.0, "points": 9, "most_pairs": 50_000, "pairs_per_token": 0.5,
    }  # fmt: skip
    return Fit(**(fields | changed))


HELD = Attenuation(
    "somewhere", "kgw", {},
    (fit("words", 1), fit("chances", 1, constant=math.log(0.1)), fit("reading", 1),
     fit("words", 2, marked_from=None, share_from=None), fit("argmax", 1),
     fit("words", 4, scheme="gumbel"), fit("words", 4, scheme="tournament")),
)  # fmt: skip


def ask(**changed):
    if "width" in changed:
        changed["scheme"] = Kgw(width=changed.pop("width"))
    return answer(Question(**({"marked": 100_000, "share": 1.0} | changed)), HELD)


def test_the_needed_number_gives_that_p():
    found = ask()
    assert found.provable
    n = found.needed
    mean, variance = 0.25, 0.25 * 0.75
    total = n * mean + 0.05 * math.sqrt(variance) * n  # the effect, exactly as fitted
    weights = tails.Weights(np.ones(n))
    log10 = float(tails.fixed(np.array([total]), weights, tails.Law(BinomialNull(mean)))[0])
    assert log10 / math.log(10) == pytest.approx(-6, abs=0.6)
    assert found.cautious > found.needed
    assert found.tokens == math.ceil(found.cautious / 0.5)


def test_more_of_anything_needs_less():
    base = ask(share=0.5).needed
    assert ask(share=1.0).needed < base
    assert ask(share=0.5, access="chances").needed < base
    assert ask(share=0.5, alpha=1e-3).needed < base
    assert ask(share=0.5, keys=1000).needed > base
    assert ask(share=0.5, access="reading").needed > base  # the same effect, a dearer bound


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"marked": 19_999}, "no effect was told"),
        ({"share": 0.05}, "no effect was told"),
        ({"width": 2}, "at this width"),
        ({"available": 100}, "can be had"),
    ],
)
def test_it_says_when_it_cannot_be_proved(changed, why):
    found = ask(**changed)
    assert not found.provable
    assert why in found.why
    assert "NOT PROVABLE" in found.lines()[0]
    if "available" not in changed:
        assert found.needed is None


def test_what_no_test_could_hold_is_not_promised():
    found = ask(entropy=0.01, share=0.1)
    assert found.needed > 8_000_000
    assert not found.provable
    assert "a test uses 8,000,000 at most" in found.why


def test_nothing_is_promised_beyond_what_was_measured():
    more = ask(marked=10**9)
    assert more.needed == ask(marked=200_000).needed
    assert any("more than the" in note for note in more.notes)


@pytest.mark.parametrize(
    "changed",
    [{"marked": 0}, {"share": 0.0}, {"share": 1.1}, {"width": 4}, {"alpha": 0.0}, {"keys": 0},
     {"available": 0}, {"distinct": 0.0}, {"entropy": 9.0}, {"scheme": Gumbel(2)},
     {"scheme": SglangMurmur(3)}, {"scheme": Tournament(1)}],
)  # fmt: skip
def test_questions_without_sense_are_refused(changed):
    with pytest.raises(InputError):
        ask(**changed)


def test_what_is_shipped_answers():
    held = attenuation()
    kinds = {("kgw", 1), ("kgw", 2), ("kgw", 4), ("gumbel", 1), ("gumbel", 2), ("gumbel", 4),
             ("tournament", 4)}  # fmt: skip
    assert {(f.scheme, f.width, f.access) for f in held.fits} == {
        (*kind, access) for kind in kinds for access in ("words", "chances", "argmax", "reading")
    }
    found = answer(Question(marked=200_000, share=1.0, access="chances"))
    assert found.provable
    assert "evals/radioactivity.json" in found.source
    assert not answer(Question(marked=500, share=0.01)).provable
    for scheme in (VllmPhilox(4, 0.1), SglangMurmur(1)):
        found = answer(Question(marked=100_000, share=1.0, scheme=scheme, access="reading"))
        assert found.scheme == scheme.name
        assert any("three students" in note for note in found.notes)
    for scheme in (Tournament(4), Kgw(4), scheme_of("hf-synthid")):
        for access in ("words", "chances", "argmax", "reading"):
            told = answer(
                Question(marked=100_000, share=1.0, scheme=scheme, access=access, entropy=0.7)
            )
            assert not told.provable
            assert "no effect was told" in told.why or "a test uses" in told.why
    for scheme in (VllmPhilox(4, 0.1), SglangMurmur(1), scheme_of("hf-synthid")):
        assert answer(Question(share=1.0, scheme=scheme, access="text")).provable


def test_a_student_s_effect_follows_what_marked_text_shows():
    at_lab = ask(entropy=HELD.entropy)
    assert at_lab.effect == pytest.approx(ask().effect)
    assert ask(entropy=0.5).effect < at_lab.effect
    assert ask(scheme=Kgw(1, delta=1.0)).effect < ask(scheme=Kgw(1, delta=4.0)).effect
    one, two = ask(scheme=VllmPhilox(4)), ask(scheme=VllmPhilox(4, 0.1))
    assert two.effect == pytest.approx(one.effect * math.sqrt(0.9**2 + 0.1**2))
    assert ask(scheme=SglangMurmur(4)).effect == pytest.approx(one.effect)


def test_what_a_student_needs_is_what_it_shows_every_other_time():
    """Simulated suspects whose values lie as far above chance as the calculator says."""
    rng = np.random.default_rng(5)
    goal = -6 * math.log(10)
    for scheme, null in ((Kgw(1), BinomialNull(0.25)), (Gumbel(4, 0.0), GammaNull())):
        found = ask(scheme=scheme)
        n, lift = found.needed, found.effect * math.sqrt(null.variance)
        if scheme.name == "kgw":
            totals = rng.binomial(n, 0.25 + lift, 400).astype(float)
        else:
            totals = rng.gamma(n, 1.0 + lift, 400)
        proved = (null.log_ps(totals, n) <= goal).mean()
        assert 0.3 < proved < 0.7
    # weighted by probabilities, by the bound that `topk` is judged with
    found = ask(access="chances")
    weights = rng.uniform(0.05, 1.0, found.needed)
    unit = found.effect * math.sqrt(0.25 * 0.75) * math.sqrt(len(weights) / (weights**2).sum())
    lift = unit * (weights**2).sum() / weights.sum()
    draws = rng.random((60, len(weights))) < 0.25 + lift
    law = tails.Law(BinomialNull(0.25))
    proved = (tails.fixed(draws @ weights, tails.Weights(weights), law) <= goal).mean()
    assert 0.2 < proved < 0.8


PLACES = strength.assumed(1.5)[::4, :64]
PLACES = PLACES / PLACES.sum(axis=1, keepdims=True)


def marked_text(scheme, n, rng):
    """Tokens and places of `n` marked choices, each after a context of its own, as planted."""
    width = scheme.width
    tokens = rng.integers(1_000, 1 << 30, n * (width + 1)).astype(np.uint32)
    places = np.arange(width, len(tokens), width + 1)
    key = int(rng.integers(1, 1 << 62))
    for place, row in zip(places, PLACES[rng.integers(0, len(PLACES), n)], strict=True):
        context = tokens[place - width : place]
        logits = np.log(row).astype(np.float32)
        if isinstance(scheme, Kgw):
            logits = logits[None, :].copy()
            scheme.plant(logits, [context], np.array([key], np.uint64))
            p = np.exp(logits[0] - logits[0].max())
        elif isinstance(scheme, Tournament):
            scheme.plant(logits, context, key)
            p = np.exp(logits)
        elif isinstance(scheme, Gumbel):
            tokens[place] = scheme.sampler(key, int(rng.integers(1 << 30))).sample(logits, context)
            continue
        else:  # an engine's: the token that its function takes
            used = key
            if isinstance(scheme, VllmPhilox) and scheme.alpha is not None:
                used = scheme._parts(key)[int(rng.random() < scheme.alpha)][0]
            plain = VllmPhilox(width) if isinstance(scheme, VllmPhilox) else scheme
            values = plain.row(context, used, len(row))
            tokens[place] = int(np.argmax(logits - np.log(-np.log1p(-np.exp(-values)))))
            continue
        tokens[place] = rng.choice(len(row), p=p / p.sum())
    return tokens, places, key


@pytest.mark.parametrize(
    "scheme",
    [Kgw(1), Kgw(2, delta=1.0), Kgw(4), Gumbel(4, 0.0), Gumbel(2, 0.1), Tournament(4),
     VllmPhilox(4), VllmPhilox(4, 0.1), SglangMurmur(2)],
    ids=lambda s: f"{s.name}-{s.parameters}",
)  # fmt: skip
def test_of_copied_text_as_much_is_needed_as_it_says(scheme):
    rng = np.random.default_rng(7)
    asked = Question(share=1.0, scheme=scheme, access="text", rows=PLACES, alpha=1e-4)
    found = answer(asked, HELD)
    assert found.provable
    proved = {}
    for n in (found.needed, found.cautious):
        hits = []
        for _ in range(40):
            tokens, places, key = marked_text(scheme, n, rng)
            total = float(scheme.at(tokens, places, key).sum())
            hits.append(scheme.null.log_p(total, n) <= math.log(1e-4))
        proved[n] = np.mean(hits)
    assert 0.25 < proved[found.needed] < 0.8  # an even chance, of forty
    assert proved[found.cautious] > 0.85
    half = answer(Question(share=0.5, scheme=scheme, access="text", rows=PLACES), HELD)
    assert half.needed > 2 * found.needed


def test_what_leaves_no_choice_shows_no_mark():
    sure = np.array([[1.0, 0.0]])
    found = answer(Question(share=1.0, access="text", rows=sure), HELD)
    assert not found.provable
    assert "next to no choice" in found.why
    assert found.tokens is None
    still = Kgw(1, delta=0.0)
    assert strength.strength(still, strength.assumed(1.0)).effect == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("nats", [0.05, 0.5, 2.0, 5.0])
def test_assumed_places_have_the_entropy_that_was_asked_for(nats):
    rows = strength.assumed(nats)
    assert rows.sum(axis=1) == pytest.approx(1.0)
    assert strength.entropies(rows).mean() == pytest.approx(nats, rel=1e-3)


def test_gumbel_s_moments_are_those_of_what_it_takes():
    rng = np.random.default_rng(3)
    row = np.array([0.6, 0.25, 0.1, 0.05])
    u = rng.random((200_000, 4))
    taken = np.argmax(np.log(row) - np.log(-np.log(u)), axis=1)
    values = -np.log1p(-u[np.arange(len(u)), taken])
    for alpha in (0.0, 0.3):
        other = rng.exponential(size=len(values))
        heavy = np.where(rng.random(len(values)) < alpha, alpha, 1 - alpha)
        mixed = heavy * values + (1 - heavy) * other
        found = strength.strength(Gumbel(4, alpha), row[None, :])
        assert found.mean == pytest.approx(mixed.mean(), rel=0.01)
        assert found.variance == pytest.approx(mixed.var(), rel=0.03)


def test_probabilities_are_read_from_replies(tmp_path):
    top = [{"token": "a", "logprob": math.log(0.5)}, {"token": "b", "logprob": math.log(0.25)}]
    chat = {"choices": [{"logprobs": {"content": [{"token": "a", "top_logprobs": top}]}}]}
    old = {"logprobs": {"top_logprobs": [{"a": -0.1}, {"b": -0.2, "c": -3.0}]}}
    path = tmp_path / "replies.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in (chat, old, [0.5, 0.5], [1.0])))
    rows = probabilities.read(path)
    assert rows.shape == (5, 3)
    assert rows[0] == pytest.approx([0.5, 0.25, 0.25])
    assert rows[4] == pytest.approx([1, 0, 0])
    for bad in ("{}", "[]", '["x"]', "[-1]", "[0.9, 0.9]", "nothing", "7", '{"choices": [7]}'):
        path.write_text(bad)
        with pytest.raises(InputError, match="--probabilities"):
            probabilities.read(path)
    with pytest.raises(InputError, match="cannot read"):
        probabilities.read(tmp_path / "none")
