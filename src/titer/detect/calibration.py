"""What honest callers' scores are like, and so how many bits a score is worth.

1. The exchangeable unit is the organisation (or the account that declares none). An
   operator's subjects are split by a keyed hash: about a third fit, the others score.
2. The fit half sets each detector's null (the worst honest rates) and the levels of a
   transform: level j is the score that 1 in 2^j of them exceeds. A score earns 2^j times a
   weight for every level that it exceeds, most for the highest; above the highest level it
   earns up to `GROWTH` times that. One monstrous honest subject therefore costs one subject's
   worth of power, not all of it.
3. The score half are run through the detectors so fitted. A later subject's e-value is
   (n + 1) g / (sum of theirs + g), g being its own transformed score (split conformal; Vovk
   and Wang, "E-values: Calibration, combination and applications", 2021). If that subject is
   exchangeable with them, it reaches b bits with probability at most 2^-b.
4. A score is a running maximum and never falls, so that the bound holds at every moment up to
   the horizon: the length of the log. Detectors begin anew with each horizon; over k horizons
   the bound is at most k 2^-b.
5. n subjects support at most log2(n + 1) bits, whatever a caller does.
6. A detector may say that its score is itself in bits against its own null (`in_bits`). Then
   calibration only lowers it: a caller who does a little of what nobody else did is not
   worth log2(n + 1) bits.

The bound speaks of one draw of honest subjects: it holds on average over calibrations, and it
does not cover callers of a kind that the log did not hold. Segments (tiers) with `SEGMENT`
subjects or more have their own sum; a subject of another tier is compared with all.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec

from titer.core.bits import conformal_bits
from titer.core.contracts import Detector
from titer.core.errors import InputError
from titer.core.nouns import Card, Exchange

#: Honest subjects below which nothing is calibrated: 20 support 4 bits.
FEWEST = 20
#: Subjects of one tier from which it is compared with itself alone.
SEGMENT = 200
#: Raw scores kept for people to look at.
TOP = 8
#: Longest horizon: beyond it the memories of a detector fill up (45 days, in microseconds).
LONGEST = 45 * 86_400_000_000
#: Shortest: a shorter log says nothing about a day's rhythm.
SHORTEST = 3_600_000_000
#: Grants that make a subject no example of honest conduct for these detectors.
NOT_HONEST = frozenset({"distillation"})

#: How much more a score far above the highest level earns than one just above it.
GROWTH = 64.0

FORMAT = "titer.calibration/1"

Exchanges = Callable[[], Iterable[Exchange]] | Collection[Exchange]


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Honest subjects whose transformed scores were summed."""

    n: int
    total: float


