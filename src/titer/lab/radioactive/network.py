"""A fixed-window neural language model (Bengio et al., JMLR 3, 2003) in numpy.

`window` tokens -> embeddings -> one tanh layer -> logits over the vocabulary; Adam with a cosine
schedule. A quarter of a million parameters learn a language of some hundred words in seconds on
one core, and they learn a mark's bias with it, which is all that they are for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from titer.marks.contract import U32

F32 = NDArray[np.float32]
Slope = Callable[[NDArray[np.int64], F32], F32]

#: Adam's constants (Kingma and Ba, ICLR 2015).
BETA1, BETA2, TINY = 0.9, 0.98, 1e-8


class Size(msgspec.Struct, frozen=True):
    """How large a network is."""

    window: int = 3
    embedding: int = 24
    hidden: int = 128


class Network:
    """The model; `train` may be called once or several times."""

    def __init__(self, vocabulary: int, size: Size | None = None, *, seed: int) -> None:
        self.size = size or Size()
        self.window, self.vocabulary = self.size.window, vocabulary
        rng = np.random.default_rng(seed)
        wide = self.size.window * self.size.embedding
        self._rng = rng
        # One more row: what stands before the beginning of a text.
        self._weights: dict[str, F32] = {
            "embed": rng.normal(0, 0.3, (vocabulary + 1, self.size.embedding)).astype(np.float32),
            "w1": rng.normal(0, 1 / math.sqrt(wide), (wide, self.size.hidden)).astype(np.float32),
            "b1": np.zeros(self.size.hidden, np.float32),
            "w2": rng.normal(
                0, 1 / math.sqrt(self.size.hidden), (self.size.hidden, vocabulary)
            ).astype(np.float32),
            "b2": np.zeros(vocabulary, np.float32),
        }

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        return sum(w.size for w in self._weights.values())

    def logits(self, contexts: U32) -> F32:
        """Logits (batch, vocabulary) after contexts (batch, window); larger ids: nothing there."""
        return self._forward(contexts)[2]

    def loss(self, documents: list[U32]) -> float:
        """Mean negative log-likelihood of a token (nats)."""
        contexts, tokens = windows(documents, self.window, self.vocabulary)
        total = 0.0
        for start in range(0, len(tokens), 4096):
            logits = self.logits(contexts[start : start + 4096])
            total += float(_nll(logits, tokens[start : start + 4096]).sum())
        return total / max(1, len(tokens))

    def train(
        self, documents: list[U32], *, steps: int, batch: int = 512, rate: float = 4e-3
    ) -> None:
        """Fit to documents (arrays of ids)."""
        contexts, tokens = windows(documents, self.window, self.vocabulary)
        self.fit(contexts, toward(tokens), steps=steps, batch=batch, rate=rate)

    def fit(
        self, contexts: U32, slope: Slope, *, steps: int, batch: int = 512, rate: float = 4e-3
    ) -> None:
        """Fit to any loss: `slope` gives its gradient by the logits of the chosen places.

        It is called with places (batch) of `contexts` (n, window) and the model's own
        probabilities there (batch, vocabulary), which it may change.
        """
        first = {name: np.zeros_like(w) for name, w in self._weights.items()}
        second = {name: np.zeros_like(w) for name, w in self._weights.items()}
        order = np.zeros(0, np.int64)
        for step in range(1, steps + 1):
            if len(order) < batch:
                order = np.concatenate([order, self._rng.permutation(len(contexts))])
            chosen, order = order[:batch], order[batch:]
            gradients = self._gradients(contexts[chosen], chosen, slope)
            speed = rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
            for name, gradient in gradients.items():
                first[name] = BETA1 * first[name] + (1 - BETA1) * gradient
                second[name] = BETA2 * second[name] + (1 - BETA2) * gradient * gradient
                mean = first[name] / (1 - BETA1**step)
                spread = np.sqrt(second[name] / (1 - BETA2**step)) + TINY
                self._weights[name] -= np.float32(speed) * mean / spread

    def save(self, path: Path) -> None:
        """Write the weights as they are (`.npz`)."""
        with path.open("wb") as file:
            np.savez(file, **self._weights)  # type: ignore[arg-type]

    def load(self, path: Path) -> None:
        """Read weights that `save` wrote; nothing in them is code. Raises ValueError."""
        with np.load(path, allow_pickle=False) as held:
            found = {name: held[name] for name in held.files}
        if {k: v.shape for k, v in found.items()} != {
            k: v.shape for k, v in self._weights.items()
        }:
            raise ValueError(f"{path}: these are the weights of a network of another size")
        self._weights = found

    def _forward(self, contexts: U32) -> tuple[F32, F32, F32]:
        w = self._weights
        known = np.minimum(contexts, np.uint32(self.vocabulary))
        seen = w["embed"][known].reshape(len(contexts), -1)
        hidden = np.tanh(seen @ w["w1"] + w["b1"])
        return seen, hidden, hidden @ w["w2"] + w["b2"]

    def _gradients(self, contexts: U32, chosen: NDArray[np.int64], slope: Slope) -> dict[str, F32]:
        w, n = self._weights, len(contexts)
        seen, hidden, logits = self._forward(contexts)
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits)
        chances /= chances.sum(axis=1, keepdims=True)
        chances = slope(chosen, chances) / np.float32(n)
        inner = (chances @ w["w2"].T) * (1 - hidden * hidden)
        outer = (inner @ w["w1"].T).reshape(n * self.window, -1)
        embed = np.zeros_like(w["embed"])
        known = np.minimum(contexts, np.uint32(self.vocabulary)).reshape(-1)
        np.add.at(embed, known, outer)
        return {
            "embed": embed, "w1": seen.T @ inner, "b1": inner.sum(axis=0),
            "w2": hidden.T @ chances, "b2": chances.sum(axis=0),
        }  # fmt: skip


def toward(tokens: U32) -> Slope:
    """The slope of the negative log-likelihood of the token (n) at each place."""

    def slope(chosen: NDArray[np.int64], chances: F32) -> F32:
        chances[np.arange(len(chosen)), tokens[chosen]] -= 1.0
        return chances

    return slope


def windows(documents: list[U32], window: int, vocabulary: int) -> tuple[U32, U32]:
    """Every token of every document (n) with the `window` before it (n, window)."""
    contexts, tokens = [], []
    for document in documents:
        padded = np.concatenate([np.full(window, vocabulary, np.uint32), document])
        contexts.append(np.lib.stride_tricks.sliding_window_view(padded[:-1], window))
        tokens.append(document)
    return np.concatenate(contexts), np.concatenate(tokens)


def _nll(logits: F32, tokens: U32) -> F32:
    top = logits.max(axis=1, keepdims=True)
    whole = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return np.asarray(whole - logits[np.arange(len(tokens)), tokens])
