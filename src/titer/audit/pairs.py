"""Answers as distinct (context, token) pairs with weights: what every statistic is a sum over.

A pair is the `width` tokens before a place and one token after it, in the ids of our tokenizer.
`Pairs` holds each distinct one once, since a repeated pair has the same value under the key and
would count one draw several times. Left out are pairs that stand in anything that we showed the
suspect (prompt echo), and, for the filter by logged contexts, pairs whose context our own marked
replies never reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from titer.marks.contexts import as_tokens, hashes
from titer.marks.contract import F64, I64, U32, U64, Null, Scheme

#: Most pairs of one statistic: at 30 bytes a pair, under 1 GiB with what is made from them.
MAX_PAIRS = 8_000_000


class Logged(Protocol):
    """Contexts that our marked replies reached."""

    def holds(self, contexts: U64) -> np.typing.NDArray[np.bool_]:
        """Which of these, given by their unkeyed hashes, are among them."""
        ...


class Pairs:
    """Distinct pairs, in the order of first appearance.

    `flat` (n * (width + 1)) holds the context's tokens and the token, pair after pair, so that a
    scheme can be asked for values `at` every (width + 1)-th place; `weights` (n) in [0, 1];
    `context`, `ngram` (n) their unkeyed hashes.
    """

    def __init__(self, flat: U32, weights: F64, context: U64, ngram: U64, width: int) -> None:
        self.flat, self.weights, self.context, self.ngram = flat, weights, context, ngram
        self.width = width

    def __len__(self) -> int:
        return len(self.weights)

    def where(self, keep: np.typing.NDArray[np.bool_]) -> Pairs:
        """The pairs for which `keep` (n booleans) holds."""
        rows = self.flat.reshape(-1, self.width + 1)[keep].reshape(-1)
        return Pairs(rows, self.weights[keep], self.context[keep], self.ngram[keep], self.width)

    @property
    def places(self) -> I64:
        """Where in `flat` the tokens stand."""
        step = self.width + 1
        return np.arange(self.width, step * len(self), step, dtype=np.int64)

    def null(self, scheme: Scheme) -> Null:
        """The law of one value, or of the plain sum of these values where they are tied."""
        return scheme.null_for(self.flat, self.places)

    def totals(self, scheme: Scheme, keys: Iterable[int]) -> F64:
        """The weighted sum of values under each key (float64, one a key)."""
        places = self.places
        if (self.weights == 1.0).all():
            return scheme.sums(self.flat, places, np.array(list(keys), np.uint64))
        return np.array([scheme.at(self.flat, places, key) @ self.weights for key in keys])


class Gatherer:
    """Collects pairs for one scheme and key-independent exclusions.

    `shown` are token ids of everything that the suspect was given: pairs in it are left out and
    counted in `echoed`. `logged`, when given, are contexts that our marked replies reached: pairs
    with another context are left out and counted in `elsewhere`. What comes after `MAX_PAIRS` is
    counted in `beyond`.
    """

    def __init__(
        self, scheme: Scheme, *, shown: Iterable[U32] = (), logged: Logged | None = None
    ) -> None:
        self._scheme = scheme
        self._width = scheme.width
        self._shown = _sorted(ngrams(scheme, tokens)[1] for tokens in shown)
        self._logged = logged
        self._rows: list[U32] = []
        self._weights: list[F64] = []
        self._context: list[U64] = []
        self._ngram: list[U64] = []
        self._times: list[int] = []
        self._held = 0
        self.echoed = 0
        self.elsewhere = 0
        self.beyond = 0

    def words(self, tokens: U32) -> None:
        """A text that the suspect wrote: every token after its context, weight 1."""
        positions = _positions(self._width, len(tokens))
        if len(positions):
            offsets = np.arange(-self._width, 1)
            self._add(tokens[positions[:, None] + offsets], np.ones(len(positions)))

    def chances(self, contexts: U32, tokens: U32, probabilities: F64) -> None:
        """What the suspect said might come next: contexts (n, width), tokens and p (n, k).

        A token of -1's bits (2^32 - 1) is one that our tokenizer does not have as one token.
        """
        n, k = tokens.shape
        rows = np.empty((n * k, self._width + 1), np.uint32)
        rows[:, :-1] = np.repeat(contexts, k, axis=0)
        rows[:, -1] = tokens.reshape(-1)
        weights = probabilities.reshape(-1)
        known = (rows[:, -1] != np.uint32(0xFFFF_FFFF)) & (weights > 0)
        self._add(rows[known], np.minimum(weights[known], 1.0))

    def _add(self, rows: U32, weights: F64) -> None:
        flat = np.ascontiguousarray(rows).reshape(-1)
        step = self._width + 1
        places = np.arange(self._width, step * len(rows), step, dtype=np.int64)
        context, ngram = hashes(flat, places, self._width)
        keep = ~_among(ngram, self._shown)
        self.echoed += int(len(keep) - keep.sum())
        if self._logged is not None:
            there = self._logged.holds(context)
            self.elsewhere += int((keep & ~there).sum())
            keep &= there
        room = MAX_PAIRS - self._held
        if int(keep.sum()) > room:  # a stop that no value under a key has a part in
            self.beyond += int(keep.sum()) - room
            keep &= np.cumsum(keep) <= room
        self._held += int(keep.sum())
        self._rows.append(rows[keep])
        self._weights.append(weights[keep])
        self._context.append(context[keep])
        self._ngram.append(ngram[keep])

    def pairs(self, *, first: bool) -> Pairs:
        """Each distinct pair once: with the weight that it had first, or its largest one.

        Both are functions of what the suspect said alone. `first` is for what is read in order
        and stopped by the key's own text; the largest weight serves everything else.
        """
        width = self._width
        if not self._rows:
            none = np.zeros(0, np.uint64)
            return Pairs(np.zeros(0, np.uint32), np.zeros(0), none, none, width)
        rows, weights = np.concatenate(self._rows), np.concatenate(self._weights)
        context, ngram = np.concatenate(self._context), np.concatenate(self._ngram)
        _, at, group = np.unique(ngram, return_index=True, return_inverse=True)
        if not first:
            largest = np.zeros(len(at))
            np.maximum.at(largest, group, weights)
            weights = weights.copy()
            weights[at] = largest
        at = np.sort(at)
        return Pairs(rows[at].reshape(-1), weights[at], context[at], ngram[at], width)


class Fresh:
    """Contexts that the suspect has not met yet in what we let it read; first uses only."""

    def __init__(self, scheme: Scheme) -> None:
        self._width = scheme.width
        self._seen: set[int] = set()

    def positions(self, tokens: U32) -> I64:
        """Places of `tokens` whose context is new in all that was read so far, in order."""
        places = _positions(self._width, len(tokens))
        context, _ = hashes(tokens, places, self._width)
        fresh = []
        for place, name in zip(places.tolist(), context.tolist(), strict=True):
            if name not in self._seen:
                self._seen.add(name)
                fresh.append(place)
        return np.array(fresh, np.int64)


def ngrams(scheme: Scheme, tokens: U32) -> tuple[U64, U64]:
    """(context, n-gram) hashes of every place of a text that has a whole context."""
    return hashes(tokens, _positions(scheme.width, len(tokens)), scheme.width)


class LoggedTexts:
    """Every context that our marked replies reached, from their tokens."""

    def __init__(self, scheme: Scheme, texts: Iterable[Sequence[int] | U32]) -> None:
        self._held = _sorted(ngrams(scheme, as_tokens(tokens))[0] for tokens in texts)

    def holds(self, contexts: U64) -> np.typing.NDArray[np.bool_]:
        """Which of these are among them."""
        return _among(contexts, self._held)


def _positions(width: int, length: int) -> I64:
    return np.arange(width, max(width, length), dtype=np.int64)


def _sorted(parts: Iterable[U64]) -> U64:
    found = list(parts)
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.uint64)


def _among(hashes_: U64, held: U64) -> np.typing.NDArray[np.bool_]:
    if not len(held):
        return np.zeros(len(hashes_), np.bool_)
    place = np.minimum(np.searchsorted(held, hashes_), len(held) - 1)
    return np.asarray(held[place] == hashes_)
