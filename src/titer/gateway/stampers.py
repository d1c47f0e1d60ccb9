"""Ask RFC 3161 time stamping authorities about a head, and keep what they said beside it."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from pathlib import Path

from titer.core.errors import EvidenceError, InputError
from titer.evidence import heads, timestamp
from titer.gateway.fetch import request
from titer.gateway.vouchers import Stamper


def stamp(directory: Path, vouched: heads.Vouched, one: Stamper) -> timestamp.Stamp:
    """Have a head stamped, verify the reply, keep it. Raises `InputError`, EvidenceError."""
    made = timestamp.ask(vouched.stamped())
    headers = {"content-type": timestamp.QUERY}
    if one.login:
        headers["authorization"] = f"Basic {base64.b64encode(one.login.encode()).decode()}"
    reply = request(one.peer, "POST", body=made.query, headers=headers, limit=heads.MAX_TOKEN)
    if reply.status != 200:
        raise InputError(f"time stamper {one.name} answered with status {reply.status}")
    roots = timestamp.read_roots(one.roots.read_bytes())
    found = timestamp.verify(
        reply.body, vouched.stamped(), roots, nonce=made.nonce, now=int(time.time())
    )
    heads.keep_token(directory, vouched.size, one.name, reply.body)
    return found


def stamp_all(
    directory: Path, vouched: heads.Vouched, stampers: Sequence[Stamper]
) -> tuple[list[timestamp.Stamp], list[str]]:
    """Ask all; returns what they said, and what went wrong in words. A wrong reply counts as none:
    an authority cannot contradict the log.
    """
    said: list[timestamp.Stamp] = []
    failed: list[str] = []
    for one in stampers:
        if one.name in vouched.tokens:
            continue  # nothing has happened since the last round
        try:
            said.append(stamp(directory, vouched, one))
        except (InputError, EvidenceError, OSError, ValueError) as error:
            failed.append(f"{one.name}: {error}")
    return said, failed
