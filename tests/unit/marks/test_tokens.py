"""Tokenizer files: two kinds, their fingerprint, and what is refused."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from titer.core.errors import InputError
from titer.marks import tokens

tokenizers = pytest.importorskip("tokenizers", reason="pip install 'titer[tokens]'")
tiktoken = pytest.importorskip("tiktoken", reason="pip install 'titer[tokens]'")


@pytest.fixture
def hugging_face(tmp_path):
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["the mark is in the text, and the text is the mark"] * 9, trainer)
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    return path


@pytest.fixture
def bpe(tmp_path):
    ranks = {bytes([i]): i for i in range(256)} | {b"th": 256, b"the": 257, b" t": 258}
    path = tmp_path / "cl100k_base.tiktoken"
    lines = (f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items())
    path.write_text("".join(lines))
    return path


def test_a_hugging_face_file_encodes_as_its_package_does(hugging_face):
    made = tokens.load(hugging_face)
    text = "the mark\nis in Straße 東京"
    theirs = tokenizers.Tokenizer.from_file(str(hugging_face)).encode(text).ids
    assert list(made.encode(text)) == theirs
    assert made.encode("").dtype == np.uint32


def test_a_tiktoken_file_merges_by_rank(bpe):
    made = tokens.load(bpe)
    assert list(made.encode("the")) == [257]
    assert list(made.encode("<|endoftext|>")) == list(b"<|endoftext|>")


def test_the_fingerprint_is_of_the_vocabulary_and_not_of_the_layout(hugging_face, tmp_path):
    data = json.loads(hugging_face.read_text())
    other = tmp_path / "again.json"
    other.write_text(json.dumps(data, indent=7))
    first = tokens.load(hugging_face).fingerprint
    assert tokens.load(other).fingerprint == first
    vocabulary = data["model"]["vocab"]
    a, b = list(vocabulary)[5:7]
    vocabulary[a], vocabulary[b] = vocabulary[b], vocabulary[a]
    other.write_text(json.dumps(data))
    assert tokens.load(other).fingerprint != first


def test_another_tokenizer_is_refused(hugging_face, bpe):
    expected = tokens.load(hugging_face).fingerprint
    assert tokens.load(hugging_face, expected=expected).fingerprint == expected
    with pytest.raises(InputError, match="another tokenizer"):
        tokens.load(bpe, expected=expected)


def test_files_that_are_none_are_refused(tmp_path, bpe, monkeypatch):
    bad = tmp_path / "tokenizer.json"
    bad.write_text("{}")
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        tokens.load(bad)
    bad = tmp_path / "o200k_base.tiktoken"
    bad.write_text("dGhl 1\n%% 2\n")
    with pytest.raises(InputError, match="line 2"):
        tokens.load(bad)
    unnamed = tmp_path / "mine.tiktoken"
    unnamed.write_bytes(bpe.read_bytes())
    with pytest.raises(InputError, match="o200k_base"):
        tokens.load(unnamed)
    monkeypatch.setattr(tokens, "MAX_FILE", 10)
    with pytest.raises(InputError, match="more than"):
        tokens.load(bpe)


def test_long_texts_are_cut_at_line_ends_without_losing_a_character(bpe, monkeypatch):
    monkeypatch.setattr(tokens, "_PIECE", 50)
    text = "the line\n" * 40 + "x" * 120
    made = tokens.load(bpe)
    ranks = {bytes([i]): i for i in range(256)} | {b"th": 256, b"the": 257, b" t": 258}
    raw = tiktoken.Encoding(
        "whole", pat_str=tokens._CL100K, special_tokens={}, mergeable_ranks=ranks
    )
    assert raw.decode(list(made.encode(text))) == text


def test_every_pattern_compiles_and_splits():
    ranks = {bytes([i]): i for i in range(256)}
    for name, pattern in tokens._PATTERNS.items():
        made = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        assert (
            made.decode(made.encode("It's 12345 naïve\r\n\t東京!  "))
            == "It's 12345 naïve\r\n\t東京!  "
        )


def test_normalised_forms_are_candidates():
    assert tokens.candidates("plain") == ["plain"]
    decomposed = "Cafe\u0301 \ufb01n"
    assert tokens.candidates(decomposed) == [decomposed, "Caf\u00e9 \ufb01n", "Caf\u00e9 fin"]
