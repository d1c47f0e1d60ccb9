"""What the test does when there is nothing to find: measured before anybody is accused.

Two measurements, of different things:

`wrong_keys`  the same pairs under keys that marked nothing: is the p-value what it says on this
              suspect's text? At least 100 keys, fixed by the plan's id.
`calibration` the same key on texts that it did not mark: is this key by chance in tune with the
              language (a hot key: frequent pairs happen to be green)? At least 100 texts.

A p-value is refused when either shows more small values than chance allows: more than a right test
shows once in a thousand measurements, the levels looked at counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import numpy as np

from titer.audit.pairs import Gatherer, Pairs
from titer.marks import pvalues
from titer.marks.contract import F64, U32, Scheme

#: Levels at which wrong keys and control texts are counted.
LEVELS = (0.1, 0.05, 0.01)
#: A measurement is off when chance alone shows as much with less than this probability.
OFF = 1e-3


class Count(msgspec.Struct, frozen=True):
    """How many of `n` p-values lie at or below `level`; `p` of that many under a right null."""

    level: float
    hits: int
    n: int
    p: float


class Measured(msgspec.Struct, frozen=True):
    """One measurement of a null. `why` says in words what is off, empty when nothing is.

    `mean_z` and `sd_z` are those of the standardised statistic (0 and 1 are expected; bounds make
    p-values larger, never these); `smallest` is the smallest log10 p seen.
    """

    n: int
    counts: tuple[Count, ...]
    mean_z: float
    sd_z: float
    smallest: float
    why: str = ""

    @property
    def good(self) -> bool:
        """Whether a p-value under this null may be used."""
        return not self.why


def wrong_keys(log_ps: F64, zs: F64) -> Measured:
    """The null by wrong keys: natural log p and z of each."""
    return _measured(log_ps, zs, "wrong keys")


def calibration(scheme: Scheme, key: int, controls: Iterable[U32]) -> Measured:
    """The null by control texts under one key; pairs count once over all texts.

    A text in which nothing new stands has p = 1 and counts as a text.
    """
    log_ps, zs = [], []
    known: set[int] = set()
    whole = Gatherer(scheme)
    for tokens in controls:
        one = Gatherer(scheme)
        one.words(tokens)
        distinct = one.pairs(first=True)
        names = distinct.ngram.tolist()
        mine = distinct.where(np.array([h not in known for h in names], np.bool_))
        known.update(names)
        whole.words(tokens)
        log_p, z = plain(scheme, mine, key)
        log_ps.append(log_p)
        if len(mine):
            zs.append(z)
    found = _measured(np.array(log_ps), np.array(zs), "control texts")
    log_p, _ = plain(scheme, whole.pairs(first=True), key)
    if found.good and log_p < math.log(OFF):
        return msgspec.structs.replace(
            found,
            why=f"all control texts together have p = {math.exp(log_p):.1e} under a key that did "
            "not mark them",
        )
    return found


def plain(scheme: Scheme, pairs: Pairs, key: int) -> tuple[float, float]:
    """(natural log p, z) of the plain sum over pairs; (0, 0) when there are none."""
    n = len(pairs)
    if not n:
        return 0.0, 0.0
    total, null = float(pairs.totals(scheme, [key])[0]), pairs.null(scheme)
    return null.log_p(total, n), (total - n * null.mean) / math.sqrt(n * null.variance)


def _measured(log_ps: F64, zs: F64, what: str) -> Measured:
    n = len(log_ps)
    counts = []
    why = ""
    for level in LEVELS:
        hits = int((log_ps <= math.log(level)).sum())
        log_p = pvalues.binomial(hits, n, level) if n else 0.0
        counts.append(Count(level, hits, n, math.exp(log_p)))
        if log_p < math.log(OFF / len(LEVELS)) and not why:
            why = f"{hits} of {n} {what} have p <= {level:g}, where {n * level:.0f} are expected"
    return Measured(
        n=n,
        counts=tuple(counts),
        mean_z=float(zs.mean()) if len(zs) else 0.0,
        sd_z=float(zs.std(ddof=1)) if len(zs) > 1 else 0.0,
        smallest=float(log_ps.min() / math.log(10)) if n else 0.0,
        why=why if n else f"no {what} were measured",
    )
