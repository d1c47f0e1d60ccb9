"""The result of an audit: what goes into the log, and how it reads.

The entry `audit-result` holds everything that a stranger needs to check the sums against the
answers, and no text of anybody. `marks` is what a dossier quotes of it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from titer.audit.answers import Pace
from titer.audit.collect import Progress
from titer.audit.judge import Explanation, Judgement, Outcome
from titer.audit.plan import Plan, Registered
from titer.audit.watch import Oddity
from titer.evidence.contents import Mark

#: Outcomes in an entry: those with the smallest p, when there are more.
MAX_OUTCOMES = 400

#: log10 of how many keys there are: an engine's key has 64 bits.
LOG10_KEYS = 64 * math.log10(2)
#: Claims that a dossier tells.
_TOLD = ("proof", "hint")
#: What no audit of this kind shows. Part of every result.
LIMITS = (
    "p is the probability, over the draw of our key, that an independent model scores as high.",
    "p is not the probability that the suspect is innocent.",
    "A proof says that the suspect learned from text that carries this account's mark.",
    "It does not say who trained it, when, on how much, or whether the text came through others.",
    "Whoever holds a key can plant its mark: the log shows when it was fixed, not who held it.",
    "Who knows the key and tries prompts off the log could tilt it: let others choose them.",
    "A result that is no proof clears nobody: marks weaken by paraphrase and mixing.",
    "Times are those of the operator's clock; a plan is earlier because its entry is.",
    "Only plans in this log count as earlier looks at the suspect.",
)


class Collected(msgspec.Struct, frozen=True):
    """How one target was asked. `sha256` is of the file of answers."""

    name: str
    asked: int
    answered: int
    failed: int
    tasks: int
    tokens: int
    first_at: int
    last_at: int
    sha256: str
    throttled: int
    broken: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The body of an `audit-result` entry. `at` in microseconds; logs of p in base 10."""

    plan: str
    plan_entry: int
    plan_at: int
    plan_root: str
    at: int
    version: str
    suspect: str
    accounts: tuple[str, ...]
    claim: str
    alpha: float
    hypotheses: int
    earlier_plans: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    left_out: int
    explanations: tuple[Explanation, ...]
    oddities: tuple[Oddity, ...]
    collected: tuple[Collected, ...]
    complete: bool
    limits: tuple[str, ...] = LIMITS

    @property
    def id(self) -> str:
        """`ar-` and 20 hex digits of the SHA-256 of the content."""
        return f"ar-{hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:20]}"

    def body(self) -> bytes:
        """The entry of the log: JSON with the id first."""
        return msgspec.json.encode({"id": self.id} | msgspec.to_builtins(self))


def make(
    plan: Plan,
    registered: Registered,
    judgement: Judgement,
    *,
    root: str,
    at: int,
    version: str,
    oddities: Sequence[Oddity],
    collected: Sequence[Collected],
) -> Result:
    """Put a result together."""
    ranked = sorted(judgement.outcomes, key=lambda o: o.log10_p)
    return Result(
        plan=plan.id,
        plan_entry=registered.index,
        plan_at=registered.at,
        plan_root=root,
        at=at,
        version=version,
        suspect=plan.suspect.name,
        accounts=plan.accounts,
        claim=judgement.claim,
        alpha=plan.alpha,
        hypotheses=judgement.hypotheses,
        earlier_plans=registered.others,
        outcomes=tuple(ranked[:MAX_OUTCOMES]),
        left_out=max(0, len(ranked) - MAX_OUTCOMES),
        explanations=judgement.explanations,
        oddities=tuple(oddities),
        collected=tuple(collected),
        complete=all(c.answered + c.failed >= c.tasks for c in collected),
    )


def collected(
    name: str, progress: Progress, pace: Pace, *, first_at: int, last_at: int, sha256: str
) -> Collected:
    """What the report says about a collection."""
    return Collected(
        name, progress.asked, progress.done, progress.failed, progress.tasks, progress.tokens,
        first_at, last_at, sha256, pace.throttled, pace.broken,
    )  # fmt: skip


