"""The MMD window test (arXiv 2606.05725) and PRADA (EuroS&P 2019) on embedded queries.

Both see texts only. A window is how often each of a finite pool of texts occurs in it, so that
all windows against all texts are a few products of matrices.

MMD: the unbiased squared maximum mean discrepancy between the window and a benign reference,
kernels of four widths (1/2, 1, 2 and 4 times the median distance of benign texts) averaged. The
reference is the whole benign pool, of which the paper's twenty samples are an estimate; or, where
windows have a past, each one's own.
PRADA, as adapted to text by the same authors: the nearest-neighbour distances of the window's
texts, outliers beyond three deviations trimmed; the score is their departure from normality (one
less Shapiro and Francia's W', which needs no tables).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

import numpy as np

WIDTHS = (0.5, 1.0, 2.0, 4.0)
#: Texts whose distances give the median; rows of the kernel made at once.
SAMPLE, BLOCK = 2000, 1000

#: The numbers of the texts in a window, and how often each occurs.
Window = tuple[np.ndarray, np.ndarray]


def width(vectors: np.ndarray, seed: int) -> float:
    """The median distance between benign texts that differ."""
    rng = np.random.default_rng(seed)
    chosen = vectors[rng.choice(len(vectors), min(SAMPLE, len(vectors)), replace=False)]
    squares = np.maximum(2.0 - 2.0 * chosen @ chosen.T, 0.0)
    return float(np.sqrt(np.median(squares[squares > 1e-6])))


def mmd(
    vectors: np.ndarray, windows: Sequence[Window], reference: np.ndarray, sigma: float
) -> np.ndarray:
    """MMD^2 of every window against the texts numbered in `reference`, less a constant."""
    counts = _counts(vectors, windows)
    n = counts.sum(axis=0)
    weights = np.zeros(len(vectors), dtype=np.float32)
    np.add.at(weights, reference, 1.0 / len(reference))
    within, across = np.zeros(len(windows)), np.zeros(len(windows))
    for start, kernel in _kernels(vectors, sigma):
        part = counts[start : start + BLOCK]
        within += (part * (kernel @ counts)).sum(axis=0, dtype=np.float64)
        across += part.T @ (kernel @ weights)
    return (within - n) / (n * (n - 1.0)) - 2.0 * across / n


def mmd_past(
    vectors: np.ndarray, windows: Sequence[Window], pasts: Sequence[Window], sigma: float
) -> np.ndarray:
    """MMD^2 of every window against its own past."""
    new, old = _counts(vectors, windows), _counts(vectors, pasts)
    n, m = new.sum(axis=0), old.sum(axis=0)
    within, before, across = (np.zeros(len(windows)) for _ in range(3))
    for start, kernel in _kernels(vectors, sigma):
        rows = slice(start, start + BLOCK)
        spread = kernel @ old
        within += (new[rows] * (kernel @ new)).sum(axis=0, dtype=np.float64)
        before += (old[rows] * spread).sum(axis=0, dtype=np.float64)
        across += (new[rows] * spread).sum(axis=0, dtype=np.float64)
    own = (within - n) / (n * (n - 1.0)) + (before - m) / (m * (m - 1.0))
    return own - 2.0 * across / (n * m)


def _counts(vectors: np.ndarray, windows: Sequence[Window]) -> np.ndarray:
    """How often each text (rows) occurs in each window (columns)."""
    counts = np.zeros((len(vectors), len(windows)), dtype=np.float32)
    for column, (texts, times) in enumerate(windows):
        counts[texts, column] = times
    return counts


def _kernels(vectors: np.ndarray, sigma: float) -> Iterator[tuple[int, np.ndarray]]:
    """The kernel of all texts, some rows at a time."""
    for start in range(0, len(vectors), BLOCK):
        rows = vectors[start : start + BLOCK]
        squares = np.maximum(2.0 - 2.0 * rows @ vectors.T, 0.0)
        kernel = sum(np.exp(squares / np.float32(-2.0 * (w * sigma) ** 2)) for w in WIDTHS)
        yield start, (kernel / np.float32(len(WIDTHS))).astype(np.float32)


def prada(vectors: np.ndarray, windows: Sequence[Window]) -> np.ndarray:
    """How far each window's nearest-neighbour distances are from normal: 0 is normal."""
    return np.array([_abnormal(vectors[texts]) for texts, _ in windows])


def _abnormal(rows: np.ndarray) -> float:
    if len(rows) < 8:
        return 1.0
    near = rows @ rows.T
    np.fill_diagonal(near, -1.0)
    distances = np.sqrt(np.maximum(2.0 - 2.0 * near.max(axis=1), 0.0))
    mean, deviation = distances.mean(), distances.std()
    distances = np.sort(distances[np.abs(distances - mean) <= 3 * deviation])
    if len(distances) < 8 or distances.std() < 1e-9:
        return 1.0
    normal = statistics.NormalDist()
    n = len(distances)
    scores = np.array([normal.inv_cdf((i - 0.375) / (n + 0.25)) for i in range(1, n + 1)])
    return float(1.0 - np.corrcoef(distances, scores)[0, 1] ** 2)
