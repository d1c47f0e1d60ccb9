"""Tells the C library to keep a little freed memory instead of handing it back at once.

A body of 64 KB, and every array of a sketch's batch, lies at the top of the heap or in a mapping
of its own. By default glibc returns such memory to the system when it is freed and gets it back,
page by page and cleared, for the next one: a tenth of a worker's own time for a 64 KB prompt.
"""

from __future__ import annotations

import ctypes

#: Bytes that may lie free at the top of the heap: what a process may hold more than it uses.
KEEP = 4 << 20
#: Bytes from which an allocation gets a mapping of its own, and so leaves no hole behind.
MAPPED = 1 << 20

#: Names of malloc.h, the same in every glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def keep() -> bool:
    """Set it for this process; False where the C library has no `mallopt` (musl, macOS)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, KEEP) and mallopt(_MMAP_THRESHOLD, MAPPED))
