"""Which entries of a log go into a dossier, and what all of them add up to.

A subject's dossier has every conclusion about it and the exchanges that they cite; a campaign's
has the campaign, and of its members' findings, decisions and exchanges as many as the caps allow,
the weightiest first. Nothing is kept of an exchange but its place, so that 25,000 members with
millions of exchanges fit in memory.
"""

from __future__ import annotations

import base64
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

import msgspec

from titer.core.errors import EvidenceError
from titer.core.nouns import Principal, ReplyFacts, Usage
from titer.evidence import checkpoint, contents, form, merkle
from titer.evidence.checkpoint import Checkpoint
from titer.evidence.entry import Stored
from titer.evidence.log import View


class Fact(msgspec.Struct):
    """What is counted of an exchange."""

    id: str = ""
    at: int = 0
    principal: Principal = Principal("")
    model: str = ""
    usage: Usage = Usage()
    reply: ReplyFacts = ReplyFacts()
    status: int = 200


class Tally:
    """Exposure and timeline of a subject, or of all members together."""

    def __init__(self) -> None:
        self.exchanges = 0
        self._sums: Counter[str] = Counter()
        self._models: dict[str, list[int]] = {}
        self._days: dict[int, list[int]] = {}
        self._begun: set[str] = set()

    def add(self, fact: Fact) -> None:
        """Count one exchange, in the order of the log."""
        served = fact.status < 400
        out = max(0, fact.usage.tokens_out) if served else 0
        self.exchanges += 1
        self._sums["refused"] += not served
        self._sums["in"] += max(0, fact.usage.tokens_in) if served else 0
        self._sums["out"] += out
        self._sums["reasoning"] += max(0, fact.reply.reasoning_tokens) if served else 0
        self._sums["estimated"] += fact.usage.estimated
        new = fact.principal.subject not in self._begun
        self._begun.add(fact.principal.subject)
        model = self._models.setdefault(fact.model, [0, 0])
        day = self._days.setdefault(max(0, contents.day_of(fact.at)), [0, 0, 0])
        for row in (model, day):
            row[0] += 1
            row[1] += out
        day[2] += new

    def exposure(self) -> contents.Exposure:
        """Everything that was taken; models beyond `MAX_ROWS` are added to the last one."""
        ranked = sorted(self._models.items(), key=lambda m: (-m[1][1], -m[1][0], m[0]))
        rows = [contents.Use(name, *row) for name, row in ranked[: contents.MAX_ROWS - 1]]
        rest = [row for _, row in ranked[contents.MAX_ROWS - 1 :]]
        if rest:
            rows.append(contents.Use("others", sum(r[0] for r in rest), sum(r[1] for r in rest)))
        sums = self._sums
        return contents.Exposure(
            exchanges=self.exchanges, refused=sums["refused"], tokens_in=sums["in"],
            tokens_out=sums["out"], reasoning_tokens=sums["reasoning"],
            estimated=sums["estimated"], models=tuple(rows),
        )  # fmt: skip

    def days(self) -> tuple[contents.Day, ...]:
        """A row a day, the oldest first; days before the last `MAX_DAYS` count to the first."""
        days = sorted(self._days.items())
        old, kept = days[: -contents.MAX_DAYS], days[-contents.MAX_DAYS :]
        rows = [contents.Day(at, *row) for at, row in kept]
        if old:
            first, sums = rows[0], [sum(row[i] for _, row in old) for i in range(3)]
            rows[0] = contents.Day(
                first.at, first.exchanges + sums[0], first.tokens_out + sums[1],
                first.began + sums[2],
            )  # fmt: skip
        return tuple(rows)


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


class _Conclusion(msgspec.Struct):
    """What a finding or decision is about, and how much it weighs."""

    id: str = ""
    subject: str = ""
    detector: str = ""
    calibration: str = ""
    bits: float = 0.0


_ID = msgspec.json.Decoder(_Id)
_FACT = msgspec.json.Decoder(Fact)
_CONCLUSION = msgspec.json.Decoder(_Conclusion)


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


