"""Why a caller stands where it stands, told from the log alone, in plain words.

Nothing is computed anew: the findings and decisions are those that the log holds, so that what
is explained is what was decided on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from titer.console.names import Names
from titer.core.bits import average_bits
from titer.core.errors import InputError
from titer.core.nouns import Decision, Exchange, Finding
from titer.evidence.log import View


class Explanation(msgspec.Struct, frozen=True):
    """What the log says about one subject. `bits` are of all sources together; `sources` is how
    many e-values were averaged.
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

    def _weight(self) -> str:
        if self.bits <= 0:
            return "There is no evidence against this caller: 0 bits."
        return (
            f"Together the evidence is {self.bits:.1f} bits: an honest caller looks this unusual "
            f"with probability at most {2**-self.bits:.2g}."
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
        for finding in sorted(self.findings, key=lambda f: -f.bits):
            earned = (
                f"{finding.bits:.1f} bits by calibration {finding.calibration}"
                if finding.calibration
                else "0 bits, as this detector is not calibrated: draws attention only"
            )
            out.append(f"{finding.detector} [{finding.technique}]: {finding.note} ({earned}).")
        if self.sources > 1 and self.bits > 0:
            out.append(
                f"Bits are the log of the average of {self.sources} e-values, silent ones counted."
            )
        for decision in self.decisions[-3:]:
            given = (
                ", ".join(f"{d.mitigation} {d.strength:g}" for d in decision.doses) or "nothing"
            )
            how = "would have given (shadow)" if decision.shadow else "gives"
            out.append(f"Rung {decision.rung!r} {how}: {given}. Because: {decision.because}")
        if not self.decisions:
            out.append("No decision was ever taken about this caller.")
        out.append(
            f"Entries of the log: {len(self.evidence)}; `titer prove` puts them in a dossier."
        )
        return out


def explain(data: Path, name: str) -> Explanation:
    """Explain a subject named by pseudonym, key id, organisation or account.

    Raises `InputError` when the log has nothing about it.
    """
    names = Names(data)
    log = open_view(data)
    wanted = set(names.candidates(name))
    gathered = _gather(log, wanted)
    subject = gathered.pop("subject")
    if not subject:
        raise InputError(
            f"the log has no entry about {name!r}; `titer standings --data {data}` lists callers"
        )
    return Explanation(subject=subject, name=names.of(subject), **gathered)


def open_view(data: Path) -> View:
    """The published log of a data directory. Raises `InputError` when there is none."""
    try:
        return View.open(data / "log")
    except FileNotFoundError:
        raise InputError(
            f"{data} has no log yet; run `titer serve` or `titer feed` with --data {data} first"
        ) from None


def _gather(log: View, wanted: set[str]) -> dict[str, Any]:
    """One pass over the log for a subject; another when an account turns out to be one of a
    declared organisation, which is what is weighed.
    """
    needles = [name.encode() for name in wanted if name]
    exchange = msgspec.json.Decoder(Exchange)
    finding = msgspec.json.Decoder(Finding)
    decision = msgspec.json.Decoder(Decision)
    subject, models = "", dict[str, int]()
    count = refused = exposure = last = 0
    first, sources = 0, 1
    findings: dict[str, Finding] = {}
    decisions: list[Decision] = []
    indices: list[int] = []
    for stored in log.scan():
        body = stored.body
        if body is None:
            continue
        if stored.kind == "start":
            sources = len(msgspec.json.decode(body).get("detectors", ())) + 1
            continue
        if not any(needle in body for needle in needles):
            continue
        if stored.kind == "exchange":
            fact = exchange.decode(body)
            if fact.principal.subject not in wanted and fact.principal.id not in wanted:
                continue
            subject = fact.principal.subject
            if subject not in wanted:
                return _gather(log, {subject})
            count += 1
            refused += fact.status >= 400
            exposure += fact.usage.tokens_out if fact.status < 400 else 0
            models[fact.model] = models.get(fact.model, 0) + 1
            first, last = min(first or fact.at, fact.at), max(last, fact.at)
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
        indices.append(stored.index)
    return {
        "subject": subject, "exchanges": count, "refused": refused, "exposure": exposure,
        "first": first, "last": last, "sources": sources,
        "bits": average_bits([f.bits for f in findings.values()], max(sources, len(findings))),
        "models": tuple(m for m in _by_use(models) if m)[:5], "findings": tuple(findings.values()),
        "decisions": tuple(decisions), "evidence": tuple(indices),
    }  # fmt: skip


def _by_use(models: dict[str, int]) -> Sequence[str]:
    return sorted(models, key=lambda model: -models[model])
