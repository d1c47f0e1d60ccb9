"""Open files: a worker must never run out of them, for then asyncio cannot even refuse.

When `accept` fails for want of descriptors, asyncio logs and tries again thousands of times a
second. So the cap on connections stays below what the system grants.
"""

from __future__ import annotations

import resource

#: Kept for databases, logs, sockets between processes and the listening socket.
RESERVE = 128


def connection_cap(wanted: int) -> int:
    """How many client connections a worker may hold, `wanted` at most.

    Raises the soft limit of open files as far as the hard one allows. Half of what is granted
    is for clients: each may need a connection upstream.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + RESERVE
    if soft != resource.RLIM_INFINITY and soft < needed:
        ceiling = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        if ceiling > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))
            soft = ceiling
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - RESERVE) // 2))
