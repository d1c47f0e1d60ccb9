"""A ladder tried on what has happened: whom it would have dosed, since when, at what cost.

The fold is made once, with no ladder at all; then each ladder decides on the same standings, in
the same order, as if none of its rungs were in shadow. A decision made at one exchange touches the
next ones. Persons' decisions of the log hold for both ladders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from titer.core.nouns import DISTILLATION, Campaign, Decision, Exchange, Standing
from titer.core.uses import uses
from titer.engine import Weigher
from titer.respond.ladder import Ladder, in_force, met
from titer.respond.person import is_person

#: Bits below which a subject looks honest at the end: the built-in ladder's `attention`.
ATTENTION = 3.0


class RungRow(msgspec.Struct):
    """What one rung would have done. `since` is when it first touched somebody (microseconds)."""

    rung: str
    subjects: int = 0
    requests: int = 0
    tokens: int = 0
    honest_subjects: int = 0
    honest_requests: int = 0
    honest_tokens: int = 0
    since: int = 0


class SubjectRow(msgspec.Struct):
    """One subject that would have been dosed, with the highest rung that touched it."""

    subject: str
    rung: str
    since: int
    requests: int
    tokens: int
    bits: float
    honest: bool


class Outcome(msgspec.Struct):
    """What one ladder would have done. `honest` counts all subjects that look honest; `armed`
    those that had a rung armed and were never dosed, as they never used what it is about.
    """

    rungs: list[RungRow]
    subjects: list[SubjectRow]
    honest: int
    all: int
    armed: int = 0


class Trial:
    """One ladder at work beside a weigher."""

    def __init__(self, ladder: Ladder) -> None:
        self.ladder = ladder
        self._decisions: dict[str, Decision] = {}
        self._touched: dict[str, dict[str, list[int]]] = {}
        self._armed: set[str] = set()

    def see(self, exchange: Exchange, standing: Standing) -> None:
        """One exchange, after it was weighed; what was decided before it touches it."""
        subject, now = standing.subject, exchange.at
        held = self._decisions.get(subject)
        if held is not None and held.armed:
            held = met(held, uses(exchange.endpoint, exchange.request), now)
        if held is not None and held.doses and in_force(held, now):
            rungs = self._touched.setdefault(subject, {})
            row = rungs.setdefault(held.rung, [0, 0, now])
            row[0] += 1
            row[1] += exchange.usage.tokens_out if exchange.status < 400 else 0
        if DISTILLATION not in exchange.principal.grants:
            self._decide(standing, now)

    def join(self, campaign: Campaign, standings: Mapping[str, Standing]) -> None:
        """A campaign, after its members were weighed."""
        for member in campaign.members:
            self._decide(standings[member], campaign.last_seen)

    def take(self, decision: Decision) -> None:
        """A person's decision."""
        self._decisions[decision.subject] = decision

    def outcome(self, standings: Mapping[str, Standing], honest: frozenset[str]) -> Outcome:
        """All of it, most exposed rungs last and most touched subjects first."""
        rungs: dict[str, RungRow] = {}
        subjects: list[SubjectRow] = []
        for subject, touched in self._touched.items():
            good = subject in honest
            for name, (requests, tokens, since) in touched.items():
                row = rungs.setdefault(name, RungRow(name))
                row.subjects += 1
                row.requests += requests
                row.tokens += tokens
                row.since = min(row.since or since, since)
                if good:
                    row.honest_subjects += 1
                    row.honest_requests += requests
                    row.honest_tokens += tokens
            last = list(touched)[-1]
            rows = touched.values()
            subjects.append(
                SubjectRow(
                    subject, last, min(r[2] for r in rows), sum(r[0] for r in rows),
                    sum(r[1] for r in rows), round(standings[subject].bits, 2), good,
                )
            )  # fmt: skip
        order = {r.name: i for own in self.ladder.every for i, r in enumerate(own)}
        return Outcome(
            sorted(rungs.values(), key=lambda row: (order.get(row.rung, -1), row.rung)),
            sorted(subjects, key=lambda row: (-row.tokens, -row.requests, row.subject)),
            len(honest),
            len(standings),
            len(self._armed - self._touched.keys()),
        )

    def _decide(self, standing: Standing, now: int) -> None:
        previous = self._decisions.get(standing.subject)
        if previous is None and standing.bits == 0:
            return
        decision = self.ladder.decide(standing, now, previous)
        if decision is not None:
            self._decisions[standing.subject] = decision
            if decision.armed:
                self._armed.add(standing.subject)


def run(
    weigher: Weigher,
    entries: Iterable[Exchange | Campaign | Decision],
    trials: Iterable[Trial],
) -> None:
    """Fold all entries once, and let every trial see them. The weigher's own ladder is not asked
    about anything that matters: give it an empty one.
    """
    every = tuple(trials)
    for entry in entries:
        if isinstance(entry, Exchange):
            weigher.weigh(entry)
            standing = weigher.standings[entry.principal.subject]
            for trial in every:
                trial.see(entry, standing)
        elif isinstance(entry, Campaign):
            weigher.join(entry)
            for trial in every:
                trial.join(entry, weigher.standings)
        elif is_person(entry):
            subject = entry.subject
            weigher.standings.setdefault(subject, Standing(subject, since=entry.at))
            for trial in every:
                if trial.ladder.honours(entry):
                    trial.take(entry)


def honest_looking(
    standings: Mapping[str, Standing],
    *,
    granted: Iterable[str] = (),
    labels: Mapping[str, bool] | None = None,
) -> frozenset[str]:
    """Subjects that look honest: labelled so (`labels`: subject -> honest), or without a label
    below `ATTENTION` bits at the end or with a grant.
    """
    known = labels or {}
    permitted = frozenset(granted)
    return frozenset(
        subject
        for subject, standing in standings.items()
        if known.get(subject, standing.bits < ATTENTION or subject in permitted)
    )
