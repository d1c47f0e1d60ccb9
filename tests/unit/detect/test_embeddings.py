"""Positive and negative vectors for `embeddings`."""

import random

import msgspec

from titer.detect.embeddings import Embeddings


def embed(exchange, n, cells, **facts):
    own = {"endpoint": "/v1/embeddings", "out": 0, "chars": 80, "finish": ""} | facts
    return exchange(n, cells=cells, **own)


def drawn(exchange, rng, count, kinds, **facts):
    """Texts whose cells are drawn from `kinds` values for each of four places."""
    values = [[rng.getrandbits(60) for _ in range(kinds)] for _ in range(4)]
    return [
        embed(exchange, n, tuple(rng.choice(place) for place in values), **facts)
        for n in range(count)
    ]


def test_texts_from_everywhere(exchange, run):
    state, found = run(Embeddings(), drawn(exchange, random.Random(1), 400, 250))
    assert found[-1].score > 8
    assert " requests had texts embedded; 5" in found[-1].note
    assert int(found[0].cites[-1][1:]) < 256
    assert state.gains[0] > 0.5 * 16 * state.trials[0]


def test_a_corpus_is_about_something(exchange, run):
    state, found = run(Embeddings(), drawn(exchange, random.Random(2), 900, 60, chars=1500))
    assert not found
    assert state.gains[0] < 0.3 * 16 * state.trials[0]


def test_an_index_that_is_built_again_says_no_more_than_the_first_time(exchange, run):
    once = drawn(exchange, random.Random(3), 64, 250)
    assert not run(Embeddings(), once * 12)[1]


def test_long_passages_count_less_and_few_requests_nothing(exchange, run):
    log = drawn(exchange, random.Random(4), 400, 250, chars=9000)
    assert not run(Embeddings(), log)[1]
    assert not run(Embeddings(), drawn(exchange, random.Random(4), 64, 250))[1]


def test_other_routes_are_not_weighed(exchange, run):
    detector = Embeddings()
    assert detector.subject(exchange(1)) is None
    assert detector.subject(exchange(1, endpoint="/v1/embeddings", status=404)) is None
    assert detector.subject(exchange(1, endpoint="/v1/embeddings")) == "acct"
    state, _ = run(detector, [embed(exchange, n, ()) for n in range(99)])
    assert state.trials == [0]


def test_the_state_is_small(exchange, run):
    state, _ = run(Embeddings(), drawn(exchange, random.Random(5), 1000, 250))
    assert len(msgspec.msgpack.encode(state)) < 200
