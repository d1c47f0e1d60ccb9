"""What the serving processes do about memory: freed pages, and cycles that connections leave.

A body of 64 KB, and every array of a sketch's batch, lies at the top of the heap or in a mapping
of its own. By default glibc returns such memory to the system when it is freed and gets it back,
page by page and cleared, for the next one: a tenth of a worker's own time for a 64 KB prompt.

A closed connection leaves a cycle: asyncio's transport holds a method of its own. That is 1 kB and
a handful of objects, too few to set the garbage collector off, which looks for as many as a busy
second makes.
"""

from __future__ import annotations

import ctypes
import gc

#: Bytes that may lie free at the top of the heap: what a process may hold more than it uses.
KEEP = 4 << 20
#: Bytes from which an allocation gets a mapping of its own, and so leaves no hole behind.
MAPPED = 1 << 20

#: Connections between two collections, of which each costs some 2 ms with 1,000 connections open.
CONNECTIONS = 1_000

#: Names of malloc.h, the same in every glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def keep() -> bool:
    """Set it for this process; False where the C library has no `mallopt` (musl, macOS)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, KEEP) and mallopt(_MMAP_THRESHOLD, MAPPED))


class Cycles:
    """Collects what closed connections have left, every `CONNECTIONS` connections."""

    def __init__(self) -> None:
        self._seen = 0

    def look(self, made: int) -> bool:
        """Collect if it is time; `made` counts connections ever made, callers and upstream."""
        if made - self._seen < CONNECTIONS:
            return False
        self._seen = made
        gc.collect()
        return True