class Null(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What calibration knows about one detector's scores under honest conduct.

    `levels[j]` is the raw score that 1 in 2^(j+1) of the fit half exceeded; `params` what the
    detector itself learnt; `top` the highest raw scores of the score half.
    """

    version: str
    fitted: int
    everyone: Segment
    levels: tuple[float, ...] = ()
    params: dict[str, tuple[float, ...]] = {}
    tiers: dict[str, Segment] = {}
    top: tuple[float, ...] = ()
    in_bits: bool = False

    @property
    def most(self) -> float:
        """The most bits that this many subjects support."""
        return math.log2(self.everyone.n + 1)

    def bits(self, score: float, tier: str = "") -> float:
        """Bits (>= 0) of a raw score (>= 0)."""
        segment = self.tiers.get(tier, self.everyone)
        bits = conformal_bits(transformed(score, self.levels), segment.total, segment.n)
        return min(bits, score) if self.in_bits else bits


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fit. `made_at`, `origin` and `horizon` are microseconds; `id` hashes all the rest."""

    id: str
    made_at: int
    seed: int
    origin: int
    horizon: int
    exchanges: int
    detectors: dict[str, Null]
    format: str = FORMAT

    def covers(self, card: Card) -> bool:
        """Whether this detector, in this version, was calibrated."""
        null = self.detectors.get(card.name)
        return null is not None and null.version == card.version and null.everyone.n >= FEWEST

    def bits(self, detector: str, score: float, tier: str = "") -> float:
        """Bits of a detector's raw score; 0 for one that was not calibrated."""
        null = self.detectors.get(detector)
        if null is None or null.everyone.n < FEWEST:
            return 0.0
        return null.bits(score, tier)

    def fit_detectors(self, detectors: Iterable[Detector]) -> tuple[Detector, ...]:
        """The same detectors under the nulls found here; others as they are."""
        return tuple(
            _fitted(d, self.detectors[d.card.name].params, self.origin, self.horizon)
            if self.covers(d.card)
            else d
            for d in detectors
        )

    def dump(self) -> str:
        """JSON text, the same for the same calibration."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1).decode()


def load(text: str | bytes) -> Calibration:
    """Reads what `dump` wrote. Raises `InputError` when it is not that, or was changed."""
    try:
        found = msgspec.json.decode(text, type=Calibration)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"this is not a calibration: {error}; run `titer calibrate`") from error
    if found.format != FORMAT:
        raise InputError(f"calibration format is not {FORMAT}; run `titer calibrate` again")
    if found.id != _id(found):
        raise InputError("the calibration was changed after it was made; run `titer calibrate`")
    for null in found.detectors.values():
        for segment in (null.everyone, *null.tiers.values()):
            if segment.n < 0 or not 0 <= segment.total < math.inf:
                raise InputError("the calibration holds impossible counts; make it again")
    return found


def fit(
    detectors: Sequence[Detector],
    exchanges: Exchanges,
    *,
    seed: int,
    share: float = 1 / 3,
    exclude: Collection[str] = frozenset(),
) -> Calibration:
    """Fits detectors to an operator's own log, in two passes.

    `exchanges` is a collection, or a function that starts the log again. `share` of the
    subjects fit, the others score. `exclude` names subjects that are no example of honest
    conduct (under a dose, in a campaign); those with a `NOT_HONEST` grant are left out anyway.
    Memory is one state per subject and detector. Raises `InputError` on too few subjects.
    """
    if not 0 < share < 1:
        raise ValueError("share must lie between 0 and 1")
    again = exchanges if callable(exchanges) else lambda: exchanges
    salt = hashlib.blake2b(f"titer calibration {seed}".encode(), digest_size=32).digest()
    log = _Log(exclude, salt, share)
    states = [_Half(detector) for detector in detectors]
    for exchange in log.read(again(), fitting=True):
        for half in states:
            half.step(exchange)
    if log.count == 0:
        raise InputError("the log holds no exchange to calibrate on; collect some first")
    origin, horizon = log.first, min(max(log.last - log.first + 1, SHORTEST), LONGEST)
    params = [half.learn() for half in states]
    ready = [_fitted(d, p, origin, horizon) for d, p in zip(detectors, params, strict=True)]
    fits, scores = [_Half(d) for d in ready], [_Half(d) for d in ready]
    for exchange in log.read(again(), fitting=None):
        for half in fits if log.fits(exchange.principal.subject) else scores:
            half.step(exchange)
    found = Calibration(
        id="",
        made_at=log.last,
        seed=seed,
        origin=origin,
        horizon=horizon,
        exchanges=log.count,
        detectors={
            d.card.name: _null(d, p, a, b)
            for d, p, a, b in zip(ready, params, fits, scores, strict=True)
        },
    )
    if all(null.everyone.n < FEWEST for null in found.detectors.values()):
        raise InputError(
            f"only {max((x.everyone.n for x in found.detectors.values()), default=0)} honest "
            f"subjects could be scored and {FEWEST} are needed; calibrate on a longer log"
        )
    return msgspec.structs.replace(found, id=_id(found))


def transformed(score: float, levels: Sequence[float]) -> float:
    """What a raw score earns on the levels of a fit half; never falls as the score rises.

    Exceeding level j of J earns 2^(j-J) of the top level's 2^J: mass is kept for the high
    levels, where it buys the most bits.
    """
    if score <= 0:
        return 0.0
    if not levels:
        return score
    top = len(levels)
    earned = sum(4.0 ** (j + 1) / 2.0**top for j, level in enumerate(levels) if score > level)
    # Below every level a positive score is still worth more than none.
    earned += 2.0**-top
    above = max(0.0, score - levels[-1]) / max(levels[-1], 1.0)
    return earned * min((1.0 + above) ** 3, GROWTH)


class _Log:
    """One reading rule for both passes: who is left out, and which half a subject is of."""

    def __init__(self, exclude: Collection[str], salt: bytes, share: float) -> None:
        self.exclude, self.salt = frozenset(exclude), salt
        self.bound = int(share * 2**64)
        self.halves: dict[str, bool] = {}
        self.first = self.last = self.count = 0

    def fits(self, subject: str) -> bool:
        """Whether a subject is of the fit half: a keyed hash decides, no order and no state."""
        half = self.halves.get(subject)
        if half is None:
            tag = hashlib.blake2b(subject.encode(), key=self.salt, digest_size=8).digest()
            half = self.halves[subject] = int.from_bytes(tag, "big") < self.bound
        return half

    def read(self, exchanges: Iterable[Exchange], *, fitting: bool | None) -> Iterable[Exchange]:
        """The exchanges of honest subjects; of one half, or of both."""
        for exchange in exchanges:
            principal = exchange.principal
            if principal.subject in self.exclude or not NOT_HONEST.isdisjoint(principal.grants):
                continue
            if fitting is not None:
                at = exchange.at
                self.first = at if self.count == 0 else min(self.first, at)
                self.last = max(self.last, at)
                self.count += 1
            if fitting is None or self.fits(principal.subject) is fitting:
                yield exchange


class _Half:
    """One detector over the subjects of one half: their states and highest scores."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.states: dict[str, Any] = {}
        self.scores: dict[str, float] = {}
        self.tiers: dict[str, str] = {}

    def step(self, exchange: Exchange) -> None:
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

    def learn(self) -> dict[str, tuple[float, ...]]:
        """What a detector that can learn a null has learnt (`learn` is optional)."""
        learn = getattr(self.detector, "learn", None)
        if learn is None or not self.states:
            return {}
        return {key: tuple(values) for key, values in learn(self.states.values()).items()}


def _fitted(
    detector: Detector, params: dict[str, tuple[float, ...]], origin: int, horizon: int
) -> Detector:
    """A detector that can be fitted (`fitted` is optional), under these parameters."""
    fitted = getattr(detector, "fitted", None)
    if fitted is None:
        return detector
    ready: Detector = fitted(params, origin=origin, horizon=horizon)
    return ready


def _null(
    detector: Detector, params: dict[str, tuple[float, ...]], fits: _Half, scores: _Half
) -> Null:
    levels = _levels(sorted(fits.scores.values()))
    earned = {s: transformed(score, levels) for s, score in scores.scores.items()}
    tiers: dict[str, list[float]] = {}
    for subject, value in earned.items():
        tiers.setdefault(scores.tiers[subject], []).append(value)
    return Null(
        version=detector.card.version,
        fitted=len(fits.scores),
        everyone=_segment(earned.values()),
        levels=levels,
        params=params,
        tiers={t: _segment(v) for t, v in sorted(tiers.items()) if t and len(v) >= SEGMENT},
        top=tuple(sorted(scores.scores.values(), reverse=True)[:TOP]),
        in_bits=getattr(detector, "in_bits", False),
    )


def _segment(values: Collection[float]) -> Segment:
    return Segment(len(values), math.fsum(values))


def _levels(scores: Sequence[float]) -> tuple[float, ...]:
    """The scores that 1 in 2, 4, 8 ... of the fit half exceeded, as far as it reaches."""
    n = len(scores)
    return tuple(scores[n - 1 - (n >> (j + 1))] for j in range(max(0, n.bit_length() - 1)))


def _id(calibration: Calibration) -> str:
    body = msgspec.json.encode(msgspec.structs.replace(calibration, id=""), order="sorted")
    return "cal-" + hashlib.sha256(body).hexdigest()[:16]
