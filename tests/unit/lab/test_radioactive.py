"""The lab's teachers and students: text round-trips, gradients hold, marks are planted."""

from __future__ import annotations

import numpy as np
import pytest

from titer.audit.texts import Text
from titer.lab.radioactive.language import Language
from titer.lab.radioactive.network import Network, Size, _nll, toward, windows
from titer.lab.radioactive.serving import Mischief, Server, Speaker
from titer.lab.radioactive.words import Words
from titer.lab.radioactive.writing import log_chances, write
from titer.marks.kgw import Kgw

SCHEME = Kgw(width=1, gamma=0.25, delta=2.0)


def test_what_is_written_is_read_back_into_the_same_ids():
    words = Words.made(3000)
    assert len(set(words.words)) == 3000
    ids = np.random.default_rng(1).integers(0, 3000, 200).astype(np.uint32)
    text = words.text(ids.tolist())
    assert words.encode(text).tolist() == ids.tolist()
    assert "".join(words.pieces(ids.tolist())) == text
    assert words.encode("unheard-of").tolist() == [3000]
    assert words.known(f"{words.words[5]} unheard-of {words.words[6]}").tolist() == [5, 6]
    assert Words.frequent(["b a a", "c a b"], 2).words == ("a", "b")
    assert Words(["x", "y"]).fingerprint != Words(["y", "x"]).fingerprint
    with pytest.raises(ValueError, match="without spaces"):
        Words(["two words"])


def test_a_language_is_a_distribution_and_the_same_for_a_seed():
    language = Language(seed=1, vocabulary=64, followers=8)
    contexts = np.arange(64, dtype=np.uint32)[:, None]
    chances = np.exp(language.logits(contexts))
    assert chances.sum(axis=1) == pytest.approx(np.ones(64), abs=1e-4)
    again = Language(seed=1, vocabulary=64, followers=8)
    assert (again.logits(contexts) == language.logits(contexts)).all()
    assert (Language(seed=2, vocabulary=64, followers=8).logits(contexts) != chances).any()


def test_gradients_are_those_of_the_loss():
    network = Network(12, Size(2, 4, 6), seed=1)
    network._weights = {k: v.astype(np.float64) for k, v in network._weights.items()}
    document = np.random.default_rng(1).integers(0, 12, 30).astype(np.uint32)
    contexts, tokens = windows([document], 2, 12)
    gradients = network._gradients(contexts, np.arange(len(tokens)), toward(tokens))
    for name, weights in network._weights.items():
        flat = weights.reshape(-1)
        for place in range(0, len(flat), max(1, len(flat) // 5)):
            kept = flat[place]
            sides = []
            for step in (1e-5, -1e-5):
                flat[place] = kept + step
                sides.append(_nll(network.logits(contexts), tokens).mean())
            flat[place] = kept
            slope = (sides[0] - sides[1]) / 2e-5
            assert gradients[name].reshape(-1)[place] == pytest.approx(slope, abs=1e-5), name


def test_a_network_learns_its_language():
    language = Language(seed=1, vocabulary=64, followers=6)
    rng = np.random.default_rng(1)
    documents = write(language, [np.array([i % 64], np.uint32) for i in range(200)], 50, rng)
    network = Network(64, Size(2, 16, 48), seed=1)
    before = network.loss(documents)
    network.train(documents, steps=120, batch=256)
    assert network.loss(documents) < before - 1.0
    assert network.parameters == 65 * 16 + 32 * 48 + 48 + 48 * 64 + 64


def test_weights_come_back_as_they_were(tmp_path):
    network, other = Network(12, Size(2, 4, 6), seed=1), Network(12, Size(2, 4, 6), seed=2)
    network.save(tmp_path / "w.npz")
    other.load(tmp_path / "w.npz")
    contexts = np.zeros((1, 2), np.uint32)
    assert (other.logits(contexts) == network.logits(contexts)).all()
    with pytest.raises(ValueError, match="another size"):
        Network(12, Size(2, 4, 8), seed=1).load(tmp_path / "w.npz")


def test_only_texts_with_a_key_are_marked():
    language = Language(seed=1, vocabulary=256, followers=32)
    rng = np.random.default_rng(2)
    begin = [np.array([i], np.uint32) for i in range(60)]
    keys = [77, None] * 30
    texts = write(language, begin, 60, rng, planter=SCHEME, keys=keys)
    places = np.arange(1, 60, dtype=np.int64)

    def green(rows):
        return np.mean([SCHEME.at(row, places, 77).mean() for row in rows])

    assert green(texts[::2]) > 0.5
    assert green(texts[1::2]) == pytest.approx(0.25, abs=0.04)
    assert write(language, [], 10, rng) == []
    greedy = write(language, begin[:2], 5, rng, temperature=0.0)
    again = write(language, begin[:2], 5, np.random.default_rng(9), temperature=0.0)
    assert [r.tolist() for r in greedy] == [r.tolist() for r in again]


def test_a_speaker_says_the_probabilities_that_it_samples_from():
    speaker = Speaker(Language(seed=1, vocabulary=64, followers=8), Words.made(64))
    ask = {"max_tokens": 12, "temperature": 1.0, "logprobs": 64, "seed": 3}
    said = speaker.generate(Text("ban bel"), **ask)
    assert said == speaker.generate(Text("ban bel"), **ask)
    assert said.text != speaker.generate(Text("ban bel"), **(ask | {"seed": 4})).text
    ids = speaker.words.encode(said.text)
    for i, place in enumerate(said.places):
        assert np.exp([p for _, p in place.top]).sum() == pytest.approx(1.0, abs=1e-3)
        if i:
            logits = speaker.model.logits(ids[i - 1 : i][:, None])
            assert place.logprob == pytest.approx(log_chances(logits)[0, ids[i]], abs=1e-4)


def test_the_server_refuses_what_it_cannot_read():
    server = Server(Speaker(Language(seed=1, vocabulary=64, followers=8), Words.made(64)))
    assert server.answer("/v1/chat/completions", b"nonsense")[0] == 400
    assert server.answer("/v1/else", b"{}")[0] == 404
    server.mischief = Mischief(broken=1)
    assert server.answer("/v1/completions", b"{}")[0] == 500
    server._http.server_close()
