"""Indexes of system prompts: remembered by keyed hash, long ones made beside the event loop.

A prompt of 200,000 characters takes a fraction of a second to index. A thread does it (the
compiled loops let go of the interpreter) while the model reads the same prompt; an answer that
comes first waits character by character, within bounds, and nothing of it leaves unread.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b

from titer.respond.leak_guard.index import Index

#: Characters (of prompt and caller's words) that are indexed at once, within a millisecond or two.
AT_ONCE = 4096

#: Bytes of an index that are copied at once.
COPIED = 1 << 20


class Prompts:
    """`most` indexes are remembered, of `size` bytes together."""

    def __init__(self, key: bytes, most: int, size: int) -> None:
        self._key = key[:64]
        self._most, self._size = most, size
        self._made: OrderedDict[bytes, Future[Index]] = OrderedDict()
        self._thread: ThreadPoolExecutor | None = None

    def name(self, text: str) -> bytes:
        """The keyed hash that a text is remembered by."""
        return blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=16).digest()

    def get(self, told: str, asked: str) -> Future[Index]:
        """The index of a prompt without what the caller has said itself; done at once if short."""
        name = self.name(told)
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._do(len(told) <= AT_ONCE, told)
            self._shrink()
        else:
            self._made.move_to_end(name)
        if not asked:
            return made
        short = len(asked) <= AT_ONCE and made.done() and made.result().size <= COPIED
        return self._do(short, "", made, asked)

    @property
    def bytes(self) -> int:
        """Bytes of the indexes that are made and remembered."""
        return sum(made.result().size for made in self._made.values() if made.done())

    def _shrink(self) -> None:
        while len(self._made) > self._most or (len(self._made) > 1 and self.bytes > self._size):
            self._made.popitem(last=False)

    def _do(
        self, at_once: bool, told: str, made: Future[Index] | None = None, asked: str = ""
    ) -> Future[Index]:
        if at_once:
            done: Future[Index] = Future()
            done.set_result(_make(told, made, asked))
            return done
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="titer-leak-guard")
        # One thread, in turn: the index that this one begins from is there by then.
        return self._thread.submit(_make, told, made, asked)


def _make(told: str, made: Future[Index] | None, asked: str) -> Index:
    if made is None:
        return Index((told,))
    index = made.result().copy()
    index.forget(asked)
    return index
