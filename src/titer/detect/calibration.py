"""What honest callers' scores are like, and so how many bits a score is worth.

1. The exchangeable unit is the organisation (or the account that declares none). An
   operator's subjects are split by a keyed hash: about a third fit, the others score.
2. The fit half sets each detector's null (the worst honest rates) and the levels of a
   transform: level j is the score that 1 in 2^j of them exceeds. A score earns 2^j times a
   weight for every level that it exceeds, most for the highest; above the highest level it
   earns up to `null.GROWTH` times that. One monstrous honest subject therefore costs one
   subject's worth of power, not all of it. Levels are of subjects that the null was not learnt
   from: the fit half is scored fold by fold, each under what the others taught (cross-fitting).
   Nobody exceeds a null that is the worst of their own, so that a score that anybody new may
   have would look like one that nobody has.
3. The score half are run through the detectors so fitted. A later subject's e-value is
   (n + 1) g / (sum of theirs + g), g being its own transformed score (split conformal; Vovk
   and Wang, "E-values: Calibration, combination and applications", 2021). If that subject is
   exchangeable with them, it reaches b bits with probability at most 2^-b.
4. The same is done once more with one combined score of all detectors
   (`titer.detect.combine`). That one stands; the bits of a detector alone only explain it.
5. A score is a running maximum and never falls, so that the bound holds at every moment up to
   the horizon: the length of the log. Detectors begin anew with each horizon; over k horizons
   the bound is at most k 2^-b.
6. n subjects support at most log2(n + 1) bits, whatever a caller does.
7. A detector may say that its score is itself in bits against its own null (`in_bits`). Then
   calibration only lowers it: a caller who does a little of what nobody else did is not
   worth log2(n + 1) bits.
8. A detector may say that its score compares a caller with that caller's own past (`own_past`).
   Then its rarity grows with the score itself (`null.segment`).
9. A default calibration, made from no operator's traffic, gives no bits at all: its callers are
   not exchangeable with anybody's. It says what scores would be worth, for attention.

The bound speaks of one draw of honest subjects: it holds on average over calibrations, and it
does not cover callers of a kind that the log did not hold. Segments (tiers) with
`combine.SEGMENT` subjects or more have levels and a sum of their own; a subject of another tier is
compared with all.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Self

import msgspec
import numpy as np

from titer.core.contracts import Detector
from titer.core.errors import InputError
from titer.core.nouns import Card, Exchange
from titer.detect.combine import SEGMENT, Combination
from titer.detect.halves import FEWEST, FOLDS, Crowd, Half, Log, combination_of, fitted, null_of
from titer.detect.null import Floats, Null, Segment, transformed

__all__ = ["FEWEST", "SEGMENT", "Calibration", "Null", "Segment", "fit", "load", "transformed"]

#: Longest horizon: beyond it the memories of a detector fill up (45 days, in microseconds).
LONGEST = 45 * 86_400_000_000
#: Shortest: a shorter log says nothing about a day's rhythm.
SHORTEST = 3_600_000_000
FORMAT = "titer.calibration/4"

Exchanges = Callable[[], Iterable[Exchange]] | Collection[Exchange]


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fit. `made_at`, `origin` and `horizon` are microseconds; `id` hashes all the rest.

    `version` counts the calibrations of one data directory; `default` marks the one that titer
    ships, which gives no bits. `signed_by` is a verifier key and `signature` base64, both ""
    until `titer.detect.seal` signs.
    """

    id: str
    made_at: int
    seed: int
    origin: int
    horizon: int
    exchanges: int
    detectors: dict[str, Null]
    combination: Combination
    crowd: Crowd = Crowd()
    version: int = 1
    default: bool = False
    format: str = FORMAT
    signed_by: str = ""
    signature: str = ""

    def covers(self, card: Card) -> bool:
        """Whether this detector, in this version, was calibrated."""
        null = self.detectors.get(card.name)
        return null is not None and null.version == card.version and null.everyone.n >= FEWEST

    def bits(self, detector: str, score: float, tier: str = "") -> float:
        """Bits of one detector's raw score alone; 0 for one that was not calibrated."""
        return 0.0 if self.default else self.worth(detector, score, tier)

    def worth(self, detector: str, score: float, tier: str = "") -> float:
        """`bits`, but what they would be where the calibration is the default."""
        null = self.detectors.get(detector)
        if null is None or null.everyone.n < FEWEST:
            return 0.0
        return null.bits(score, tier)

    def combined(self, scores: Mapping[str, float], tier: str = "") -> float:
        """Bits of the raw scores of all detectors together. What is not covered counts nothing."""
        return 0.0 if self.default else self.combined_worth(scores, tier)

    def combined_worth(self, scores: Mapping[str, float], tier: str = "") -> float:
        """`combined`, but what it would be where the calibration is the default."""
        if self.combination.everyone.n < FEWEST:
            return 0.0
        return self.combination.bits(scores, self.detectors, tier)

    def combined_many(self, scores: Floats, tier: str = "") -> Floats:
        """`combined_worth` of many subjects at once: a row each, columns as
        `combination.detectors`.
        """
        if self.combination.everyone.n < FEWEST:
            return np.zeros(len(scores))
        return self.combination.bits_many(scores, self.detectors, tier)

    @property
    def smallest_alpha(self) -> float:
        """The smallest chance of a false alarm that this many honest subjects can speak of."""
        return 1 / (self.combination.everyone.n + 1)

    def fit_detectors(self, detectors: Iterable[Detector]) -> tuple[Detector, ...]:
        """The same detectors under the nulls found here; others as they are.

        Raises `InputError` when a detector does not understand what it has learnt before.
        """
        return tuple(self._fit(d) if self.covers(d.card) else d for d in detectors)

    def _fit(self, detector: Detector) -> Detector:
        card = detector.card
        try:
            return fitted(detector, self.detectors[card.name].params, self.origin, self.horizon)
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"detector {card.name} does not understand what calibration {self.id} holds for "
                "it, although both name one version; run `titer calibrate` again"
            ) from None

    def dump(self) -> str:
        """JSON text, the same for the same calibration."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1).decode()

    def named(self, *, version: int = 1, default: bool = False) -> Self:
        """The same, unsigned, as another version or as the default one."""
        made = msgspec.structs.replace(
            self, id="", version=version, default=default, signed_by="", signature=""
        )
        return msgspec.structs.replace(made, id=_id(made))


class _Head(msgspec.Struct):
    format: str = ""


def load(text: str | bytes) -> Calibration:
    """Reads what `dump` wrote. Raises `InputError` when it is not that, or was changed.

    Who made it is another question: `titer.detect.seal.check`.
    """
    try:
        head = msgspec.json.decode(text, type=_Head)
        if head.format not in ("", FORMAT):
            raise InputError(
                f"this calibration's format is not {FORMAT}; run `titer calibrate` again"
            )
        found = msgspec.json.decode(text, type=Calibration)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"this is not a calibration: {error}; run `titer calibrate`") from error
    if found.id != _id(found):
        raise InputError("the calibration was changed after it was made; run `titer calibrate`")
    combination = found.combination
    known = found.detectors.keys() >= set(combination.detectors)
    rows: tuple[Null | Combination, ...] = (*found.detectors.values(), combination)
    sums = [x for row in rows for x in (row.everyone, *row.tiers.values())]
    rising = all(list(x.levels) == sorted(x.levels) for x in sums)
    if (
        not known
        or not rising
        or any(min(x.n, x.total, x.base, x.scale) < 0 or min(x.start, x.tail) <= 0 for x in sums)
    ):
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
    conduct (under a dose, in a campaign); those with a `halves.NOT_HONEST` grant are left out
    anyway. Memory is one state per subject and detector. Raises `InputError` on too few subjects.
    """
    if not 0 < share < 1:
        raise ValueError("share must lie between 0 and 1")
    again = exchanges if callable(exchanges) else lambda: exchanges
    salt = hashlib.blake2b(f"titer calibration {seed}".encode(), digest_size=32).digest()
    log = Log(exclude, salt, share)
    states = _first(log, detectors, again)
    if log.scored < FEWEST and len(log.tiers) >= 2 * FEWEST:
        log = log.dealt()
        states = _first(log, detectors, again)
    if log.count == 0:
        raise InputError(
            f"all {log.left_out} exchanges of the log are of subjects that are no example of "
            "honest conduct (a distillation grant, a campaign, a dose); calibrate on others"
            if log.left_out
            else "the log holds no exchange to calibrate on; collect some first"
        )
    origin, last, stray = log.span()
    horizon = min(max(last - origin + 1, SHORTEST), LONGEST)
    params = [half.learn() for half in states]
    ready = [fitted(d, p, origin, horizon) for d, p in zip(detectors, params, strict=True)]
    folds = [
        [Half(fitted(half.detector, half.learn(others), origin, horizon)) for half in states]
        for others in (functools.partial(log.outside, fold) for fold in range(FOLDS))
    ]
    fits, scores = [Half(d) for d in ready], [Half(d) for d in ready]
    for exchange in log.read(again(), fitting=None):
        fold = log.fold(exchange.principal.subject)
        for half in scores if fold is None else folds[fold]:
            half.step(exchange)
    for fold_of in folds:
        for whole, part in zip(fits, fold_of, strict=True):
            whole.take(part)
    nulls = {
        d.card.name: null_of(d, p, a, b)
        for d, p, a, b in zip(ready, params, fits, scores, strict=True)
    }
    if all(null.everyone.n < FEWEST for null in nulls.values()):
        raise InputError(_too_few(log, nulls))
    found = Calibration(
        id="",
        made_at=last,
        seed=seed,
        origin=origin,
        horizon=horizon,
        exchanges=log.count,
        detectors=nulls,
        combination=combination_of(log, nulls, fits, scores),
        crowd=log.crowd(stray),
    )
    return msgspec.structs.replace(found, id=_id(found))


def _first(
    log: Log, detectors: Sequence[Detector], again: Callable[[], Iterable[Exchange]]
) -> list[Half]:
    """The first pass: what detectors make of the fit half before they have learnt anything."""
    states = [Half(detector) for detector in detectors]
    for exchange in log.read(again(), fitting=True):
        for half in states:
            half.step(exchange)
    return states


def _too_few(log: Log, nulls: Mapping[str, Null]) -> str:
    """What to do about a log with too few subjects."""
    scored = max(null.everyone.n for null in nulls.values())
    known = len(log.tiers)
    said = (
        f"the log holds {known} honest subjects (an organisation is one, and so is an account "
        f"that declares none), of whom {scored} could be scored and {FEWEST} are needed"
    )
    if known < 2 * FEWEST:
        return f"{said}; calibrate on one with {2 * FEWEST} or more, better some thousands"
    return f"{said}; the others sent nothing that a detector looks at: is there text in the log?"


def _id(calibration: Calibration) -> str:
    bare = msgspec.structs.replace(calibration, id="", signed_by="", signature="")
    body = msgspec.json.encode(bare, order="sorted")
    return "cal-" + hashlib.sha256(body).hexdigest()[:16]
