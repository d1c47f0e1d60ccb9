"""From answers to a claim. What may be said, and only when:

    proof        p, adjusted for every key, statistic and earlier plan on this suspect, is at most
                 alpha; no wrong key does as well; both nulls were measured and hold; and no
                 innocent explanation that was tested explains it
    hint         adjusted p at most 1 in 1,000, or a proof that an innocent explanation takes away
    no evidence  otherwise
    refused      the statistic cannot be used here: a null is off, or answers are impossible

A p-value is the probability, over the draw of our key, that a model which does not depend on that
key scores as high. It is not the probability that the suspect is innocent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from titer.audit import nulls, statistics
from titer.audit.nulls import Measured
from titer.audit.pairs import Gatherer, Logged, LoggedTexts
from titer.audit.plan import FOLLOWS_KEY, NEEDS, Plan, PlannedKey, Registered
from titer.audit.power import smallest_effect
from titer.audit.relay import Passed
from titer.audit.statistics import Said, Sample, Tested
from titer.audit.texts import Text
from titer.audit.watch import Oddity
from titer.core.errors import EvidenceError
from titer.marks import pvalues
from titer.marks.contract import U32, Scheme
from titer.marks.tokens import Tokenizer

#: Adjusted p at which something is worth a look, and at which an innocent explanation counts as
#: an explanation. Unadjusted for explanations: in doubt for the suspect.
HINT = 1e-3

Claim = Literal["proof", "hint", "no evidence", "refused"]
_LN10 = math.log(10.0)


class Key(msgspec.Struct, frozen=True):
    """A planned key with its value (64 bits), and for the filter our replies marked with it: their
    text, or the contexts that they reached.

    `leaked` is when it was reported leaked (microseconds), 0 for never.

    The value never leaves this struct: it is in no message and no report.
    """

    planned: PlannedKey
    value: int
    scheme: Scheme
    logged: Sequence[Text] = ()
    contexts: Logged | None = None
    leaked: int = 0


class Explanation(msgspec.Struct, frozen=True):
    """One innocent explanation: whether it was tested, and whether it explains the result."""

    name: str
    tested: bool
    explains: bool
    note: str


class Outcome(msgspec.Struct, frozen=True):
    """One key under one statistic.

    pairs: distinct pairs. total, expected, z: of the statistic. log10_p: exact or an upper bound;
    log10_adjusted: after Holm and earlier plans. rank_p: (1 + wrong keys that do as well) / (1 +
    wrong keys). echoed, elsewhere, beyond: pairs left out. base_log10_p: of the base model.
    echo_log10_p: had pairs that we showed been counted. effect, smallest_effect: standard
    deviations a pair, seen and needed for a proof every other time (the test's power). wrong_keys,
    calibration: the nulls.
    """

    key: str
    account: str
    statistic: str
    scheme: str
    pairs: int
    total: float
    expected: float
    z: float
    log10_p: float
    log10_adjusted: float
    rank_p: float
    echoed: int
    elsewhere: int
    beyond: int
    echo_log10_p: float
    effect: float
    smallest_effect: float
    base_log10_p: float | None
    base_pairs: int
    wrong_keys: Measured
    calibration: Measured
    claim: Claim
    why: str


class Judgement(msgspec.Struct, frozen=True):
    """What the audit concludes; `claim` is the strongest of the outcomes'."""

    claim: Claim
    outcomes: tuple[Outcome, ...]
    explanations: tuple[Explanation, ...]
    hypotheses: int
    earlier_plans: int


def judge(
    plan: Plan,
    registered: Registered,
    keys: Sequence[Key],
    tokenizer: Tokenizer,
    suspect: Said,
    *,
    base: Said | None,
    controls: Iterable[Text],
    public: Iterable[Text],
    oddities: Sequence[Oddity],
    relayed: Mapping[str, Passed],
    asked_until: int = 0,
    tell: Callable[[str], None] | None = None,
) -> Judgement:
    """Test every key under every statistic of the plan, and say what may be said.

    `relayed` says what each account did with us while the suspect was being asked: a suspect that
    passes our service on would show our marks without having learned anything.
    `asked_until` is when its last answer came (microseconds): a key that leaked before proves
    nothing alone.
    Raises EvidenceError when a key is not the one that was committed to.
    """
    if [k.planned for k in keys] != list(plan.keys):
        raise EvidenceError("audit: the keys are not those of the plan")
    read_controls = [tokenizer.encode(t.text) for t in controls]
    read_public = [tokenizer.encode(t.text) for t in public]
    wrong = plan.wrong()
    voided = {need for oddity in oddities for need in oddity.voids}
    raw: list[_Raw] = []
    tester = _Tester(tokenizer, suspect, base, wrong)
    for key in keys:
        calibrated = nulls.calibration(key.scheme, key.value, read_controls)
        for statistic in plan.statistics:
            if tell is not None:
                tell(f"{key.planned.label} {statistic}")
            raw.append(tester.test(statistic, key, calibrated))
    looks = 1 + len(registered.others)
    refusals = [_refusal(one, voided) for one in raw]
    # What is refused stays a hypothesis that the level is shared with, and is never a finding.
    log_ps = np.array([0.0 if why else r.log_p for r, why in zip(raw, refusals, strict=True)])
    adjusted = np.minimum(0.0, pvalues.holm(log_ps) + math.log(looks))
    spoiled = {key.planned.label: _public(key, read_public) for key in keys}
    level = math.log10(plan.alpha / (len(raw) * looks))
    outcomes = []
    for one, refused, log_p in zip(raw, refusals, adjusted.tolist(), strict=True):
        taken = _explained(one, spoiled, relayed, asked_until)
        claim, why = _claim(plan, one, log_p, refused=refused, explained=taken)
        outcomes.append(one.outcome(log_p, claim, why, level))
    order: list[Claim] = ["proof", "hint", "no evidence", "refused"]
    best = min((order.index(o.claim) for o in outcomes), default=3)
    return Judgement(
        order[best],
        tuple(outcomes),
        _explanations(raw, spoiled, relayed),
        len(raw),
        len(registered.others),
    )


class _Raw(msgspec.Struct):
    """One test before it is adjusted; logs are natural."""

    key: Key
    statistic: str
    pairs: int
    total: float
    expected: float
    z: float
    log_p: float
    rank_p: float
    sample: Sample
    echo_log_p: float
    base_log_p: float | None
    base_pairs: int
    null: Measured
    calibration: Measured

    def outcome(self, adjusted: float, claim: Claim, why: str, level: float) -> Outcome:
        """The test as it is reported; `level` is the log10 p that a proof needed."""
        base = None if self.base_log_p is None else self.base_log_p / _LN10
        return Outcome(
            key=self.key.planned.label,
            account=self.key.planned.account,
            statistic=self.statistic,
            scheme=self.key.planned.scheme,
            pairs=self.pairs,
            total=self.total,
            expected=self.expected,
            z=self.z,
            log10_p=self.log_p / _LN10,
            log10_adjusted=adjusted / _LN10,
            rank_p=self.rank_p,
            echoed=self.sample.echoed,
            elsewhere=self.sample.elsewhere,
            beyond=self.sample.beyond,
            echo_log10_p=self.echo_log_p / _LN10,
            effect=self.z / math.sqrt(max(1, self.pairs)),
            smallest_effect=smallest_effect(
                max(1, self.pairs), level, follows_key=self.statistic in FOLLOWS_KEY
            ),
            base_log10_p=base,
            base_pairs=self.base_pairs,
            wrong_keys=self.null,
            calibration=self.calibration,
            claim=claim,
            why=why,
        )


class _Tester:
    """Runs tests; samples that do not depend on the key are made once for all keys of a scheme."""

    def __init__(
        self, tokenizer: Tokenizer, suspect: Said, base: Said | None, wrong: list[int]
    ) -> None:
        self._tokenizer, self._wrong = tokenizer, wrong
        self._suspect, self._base = suspect, base
        self._samples: dict[tuple[str, str, str], Sample] = {}
        self._nulls: dict[tuple[str, str, str], Tested] = {}

    def test(self, statistic: str, key: Key, calibrated: Measured) -> _Raw:
        """One key under one statistic."""
        mine = self._sample("suspect", self._suspect, statistic, key)
        tested = statistics.under_keys(statistic, key.scheme, mine.pairs, [key.value])
        wrong = self._wrong_keys(statistic, key, mine)
        echo_log_p = float(tested.log_ps[0])
        if mine.echoed:
            whole = self._sample("suspect", self._suspect, statistic, key, echo=True)
            echo_log_p = self._log_p(statistic, key, whole)
        base_log_p, base_pairs = None, 0
        if self._base is not None:
            other = self._sample("base", self._base, statistic, key)
            base_log_p, base_pairs = self._log_p(statistic, key, other), len(other.pairs)
        as_good = int((wrong.zs >= tested.zs[0]).sum())
        return _Raw(
            key, statistic, tested.n, float(tested.totals[0]), tested.expected,
            float(tested.zs[0]), float(tested.log_ps[0]), (1 + as_good) / (1 + len(wrong.zs)),
            mine, echo_log_p, base_log_p, base_pairs, nulls.wrong_keys(wrong.log_ps, wrong.zs),
            calibrated,
        )  # fmt: skip

    def _wrong_keys(self, statistic: str, key: Key, sample: Sample) -> Tested:
        """The same pairs under the wrong keys: once for all keys that share the pairs."""
        name = self._name("suspect", statistic, key)
        if name not in self._nulls:
            self._nulls[name] = statistics.under_keys(
                statistic, key.scheme, sample.pairs, self._wrong
            )
        return self._nulls[name]

    @staticmethod
    def _name(who: str, statistic: str, key: Key) -> tuple[str, str, str]:
        """What a sample depends on: the key itself only where our own text is followed."""
        whose = key.planned.label if statistic.endswith("-filter") else ""
        return (f"{who} {statistic}", f"{key.scheme.name} {key.scheme.parameters}", whose)

    @staticmethod
    def _log_p(statistic: str, key: Key, sample: Sample) -> float:
        tested = statistics.under_keys(statistic, key.scheme, sample.pairs, [key.value])
        return float(tested.log_ps[0])

    def _sample(
        self, who: str, said: Said, statistic: str, key: Key, *, echo: bool = False
    ) -> Sample:
        scheme = key.scheme
        name = self._name(f"{who} {echo}", statistic, key)
        if name not in self._samples:
            logged = key.contexts if statistic.endswith("-filter") else None
            if statistic.endswith("-filter") and logged is None:
                texts = [self._tokenizer.encode(t.text) for t in key.logged]
                logged = LoggedTexts(scheme, texts)
            self._samples[name] = statistics.sample(
                statistic, scheme, self._tokenizer, said, logged=logged, echo=echo
            )
        return self._samples[name]


def _public(key: Key, texts: Sequence[U32]) -> float | None:
    """Log p that public text carries the key's mark; None when none was given."""
    if not texts:
        return None
    gatherer = Gatherer(key.scheme)
    for tokens in texts:
        gatherer.words(tokens)
    return nulls.plain(key.scheme, gatherer.pairs(first=False), key.value)[0]


def _explained(
    one: _Raw,
    spoiled: Mapping[str, float | None],
    relayed: Mapping[str, Passed],
    asked_until: int,
) -> str:
    """The innocent explanation that takes the result away, in words, or nothing."""
    bar = math.log(HINT)
    if one.base_log_p is not None and one.base_log_p <= bar:
        return "the base model shows the mark as well"
    public = spoiled[one.key.planned.label]
    if public is not None and public <= bar:
        return "the public text carries the mark as well"
    if relayed.get(one.key.planned.account, Passed()).possible:
        return "the account used our service while the suspect was asked: it may pass us on"
    if one.key.leaked and one.key.leaked <= asked_until:
        return "the key was reported leaked before: others could have planted its mark"
    return ""


def _refusal(one: _Raw, voided: set[str]) -> str:
    """Why nothing may be said at all, or nothing."""
    for null, what in ((one.null, "wrong keys"), (one.calibration, "calibration of the key")):
        if not null.good:
            return f"{what}: {null.why}"
    if NEEDS[one.statistic] in voided:
        return "the answers cannot be those of a model; see the oddities"
    return "" if one.pairs else "no pair is left to test"


def _claim(
    plan: Plan, one: _Raw, adjusted: float, *, refused: str, explained: str
) -> tuple[Claim, str]:
    if refused:
        return "refused", refused
    if adjusted > math.log(HINT):
        return "no evidence", ""
    if explained:
        return "hint", explained
    if adjusted > math.log(plan.alpha):
        return "hint", f"adjusted p is above alpha = {plan.alpha:g}"
    if one.rank_p > 1 / (1 + plan.wrong_keys):
        return "hint", "a wrong key does as well"
    return "proof", ""


def _explanations(
    raw: Sequence[_Raw],
    spoiled: Mapping[str, float | None],
    relayed: Mapping[str, Passed],
) -> tuple[Explanation, ...]:
    bar = math.log(HINT)
    bases = [r.base_log_p for r in raw if r.base_log_p is not None]
    based = any(p <= bar for p in bases)
    public = [p for p in spoiled.values() if p is not None]
    spoilt = any(p <= bar for p in public)
    echoed = sum(r.sample.echoed for r in raw)
    possible = any(one.possible for one in relayed.values())
    during = sum(one.exchanges for one in relayed.values())
    alike = sum(one.alike for one in relayed.values())
    return (
        Explanation(
            "common ancestor", bool(bases), based,
            f"the base model, asked the same: smallest p 10^{min(bases) / _LN10:.1f}"
            if bases
            else "no base model was given: whether the mark is older than the suspect's own "
            "training was not tested",
        ),
        Explanation(
            "public data with our text", bool(public), spoilt,
            f"the public texts under the same keys: smallest p 10^{min(public) / _LN10:.1f}"
            if public
            else "no public text was given: whether our marked text lies where anybody could "
            "train on it was not tested",
        ),
        Explanation(
            "prompt echo", True, False,
            f"{echoed} pairs that stood in a prompt were left out of every statistic",
        ),
        Explanation(
            "the suspect passes our service on", True, possible,
            f"{during} exchanges of the accounts under test while the suspect was asked, {alike} "
            "of them with a reply as long as an answer that came soon after",
        ),
    )  # fmt: skip
