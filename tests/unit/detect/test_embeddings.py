"""Positive and negative vectors for `embeddings`."""

import random

import msgspec

from titer.detect.embeddings import REGIONS, Embeddings


def embed(exchange, n, rng, region, *, content=None, **facts):
    cells = ((region << 7) + (rng.getrandbits(40) << 14), 1, 2, 3)
    exact = rng.getrandbits(60) if content is None else content
    own = {"endpoint": "/v1/embeddings", "out": 0, "chars": 80, "finish": ""} | facts
    return exchange(n, cells=cells if content is None else (region << 7,), exact=exact, **own)


def test_texts_from_everywhere(exchange, run):
    rng = random.Random(1)
    log = [embed(exchange, n, rng, rng.randrange(REGIONS)) for n in range(400)]
    state, found = run(Embeddings(), log)
    assert found[-1].score > 20
    assert "of 64 regions" in found[-1].note
    assert state.gains[0] > 0.75 * 16 * state.trials[0]


def test_a_corpus_is_about_something(exchange, run):
    rng = random.Random(2)
    weights = [1 / (1 + k) for k in range(REGIONS)]
    log = [
        embed(exchange, n, rng, rng.choices(range(REGIONS), weights)[0], chars=1500)
        for n in range(600)
    ]
    state, found = run(Embeddings((0.6,)), log)
    assert not found
    assert state.gains[0] < 0.6 * 16 * state.trials[0]


def test_an_index_that_is_built_again(exchange, run):
    rng = random.Random(3)
    regions = [int(rng.paretovariate(0.7)) % REGIONS for _ in range(150)]
    log = [embed(exchange, n, rng, regions[n % 150], content=n % 150) for n in range(1200)]
    state, found = run(Embeddings(), log)
    assert not found
    assert state.fresh < state.sampled / 3


def test_long_passages_count_less_and_few_requests_nothing(exchange, run):
    rng = random.Random(4)
    log = [embed(exchange, n, rng, rng.randrange(REGIONS), chars=9000) for n in range(400)]
    assert not run(Embeddings(), log)[1]
    assert not run(Embeddings(), log[:128])[1]


def test_other_routes_are_not_weighed(exchange, run):
    detector = Embeddings()
    assert detector.subject(exchange(1)) is None
    assert detector.subject(exchange(1, endpoint="/v1/embeddings", status=404)) is None
    assert detector.subject(exchange(1, endpoint="/v1/embeddings")) == "acct"
    state, _ = run(detector, [exchange(n, endpoint="/v1/embeddings", cells=()) for n in range(9)])
    assert state.total == 0


def test_visits_fade_and_stay_bytes(exchange, run):
    rng = random.Random(5)
    log = [embed(exchange, n, rng, n % 2) for n in range(1200)]
    state, _ = run(Embeddings(), log)
    assert state.total == sum(state.visits)
    assert len(msgspec.msgpack.encode(state)) < 250