class AboutCampaign:
    """Three readings of the log for a campaign: its members, what was concluded about them, and
    what that leans on.
    """

    def __init__(self, campaign: str, cites: set[str], cap: int) -> None:
        self._campaign = campaign
        self._token = msgspec.json.encode(campaign)
        self._cites = cites
        self._members: set[str] = set()
        self._cap = cap
        caps = dict.fromkeys(("exchange", "finding", "decision"), cap)
        self._found = Gathered({}, {}, Tally(), Counter(), caps)

    def read(self, log: View, size: int, lists: set[str]) -> Gathered:
        """The entries below `size`. `lists` are digests of network data to be named."""
        found, named = self._found, Named(lists)
        for stored in log.scan(0, size):
            if stored.kind == "campaign":
                self._versions(stored)
        if not found.entries:
            return found
        calibrations = self._conclusions(log, size)
        for stored in log.scan(0, size):
            body = stored.body
            if stored.kind == "calibration" and body and ident(body) in calibrations:
                found.entries[stored.index] = stored
            named.look(stored)
        found.entries.update(named.entries())
        self._exchanges(log, size)
        return found

    def _versions(self, stored: Stored) -> None:
        if stored.body is None or self._token not in stored.body:
            return
        facts = form.body_facts(stored.body)
        members = facts.get("members")
        if facts.get("id") == self._campaign and isinstance(members, list):
            self._found.entries[stored.index] = stored
            self._members.update(str(m) for m in members)

    def _conclusions(self, log: View, size: int) -> set[str]:
        """Of each detector and member the last finding, of each member the last decision: of
        these the weightiest. Returns the calibrations that they name.
        """
        last: dict[str, dict[tuple[str, str], tuple[float, int]]] = {"finding": {}, "decision": {}}
        for stored in log.scan(0, size):
            if stored.kind not in last or stored.body is None:
                continue
            one = _CONCLUSION.decode(stored.body)
            if one.subject in self._members:
                self._found.in_log[stored.kind] += 1
                last[stored.kind][one.subject, one.detector] = (-one.bits, stored.index)
        calibrations = set()
        for kind, rows in last.items():
            chosen = {index for _, index in sorted(rows.values())[: self._cap]}
            if len(chosen) < self._cap:  # earlier ones of the same, the newest first
                chosen |= self._earlier(log, size, kind, chosen)
            for index in chosen:
                stored = log.read(index)
                assert stored.body is not None
                self._found.entries[index] = stored
                self._cites.update(form.cited(form.body_facts(stored.body)))
                if kind == "finding":
                    calibrations.add(_CONCLUSION.decode(stored.body).calibration)
        return calibrations

    def _earlier(self, log: View, size: int, kind: str, chosen: set[int]) -> set[int]:
        room = self._cap - len(chosen)
        newest: deque[int] = deque(maxlen=room)
        for stored in log.scan(0, size):
            if stored.kind != kind or stored.body is None or stored.index in chosen:
                continue
            if _CONCLUSION.decode(stored.body).subject in self._members:
                newest.append(stored.index)
        return set(newest)

    def _exchanges(self, log: View, size: int) -> None:
        """Cited exchanges first, then the first one of as many members as there is room for."""
        found, here = self._found, set[str]()
        for stored in found.entries.values():
            if stored.body is not None and stored.kind != "networks":
                here.add(ident(stored.body))
        missing, owned, others = self._cites - here, dict[str, int](), set[str]()
        left_out: set[str] = set()
        begun, first, spare = set[str](), list[int](), deque[int](maxlen=self._cap)
        for stored in log.scan(0, size):
            if stored.body is None:
                continue
            if stored.kind != "exchange":
                if missing and (name := ident(stored.body)) in missing:
                    about = _CONCLUSION.decode(stored.body).subject
                    (left_out if about in self._members else others).add(name)
                continue
            try:
                fact = fact_of(stored)
            except EvidenceError:  # nobody's: it cannot be a member's
                continue
            who = fact.principal
            inside = who.org in self._members or who.id in self._members
            if not inside:
                if fact.id in missing:
                    others.add(fact.id)
                continue
            found.tally.add(fact)
            if fact.id in missing:
                owned[fact.id] = stored.index
            elif who.subject not in begun:
                begun.add(who.subject)
                first.append(stored.index)
            else:
                spare.append(stored.index)
        cited = sorted(owned.values())[: self._cap]
        room = self._cap - len(cited)
        step = max(1, -(-len(first) // max(1, room)))
        chosen = [*cited, *first[::step][:room]]
        room = self._cap - len(chosen)
        if room > 0:
            rest = [*(i for n, i in enumerate(first) if n % step), *spare]
            chosen += rest[len(rest) - min(room, len(rest)) :]
        for index in chosen:
            found.entries[index] = log.read(index)
        left_out |= {name for name, index in owned.items() if index not in found.entries}
        for name in missing - {n for n, index in owned.items() if index in found.entries}:
            reason = form.OTHER if name in others else form.ABSENT
            found.omitted[name] = contents.CAPPED if name in left_out else reason


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


def fact_of(stored: Stored) -> Fact:
    """What is counted of an exchange. Raises EvidenceError."""
    try:
        return _FACT.decode(stored.body or b"")
    except msgspec.MsgspecError:
        raise EvidenceError(f"log: entry {stored.index} is no exchange") from None
