"""The detectors at work: each one's state by subject, its faults, and the bits that it earns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import msgspec

from titer.core.bits import average_bits
from titer.core.contracts import Detector
from titer.core.nouns import Card, Exchange, Finding
from titer.detect.calibration import Calibration
from titer.detect.glancing import Glancing
from titer.detect.strata import Glance, glance

Fold = Callable[[Any, Exchange, Glance], tuple[Any, Iterable[Finding]]]

#: Who speaks when titer reports about itself, and when the hunt does.
SELF = "titer.engine"
HUNT = "hunt@1"
#: E-values that a standing averages, silent ones included: all detectors together, and the hunt.
SOURCES = 2


class Bench:
    """Runs detectors over exchanges and turns their scores into bits.

    A detector cannot grant itself bits: `id`, `bits` and `calibration` of a finding are set here,
    0 bits where the calibration does not cover that detector and version. The bits of a finding
    are of that detector alone and explain; what counts is `combined`. A detector that raises
    becomes a finding about titer and costs nobody anything else.
    """

    def __init__(self, detectors: tuple[Detector, ...], calibration: Calibration | None) -> None:
        self.detectors = detectors
        self.calibration = calibration
        self.states: dict[str, dict[str, Any]] = {d.card.name: {} for d in detectors}
        self.faults: dict[str, int] = {}
        self._rows = tuple((d, d.card, self.states[d.card.name], _fold(d)) for d in detectors)

    def weigh(self, exchange: Exchange) -> list[Finding]:
        """What all detectors say to one exchange; never raises."""
        found: list[Finding] = []
        seen: Glance | None = None
        for detector, card, states, fold in self._rows:
            try:
                subject = detector.subject(exchange)
                if subject is None:
                    continue
                state = states[subject] if subject in states else detector.start()
                if fold is None:
                    states[subject], findings = detector.step(state, exchange)
                else:
                    if seen is None:
                        seen = glance(exchange)
                    states[subject], findings = fold(state, exchange, seen)
                if findings:
                    found += [self._earn(finding, card, exchange) for finding in findings]
            except Exception as error:  # noqa: BLE001 - the failure table: traffic flows
                found += self._fault(card, exchange, error)
        return found

    def forget(self, subject: str) -> None:
        """Drop every detector's state about a subject that was erased."""
        for states in self.states.values():
            states.pop(subject, None)

    def combined(self, findings: Iterable[Finding], tier: str) -> float:
        """Bits of all detectors together, from the latest finding of each; 0 uncalibrated."""
        scores = self._scores(findings)
        if not scores or self.calibration is None:
            return 0.0
        return self.calibration.combined(scores, tier)

    def believe(self, findings: Collection[Finding], tier: str) -> float:
        """Bits of a standing: the average of what all detectors together and the hunt say."""
        hunted = [f.bits for f in findings if f.detector == HUNT]
        return average_bits([self.combined(findings, tier), *hunted], SOURCES)

    def attention(self, findings: Iterable[Finding], tier: str) -> float:
        """What `combined` would be, were the default calibration the operator's own; else 0."""
        held = self.calibration
        if held is None or not held.default:
            return 0.0
        scores = self._scores(findings)
        return held.combined_worth(scores, tier) if scores else 0.0

    def _scores(self, findings: Iterable[Finding]) -> dict[str, float]:
        """The raw scores that the calibration in force speaks about, by detector."""
        if self.calibration is None:
            return {}
        held = self.calibration.id
        return {f.detector.partition("@")[0]: f.score for f in findings if f.calibration == held}

    def _earn(self, finding: Finding, card: Card, exchange: Exchange) -> Finding:
        bits, source, note = 0.0, "", finding.note
        held = self.calibration
        if held is not None and held.covers(card):
            tier = exchange.principal.tier
            bits = held.bits(card.name, finding.score, tier)
            source = held.id
            if held.default:
                worth = held.worth(card.name, finding.score, tier)
                note += f" (attention: {worth:.1f} bits by titer's default calibration)"
        return msgspec.structs.replace(
            finding, id=f"f-{exchange.id}-{card.name}", bits=bits, calibration=source, note=note
        )

    def _fault(self, card: Card, exchange: Exchange, error: Exception) -> list[Finding]:
        """The 1st, 2nd, 4th, 8th ... fault of a detector is reported, so that none can flood."""
        count = self.faults[card.name] = self.faults.get(card.name, 0) + 1
        if count & (count - 1):
            return []
        note = f"detector {card.name} raised {type(error).__name__} ({count} so far)"
        name = f"f-{exchange.id}-{card.name}-fault"
        return [Finding(name, exchange.at, SELF, "titer", "", 0.0, note, cites=(exchange.id,))]


def _fold(detector: Detector) -> Fold | None:
    """How a detector steps on a look that was taken before, if it shares one.

    A subclass with a `step` of its own does not.
    """
    if isinstance(detector, Glancing):
        kind: type[Glancing] = type(detector)
        if kind.step is Glancing.step:
            return detector.fold
    return None
