"""A small gradient boosting of decision trees on binned features, for the metadata baseline.

Friedman: "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29
(2001); logistic loss, Newton steps, depth-limited trees on at most 32 bins a feature.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BINS, DEPTH, TREES = 32, 4, 120
RATE, RIDGE, LEAST = 0.15, 1.0, 8.0

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class _Split(NamedTuple):
    feature: int
    bin: int


class Boosted:
    """A fitted model. `score` gives log-odds."""

    def __init__(self, edges: list[Floats], base: float) -> None:
        self._edges = edges
        self._base = base
        self._trees: list[tuple[list[_Split | None], Floats]] = []

    def _binned(self, x: Floats) -> Ints:
        columns = [np.searchsorted(edge, x[:, n]) for n, edge in enumerate(self._edges)]
        return np.stack(columns, axis=1).astype(np.int64)

    def score(self, x: Floats) -> Floats:
        """The log-odds of each row of `x` (n x features)."""
        binned = self._binned(x)
        total = np.full(len(x), self._base)
        for splits, leaves in self._trees:
            total += leaves[_leaf(splits, binned)]
        return total

    @classmethod
    def fit(cls, x: Floats, y: Floats) -> Boosted:
        """Fit to rows `x` and labels `y` of 0 and 1; both classes must be there."""
        if not 0.0 < y.mean() < 1.0:
            raise ValueError("a model needs accounts of both kinds to learn from")
        cuts = np.linspace(0, 1, BINS + 1)[1:-1]
        edges = [np.unique(np.quantile(x[:, n], cuts)) for n in range(x.shape[1])]
        model = cls(edges, float(np.log(y.mean() / (1 - y.mean()))))
        binned = model._binned(x)
        now = np.full(len(x), model._base)
        for _ in range(TREES):
            p = 1.0 / (1.0 + np.exp(-now))
            tree = _grow(binned, p - y, p * (1 - p))
            model._trees.append(tree)
            now += tree[1][_leaf(tree[0], binned)]
        return model


def _leaf(splits: list[_Split | None], binned: Ints) -> Ints:
    """The number of the node that each row ends in; nodes are numbered as in a heap."""
    node = np.zeros(len(binned), dtype=np.int64)
    for index, split in enumerate(splits):
        if split is None:
            continue
        here = np.flatnonzero(node == index)
        right = binned[here, split.feature] > split.bin
        node[here] = 2 * index + 1 + right
    return node


def _grow(binned: Ints, gradient: Floats, curve: Floats) -> tuple[list[_Split | None], Floats]:
    inner = 2**DEPTH - 1
    splits: list[_Split | None] = [None] * inner
    leaves = np.zeros(2 * inner + 1)
    members: dict[int, Ints] = {0: np.arange(len(binned))}
    for index in range(2 * inner + 1):
        rows = members.pop(index, None)
        if rows is None:
            continue
        split = _best(binned[rows], gradient[rows], curve[rows]) if index < inner else None
        if split is None:
            leaves[index] = -RATE * gradient[rows].sum() / (curve[rows].sum() + RIDGE)
            continue
        splits[index] = split
        right = binned[rows, split.feature] > split.bin
        members[2 * index + 1], members[2 * index + 2] = rows[~right], rows[right]
    return splits, leaves


def _best(binned: Ints, gradient: Floats, curve: Floats) -> _Split | None:
    """The split with the largest gain; None when nothing gains or a side gets too few."""
    if len(binned) < 2 * LEAST:
        return None
    n, features = binned.shape
    flat = (binned + np.arange(features) * BINS).ravel()
    size = features * BINS

    def sums(values: Floats) -> Floats:
        table = np.bincount(flat, weights=np.repeat(values, features), minlength=size)
        return np.asarray(np.cumsum(table.reshape(features, BINS), axis=1))

    left_g, left_h, left_n = sums(gradient), sums(curve), sums(np.ones(n))
    all_g, all_h = gradient.sum(), curve.sum()
    gain = (
        left_g**2 / (left_h + RIDGE)
        + (all_g - left_g) ** 2 / (all_h - left_h + RIDGE)
        - all_g**2 / (all_h + RIDGE)
    )
    gain[(left_n < LEAST) | (n - left_n < LEAST)] = -np.inf
    feature, cut = np.unravel_index(int(np.argmax(gain)), gain.shape)
    if not gain[feature, cut] > 1e-6:
        return None
    return _Split(int(feature), int(cut))
