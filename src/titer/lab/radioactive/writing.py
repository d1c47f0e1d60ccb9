"""Sampling from a model, many texts at once, with or without a planted mark."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from titer.marks.contract import U32

F32 = NDArray[np.float32]


class Model(Protocol):
    """What can be sampled from."""

    window: int

    def logits(self, contexts: U32) -> F32:
        """Logits (batch, vocabulary), a fresh array, after contexts (batch, window)."""
        ...


class Planter(Protocol):
    """The part of a scheme that plants (`titer.marks.kgw.Kgw`)."""

    def plant(self, logits: F32, contexts: list[U32], keys: NDArray[np.uint64]) -> None: ...


def write(
    model: Model,
    beginnings: list[U32],
    length: int,
    rng: np.random.Generator,
    *,
    planter: Planter | None = None,
    keys: list[int | None] | None = None,
    temperature: float = 1.0,
) -> list[U32]:
    """`length` tokens after each beginning (at least one id); `keys` mark those that have one.

    A mark looks at tokens of the reply alone, so that what a prompt says does not decide.
    """
    n = len(beginnings)
    if not n:
        return []
    before = np.array([_last(b, model.window) for b in beginnings], np.uint32)
    out = np.zeros((n, length), np.uint32)
    marked = [i for i, key in enumerate(keys or ()) if key is not None]
    values = np.array([(keys or [])[i] for i in marked], np.uint64)
    for step in range(length):
        logits = model.logits(before)
        if planter is not None and marked and step:
            rows = np.ascontiguousarray(logits[marked])
            planter.plant(rows, [out[i, :step] for i in marked], values)
            logits[marked] = rows
        if temperature > 0:
            # Gumbel's trick: the largest of logit + noise is a sample of the softmax
            noise = rng.gumbel(size=logits.shape).astype(np.float32)
            chosen = np.argmax(logits / np.float32(temperature) + noise, axis=1)
        else:
            chosen = np.argmax(logits, axis=1)
        out[:, step] = chosen
        before = np.concatenate([before[:, 1:], out[:, step : step + 1]], axis=1)
    return list(out)


def _last(ids: U32, window: int) -> U32:
    """The last `window` ids, what is missing filled up with the first."""
    return np.concatenate([np.full(max(0, window - len(ids)), ids[0], np.uint32), ids[-window:]])


def log_chances(logits: F32) -> F32:
    """Log-probabilities of rows of logits."""
    top = logits.max(axis=1, keepdims=True)
    return np.asarray(logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True)))
