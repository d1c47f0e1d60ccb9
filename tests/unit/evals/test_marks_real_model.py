"""Marked text out of a server's probabilities is recognised; what rewriting kept is counted."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("evals.marks_real_model")

from evals import marks_real_model as real
from evals.llama_server import LlamaServer

from titer.core.errors import InputError

VOCABULARY = 600


class Letters(LlamaServer):
    """A server whose tokens are letters, each as likely as the others."""

    def __init__(self):
        self.vocabulary = VOCABULARY

    def tokens(self, text, *, special):
        return ([0] if special else []) + [ord(c) - 0x4E00 for c in text if c >= "\u4e00"]

    def text(self, ids):
        return "".join(chr(0x4E00 + i) for i in ids)

    def logits(self, ids):
        return np.full(VOCABULARY, -np.log(VOCABULARY), np.float32)


@pytest.mark.parametrize("name", [n for n in real.MARKS if n])
def test_what_was_written_under_a_key_is_found_under_it_alone(name):
    server, scheme = Letters(), real.MARKS[name]
    text = real.write(server, scheme, 77, "\u4e05\u4e06", 5)
    assert text["nats"] == pytest.approx(np.log(VOCABULARY), abs=1e-3)
    assert server.tokens(text["text"], special=False) == text["ids"]
    assert real.log10_p(scheme, text["ids"], 77) < -6
    assert real.log10_p(scheme, text["ids"], 78) > -4


def test_a_text_without_a_mark_is_not_found():
    server = Letters()
    text = real.write(server, None, 77, "\u4e05\u4e06", 5)
    for name, scheme in real.MARKS.items():
        if name:
            assert real.log10_p(scheme, text["ids"], 77) > -4


def test_a_stopped_run_goes_on(tmp_path, monkeypatch):
    kept = tmp_path / "kept.json"
    monkeypatch.setattr(real, "TOKENS", 9)
    first = real.texts(Letters(), kept, 1)
    again = real.texts(Letters(), kept, 2)
    assert all(again[n][0] == first[n][0] and len(again[n]) == 2 for n in real.MARKS)
    assert json.loads(kept.read_text()) == again


def test_four_grams_that_were_kept():
    text = "one two three four five six"
    assert real.kept_grams(text, text) == 1
    assert real.kept_grams(text, "zero one two three four") == pytest.approx(1 / 3)
    assert real.kept_grams(text, "") == 0


def test_sentences_are_cut_and_shuffled_whole():
    text = "First one. Second one! And a third?\nA line."
    assert real.sentences(text) == ["First one.", "Second one!", "And a third?", "A line."]
    assert sorted(real.sentences(real.shuffle(Letters(), text))) == sorted(real.sentences(text))


def test_words_are_exchanged_by_likely_others():
    class Likely(Letters):
        def likeliest(self, ids):
            return ["x", " 7", " walked", " ran"]

    way = real.exchanged(1.0)
    assert way(Likely(), "He walked home") == "He ran walked"


def test_only_a_server_of_this_machine_is_asked():
    with pytest.raises(InputError, match="this machine"):
        LlamaServer("http://example.org:80")
