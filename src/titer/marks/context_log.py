"""Which contexts our marked replies reached, kept as keyed hashes: the filter by logged contexts.

A suspect that learnt from our replies shows the mark where it writes on from contexts that they
reached, and noise elsewhere. Scoring those contexts alone sharpens a test for free (Sander et al.,
NeurIPS 2024, arXiv 2402.14904). What is kept says nothing to who has no key: 64 bits a distinct
context, HalfSipHash-1-3 of its hash under a key of the account's secret. Order and counts are not
kept.

    file    one JSON line {"v":1,"width":2,"contexts":N}, then N numbers, 64 bits little-endian,
            rising
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

import msgspec
import numpy as np

from titer.core.errors import InputError
from titer.marks.compiled import compiled
from titer.marks.contexts import MAX_CONTEXTS, context_hash
from titer.marks.contract import I64, U32, U64
from titer.marks.keyed import of_context

#: Bytes of a file: the header and `MAX_CONTEXTS` hashes.
MAX_FILE = 8 * MAX_CONTEXTS + 256


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    width: int
    contexts: int


class ContextLog:
    """The contexts of one account, for schemes of one width. `secret` is `MarkKey.secret`."""

    def __init__(self, secret: bytes, width: int) -> None:
        if not 1 <= width <= 64:
            raise InputError("a context has 1 to 64 tokens")
        digest = hmac.digest(secret, b"titer logged contexts", hashlib.sha256)
        self._key = np.uint64(int.from_bytes(digest[:8]))
        self.width = width
        self._held: U64 = np.empty(0, np.uint64)

    def __len__(self) -> int:
        return len(self._held)

    def add(self, texts: Iterable[U32]) -> None:
        """Add every context that has a token after it in these replies. Raises `InputError`."""
        fresh = [self._of(tokens, _places(tokens, self.width)) for tokens in texts]
        held = np.unique(np.concatenate([self._held, *fresh]))
        if len(held) > MAX_CONTEXTS:
            raise InputError(
                f"more than {MAX_CONTEXTS} distinct contexts; begin another file for newer replies"
            )
        self._held = held

    def among(self, tokens: U32, positions: I64) -> I64:
        """Those of the positions whose context our replies reached."""
        if not len(self._held):
            return positions[:0]
        hashed = self._of(tokens, positions)
        at = np.minimum(np.searchsorted(self._held, hashed), len(self._held) - 1)
        there: I64 = positions[self._held[at] == hashed]
        return there

    def dump(self) -> bytes:
        """The file's bytes."""
        head = msgspec.json.encode(_Head(1, self.width, len(self._held)))
        return head + b"\n" + self._held.astype("<u8").tobytes()

    def load(self, data: bytes) -> None:
        """Add what a file holds. Raises `InputError` when it is none, or of another width."""
        line, _, rest = data.partition(b"\n")
        try:
            head = msgspec.json.decode(line, type=_Head)
        except msgspec.MsgspecError:
            raise InputError("this is no file of logged contexts") from None
        if head.v != 1 or len(rest) != 8 * head.contexts or head.contexts > MAX_CONTEXTS:
            raise InputError("this file of logged contexts is damaged, or of another version")
        if head.width != self.width:
            raise InputError(
                f"these contexts have {head.width} tokens and not {self.width}; they were kept "
                "for a scheme of another width"
            )
        self._held = np.union1d(self._held, np.frombuffer(rest, "<u8").astype(np.uint64))

    def _of(self, tokens: U32, positions: I64) -> U64:
        return _keyed(tokens, positions, self.width, self._key)


def _places(tokens: U32, width: int) -> I64:
    return np.arange(width, max(width, len(tokens)), dtype=np.int64)


@compiled
def _keyed(tokens: U32, positions: I64, width: int, key: np.uint64) -> U64:
    out = np.empty(len(positions), np.uint64)
    for i in range(len(positions)):
        a, b = of_context(context_hash(tokens, positions[i], width), key)
        out[i] = np.uint64(a) | (np.uint64(b) << np.uint64(32))
    return out
