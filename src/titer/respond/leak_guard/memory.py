"""What each caller has already had of a protected text, so that pieces of several answers add up.

A piece that is too short to be a leak is remembered by its grams: a bitmap of keyed hashes for
each caller and text, no text. Once a caller has had many different grams within the window, much
shorter pieces are a leak for this caller. The same piece said again adds nothing, so a greeting
that quotes the instructions may be said for ever.

Bounded: `MAX_CALLERS` pairs of caller and text, those used longest ago forgotten first. Each
process remembers for itself, and forgets when it ends.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

#: Pairs of caller and text that are remembered; each takes about 4 KiB.
MAX_CALLERS = 16_384

#: Seconds of one generation. Two are kept, so that what was had counts for one to two of them.
WINDOW = 12 * 3600

#: Bits of one generation's bitmap: at a hundred grams two fall together twice.
_BITS = 2048


class Memory:
    """`key` (8 bytes or more) makes the hashes; `clock` gives monotonic seconds."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self._odd = np.uint64(int.from_bytes(key[:8].ljust(8, b"\x01"), "little") | 1)
        self._clock = clock
        self._had: OrderedDict[tuple[str, bytes], _Had] = OrderedDict()

    def __len__(self) -> int:
        return len(self._had)

    def take(self, caller: str, text: bytes, grams: npt.NDArray[np.uint64]) -> None:
        """`caller` has had these grams of a text (named by its keyed hash)."""
        had = self._had.get((caller, text))
        if had is None:
            had = self._had[caller, text] = _Had(self._clock())
            if len(self._had) > MAX_CALLERS:
                self._had.popitem(last=False)
        self._had.move_to_end((caller, text))
        had.turn(self._clock())
        places = (grams * self._odd) >> np.uint64(64 - _BITS.bit_length() + 1)
        had.now[places.astype(np.int64)] = True

    def count(self, caller: str, text: bytes) -> int:
        """How many different grams of the text this caller has had of late."""
        had = self._had.get((caller, text))
        if had is None:
            return 0
        had.turn(self._clock())
        return int(np.count_nonzero(had.now | had.before))


class _Had:
    __slots__ = ("before", "now", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.now = np.zeros(_BITS, np.bool_)
        self.before = np.zeros(_BITS, np.bool_)

    def turn(self, at: float) -> None:
        """Forget what is older than a generation before this one."""
        if at - self.since >= WINDOW:
            gone = at - self.since >= 2 * WINDOW
            self.before = np.zeros(_BITS, np.bool_) if gone else self.now
            self.now = np.zeros(_BITS, np.bool_)
            self.since = at
