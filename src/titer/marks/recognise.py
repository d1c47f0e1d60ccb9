"""Recognise a mark in texts, and trace which of many keys made it.

What is returned is a p-value of one hypothesis per key: the texts have nothing to do with this
key. It is exact over the choice of the key: the function decides a token's value, so whatever
people write, whatever they repeat, cannot make it small. `holm` says what is left of it when many
keys were tried. It does not say who planted the mark: whoever holds the key can.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np

from titer.core.errors import InputError
from titer.marks import pvalues
from titer.marks.contexts import Contexts
from titer.marks.contract import F64, I64, U32, U64, BinomialNull, Null, Scheme

#: Tokens of one recognition: 64 MiB of them, of about 250 MB of text.
MAX_TOKENS = 1 << 26
#: Keys of one tracing: an operator's accounts times its epochs.
MAX_KEYS = 10_000_000
#: Keys that one thread holds against the texts at a time.
_SHARE = 8192
#: What stands for the tokens before a document that were not given.
_NOTHING = np.uint32(0xFFFF_FFFF)


class Recognition(msgspec.Struct, frozen=True):
    """What was found of one key. `scored` distinct contexts of `tokens`; `total` their values.

    `expected` is what another key gives on average. `log10_p` is exact and may lie below what a
    float could hold as a probability; `holm_log10_p` is adjusted for the keys that were tried.
    `least_log10_p` is what `log10_p` would be if every scored token bore the mark as plainly as
    one can: in a text for which that is too large nothing is found. None where values have no
    bound.
    """

    key: int
    tokens: int
    scored: int
    total: float
    expected: float
    log10_p: float
    holm_log10_p: float
    least_log10_p: float | None = None


class Evidence(msgspec.Struct, frozen=True):
    """Texts made ready for any number of keys: joined tokens, and which of them are scored."""

    tokens: U32
    positions: I64
    given: int


def gather(scheme: Scheme, documents: Iterable[U32], contexts: Contexts | None = None) -> Evidence:
    """Join documents and find every context's first use in them.

    Pass the same `contexts` again when more texts follow that must not count twice. Raises
    InputError when there are more than `MAX_TOKENS`.
    """
    contexts = Contexts() if contexts is None else contexts
    gap = np.full(scheme.width, _NOTHING)
    parts: list[U32] = []
    places: list[I64] = []
    length = given = 0
    for tokens in documents:
        given += len(tokens)
        if given > MAX_TOKENS:
            raise InputError(
                f"more than {MAX_TOKENS} tokens at once; recognise the texts in parts"
            )
        parts += [gap, tokens]
        length += len(gap)
        places.append(contexts.new(scheme, tokens) + length)
        length += len(tokens)
    empty = np.empty(0, np.uint32), np.empty(0, np.int64)
    return Evidence(
        np.concatenate(parts) if parts else empty[0],
        np.concatenate(places) if places else empty[1],
        given,
    )


def recognise(scheme: Scheme, documents: Iterable[U32], keys: Sequence[int]) -> list[Recognition]:
    """The result of each key, in the order given. Raises InputError."""
    return judge(scheme, gather(scheme, documents), keys)


def judge(scheme: Scheme, evidence: Evidence, keys: Sequence[int]) -> list[Recognition]:
    """`recognise` for texts that were gathered before."""
    n = len(evidence.positions)
    null = scheme.null_for(evidence.tokens, evidence.positions)
    totals = [float(scheme.at(evidence.tokens, evidence.positions, key).sum()) for key in keys]
    log_ps = [null.log_p(total, n) if n else 0.0 for total in totals]
    adjusted = pvalues.holm(log_ps)
    least = _least(null, n)
    return [
        Recognition(key, evidence.given, n, total, n * null.mean, _log10(p), _log10(q), least)
        for key, total, p, q in zip(keys, totals, log_ps, adjusted, strict=True)
    ]


def trace(
    scheme: Scheme, evidence: Evidence, keys: U64, *, best: int = 10, threads: int = 0
) -> list[Recognition]:
    """The `best` keys, likeliest first, with p-values adjusted for all of `keys`.

    `threads` 0 takes every core that this process may use. Raises InputError beyond `MAX_KEYS`.
    """
    if len(keys) > MAX_KEYS:
        raise InputError(f"at most {MAX_KEYS} keys at once; trace them in parts")
    n = len(evidence.positions)
    null = scheme.null_for(evidence.tokens, evidence.positions)
    totals = _totals(scheme, evidence, keys, threads or len(os.sched_getaffinity(0)))
    order = np.argsort(-totals, kind="stable")[:best]  # a larger sum never has a larger p
    log_ps = null.log_ps(totals[order], n) if n else np.zeros(len(order))
    adjusted = pvalues.holm(log_ps, len(keys))
    least = _least(null, n)
    return [
        Recognition(
            int(keys[i]),
            evidence.given,
            n,
            float(totals[i]),
            n * null.mean,
            _log10(p),
            _log10(q),
            least,
        )
        for i, p, q in zip(order, log_ps, adjusted, strict=True)
    ]


def _totals(scheme: Scheme, evidence: Evidence, keys: U64, threads: int) -> F64:
    shares = [keys[i : i + _SHARE] for i in range(0, len(keys), _SHARE)]
    if not shares:
        return np.empty(0)

    def one(share: U64) -> F64:
        return scheme.sums(evidence.tokens, evidence.positions, share)

    if threads == 1 or len(shares) == 1:
        return np.concatenate([one(share) for share in shares])
    with ThreadPoolExecutor(threads) as pool:  # the kernels release the interpreter lock
        return np.concatenate(list(pool.map(one, shares)))


def _least(null: Null, n: int) -> float | None:
    """log10 of the smallest p that `n` values can have; None where there is none."""
    if n == 0:
        return 0.0
    if isinstance(null, BinomialNull):
        return _log10(null.log_p(n * null.layers, n))
    return None


def _log10(log_p: float) -> float:
    return float(log_p) / math.log(10)
