"""Honest subjects in two halves: who is of which, and what detectors make of each.

A keyed hash of a subject decides its half, and its fold of the fit half, so that neither order nor
state does, and another seed is another draw. Used by `titer.detect.calibration` alone.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable
from itertools import pairwise
from typing import Any, Self

import msgspec
import numpy as np

from titer.core.contracts import Detector
from titer.core.nouns import DISTILLATION, Exchange
from titer.detect import combine
from titer.detect.combine import Combination
from titer.detect.null import Floats, Null, segment

#: Honest subjects below which nothing is calibrated: 20 support 4 bits.
FEWEST = 20
#: Raw scores kept for people to look at.
TOP = 8
#: Folds of the fit half: each is scored by detectors that learnt from the others alone.
FOLDS = 4
#: Grants that make a subject no example of honest conduct for these detectors.
NOT_HONEST = frozenset({DISTILLATION})


#: A day in microseconds.
DAY = 86_400_000_000
#: 1 in so many exchanges may lie at an end of a log, apart from all others, before it is taken for
#: the end: clocks are wrong now and then.
STRAY = 1000


class Crowd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The honest subjects that a calibration was made from, for people to judge it by.

    `subjects` of both halves; `typical` exchanges of the median one; `largest` the share of all
    exchanges that the busiest has; `refused` the share with a status of 400 or above; `stray` the
    exchanges left out of the length of the log since their time lies apart from all others.
    """

    subjects: int = 0
    typical: int = 0
    largest: float = 0.0
    refused: float = 0.0
    stray: int = 0


