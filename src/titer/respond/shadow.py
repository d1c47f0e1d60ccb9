"""What would have happened: the counts of decisions that were only in shadow."""

from __future__ import annotations

import msgspec

from titer.core.nouns import Decision

#: Subjects told apart per rung; beyond, `subjects` reads as "at least".
MAX_SUBJECTS = 10_000


class ShadowCount(msgspec.Struct):
    """Of one rung: requests that would have been dosed, of how many subjects, and how."""

    requests: int = 0
    subjects: int = 0
    doses: dict[str, int] = {}


class ShadowCounts:
    """Counts requests that met a shadow decision; one per worker, read by metrics."""

    def __init__(self) -> None:
        self.rungs: dict[str, ShadowCount] = {}
        self._subjects: dict[str, set[str]] = {}

    def count(self, decision: Decision) -> None:
        """One request of the decision's subject was served as if the rung did not exist."""
        rung = self.rungs.get(decision.rung)
        if rung is None:
            rung = self.rungs[decision.rung] = ShadowCount(doses={})
            self._subjects[decision.rung] = set()
        rung.requests += 1
        for dose in decision.doses:
            rung.doses[dose.mitigation] = rung.doses.get(dose.mitigation, 0) + 1
        known = self._subjects[decision.rung]
        if len(known) < MAX_SUBJECTS:
            known.add(decision.subject)
            rung.subjects = len(known)

    @property
    def requests(self) -> int:
        """Requests that some shadow rung would have touched."""
        return sum(rung.requests for rung in self.rungs.values())
