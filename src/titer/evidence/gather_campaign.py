"""Which entries of a log go into the dossier of a campaign.

The campaign, and of its members' findings, decisions and exchanges as many as the caps allow, the
weightiest first. Nothing is kept of an exchange but its place, so that 25,000 members with
millions of exchanges fit in memory.
"""

from __future__ import annotations

from collections import Counter, deque

import msgspec

from titer.core.errors import EvidenceError
from titer.evidence import contents, form
from titer.evidence.entry import Stored
from titer.evidence.gather import Gathered, Named, ident
from titer.evidence.log import View
from titer.evidence.tally import Tally, fact_of


class Conclusion(msgspec.Struct):
    """What a finding or decision is about, and how much it weighs."""

    id: str = ""
    subject: str = ""
    detector: str = ""
    calibration: str = ""
    bits: float = 0.0


CONCLUSION = msgspec.json.Decoder(Conclusion)


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
        for stored in log.scan(0, size, kinds=("campaign",)):
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
        for stored in log.scan(0, size, kinds=last):
            if stored.body is None:
                continue
            one = CONCLUSION.decode(stored.body)
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
                    calibrations.add(CONCLUSION.decode(stored.body).calibration)
        return calibrations

    def _earlier(self, log: View, size: int, kind: str, chosen: set[int]) -> set[int]:
        room = self._cap - len(chosen)
        newest: deque[int] = deque(maxlen=room)
        for stored in log.scan(0, size, kinds=(kind,)):
            if stored.body is None or stored.index in chosen:
                continue
            if CONCLUSION.decode(stored.body).subject in self._members:
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
                if missing and (name := ident(stored.body)) and name in missing:
                    about = CONCLUSION.decode(stored.body).subject
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
