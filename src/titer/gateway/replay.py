"""Replay: make every finding and decision of a log again from its exchanges, and compare.

The cold half is a pure fold, so the log can be judged by anyone who has it: if a finding or a
decision in it does not follow from the exchanges before it, under the calibration and ladder that
the log announced, the replay says which. The head is recomputed from the bodies as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from titer.core.errors import EvidenceError
from titer.core.nouns import Campaign, Decision, Exchange, Finding
from titer.detect.calibration import Calibration, load
from titer.engine import Weigher
from titer.evidence.log import Erasure, View
from titer.gateway.assembly import Start, make_weigher
from titer.gateway.networks import Used
from titer.gateway.networks.notice import inform
from titer.gateway.persons import heed, of_person
from titer.gateway.snapshots import maker

#: Kinds of entry that the fold takes; what else there is follows from them.
INPUTS = frozenset({"exchange", "campaign", "decision", "verification", "erasure"})


class Replayed(msgspec.Struct):
    """What a replay did: counts, and the size and root (hex) that the bodies lead to.

    `erased` entries could not be read: their lines are in the tree, what follows from them is not
    made again. Everything else is.
    """

    exchanges: int = 0
    findings: int = 0
    decisions: int = 0
    campaigns: int = 0
    erased: int = 0
    persons: int = 0
    size: int = 0
    root: str = ""


def replay(directory: Path) -> Replayed:
    """Replay a log. Raises `EvidenceError` naming the first entry that does not follow."""
    view = View.open(directory)
    view.check()
    head = view.head
    out = Replayed(size=view.size, root=head.root.hex() if head else "")
    fold = _Fold(view, out)
    for stored in view.scan():
        if stored.body is None:
            out.erased += 1
            continue
        fold.step(stored.index, stored.kind, stored.body)
    fold.settle(view.size)
    return out


class _Fold:
    """Expected entries are queued as exchanges are weighed, and must come in that order."""

    def __init__(self, view: View, out: Replayed) -> None:
        self._view = view
        self._out = out
        self._weigher: Weigher | None = None
        self._calibration: Calibration | None = None
        self._networks: tuple[Used, ...] = ()
        self._expected: list[tuple[str, bytes]] = []
        self._exchange = msgspec.json.Decoder(Exchange)
        self._campaign = msgspec.json.Decoder(Campaign)
        self._encode = msgspec.json.Encoder().encode
        self._erased = {subject: stored.index for subject, stored in view.erasures().items()}

    def step(self, index: int, kind: str, body: bytes) -> None:
        if kind == "finding" or (kind == "decision" and not of_person(body)):
            self._match(index, kind, body)
            return
        self.settle(index)
        if kind == "exchange":
            self._out.exchanges += 1
            weighed = self._need(index).weigh(self._exchange.decode(body))
            for finding in weighed.findings:
                self._expect(index, finding)
            if weighed.decision is not None:
                self._expect(index, weighed.decision)
        elif kind == "campaign":
            self._out.campaigns += 1
            for finding, decision in self._need(index).join(self._campaign.decode(body)):
                self._expect(index, finding)
                if decision is not None:
                    self._expect(index, decision)
        elif kind == "erasure" and self._weigher is not None:
            self._weigher.forget(msgspec.json.decode(body, type=Erasure).subject)
        elif kind == "networks":
            self._networks = msgspec.json.decode(body, type=tuple[Used, ...])
            if self._weigher is not None:
                inform(self._weigher, self._networks)
        elif kind == "calibration":
            self._calibration = load(body)
        elif kind == "start":
            self._start(index, msgspec.json.decode(body, type=Start))
        elif self._weigher is not None and heed(self._weigher, kind, body) and kind == "decision":
            self._out.persons += 1

    def _expect(self, index: int, made: Finding | Decision) -> None:
        """What must come next, unless it was erased later: then its body cannot be compared."""
        if self._erased.get(made.subject, -1) < index:
            kind = "finding" if isinstance(made, Finding) else "decision"
            self._expected.append((kind, self._encode(made)))

    def settle(self, index: int) -> None:
        """Everything expected so far must have come."""
        if self._expected:
            kind = self._expected[0][0]
            raise EvidenceError(f"replay: a {kind} is missing before entry {index}")

    def _match(self, index: int, kind: str, body: bytes) -> None:
        if not self._expected or self._expected[0] != (kind, body):
            raise EvidenceError(f"replay: entry {index}, a {kind}, does not follow from the log")
        self._expected.pop(0)
        if kind == "finding":
            self._out.findings += 1
        else:
            self._out.decisions += 1

    def _need(self, index: int) -> Weigher:
        if self._weigher is None:
            raise EvidenceError(f"replay: entry {index} stands before any `start` entry")
        return self._weigher

    def _start(self, index: int, start: Start) -> None:
        """A restart: the same weigher goes on, or a new one folds everything before it."""
        calibration = self._calibration if start.calibration else None
        if start.calibration and (calibration is None or calibration.id != start.calibration):
            raise EvidenceError(f"replay: entry {index} names a calibration that the log lacks")
        fresh = make_weigher(calibration, start.ladder())
        inform(fresh, self._networks)
        names = tuple(f"{d.card.name}@{d.card.version}" for d in fresh.bench.detectors)
        if names != start.detectors:
            raise EvidenceError(
                f"replay: entry {index} was made with detectors {', '.join(start.detectors)}; "
                "install that version of titer to replay it"
            )
        if self._weigher is not None and maker(self._weigher) == maker(fresh):
            return
        self._weigher = fresh
        for kind, body in self._before(index):
            if kind == "exchange":
                fresh.weigh(self._exchange.decode(body))
            elif kind == "erasure":
                fresh.forget(msgspec.json.decode(body, type=Erasure).subject)
            elif kind == "campaign":
                fresh.join(self._campaign.decode(body))
            else:
                heed(fresh, kind, body)

    def _before(self, index: int) -> Iterator[tuple[str, bytes]]:
        for stored in self._view.scan():
            if stored.index >= index:
                return
            if stored.kind in INPUTS and stored.body is not None:
                yield stored.kind, stored.body
