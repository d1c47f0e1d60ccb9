"""Why a caller stands where it stands, told from the log alone, in plain words.

The findings and decisions are those that the log holds, so that what is explained is what was
decided on. Only the bits of all detectors together are worked out here, from the findings' scores
and the calibration that they name, which is an entry of the log as well.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from titer.console.names import Names
from titer.core.bits import average_bits
from titer.core.errors import InputError
from titer.core.nouns import Decision, Exchange, Finding, Verification
from titer.detect.bench import HUNT, SOURCES
from titer.detect.calibration import Calibration, load
from titer.evidence.log import Erasure, View
from titer.evidence.share.attention import Held, Table, listed
from titer.gateway.attention import load as load_attention
from titer.respond.person import PERSON, counts, is_person, keys


class Together(msgspec.Struct, frozen=True):
    """What all detectors say together: `bits` beside `n` honest subjects, under the null of
    `calibration`. `attention` instead of `bits` where that is the default one.
    """

    score: float
    bits: float
    attention: float
    of: tuple[str, ...]
    n: int
    smallest_alpha: float
    calibration: str
    version: int


#: Decisions that are told: the last ones, and persons' (as many as one page holds).
SHOWN = 3
SHOWN_AT_MOST = 20


class _Deciders(msgspec.Struct):
    """Of a `start` entry, who may decide."""

    deciders: tuple[str, ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """What the log says about one subject. `bits` are of all sources together; `sources` is how
    many e-values were averaged. The bits of a finding are of its detector alone. `void` are ids of
    decisions that somebody handed in who may not decide.
    """

    subject: str
    name: str
    exchanges: int
    refused: int
    exposure: int
    first: int
    last: int
    bits: float
    sources: int
    models: tuple[str, ...]
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]
    evidence: tuple[int, ...]
    together: Together | None = None
    verified: tuple[Verification, ...] = ()
    void: tuple[str, ...] = ()
    attention: tuple[dict[str, Any], ...] = ()

    def _weight(self) -> str:
        if self.bits <= 0:
            return "There is no evidence against this caller: 0 bits."
        return (
            f"Together the evidence is {self.bits:.1f} bits: an honest caller looks this unusual "
            f"with probability at most {2**-self.bits:.2g}."
        )

    @staticmethod
    def _earned(finding: Finding) -> str:
        if finding.detector == HUNT:
            return f"{finding.bits:.1f} bits by campaign {finding.calibration}"
        if not finding.calibration:
            return (
                f"score {finding.score:.1f}; 0 bits, as this detector is not calibrated: draws "
                "attention only"
            )
        return (
            f"score {finding.score:.1f}; alone {finding.bits:.1f} bits by calibration "
            f"{finding.calibration}"
        )

    def _decided(self, decision: Decision) -> str:
        given = decision.gives
        if not is_person(decision):
            how = "would have given (shadow)" if decision.shadow else "gives"
            return f"Rung {decision.rung!r} {how}: {given}. Because: {decision.because}"
        until = f"until {_day(decision.until)}" if decision.until else "until decided otherwise"
        if decision.id in self.void:
            until = "without effect: its signature does not hold, or its signer may not decide"
        name = decision.by.removeprefix(PERSON)
        return (
            f"On {_day(decision.at)} {name} decided to {decision.verb} (rung {decision.rung!r}, "
            f"gives: {given}; {until}). Because: {decision.because}"
        )

    def lines(self) -> list[str]:
        """The explanation as sentences."""
        who = f"{self.name} ({self.subject})" if self.name else self.subject
        out = [
            (
                f"{who} made {self.exchanges} requests, {self.refused} of them refused, and was "
                f"given {self.exposure} tokens of output by "
                f"{', '.join(self.models) or 'no model'}."
            ),
            self._weight(),
        ]
        out += [
            f"{f.detector} [{f.technique}]: {f.note} ({self._earned(f)})."
            for f in sorted(self.findings, key=lambda f: (-f.bits, -f.score))
        ]
        if self.together is not None:
            out.append(_said(self.together))
        out += [
            f"Attention only, 0 bits: {told['source']} shared {told['indicator']} (weight "
            f"{told['weight']:g}, TLP:{str(told['tlp']).upper()}), which this caller showed."
            for told in self.attention
        ]
        if self.bits > 0:
            out.append(
                f"Bits are the log of the average of {self.sources} e-values, that of all "
                "detectors together and that of the hunt; a silent one counts as 1."
            )
        recent = self.decisions[-SHOWN:]
        told = [d for d in self.decisions if is_person(d) or d in recent]
        out += [self._decided(decision) for decision in told[-SHOWN_AT_MOST:]]
        if self.verified:
            until = f"{_day(self.verified[-1].until)}"
            out.append(f"A verification service vouched for this caller, until {until}.")
        if not self.decisions:
            out.append("No decision was ever taken about this caller.")
        out.append(
            f"Entries of the log: {len(self.evidence)}; `titer prove` puts them in a dossier."
        )
        return out


def _said(together: Together) -> str:
    """All detectors together, with their null, in words."""
    beside = (
        f"combined score {together.score:.1f} of {', '.join(together.of)}, beside "
        f"{together.n} honest subjects of calibration "
        f"{together.calibration}, version {together.version}, which supports alpha "
        f"{together.smallest_alpha:.2g} at least"
    )
    if together.attention:
        return (
            f"All detectors together: 0 bits. For attention only: {together.attention:.1f} bits "
            f"if titer's default calibration were this operator's own ({beside}); run "
            "`titer calibrate` on your own honest traffic."
        )
    return f"All detectors together: {together.bits:.1f} bits ({beside})."


def explain(data: Path, name: str) -> Explanation:
    """Explain a subject named by pseudonym, key id, organisation or account.

    Raises `InputError` when the log has nothing about it.
    """
    names = Names(data)
    log = open_view(data)
    wanted = set(names.candidates(name))
    gathered = _gather(log, wanted, load_attention(data))
    subject = gathered.pop("subject")
    if not subject:
        _tell_erased(log, wanted)
        raise InputError(
            f"the log has no entry about {name!r}; `titer standings --data {data}` lists callers"
        )
    return Explanation(subject=subject, name=names.of(subject), **gathered)


def _tell_erased(log: View, wanted: set[str]) -> None:
    """Raise `InputError` when the subject was erased."""
    for subject, stored in log.erasures().items():
        if subject in wanted:
            told = msgspec.json.decode(stored.body or b"", type=Erasure)
            day = dt.datetime.fromtimestamp(told.at // 1_000_000, dt.UTC).date()
            raise InputError(
                f"{subject} was erased on {day} (entry {stored.index}: {told.reason}); what the "
                "log held about it cannot be read any more, and its proofs still hold"
            )


def open_view(data: Path) -> View:
    """The published log of a data directory. Raises `InputError` when there is none."""
    try:
        return View.open(data / "log")
    except FileNotFoundError:
        raise InputError(
            f"{data} has no log yet; run `titer serve` or `titer feed` with --data {data} first"
        ) from None


def _gather(log: View, wanted: set[str], told: Table) -> dict[str, Any]:
    """One pass over the log for a subject; another when an account turns out to be one of a
    declared organisation, which is what is weighed.
    """
    needles = [name.encode() for name in wanted if name]
    exchange = msgspec.json.Decoder(Exchange)
    finding = msgspec.json.Decoder(Finding)
    decision = msgspec.json.Decoder(Decision)
    subject, models = "", dict[str, int]()
    count = refused = exposure = last = 0
    first, tier = 0, ""
    calibrations: dict[str, Calibration] = {}
    findings: dict[str, Finding] = {}
    decisions: list[Decision] = []
    indices: list[int] = []
    verified: list[Verification] = []
    deciders: tuple[str, ...] = ()
    heard: dict[tuple[str, str], Held] = {}
    now = time.time_ns() // 1000
    for stored in log.scan():
        body = stored.body
        if body is None:
            continue
        if stored.kind == "calibration":
            _remember(calibrations, body)
            continue
        if stored.kind == "start":
            deciders = msgspec.json.decode(body, type=_Deciders).deciders
            continue
        if stored.kind == "attention" or not any(needle in body for needle in needles):
            continue
        if stored.kind == "exchange":
            fact = exchange.decode(body)
            if fact.principal.subject not in wanted and fact.principal.id not in wanted:
                continue
            subject = fact.principal.subject
            if subject not in wanted:
                return _gather(log, {subject}, told)
            count, tier = count + 1, fact.principal.tier
            refused += fact.status >= 400
            exposure += fact.usage.tokens_out if fact.status < 400 else 0
            models[fact.model] = models.get(fact.model, 0) + 1
            first, last = min(first or fact.at, fact.at), max(last, fact.at)
            heard.update(((s, h.indicator), h) for s, h in told.match(fact.origin, now))
        elif stored.kind == "finding":
            found = finding.decode(body)
            if found.subject not in wanted:
                continue
            findings[found.detector] = found
        elif stored.kind == "decision":
            decided = decision.decode(body)
            if decided.subject not in wanted:
                continue
            decisions.append(decided)
        elif stored.kind == "verification":
            said = msgspec.json.decode(body, type=Verification)
            if said.subject not in wanted:
                continue
            if said.until > said.at:
                verified.append(said)
        indices.append(stored.index)
    together = _together(tuple(findings.values()), calibrations, tier)
    bits = [f.bits for f in findings.values() if f.detector == HUNT]
    if together is not None:
        bits.append(together.bits)
    return {
        "subject": subject, "exchanges": count, "refused": refused, "exposure": exposure,
        "first": first, "last": last, "sources": SOURCES, "bits": average_bits(bits, SOURCES),
        "models": tuple(m for m in _by_use(models) if m)[:5], "findings": tuple(findings.values()),
        "decisions": tuple(decisions), "evidence": tuple(indices), "together": together,
        "verified": tuple(verified), "void": _void(decisions, deciders),
        "attention": listed((source, held) for (source, _), held in heard.items()),
    }  # fmt: skip


def _void(decisions: Sequence[Decision], deciders: tuple[str, ...]) -> tuple[str, ...]:
    """Ids of persons' decisions that do not count under the deciders last announced."""
    trusted = keys(deciders)
    return tuple(d.id for d in decisions if is_person(d) and not counts(d, trusted))


def _day(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at // 1_000_000, dt.UTC):%Y-%m-%d %H:%M} UTC"


def _remember(calibrations: dict[str, Calibration], body: bytes) -> None:
    """Keep a calibration of the log; one of an older format explains nothing any more."""
    try:
        found = load(body)
    except InputError:
        return
    calibrations[found.id] = found


def _together(
    findings: Sequence[Finding], calibrations: dict[str, Calibration], tier: str
) -> Together | None:
    """The combination, under the calibration of the latest finding that names one."""
    named = [f for f in findings if f.calibration in calibrations]
    if not named:
        return None
    held = calibrations[max(named, key=lambda f: f.at).calibration]
    scores = {f.detector.partition("@")[0]: f.score for f in named if f.calibration == held.id}
    worth = held.combined_worth(scores, tier)
    return Together(
        held.combination.score(scores, held.detectors),
        0.0 if held.default else worth,
        worth if held.default else 0.0,
        tuple(d for d in held.combination.detectors if d in scores),
        held.combination.segment(tier).n,
        held.smallest_alpha,
        held.id,
        held.version,
    )


def _by_use(models: dict[str, int]) -> Sequence[str]:
    return sorted(models, key=lambda model: -models[model])
