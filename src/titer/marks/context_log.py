"""Which contexts our marked replies reached, kept as keyed hashes: the filter by logged contexts.

A suspect that learnt from our replies shows the mark where it writes on from contexts that they
reached, and noise elsewhere. Scoring those contexts alone sharpens a test for free (Sander et al.,
NeurIPS 2024, arXiv 2402.14904). What is kept says nothing to who has no key: 32 bits a distinct
context, the first word of HalfSipHash-1-3 of its hash under a key of the account's secret. Order
and counts are not kept. Among N of them a context that was never reached is taken for one with
probability N / 2^32: that costs power and no validity.

    file    one JSON line {"v":2,"width":2,"contexts":N}, then N numbers, 32 bits little-endian,
            rising (version 1 had 64 bits, of which the low ones are these)
    log     entries of kind `mark-contexts` (`Reached`), one a marked reply, by `titer serve`
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

from titer.core.errors import InputError
from titer.marks.compiled import compiled
from titer.marks.contexts import MAX_CONTEXTS, context_hash
from titer.marks.contract import I64, U32, U64
from titer.marks.keyed import of_context

#: Bytes of a file: the header and `MAX_CONTEXTS` hashes, of version 1 as well.
MAX_FILE = 8 * MAX_CONTEXTS + 256
#: The kind of the log's entries, and the widths that they hold contexts of.
KIND = "mark-contexts"
WIDTHS = (1, 2, 4)


class Reached(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of a `mark-contexts` entry: what one marked reply reached.

    `exchange` is the exchange's id, `account` whose key (`key`, its id) marked it. `source` is
    `engine` when the engine said which ids it wrote, else the fingerprint of the tokenizer that
    its text was read with. `tokens` were read, `cut` more were not. `contexts` holds by width what
    `ContextLog.kept` gives, as bytes.
    """

    at: int
    exchange: str
    account: str
    key: str
    source: str
    tokens: int
    cut: int = 0
    contexts: dict[int, bytes]


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
        self._held: U32 = np.empty(0, np.uint32)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def kept(self) -> bytes:
        """The hashes: 32 bits each, little-endian, rising."""
        return self._held.astype("<u4").tobytes()

    def add(self, texts: Iterable[U32]) -> None:
        """Add every context that has a token after it in these replies. Raises `InputError`."""
        self._join(_of_text(tokens, self.width, self._key) for tokens in texts)

    def merge(self, kept: Iterable[bytes]) -> None:
        """Add what other logs of the same account and width `kept`. Raises `InputError`."""
        parts = list(kept)
        if any(len(part) % 4 for part in parts):
            raise InputError("these logged contexts are damaged: they are no 32-bit numbers")
        self._join(np.frombuffer(part, "<u4").astype(np.uint32) for part in parts)

    def among(self, tokens: U32, positions: I64) -> I64:
        """Those of the positions whose context our replies reached."""
        there: I64 = positions[self._has(_of_places(tokens, positions, self.width, self._key))]
        return there

    def holds(self, contexts: U64) -> npt.NDArray[np.bool_]:
        """Which of these contexts, given by their unkeyed hashes, our replies reached."""
        return self._has(_of_hashes(contexts, self._key))

    def dump(self) -> bytes:
        """The file's bytes."""
        return msgspec.json.encode(_Head(2, self.width, len(self._held))) + b"\n" + self.kept

    def load(self, data: bytes) -> None:
        """Add what a file holds. Raises `InputError` when it is none, or of another width."""
        line, _, rest = data.partition(b"\n")
        try:
            head = msgspec.json.decode(line, type=_Head)
        except msgspec.MsgspecError:
            raise InputError("this is no file of logged contexts") from None
        size = {1: 8, 2: 4}.get(head.v, 0)
        if not size or len(rest) != size * head.contexts or head.contexts > MAX_CONTEXTS:
            raise InputError("this file of logged contexts is damaged, or of another version")
        if head.width != self.width:
            raise InputError(
                f"these contexts have {head.width} tokens and not {self.width}; they were kept "
                "for a scheme of another width"
            )
        words = np.frombuffer(rest, "<u4").astype(np.uint32)
        self._join([words[:: size // 4]])

    def _join(self, parts: Iterable[U32]) -> None:
        held = np.unique(np.concatenate([self._held, *parts]))
        if len(held) > MAX_CONTEXTS:
            raise InputError(
                f"more than {MAX_CONTEXTS} distinct contexts; begin another file for newer replies"
            )
        self._held = held

    def _has(self, hashed: U32) -> npt.NDArray[np.bool_]:
        if not len(self._held):
            return np.zeros(len(hashed), np.bool_)
        at = np.minimum(np.searchsorted(self._held, hashed), len(self._held) - 1)
        return np.asarray(self._held[at] == hashed)


@compiled
def _of_text(tokens: U32, width: int, key: np.uint64) -> U32:
    out = np.empty(max(0, len(tokens) - width), np.uint32)
    for i in range(len(out)):
        out[i] = of_context(context_hash(tokens, i + width, width), key)[0]
    return out


@compiled
def _of_places(tokens: U32, positions: I64, width: int, key: np.uint64) -> U32:
    out = np.empty(len(positions), np.uint32)
    for i in range(len(positions)):
        out[i] = of_context(context_hash(tokens, positions[i], width), key)[0]
    return out


@compiled
def _of_hashes(contexts: U64, key: np.uint64) -> U32:
    out = np.empty(len(contexts), np.uint32)
    for i in range(len(contexts)):
        out[i] = of_context(contexts[i], key)[0]
    return out
