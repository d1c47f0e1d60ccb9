"""The input guard of `unmimic` 0.1.0, on other embeddings.

unmimic's guard reads the last user message, cuts it into sentences of at most 40 words, scores
each with logistic regression on sentence embeddings (classes weighted evenly, L2), and blocks one
that is near a known attack. Its own model cannot be had without a network, nor its 10,000 benign
prompts; so the same steps run here on all-MiniLM-L6-v2 with its ten families of attacks, which
the package carries, and benign prompts of the `tune` sources. A block needs a flag first: flags
are what is counted here, at the package's own threshold of 0.5.
`python -m evals detect --guard FOLDER` names the folder where the package is installed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

WORDS, CHUNKS, HEAD = 40, 16, 4
#: Newton's steps; the loss is convex and a dozen suffice.
ROUNDS = 20
_BREAK = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s+|\n+")
Embed = Callable[[Sequence[str]], np.ndarray]


def chunks(text: str) -> list[str]:
    """Sentences, long ones cut; of many, the first few and the last."""
    pieces = []
    for sentence in _BREAK.split(text):
        words = sentence.split()
        pieces += [" ".join(words[i : i + WORDS]) for i in range(0, len(words), WORDS)]
    return pieces if len(pieces) <= CHUNKS else pieces[:HEAD] + pieces[HEAD - CHUNKS :]


def examples(folder: Path, pattern: str) -> list[str]:
    """Prompts that the package carries: the quoted items of its YAML lists."""
    found: list[str] = []
    for path in sorted(folder.glob(pattern)):
        lines = path.read_text("utf-8").splitlines()
        found += [json.loads(x) for x in (line.strip()[2:] for line in lines) if x[:1] == '"']
    return found


def trained(embed: Embed, folder: Path, benign: Sequence[str]) -> Callable[[Sequence[str]], list]:
    """The guard's first stage; gives whether each of many texts is flagged."""
    attacks = examples(folder, "_bundled/attacks/public/*.yaml")
    normal = [*benign, *examples(folder, "_bundled/benign/*.yaml")]
    pieces = [piece for text in normal for piece in chunks(text)]
    weights = _logistic(embed(attacks), embed(pieces))

    def flags(texts: Sequence[str]) -> list[bool]:
        cut = [chunks(text) for text in texts]
        distinct = sorted({piece for pieces in cut for piece in pieces})
        scores = _with_one(embed(distinct)) @ weights
        risen = {piece for piece, score in zip(distinct, scores, strict=True) if score >= 0.0}
        return [not risen.isdisjoint(pieces) for pieces in cut]

    return flags


def _with_one(rows: np.ndarray) -> np.ndarray:
    return np.hstack([rows, np.ones((len(rows), 1), dtype=rows.dtype)]).astype(np.float64)


def _logistic(attack: np.ndarray, benign: np.ndarray) -> np.ndarray:
    """Weights and intercept: log loss weighted by class, plus half the squared weights."""
    x = _with_one(np.vstack([attack, benign]))
    y = np.r_[np.ones(len(attack)), np.zeros(len(benign))]
    each = np.where(y > 0, len(y) / (2 * len(attack)), len(y) / (2 * len(benign)))
    ridge = np.r_[np.ones(x.shape[1] - 1), 1e-9]
    weights = np.zeros(x.shape[1])
    for _ in range(ROUNDS):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (each * (p - y)) + ridge * weights
        curve = (x * (each * p * (1 - p))[:, None]).T @ x + np.diag(ridge)
        weights -= np.linalg.solve(curve, slope)
    return weights


def counted(
    benign: float,
    attacks: dict[str, float],
    *,
    size: int,
    honest: int,
    draws: int,
    mixes: Sequence[float],
) -> tuple[np.ndarray, dict[tuple[str, float], np.ndarray]]:
    """Flags in honest windows, and by attack and mix in attacked ones, were flags independent.

    Kinder than counting in windows, whose callers differ; `benign` and `attacks` are shares of
    requests that are flagged.
    """
    rng = np.random.default_rng(7)
    found = {}
    for attack, share in attacks.items():
        for mix in mixes:
            own = round(mix * size)
            flags = rng.binomial(own, share, draws) + rng.binomial(size - own, benign, draws)
            found[attack, mix] = flags.astype(float)
    return rng.binomial(size, benign, honest).astype(float), found
