"""What doses did, or would have done: counts by rung and mitigation.

One instance counts decisions in shadow, another those in force; a worker has both.
"""

from __future__ import annotations

import json

import msgspec

from titer.core.nouns import Decision

#: Subjects told apart per rung; beyond, `subjects` reads as "at least".
MAX_SUBJECTS = 10_000

#: Rungs counted: a ladder has a few, and a person may name one of its own.
MAX_RUNGS = 256

#: Where what has no place any more is counted.
OTHERS = "others"


class ShadowCount(msgspec.Struct):
    """Of one rung: requests that met a decision, of how many subjects, which doses it has, and
    what became of the requests: (mitigation, `refused`, `delayed`, `edited`, `reply`,
    `unavailable` or `fault`) -> how many. `delay_s` sums the waiting.
    """

    requests: int = 0
    subjects: int = 0
    doses: dict[str, int] = {}
    outcomes: dict[tuple[str, str], int] = {}
    delay_s: float = 0.0


class ShadowCounts:
    """Counts requests that met a decision; one per worker, read by metrics."""

    def __init__(self) -> None:
        self.rungs: dict[str, ShadowCount] = {}
        self._subjects: dict[str, set[str]] = {}

    def count(self, decision: Decision) -> None:
        """One request of the decision's subject met the decision."""
        rung = self._rung(decision.rung)
        rung.requests += 1
        for dose in decision.doses:
            rung.doses[dose.mitigation] = rung.doses.get(dose.mitigation, 0) + 1
        known = self._subjects[decision.rung if decision.rung in self.rungs else OTHERS]
        if len(known) < MAX_SUBJECTS:
            known.add(decision.subject)
            rung.subjects = len(known)

    def note(self, rung: str, mitigation: str, outcome: str, seconds: float = 0.0) -> None:
        """What a dose did to a request, or would have done."""
        held = self._rung(rung)
        key = (mitigation, outcome)
        held.outcomes[key] = held.outcomes.get(key, 0) + 1
        held.delay_s += seconds

    def _rung(self, name: str) -> ShadowCount:
        found = self.rungs.get(name)
        if found is None:
            if len(self.rungs) >= MAX_RUNGS:
                name = OTHERS
            found = self.rungs.setdefault(name, ShadowCount(doses={}, outcomes={}))
            self._subjects.setdefault(name, set())
        return found

    @property
    def requests(self) -> int:
        """Requests that met some decision."""
        return sum(rung.requests for rung in self.rungs.values())

    def flat(self, name: str) -> dict[str, float]:
        """The counts as numbers that add up over workers: `NAME_requests|{labels}` by rung,
        `NAME_outcomes|{labels}` by rung, mitigation and outcome, `NAME_delay_seconds|{labels}`.
        """
        out: dict[str, float] = {}
        for rung, held in self.rungs.items():
            by_rung = json.dumps({"rung": rung})
            out[f"{name}_requests|{by_rung}"] = held.requests
            out[f"{name}_delay_seconds|{by_rung}"] = held.delay_s
            for (mitigation, outcome), n in held.outcomes.items():
                labels = {"rung": rung, "mitigation": mitigation, "outcome": outcome}
                out[f"{name}_outcomes|{json.dumps(labels)}"] = n
        return out