class Log:
    """One reading rule for both passes: who is left out, and which half a subject is of.

    `count` exchanges were read, `left_out` others of subjects that are no example.
    """

    def __init__(self, exclude: Collection[str], salt: bytes, share: float) -> None:
        self.exclude, self.salt, self.share = frozenset(exclude), salt, share
        self.bound = int(share * 2**64)
        self.folds: dict[str, int | None] = {}
        self.tiers: dict[str, str] = {}
        self.count = self.left_out = self.refused = 0
        self.days: dict[int, list[int]] = {}
        self.sent: dict[str, int] = {}

    def dealt(self) -> Self:
        """The same log to be read anew, its subjects dealt out by the order of their tags.

        By chance alone, subject by subject, too few of some tens may be left to score. Who knows
        all subjects can have exactly `share` of them fit; which ones, still a keyed hash decides.
        """
        other = type(self)(self.exclude, self.salt, self.share)
        tags = sorted(map(self._tag, self.tiers))
        fitting = min(max(round(self.share * len(tags)), 1), len(tags) - 1)
        other.bound = tags[fitting]
        return other

    @property
    def scored(self) -> int:
        """Subjects read so far that are of the score half."""
        return sum(not self.fits(subject) for subject in self.tiers)

    def fold(self, subject: str) -> int | None:
        """The fold of the fit half that a subject is of (0 to `FOLDS` - 1), None for the scored.

        A keyed hash decides, no order and no state.
        """
        if subject not in self.folds:
            place = self._tag(subject)
            self.folds[subject] = place * FOLDS // self.bound if place < self.bound else None
        return self.folds[subject]

    def _tag(self, subject: str) -> int:
        tag = hashlib.blake2b(subject.encode(), key=self.salt, digest_size=8).digest()
        return int.from_bytes(tag, "big")

    def fits(self, subject: str) -> bool:
        """Whether a subject is of the fit half."""
        return self.fold(subject) is not None

    def outside(self, fold: int, subject: str) -> bool:
        """Whether a subject is of the fit half, but of another fold."""
        return self.fold(subject) not in (None, fold)

    def read(self, exchanges: Iterable[Exchange], *, fitting: bool | None) -> Iterable[Exchange]:
        """The exchanges of honest subjects; of one half, or of both."""
        for exchange in exchanges:
            principal = exchange.principal
            if principal.subject in self.exclude or not NOT_HONEST.isdisjoint(principal.grants):
                self.left_out += fitting is not None
                continue
            if fitting is not None:
                self._note(exchange)
            if fitting is None or self.fits(principal.subject) is fitting:
                yield exchange

    def _note(self, exchange: Exchange) -> None:
        at, subject = exchange.at, exchange.principal.subject
        self.count += 1
        self.refused += exchange.status >= 400
        self.tiers.setdefault(subject, exchange.principal.tier)
        self.sent[subject] = self.sent.get(subject, 0) + 1
        day = self.days.get(at // DAY)
        if day is None:
            self.days[at // DAY] = [at, at, 1]
        else:
            day[0], day[1], day[2] = min(day[0], at), max(day[1], at), day[2] + 1

    def span(self) -> tuple[int, int, int]:
        """The first and last time, in microseconds, and how many stray exchanges lie outside.

        Stray are days at either end that together hold 1 in `STRAY` exchanges at most, with a
        day or more without any between them and the others.
        """
        days, stray = sorted(self.days), 0
        for step in (1, -1):
            ends = days[::step]
            held = cut = apart = 0
            for place, (day, following) in enumerate(pairwise(ends), 1):
                held += self.days[day][2]
                if held * STRAY > self.count:
                    break
                if abs(following - day) > 1:
                    cut, apart = place, held
            stray += apart
            days = ends[cut:][::step]
        return self.days[days[0]][0], self.days[days[-1]][1], stray

    def crowd(self, stray: int) -> Crowd:
        """What the subjects read are like."""
        sent = sorted(self.sent.values())
        return Crowd(
            subjects=len(sent),
            typical=sent[len(sent) // 2],
            largest=round(sent[-1] / self.count, 4),
            refused=round(self.refused / self.count, 4),
            stray=stray,
        )


class Half:
    """One detector over the subjects of one half: their states and highest scores."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.states: dict[str, Any] = {}
        self.scores: dict[str, float] = {}
        self.tiers: dict[str, str] = {}

    def step(self, exchange: Exchange) -> None:
        """Fold one exchange in; one at which the detector raises is passed over, as it is live."""
        with contextlib.suppress(Exception):
            self._step(exchange)

    def _step(self, exchange: Exchange) -> None:
        subject = self.detector.subject(exchange)
        if subject is None:
            return
        if subject in self.states:
            state = self.states[subject]
        else:
            state = self.detector.start()
            self.scores[subject] = 0.0
            self.tiers[subject] = exchange.principal.tier
        self.states[subject], findings = self.detector.step(state, exchange)
        for finding in findings:
            self.scores[subject] = max(self.scores[subject], finding.score)

    def learn(self, among: Callable[[str], bool] | None = None) -> dict[str, tuple[float, ...]]:
        """What a detector that can learn a null has learnt, though it be from nobody.

        `among` says of which subjects it learns; of all if it is not given.
        """
        learn = getattr(self.detector, "learn", None)
        if learn is None:
            return {}
        states = [s for name, s in self.states.items() if among is None or among(name)]
        return {key: tuple(values) for key, values in learn(states).items()}

    def take(self, other: Self) -> None:
        """The scores of other subjects as well."""
        self.scores |= other.scores
        self.tiers |= other.tiers


def fitted(
    detector: Detector, params: dict[str, tuple[float, ...]], origin: int, horizon: int
) -> Detector:
    """A detector that can be fitted (`fitted` is optional), under these parameters."""
    make = getattr(detector, "fitted", None)
    if make is None:
        return detector
    ready: Detector = make(params, origin=origin, horizon=horizon)
    return ready


def null_of(
    detector: Detector, params: dict[str, tuple[float, ...]], fits: Half, scores: Half
) -> Null:
    """What the final scores of both halves make of a detector."""
    tiers: dict[str, tuple[list[float], list[float]]] = {}
    for place, half in enumerate((fits, scores)):
        for subject, score in half.scores.items():
            tiers.setdefault(half.tiers[subject], ([], []))[place].append(score)
    own_past = getattr(detector, "own_past", False)
    return Null(
        version=detector.card.version,
        everyone=segment(fits.scores.values(), scores.scores.values(), own_past=own_past),
        params=params,
        tiers={
            tier: segment(*both, own_past=own_past)
            for tier, both in sorted(tiers.items())
            if tier and len(both[1]) >= combine.SEGMENT
        },
        top=tuple(sorted(scores.scores.values(), reverse=True)[:TOP]),
        in_bits=getattr(detector, "in_bits", False),
    )


def combination_of(
    log: Log, nulls: dict[str, Null], fits: list[Half], scores: list[Half]
) -> Combination:
    """The combination of the detectors that enough subjects scored, over all subjects."""
    taken = [at for at, null in enumerate(nulls.values()) if null.everyone.n >= FEWEST]
    held = {name: null for name, null in nulls.items() if null.everyone.n >= FEWEST}

    def rows(halves: list[Half], subjects: list[str]) -> Floats:
        columns = [[halves[at].scores.get(s, 0.0) for s in subjects] for at in taken]
        return np.array(columns, dtype=np.float64).reshape(len(taken), len(subjects)).T

    fitting = [s for s in log.tiers if log.fits(s)]
    scoring = [s for s in log.tiers if not log.fits(s)]
    return combine.fit(
        held,
        rows(fits, fitting),
        rows(scores, scoring),
        ([log.tiers[s] for s in fitting], [log.tiers[s] for s in scoring]),
        top=TOP,
    )
