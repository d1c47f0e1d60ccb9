"""Who read the names of a dossier, or let go of a share of them, as an entry of the log."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from titer.console.explain import open_view
from titer.core.errors import InputError
from titer.evidence.case import Case
from titer.evidence.entry import Stored
from titer.evidence.intake import Entered
from titer.evidence.log import View
from titer.evidence.verify import Verified
from titer.gateway.assembly import enter

KIND = "unmasking"
#: Characters of whoever did it.
MAX_BY = 200


class Unmasking(msgspec.Struct, frozen=True):
    """The body of an `unmasking` entry. It holds no name and no pseudonym, and is not sealed.

    `step` is what was done: a `share` was opened, or the `names`. `dossier` is SHA-256 of its
    file, `about` the campaign (empty for one caller), `holders` the keys of those who took part,
    `threshold` how many it takes, `names` how many there were to read (0 of a share).
    """

    id: str
    at: int
    by: str
    step: Literal["share", "names"]
    dossier: str
    about: str
    holders: tuple[str, ...]
    threshold: int
    names: int


def record(
    data: Path,
    dossier: bytes,
    found: Verified,
    *,
    by: str,
    step: Literal["share", "names"],
    holders: Sequence[str],
    threshold: int,
    names: int = 0,
) -> Entered:
    """Log it, before anything is shown. Raises `InputError` when it cannot be logged now."""
    if not by.strip() or not by.isprintable() or len(by) > MAX_BY:
        raise InputError(f"say with --by who does it, in one line of at most {MAX_BY} characters")
    open_view(data)
    entry = Unmasking(
        id=f"unmasking-{secrets.token_hex(8)}",
        at=time.time_ns() // 1000,
        by=by,
        step=step,
        dossier=hashlib.sha256(dossier).hexdigest(),
        about=found.subject if found.kind == "campaign" else "",
        holders=tuple(holders),
        threshold=threshold,
        names=names,
    )
    kept = enter(data, KIND, msgspec.json.encode(entry))
    if kept.index is None:
        raise InputError(f"nothing was opened, as it must be logged first: {kept.line()}")
    return kept


def unmaskings(log: View, case: Case) -> Iterator[tuple[Unmasking, Stored]]:
    """The log's `unmasking` entries of a case's campaigns, and of dossiers added to it."""
    campaigns = set(case.named("campaign"))
    dossiers = {ref.sha256 for ref in case.refs if ref.kind == "dossier"}
    for stored in log.scan(kinds=(KIND,)):
        if stored.body is not None:
            found = msgspec.json.decode(stored.body, type=Unmasking)
            if found.about in campaigns or found.dossier in dossiers:
                yield found, stored
