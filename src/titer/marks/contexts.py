"""Which positions of a text count: every distinct context once, within and across documents.

A table of 64-bit hashes with open addressing, at most half full. Two different contexts share a
hash with probability below 10^-4 among 10^7: one that is left out costs a little power and
no validity.
"""

# ruff: noqa: PLR0917 - compiled functions are called by position
from __future__ import annotations

import numpy as np

from titer.core.errors import InputError
from titer.marks.compiled import PHI64, compiled, inlined, mix64
from titer.marks.contract import I64, MAX_TOKEN, U32, U64, Scheme, Scores

#: Most distinct contexts of one recognition: 2^26 of them are a table of 1 GiB, and proof enough.
MAX_CONTEXTS = 1 << 26
#: Tokens that are looked up between two looks at how full the table is.
_BLOCK = 1 << 20


def as_tokens(ids: object) -> U32:
    """Token ids as the kernels take them (uint32, one dimension). Raises InputError."""
    given = np.asarray(ids)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputError("token ids are one list of whole numbers; give the ids of one text")
    if given.size and (int(given.min()) < 0 or int(given.max()) > MAX_TOKEN):
        raise InputError(f"a token id lies outside 0 to {MAX_TOKEN}; give the tokenizer's own ids")
    return np.ascontiguousarray(given, np.uint32)


class Contexts:
    """The contexts that were seen so far; one instance spans what must not count twice."""

    def __init__(self, expected: int = 1024) -> None:
        """`expected` is about how many tokens will come; the table grows when more do."""
        bits = max(10, (2 * min(expected, MAX_CONTEXTS) - 1).bit_length())
        self._table: U64 = np.zeros(1 << bits, np.uint64)
        self._held = 0

    def __len__(self) -> int:
        return self._held

    def new(self, scheme: Scheme, tokens: U32) -> I64:
        """Positions of `tokens` whose context (or n-gram) is new, in order; they are now seen.

        Raises InputError when more than `MAX_CONTEXTS` distinct ones would have to be held.
        """
        by_context = scheme.unit == "context"
        out = np.empty(max(0, len(tokens) - scheme.start), np.int64)
        found = 0
        for begin in range(scheme.start, len(tokens), _BLOCK):
            end = min(begin + _BLOCK, len(tokens))
            self._room(end - begin)
            fresh = _distinct(
                tokens, begin, end, scheme.width, by_context, self._table, out[found:]
            )
            found += fresh
            self._held += fresh
        return out[:found].copy() if found < len(out) // 2 else out[:found]

    def _room(self, more: int) -> None:
        """Grow until `more` hashes fit, in the worst case."""
        while 2 * (self._held + more) > len(self._table):
            if self._held + more > MAX_CONTEXTS:
                raise InputError(
                    f"more than {MAX_CONTEXTS} distinct contexts; recognise a part of the texts"
                )
            larger: U64 = np.zeros(2 * len(self._table), np.uint64)
            _move(self._table, larger)
            self._table = larger


def scores(scheme: Scheme, tokens: U32, key: int) -> Scores:
    """Every position with its value and hashes; nothing is left out."""
    positions = np.arange(scheme.start, max(scheme.start, len(tokens)), dtype=np.int64)
    context, ngram = hashes(tokens, positions, scheme.width)
    return Scores(scheme.at(tokens, positions, key), positions, context, ngram)


@inlined
def context_hash(tokens: U32, position: int, width: int) -> np.uint64:
    """Of the `width` tokens before `position`; what lies before the text is 2^32 - 1."""
    h = np.uint64(width) * PHI64
    for j in range(position - width, position):
        token = np.uint64(tokens[j]) if j >= 0 else np.uint64(0xFFFF_FFFF)
        h = mix64((h + PHI64) ^ token)
    return h


@inlined
def ngram_hash(context: np.uint64, token: np.uint32) -> np.uint64:
    """Of a context and the token after it."""
    return mix64((context + PHI64) ^ np.uint64(token))


@compiled
def hashes(tokens: U32, positions: I64, width: int) -> tuple[U64, U64]:
    """(context, n-gram) hashes at `positions`."""
    context = np.empty(len(positions), np.uint64)
    ngram = np.empty(len(positions), np.uint64)
    for i in range(len(positions)):
        context[i] = context_hash(tokens, positions[i], width)
        ngram[i] = ngram_hash(context[i], tokens[positions[i]])
    return context, ngram


@compiled
def _distinct(
    tokens: U32, begin: int, end: int, width: int, by_context: bool, table: U64, out: I64
) -> int:
    mask = np.uint64(len(table) - 1)
    found = 0
    for i in range(begin, end):
        h = context_hash(tokens, i, width)
        if not by_context:
            h = ngram_hash(h, tokens[i])
        h |= np.uint64(1)  # 0 is an empty place
        place = (h >> np.uint64(8)) & mask
        while table[place] != 0 and table[place] != h:
            place = (place + np.uint64(1)) & mask
        if table[place] == 0:
            table[place] = h
            out[found] = i
            found += 1
    return found


@compiled
def _move(old: U64, new: U64) -> None:
    mask = np.uint64(len(new) - 1)
    for h in old:
        if h != 0:
            place = (h >> np.uint64(8)) & mask
            while new[place] != 0:
                place = (place + np.uint64(1)) & mask
            new[place] = h
