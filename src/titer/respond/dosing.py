"""A decision at work on one request: its doses in order, for real or rehearsed.

    in force    the request is edited, delayed or refused; the reply gets transforms
    in shadow   the same doses act on a copy of the request with mitigations of their own, what
                became of it is counted, and the request passes as it came, or under the doses
                of the rung below that is in force

What fails: a mitigation that raises is set aside until restart and a throttle is given in its
place; one that is `Unavailable` gives way to the dose's `otherwise`; one that this installation
does not have counts as one that raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from titer.core.contracts import Mitigation, Unavailable
from titer.core.errors import Refused
from titer.core.nouns import Decision, Dose, Dosed, Standing
from titer.core.wire import Ended, Request, Settle, Transform
from titer.respond.guard import Faults, Guarded
from titer.respond.ladder import effective
from titer.respond.shadow import ShadowCounts

#: What is given in place of a mitigation that has raised.
FALLBACK = "throttle"


class Doser:
    """Applies rows of the standings table; one per worker.

    `rehearsal` is a second set of mitigations, with state of its own, for decisions in shadow;
    without one, shadow decisions are counted by dose alone.
    """

    def __init__(
        self, mitigations: Mapping[str, Mitigation], rehearsal: Mapping[str, Mitigation] | None,
        always: tuple[Dose, ...] = (),
    ) -> None:  # fmt: skip
        self.always = always
        self.faults = Faults()
        self.given = ShadowCounts()
        self.shadow = ShadowCounts()
        self._real = _Act(mitigations, self.faults, self.given)
        self._rehearsed = _Act(rehearsal, Faults(), self.shadow) if rehearsal else None

    def dose(self, request: Request, row: Dosed) -> tuple[Request, tuple[Transform, ...]]:
        """The request and its reply's transforms under a decision. Raises `Refused`."""
        if not row.decision.shadow:
            self.given.count(row.decision)
            return self._real.play(request, _stronger(row, self.always))
        rehearsed, _ = self._rehearse(request, row)
        below = effective(row.decision)
        try:
            if below is None:
                return self.protect(rehearsed, row.standing)
            self.given.count(below)
            return self._real.play(rehearsed, _stronger(Dosed(row.standing, below), self.always))
        except Refused:  # what was begun in rehearsal ends here
            self.settle([told for told in rehearsed.settle if told not in request.settle], None)
            raise

    def protect(
        self, request: Request, standing: Standing
    ) -> tuple[Request, tuple[Transform, ...]]:
        """What everybody gets, whatever the ladder says."""
        if not self.always:
            return request, ()
        return self._real.play(request, Dosed(standing, _protected(self.always, standing)))

    def _rehearse(self, request: Request, row: Dosed) -> tuple[Request, tuple[Transform, ...]]:
        """What a decision in shadow would do, counted; the request passes as it came."""
        self.shadow.count(row.decision)
        if self._rehearsed is None:
            return request, ()
        try:
            played, _ = self._rehearsed.play(request, row)
        except Refused:
            return request, ()
        if played.settle is not request.settle:  # what was begun in rehearsal must end as well
            request = msgspec.structs.replace(request, settle=played.settle)
        return request, ()

    def settle(self, settle: Iterable[Settle], ended: Ended | None) -> None:
        """Tell that an exchange has ended; never raises."""
        for told in settle:
            try:
                told(ended)
            except Exception as error:  # noqa: BLE001 - a plug-in's fault is ours
                self.faults.note("settle", error)


class _Act:
    """One set of mitigations, their faults, and the counts of what they did."""

    def __init__(
        self, mitigations: Mapping[str, Mitigation], faults: Faults, counts: ShadowCounts
    ) -> None:
        self._mitigations = mitigations
        self._faults = faults
        self._counts = counts

    def play(self, request: Request, row: Dosed) -> tuple[Request, tuple[Transform, ...]]:
        """All doses of a row, in order. Raises `Refused`, after telling what was begun."""
        play = _Play(row)
        before = request.settle
        for dose in row.decision.doses:
            try:
                request = self._give(request, dose, play)
            except Refused:
                for told in request.settle:
                    if told not in before:
                        told(None)
                self._counts.note(play.rung, play.names[-1], "refused")
                raise
        return request, tuple(sorted(play.transforms, key=lambda made: made.last))

    def _give(self, request: Request, dose: Dose, play: _Play) -> Request:
        name, rung = dose.mitigation, play.rung
        mitigation = self._mitigations.get(name)
        if mitigation is None:
            self._faults.note(name, LookupError())
        if mitigation is None or self._faults.broken(name):
            name = FALLBACK
            mitigation = self._mitigations[name]
        if name in play.names:  # a stand-in for two, or beside the thing itself: once is enough
            return request
        play.names.append(name)
        try:
            made = mitigation.request(request, dose.strength, play.standing)
            answer = getattr(mitigation, "answer", None)
            if answer is not None:
                transform = answer(made, dose.strength, play.standing)
            else:
                transform = mitigation.reply(dose.strength, play.standing)
        except Refused:
            raise
        except Unavailable:
            self._counts.note(rung, name, "unavailable")
            if not dose.otherwise:
                return request
            return self._give(request, Dose(dose.otherwise, dose.strength), play)
        except Exception as error:  # noqa: BLE001 - a plug-in's fault is ours, not the caller's
            self._faults.note(name, error)
            self._counts.note(rung, name, "fault")
            return request if name == FALLBACK else self._give(request, dose, play)
        if made.delay > request.delay:
            self._counts.note(rung, name, "delayed", made.delay - request.delay)
        elif made.body is not request.body:
            self._counts.note(rung, name, "edited")
        new = [*made.transforms[len(request.transforms) :]]
        if transform is not None:
            new.append(transform)
        if new:
            self._counts.note(rung, name, "reply")
            play.transforms += [Guarded(one, name, self._faults) for one in new]
        return made


def _protected(doses: tuple[Dose, ...], standing: Standing) -> Decision:
    return Decision("protect", 0, standing.subject, "protect", doses, "protected for everybody")


def _stronger(row: Dosed, always: tuple[Dose, ...]) -> Dosed:
    """A row with what everybody gets, each mitigation once and at its greater strength."""
    if not always:
        return row
    doses = {dose.mitigation: dose for dose in row.decision.doses}
    for dose in always:
        own = doses.get(dose.mitigation)
        if own is None or own.strength < dose.strength:
            doses[dose.mitigation] = dose
    decision = msgspec.structs.replace(row.decision, doses=tuple(doses.values()))
    return Dosed(row.standing, decision)


class _Play:
    """What gathers while the doses of one row are given."""

    __slots__ = ("names", "rung", "standing", "transforms")

    def __init__(self, row: Dosed) -> None:
        self.rung = row.decision.rung
        self.standing = row.standing
        self.names: list[str] = []
        self.transforms: list[Guarded] = []
