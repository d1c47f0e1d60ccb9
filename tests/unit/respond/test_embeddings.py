"""The map keeps what search needs inside an organisation, and fits nobody else."""

from __future__ import annotations

import base64

import msgspec
import numpy as np
import pytest

from titer.core.nouns import Standing
from titer.core.wire import Reply
from titer.gateway.dialects import named
from titer.respond.embeddings import Embeddings, Turn, coarse

KEY = b"k" * 32
ONE, TWO = Standing("org-one"), Standing("org-two")


def served(vectors, standing=ONE, strength=0.25, packed=False, key=KEY):
    """What a client of the route decodes."""
    rows = [
        {"object": "embedding", "index": i,
         "embedding": base64.b64encode(v.astype("<f4").tobytes()).decode() if packed
         else [float(x) for x in v]}
        for i, v in enumerate(vectors)
    ]  # fmt: skip
    raw = msgspec.json.encode({"object": "list", "data": rows, "model": "m"})
    codec = named("openai.embeddings").codec()
    unit = codec.unit(raw, "", raw)
    transform = Embeddings(key).reply(strength, standing)
    (out,) = transform.feed(unit)
    data = msgspec.json.decode(codec.render(out))["data"]
    if packed:
        return np.stack([np.frombuffer(base64.b64decode(r["embedding"]), "<f4") for r in data])
    return np.array([r["embedding"] for r in data])


def corpus(count, length, seed=5):
    draw = np.random.default_rng(seed)
    made = draw.normal(size=(count, length)) + draw.normal(size=length)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("length", [1, 2, 3, 64, 100, 256, 768, 1024, 1536, 3072])
def test_inner_products_are_kept(length, packed):
    vectors = corpus(20, length)
    turned = served(vectors, packed=packed)
    assert turned.shape == vectors.shape
    assert np.abs(turned @ turned.T - vectors @ vectors.T).max() < 2e-6


def gains(order, relevant, k=10):
    """nDCG at k."""
    place = 1 / np.log2(np.arange(2, k + 2))
    return float((relevant[order[:k]] * place).sum() / (np.sort(relevant)[::-1][:k] * place).sum())


def test_search_inside_an_organisation_is_what_it_was():
    documents, queries = corpus(800, 384), corpus(60, 384, seed=6)
    relevant = (
        queries @ documents.T + 0.05 * np.random.default_rng(7).normal(size=(60, 800))
    ) > 0.5
    relevant = relevant.astype(float) + 0.01
    before = [gains(np.argsort(-row), relevant[i]) for i, row in enumerate(queries @ documents.T)]
    index, asked = served(documents), served(queries, packed=True)
    after = [gains(np.argsort(-row), relevant[i]) for i, row in enumerate(asked @ index.T)]
    assert before == after


def test_organisations_do_not_fit_together():
    vectors = corpus(300, 512)
    one, two = served(vectors, ONE), served(vectors, TWO)
    across = np.abs(np.sum(one * two, axis=1))
    assert across.max() < 0.3
    assert np.abs(np.sum(one * vectors, axis=1)).max() < 0.3
    # A pool of both learns neither space: the best linear map from texts to the pool explains it
    # no better than chance, while one organisation alone is explained whole.
    texts = np.vstack([vectors[:150], vectors[150:]])
    pooled = np.vstack([one[:150], two[150:]])
    hold = slice(100, 200)
    fit = np.linalg.lstsq(np.delete(texts, np.r_[hold], 0), np.delete(pooled, np.r_[hold], 0),
                          rcond=None)[0]  # fmt: skip
    error = np.linalg.norm(texts[hold] @ fit - pooled[hold]) / np.linalg.norm(pooled[hold])
    assert error > 0.5


def test_the_map_follows_from_key_organisation_and_length():
    vectors = corpus(5, 96)
    assert np.array_equal(served(vectors), served(vectors))
    assert not np.allclose(served(vectors), served(vectors, key=b"x" * 32))
    assert not np.allclose(
        Turn(KEY, "a", 96)(vectors)[:, :64], Turn(KEY, "a", 64)(vectors[:, :64])
    )


def test_rounding_and_noise_come_with_strength():
    vectors = corpus(50, 256)
    values = [len(np.unique(served(vectors, strength=s).round(9))) for s in (0.25, 0.5, 0.75)]
    assert values[0] > values[1] > values[2]
    clean, noisy = served(vectors, strength=0.75), served(vectors, strength=1.0)
    cosine = np.sum(clean * noisy, axis=1) / np.linalg.norm(clean, axis=1)
    cosine /= np.linalg.norm(noisy, axis=1)
    assert 0.99 < cosine.min() < 0.9999
    assert np.array_equal(noisy, served(vectors, strength=1.0)), "asking again averages nothing"
    assert np.array_equal(coarse(np.array([[0.0, 0.0]]), 2), np.array([[0.0, 0.0]]))


@pytest.mark.parametrize(
    "value",
    ["", "not base64!", "AAA=", "AAAAAAAAAAA", [], ["a"], [1, None], [True], {}, None, 3,
     base64.b64encode(np.array([np.nan, 1], "<f4").tobytes()).decode(), [1e400, 1.0]],
)  # fmt: skip
def test_what_is_no_vector_passes(value):
    data = {"data": [{"embedding": value}]}
    unit = Reply(raw=b'{"data":[{"embedding":0}]}', data=data, final=True)
    (out,) = Embeddings(KEY).reply(1.0, ONE).feed(unit)
    assert not out.edited
    assert out.data is data


def test_vectors_of_several_lengths_and_engines():
    data = [{"embedding": [1.0, 0.0]}, {"embedding": [1.0, 0.0, 0.0]}, 5]
    unit = Reply(raw=b'[{"embedding":0}]', data=data, final=True)
    (out,) = Embeddings(KEY).reply(0.2, ONE).feed(unit)
    assert out.edited
    assert [round(float(np.linalg.norm(r["embedding"])), 5) for r in out.data[:2]] == [1.0, 1.0]