def lines(result: Result) -> list[str]:
    """The result for a person."""
    out = [
        f"{result.suspect}: {_CLAIMS[result.claim]}",
        (
            f"plan {result.plan}, entry {result.plan_entry} of the log, made before any question; "
            f"{result.hypotheses} hypotheses, {len(result.earlier_plans)} earlier plans on this "
            f"suspect, level {result.alpha:g} for all together"
        ),
    ]
    out += [
        f"asked     {one.name}: {one.answered} of {one.tasks} answered, {one.failed} given up; "
        f"{one.asked} requests, {one.tokens} tokens, answers sha256 {one.sha256[:16]}..."
        for one in result.collected
    ]
    if not result.complete:
        out.append("stopped   before all was asked: the budget was spent")
    for o in result.outcomes[:20]:
        why = f" ({o.why})" if o.why else ""
        out.append(
            f"{o.statistic:<14}{o.key}: p <= {power_of_ten(o.log10_p)}, adjusted "
            f"{power_of_ten(o.log10_adjusted)}, z {o.z:.1f}, {o.pairs} pairs, rank p "
            f"{o.rank_p:.3g}: {o.claim}{why}"
        )
        out.append(
            f"  power     effect {o.effect:+.4f} sd a pair; {o.smallest_effect:.4f} would have "
            "been proved every other time"
        )
        null, hot = o.wrong_keys, o.calibration
        out.append(
            f"  null      {null.n} wrong keys: {_counts(null)}, z {null.mean_z:+.2f} sd "
            f"{null.sd_z:.2f}; {hot.n} control texts: {_counts(hot)}"
        )
    if len(result.outcomes) + result.left_out > 20:
        out.append(f"... and {len(result.outcomes) + result.left_out - 20} more, see --json")
    proofs = [o for o in result.outcomes if o.claim == "proof"]
    out += [f"picking   {o.statistic} {o.key}: {picked(o, result.alpha)}" for o in proofs[:5]]
    for e in result.explanations:
        state = (
            ("explains it" if e.explains else "does not explain it") if e.tested else "UNTESTED"
        )
        out.append(f"innocent  {e.name}: {state}; {e.note}")
    out += [f"odd       {o.kind}: {o.note} ({o.n} of {o.of})" for o in result.oddities]
    return out + [f"limit     {text}" for text in result.limits]


def marks(results: Iterable[Result], account: str) -> tuple[Mark, ...]:
    """What a dossier on an account tells of audits: proofs and hints, each with its bits.

    Bits are log2 of the e-value 1 / (2 sqrt(p)) of the adjusted p (Vovk and Wang, Annals of
    Statistics 49, 2021, equation 1 with kappa 1/2), so that they add to nothing but compare.
    """
    found = []
    for result in results:
        mine = [o for o in result.outcomes if o.account == account and o.claim in _TOLD]
        for best in mine[:1]:
            bits = max(0.0, -best.log10_adjusted * math.log2(10) / 2 - 1)
            untested = ", ".join(e.name for e in result.explanations if not e.tested) or "nothing"
            found.append(
                Mark(
                    "radioactivity", result.id, result.at, round(bits, 2),
                    f"{result.suspect}: {best.claim} by {best.statistic}, adjusted p "
                    f"{power_of_ten(best.log10_adjusted)}, {best.wrong_keys.n} wrong keys, plan "
                    f"{result.plan} logged before; untested: {untested}",
                )
            )  # fmt: skip
    return tuple(found)


def picked(outcome: Outcome, alpha: float) -> str:
    """What the result says to somebody who believes that the key was picked to fit the suspect."""
    if outcome.log10_adjusted + LOG10_KEYS <= math.log10(alpha):
        return "holds even if the key had been picked to fit among all 2^64"
    return (
        "a key picked to fit among many would do as well: that this one was committed to before "
        "the suspect was made has to be shown by dates"
    )


def power_of_ten(log10_p: float) -> str:
    """A p-value in words that do not underflow."""
    if log10_p > -4:
        return f"{10**log10_p:.2g}"
    return f"10^{log10_p:.1f}"


def _counts(measured: Any) -> str:
    return ", ".join(f"{c.hits} at {c.level:g} (of {c.n * c.level:.0f})" for c in measured.counts)


_CLAIMS = {
    "proof": "PROOF that it learned from text that carries this mark",
    "hint": "a hint, and no proof",
    "no evidence": "no evidence that it learned from marked text",
    "refused": "no statement: the test cannot be used here",
}
