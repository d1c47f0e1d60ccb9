"""Which entries of a log go into the dossier of a subject, and which heads vouch for them.

Every conclusion about the subject, the exchanges that they cite, and others to fill up. What all
exchanges add up to is `evidence.tally`; of a campaign, `evidence.gather_campaign`.
"""

from __future__ import annotations

import base64
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

import msgspec

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, contents, form, merkle
from titer.evidence.checkpoint import Checkpoint
from titer.evidence.entry import Stored
from titer.evidence.log import View
from titer.evidence.tally import Tally, fact_of


class Gathered(msgspec.Struct):
    """What goes into a dossier; `omitted` says why a cited id does not."""

    entries: dict[int, Stored]
    omitted: dict[str, str]
    tally: Tally
    in_log: Counter[str]
    caps: dict[str, int]


class _Id(msgspec.Struct):
    """The one member that every body has."""

    id: str = ""


_ID = msgspec.json.Decoder(_Id)


class AboutSubject:
    """Two readings of the log for one subject."""

    def __init__(self, subject: str, cites: set[str], cap: int) -> None:
        self._subject = subject
        self._token = msgspec.json.encode(subject)
        self._cap = cap
        self._cites = cites
        self._seen: set[str] = set()
        self._others: set[str] = set()
        self._calibrations: set[str] = set()
        self._oldest: list[Stored] = []
        self._newest: deque[Stored] = deque(maxlen=cap)
        caps = {"exchange": cap, "finding": form.MAX_ENTRIES, "decision": form.MAX_ENTRIES}
        self._found = Gathered({}, {}, Tally(), Counter(), caps)

    def read(self, log: View, size: int, lists: set[str]) -> Gathered:
        """The entries below `size`. `lists` are digests of network data to be named."""
        for stored in log.scan(0, size):
            self._conclusions(stored)
        named = Named(lists)
        for stored in log.scan(0, size):
            self._material(stored)
            named.look(stored)
        self._finish()
        if self._found.entries:
            self._found.entries.update(named.entries())
        return self._found

    def _conclusions(self, stored: Stored) -> None:
        """First reading: what was concluded about the subject, and what it leans on."""
        facts = self._about(stored)
        if stored.kind == "exchange" or facts is None:
            return
        self._found.entries[stored.index] = stored
        self._found.in_log[stored.kind] += 1
        self._seen.add(str(facts.get("id", "")))
        if stored.kind != "campaign":
            self._cites.update(form.cited(facts))
        if stored.kind == "finding":
            self._calibrations.add(str(facts.get("calibration", "")))

    def _material(self, stored: Stored) -> None:
        """Second reading: exchanges and calibrations, and whose the rest of the cited is."""
        if stored.body is None or stored.index in self._found.entries:
            return
        facts = self._about(stored) if stored.kind == "exchange" else None
        if facts is None and not self._cites and stored.kind != "calibration":
            return
        name = ident(stored.body)
        if stored.kind == "calibration" and name in self._calibrations:
            self._found.entries[stored.index] = stored
            self._seen.add(name)
        elif facts is None:
            if name in self._cites:
                self._others.add(name)
        else:
            self._exchange(stored, name)

    def _finish(self) -> None:
        """Fill up with uncited exchanges, and say what is missing and why."""
        entries = self._found.entries
        cited = sum(stored.kind == "exchange" for stored in entries.values())
        room = max(0, self._cap - cited)
        if self._found.tally.exchanges - cited <= room:
            chosen = self._oldest
        else:
            half = room // 2
            newest = list(self._newest)
            chosen = self._oldest[:half] + newest[len(newest) - (room - half) :]
        entries.update((stored.index, stored) for stored in chosen)
        for name in self._cites - self._seen:
            self._found.omitted[name] = form.OTHER if name in self._others else form.ABSENT

    def _exchange(self, stored: Stored, name: str) -> None:
        assert stored.body is not None
        self._found.tally.add(fact_of(stored))
        self._seen.add(name)
        if name in self._cites:
            self._found.entries[stored.index] = stored
            return
        self._newest.append(stored)
        if len(self._oldest) < self._cap:
            self._oldest.append(stored)

    def _about(self, stored: Stored) -> dict[str, Any] | None:
        """The body's facts when the entry is about the subject."""
        if stored.body is None or self._token not in stored.body:
            return None
        if stored.kind not in form.ABOUT_SUBJECTS:
            return None
        facts = form.body_facts(stored.body)
        return facts if form.concerns(stored.kind, facts, self._subject) else None


def heads_for(log: View, head: Checkpoint, first: int, last: int) -> tuple[contents.Vouched, ...]:
    """The heads that vouch for entries from `first` to `last`, oldest first; those made under a
    key that the dossier does not name are left out.
    """
    sizes = [size for size in log.vouched_sizes() if 0 < size <= head.size]
    wanted = {next((s for s in sizes if s > index), 0) for index in (first, last)}
    wanted |= set(sizes[-1:])
    nodes = log.tiles.nodes(head.size)
    found = []
    for size in sorted(wanted - {0}):
        kept = log.vouched(size)
        try:
            checkpoint.read(kept.signed.encode(), [log.verifier])
        except EvidenceError:
            continue
        proof = merkle.consistency_proof(size, head.size, nodes)
        stamps = tuple(
            contents.Stamp(name, base64.b64encode(token).decode())
            for name, token in sorted(kept.tokens.items())
        )
        extends = tuple(base64.b64encode(h).decode() for h in proof)
        found.append(contents.Vouched(kept.signed, extends, stamps))
    return tuple(found)


class Named:
    """The newest entries that name network data by their digests."""

    def __init__(self, digests: Iterable[str]) -> None:
        self._wanted = {d: d.encode() for d in digests}
        self._found: dict[str, Stored] = {}

    def look(self, stored: Stored) -> None:
        """Keep an entry that names some of them."""
        if stored.kind != "networks" or stored.body is None:
            return
        for digest, needle in self._wanted.items():
            if needle in stored.body:
                self._found[digest] = stored

    def entries(self) -> dict[int, Stored]:
        """By index."""
        return {stored.index: stored for stored in self._found.values()}


def ident(body: bytes) -> str:
    """The id in a body; empty when it has none."""
    try:
        return _ID.decode(body).id
    except msgspec.MsgspecError:  # an entry of another kind, with a body of its own
        return ""
