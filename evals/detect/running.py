"""Detectors at work on one account after another, in several processes.

Scores are those of findings, as the product hands them on: a detector reports when its score
has risen noticeably. An account's states are dropped when it is done.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from evals.detect.pools import Turn
from titer.core.contracts import Detector
from titer.core.nouns import Exchange
from titer.detect.bench import Bench

Pairs = Iterable[tuple[Exchange, Turn]]


class Runner:
    """Runs fitted detectors; rows are accounts, columns detectors."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self.detectors = tuple(detectors)
        self.names = tuple(d.card.name for d in detectors)
        self._column = {f"{d.card.name}@{d.card.version}": i for i, d in enumerate(detectors)}

    def final(self, pairs: Pairs) -> tuple[np.ndarray, int]:
        """The highest score of every detector over one account, and its exchanges."""
        bench = Bench(self.detectors, None)
        row, count = np.zeros(len(self.names)), 0
        for exchange, _ in pairs:
            count += 1
            for finding in bench.weigh(exchange):
                self._note(row, finding)
        return row, count

    def trace(self, pairs: Pairs) -> list[tuple[int, np.ndarray]]:
        """(number of exchanges, scores) at every finding of one account."""
        bench = Bench(self.detectors, None)
        row, found = np.zeros(len(self.names)), []
        for number, (exchange, _) in enumerate(pairs, 1):
            findings = bench.weigh(exchange)
            if findings:
                for finding in findings:
                    self._note(row, finding)
                found.append((number, row.copy()))
        return found

    def _note(self, row: np.ndarray, finding: Any) -> None:
        column = self._column.get(finding.detector)
        if column is None:
            raise RuntimeError(f"{finding.note}: an evaluation must not go on")
        row[column] = max(row[column], finding.score)


#: What forked workers do: they inherit it, so that it need not be picklable.
_WORK: list[Callable[[Any], Any]] = []


def _call(item: Any) -> Any:
    return _WORK[-1](item)


def spread(work: Callable[[Any], Any], items: Sequence[Any], jobs: int) -> list[Any]:
    """`work` of every item, in order, by `jobs` forked processes that share what is loaded."""
    if jobs <= 1:
        return [work(item) for item in items]
    _WORK.append(work)
    try:
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            return pool.map(_call, items, chunksize=1)
    finally:
        _WORK.pop()
