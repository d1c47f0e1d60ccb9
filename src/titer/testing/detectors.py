"""The checks that every detector passes, ours and other people's."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from titer.core.contracts import Detector
from titer.core.nouns import Card, Exchange, Finding
from titer.detect.calibration import fit
from titer.testing import population

#: Text that every card must carry: what a reader needs before believing a finding.
CARD_TEXTS = ("name", "version", "technique", "measures", "blind_to", "benign_causes", "cost")
#: Bits at which an honest crowd is counted, and the organisations that are weighed.
QUIET_BITS, QUIET_SUBJECTS = 5.0, 400
#: Chance that the quietness check fails for a detector that keeps its bound exactly.
UNLUCKY = 1e-4
#: Encoded bytes of one subject's state: many subjects are held at once.
STATE_BYTES = 8_192
#: Characters of a note: one plain sentence.
NOTE_CHARS = 300


def check_detector(detector: Detector, *, exchanges: Sequence[Exchange] | None = None) -> None:
    """Raises AssertionError, saying what to mend, unless the detector keeps its contract.

    The card is complete; replay is deterministic; the order of other subjects' exchanges does
    not matter; a state survives msgpack at any moment and stays small; findings cite what was
    seen, claim no bits of their own, and their score never falls; an inline detector keeps its
    budget; and an honest crowd of another seed is quiet under a calibration.
    `exchanges` are added to the built-in ones: give some that the detector speaks about.
    """
    check_card(detector.card)
    log = [
        *population.honest(7, 40),
        *population.harvester(7),
        *population.harvester(8, mix=0.5),
        *population.extractor(7),
        *(exchanges or ()),
    ]
    log.sort(key=lambda exchange: (exchange.at, exchange.id))
    found = _run(detector, log)
    _must(found == _run(detector, log), "the same exchanges gave other findings; use no clock, "
          "no randomness and no state outside `state`")  # fmt: skip
    _must(found == _run(detector, log, round_trip=True), "a state that went through msgpack gave "
          "other findings; keep everything in the state and accept its decoded form")  # fmt: skip
    apart = sorted(log, key=lambda exchange: detector.subject(exchange) or "")
    _must(found == _run(detector, apart), "one subject's exchanges changed another's findings")
    seen: dict[str, set[str]] = defaultdict(set)
    for exchange in log:
        seen[detector.subject(exchange) or ""].add(exchange.id)
    for subject, findings in found.items():
        check_findings(detector.card, findings, seen[subject])
    if detector.card.inline:
        check_budget(detector, log)
    check_quiet(detector)


def check_card(card: Card) -> None:
    """Every text is there, and an inline detector names its budget."""
    for name in CARD_TEXTS:
        _must(bool(getattr(card, name).strip()), f"the card's `{name}` is empty")
    for name in ("measures", "blind_to", "benign_causes"):
        _must(len(getattr(card, name).split()) >= 3, f"the card's `{name}` says too little")
    _must(card.inline == (card.budget_us > 0), "`inline` and `budget_us` go together")


def check_findings(card: Card, findings: Sequence[Finding], seen: set[str]) -> None:
    """Findings of one subject, in order, `seen` being the exchanges that it was shown."""
    last = 0.0
    for finding in findings:
        _must(finding.detector == f"{card.name}@{card.version}", "`detector` is not name@version")
        _must(finding.technique == card.technique, "`technique` is not the card's")
        _must(finding.bits == 0 and not finding.calibration, "a detector grants itself no bits")
        _must(math.isfinite(finding.score), "`score` is not finite")
        _must(finding.score >= last, "`score` fell; report a running maximum")
        _must(bool(finding.cites), "a finding cites no exchange")
        _must(seen.issuperset(finding.cites), "a finding cites what this subject never sent")
        note = finding.note
        _must(bool(note) and "\n" not in note and len(note) <= NOTE_CHARS,
              "`note` is not one plain sentence")  # fmt: skip
        last = finding.score


def check_budget(detector: Detector, log: Sequence[Exchange]) -> None:
    """The mean step of the quietest of three runs costs no more than the card says."""
    best = math.inf
    for _ in range(3):
        began = time.process_time()
        _run(detector, log)
        best = min(best, time.process_time() - began)
    cost = best / len(log) * 1e6
    _must(cost <= detector.card.budget_us, f"a step costs {cost:.1f} us, over the budget")


def check_quiet(detector: Detector) -> None:
    """Honest subjects of one seed stay quiet under the calibration of another.

    At most 2^-`QUIET_BITS` of them may reach that many bits, give or take chance.
    """
    calibration = fit([detector], population.honest(1, QUIET_SUBJECTS), seed=1)
    (fitted,) = calibration.fit_detectors([detector])
    name = detector.card.name
    for seed in (2, 3):
        reached = sum(
            calibration.bits(name, findings[-1].score) >= QUIET_BITS
            for findings in _run(fitted, population.honest(seed, QUIET_SUBJECTS)).values()
            if findings
        )
        most = _tolerated(QUIET_SUBJECTS, 2.0**-QUIET_BITS)
        _must(reached <= most, f"{reached} of {QUIET_SUBJECTS} honest subjects reached "
              f"{QUIET_BITS:g} bits; at most {most} can be chance")  # fmt: skip


def _tolerated(n: int, p: float) -> int:
    """The number of successes that more than `n` trials of chance `p` exceed but rarely."""
    mass = 0.0
    for count in range(n + 1):
        mass += math.comb(n, count) * p**count * (1 - p) ** (n - count)
        if mass >= 1 - UNLUCKY:
            return count
    return n


def _run(
    detector: Detector, log: Iterable[Exchange], *, round_trip: bool = False
) -> dict[str, list[Finding]]:
    """All findings by subject."""
    states: dict[str, Any] = {}
    found: dict[str, list[Finding]] = {}
    for exchange in log:
        subject = detector.subject(exchange)
        if subject is None:
            continue
        state = states[subject] if subject in states else detector.start()
        if round_trip:
            packed = msgspec.msgpack.encode(state)
            _must(len(packed) <= STATE_BYTES, f"a state of {len(packed)} bytes is too large")
            state = msgspec.msgpack.decode(packed)
        states[subject], findings = detector.step(state, exchange)
        for finding in findings:
            _must(finding.subject == subject, "a finding names another subject")
            found.setdefault(subject, []).append(finding)
    return found


def _must(held: bool, message: str) -> None:
    if not held:
        raise AssertionError(message)
