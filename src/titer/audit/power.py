"""What it would take to prove it, before anybody spends a request; and whether it can be at all.

    s        how far one distinct pair lies above chance, in standard deviations
    log p    about -n s^2 / 2 for n of them, plus what the bound costs; the needed n follows
    s(N, f)  c * N^a * f^b for N marked tokens, a share f of the training text: fitted, per scheme,
             width of the mark and kind of access, to students that were trained and tested

The fits (`attenuation.json`) come from `python -m evals.radioactivity attenuation`: KGW's from
many students, other schemes' from three each, with KGW's exponents. A mark of another strength
(delta, two keys) or a model of another entropy is scaled by how strongly marked text itself shows
it (`audit.strength`): that a student takes up in proportion is assumed. Of text that was copied,
not learnt (`access = "text"`), nothing is fitted: the scheme's exact null decides.

Outside the range that was measured nothing is promised. The students were networks of a tenth of a
million parameters, fine-tuned in three passes; how much of a mark a large model takes up per token
is another number, and passes matter, so what is needed is an order of magnitude.
"""

from __future__ import annotations

import math
from importlib import resources
from typing import Literal

import msgspec

from titer.audit import copied
from titer.audit.pairs import MAX_PAIRS
from titer.audit.strength import assumed, family, strength
from titer.core.errors import InputError
from titer.marks.contract import F64, Scheme
from titer.marks.gumbel import Gumbel
from titer.marks.kgw import Kgw
from titer.marks.tournament import Tournament

Access = Literal["words", "chances", "argmax", "reading", "text"]
#: The statistic that serves each access best.
STATISTIC = {
    "words": "closed", "chances": "topk", "argmax": "argmax", "reading": "soft",
    "text": "recognise",
}  # fmt: skip
#: What the bound for statistics that follow our own text costs, in powers of ten: the grid's size.
UNIFORM_COST = math.log10(33)
#: Standard errors below what is expected at which "likely enough" is asked: 19 times in 20.
CAUTION = 1.645
#: Nats a token of a copied text, unless it is said.
TEXT_ENTROPY = 0.9
_FOLLOWS = frozenset({"argmax", "reading"})


class Fit(msgspec.Struct, frozen=True):
    """log s = constant + marked * log N + share * log f, with residual standard deviation.

    `scheme` is the kind of mark (`strength.family`). `marked_from`, `share_from`: the least at
    which an effect was told from none, None when it never was; `marked_to`, `share_to`: the most
    that was measured. `points`: students fitted. `pairs_per_token`: distinct pairs from a token of
    the suspect's replies (or of the text that it reads); `most_pairs` the most that one test had.
    """

    access: str
    width: int
    constant: float
    marked: float
    share: float
    spread: float
    marked_from: int | None
    marked_to: int
    share_from: float | None
    share_to: float
    points: int
    most_pairs: int
    pairs_per_token: float
    scheme: str = "kgw"


class Attenuation(msgspec.Struct, frozen=True):
    """All fits, and where they come from."""

    source: str
    scheme: str
    conditions: dict[str, str | int | float]
    fits: tuple[Fit, ...]

    @property
    def entropy(self) -> float:
        """Nats a token of the lab's teacher."""
        return float(self.conditions.get("teacher_entropy", 4.0))


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked; see `titer audit power --help`.

    `rows` are probabilities of the next token at places of the model's replies, `entropy` is their
    mean entropy where only that is known (nats), 0 for that of the lab. `distinct` is the share of
    tokens whose context is new. Of text, `share` is the part of it that carries the mark.
    """

    marked: int = 1
    share: float
    scheme: Scheme = Kgw(width=1)
    access: Access = "words"
    alpha: float = 1e-6
    keys: int = 1
    available: int | None = None
    entropy: float = 0.0
    rows: F64 | None = None
    distinct: float = 0.7


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes. `needed` and `cautious` count distinct pairs: for an even chance, and at the
    low end of the measured spread (of text, 19 times in 20); `tokens` what the suspect has to
    write or read for the latter. `why` says why it cannot be proved.
    """

    provable: bool
    why: str
    needed: int | None
    cautious: int | None
    tokens: int | None
    effect: float
    target_log10_p: float
    statistic: str
    source: str
    notes: tuple[str, ...]
    scheme: str = ""
    width: int = 0

    def lines(self) -> list[str]:
        """The answer for a person."""
        head = "provable" if self.provable else f"NOT PROVABLE: {self.why}"
        target = f"p < 10^{self.target_log10_p:.1f}"
        out = [f"{self.statistic}, {self.scheme} of width {self.width}, {target}: {head}"]
        if self.needed is not None:
            out.append(
                f"needs about {self.needed:,} distinct pairs for an even chance, "
                f"{self.cautious:,} to be likely enough: some {self.tokens:,} tokens"
            )
        out.append(f"effect    {self.effect:.4f} standard deviations a pair")
        return [*out, f"measured  {self.source}", *(f"note      {n}" for n in self.notes)]


def attenuation() -> Attenuation:
    """The fits that titer ships."""
    data = resources.files("titer.audit").joinpath("attenuation.json").read_bytes()
    return msgspec.json.decode(data, type=Attenuation)


def answer(question: Question, held: Attenuation | None = None) -> Answer:
    """Work it out. Raises InputError for a question that has no sense."""
    held = held or attenuation()
    _check(question)
    if question.access == "text":
        return _of_text(question)
    fit = _fit(question, held)
    target = _target(question)
    cost = UNIFORM_COST if question.access in _FOLLOWS else 0.0
    scale, notes = _scale(question, held)
    effect = scale * _effect(fit, question)
    low = effect * math.exp(-CAUTION * fit.spread)
    why = ""
    if fit.marked_from is None or fit.share_from is None:
        why = (
            f"up to {fit.marked_to:,} marked tokens, in three passes, no effect was told from "
            "none at this width"
        )
    elif question.marked < fit.marked_from or question.share < fit.share_from:
        why = (
            f"below {fit.marked_from:,} marked tokens, or a share of {fit.share_from:g}, no "
            "effect was told from none"
        )
    hopeless = bool(why)
    needed = _needed(effect, target - cost)
    cautious = _needed(low, target - cost)
    bound = question.available
    if not why and bound is not None and needed > bound:
        why = f"{needed:,} are needed, {bound:,} can be had"
    if not why and needed > MAX_PAIRS:
        why = f"{needed:,} are needed, and a test uses {MAX_PAIRS:,} at most"
    if question.marked > fit.marked_to:
        notes.append(
            f"more than the {fit.marked_to:,} marked tokens that were measured: the effect at "
            "that number is used, not more"
        )
    if not why and cautious > fit.most_pairs:
        notes.append(
            f"more than {fit.most_pairs:,} were never gathered in one test; distinct ones run out "
            "as a model repeats itself"
        )
    return Answer(
        provable=not why,
        why=why,
        needed=None if hopeless else needed,
        cautious=None if hopeless else cautious,
        tokens=None if hopeless else math.ceil(cautious / fit.pairs_per_token),
        effect=effect,
        target_log10_p=target,
        statistic=STATISTIC[question.access],
        source=f"{held.source}: {fit.points} students, {fit.scheme}, width {fit.width}",
        notes=tuple(notes),
        scheme=question.scheme.name,
        width=question.scheme.width,
    )


def _target(question: Question) -> float:
    return math.log10(question.alpha / question.keys)


def _rows(question: Question, entropy: float) -> F64:
    return question.rows if question.rows is not None else assumed(entropy)


def _fit(question: Question, held: Attenuation) -> Fit:
    """What was measured for this kind of mark. Raises InputError when nothing was."""
    kind, width = family(question.scheme), question.scheme.width
    fits = [f for f in held.fits if (f.scheme, f.access) == (kind, question.access)]
    found = next((f for f in fits if f.width == width), None)
    if found is None:
        widths = ", ".join(str(f.width) for f in fits) or "none"
        raise InputError(
            f"no student was measured with {kind} at width {width}; measured are {widths}: what a "
            "student takes up of this mark is not known. Of copied text, ask with --access text"
        )
    return found


#: What the students of each kind were trained on.
_LAB: dict[str, Scheme] = {
    "kgw": Kgw(1, 0.25, 2.0), "gumbel": Gumbel(1, 0.0), "tournament": Tournament(4, 30),
}  # fmt: skip


def _scale(question: Question, held: Attenuation) -> tuple[float, list[str]]:
    """How much more text shows this mark, in this model, than in the lab; and what to say."""
    notes = [
        (
            "measured on students of a tenth of a million parameters, three passes over the text: "
            "for a large model, or another number of passes, this is an order of magnitude"
        ),
        "after paraphrase, or training on other text afterwards, less is left",
    ]
    kind = family(question.scheme)
    if kind != "kgw":
        notes.append(f"{kind} was measured in three students a width; their spread is a guess")
    lab = strength(_LAB[kind], assumed(held.entropy))
    mine = strength(question.scheme, _rows(question, question.entropy or held.entropy))
    if question.rows is None and not question.entropy:
        notes.append(
            f"at the lab's {held.entropy:.1f} nats a token; a large model's text has far less: "
            "say --entropy or --probabilities"
        )
    else:
        notes.append(
            "scaled by how strongly marked text shows the mark at that entropy: that a student "
            "takes up in proportion is assumed"
        )
    return max(0.0, mine.effect) / lab.effect, notes


def _of_text(question: Question) -> Answer:
    """Text that was copied: exact, by the scheme's own null."""
    target = _target(question)
    entropy = question.entropy or TEXT_ENTROPY
    shown = copied.shown(strength(question.scheme, _rows(question, entropy)), question.share)
    needed = copied.contexts(question.scheme, shown, target)
    cautious = copied.contexts(question.scheme, shown, target, caution=CAUTION)
    why = ""
    if needed is None or cautious is None:
        why = "the mark does not show: there is next to no choice in such text"
    elif question.available is not None and needed > question.available:
        why = f"{needed:,} are needed, {question.available:,} can be had"
    notes = []
    if question.rows is None:
        notes.append(
            f"entropy of {entropy:g} nats a token is assumed, and how it is spread over places: "
            "give --probabilities of your model's replies to have it measured"
        )
    notes += [
        (
            f"{question.distinct:.0%} of tokens are taken to have a context of their own "
            "(--distinct); repeated ones count once"
        ),
        "of text as it was written: edits, paraphrase and translation leave less or nothing",
    ]
    return Answer(
        provable=not why,
        why=why,
        needed=needed,
        cautious=cautious,
        tokens=None if cautious is None else math.ceil(cautious / question.distinct),
        effect=shown.effect,
        target_log10_p=target,
        statistic=STATISTIC["text"],
        source="worked out from the scheme and the model's probabilities; not a measurement",
        notes=tuple(notes),
        scheme=question.scheme.name,
        width=question.scheme.width,
    )


def _effect(fit: Fit, question: Question) -> float:
    """The fitted effect a unit, never beyond what was measured."""
    marked = min(question.marked, fit.marked_to)
    share = min(question.share, fit.share_to)
    return math.exp(fit.constant + fit.marked * math.log(marked) + fit.share * math.log(share))


def sigmas(log10_p: float) -> float:
    """How many standard deviations give that p, by Mills' bound of the normal tail.

    An estimate for planning and for what a test could have seen; never for a p-value.
    """
    log_p = log10_p * math.log(10)
    z = math.sqrt(-2 * log_p)
    for _ in range(20):  # p = phi(z) / z
        z = math.sqrt(max(1.0, -2 * (log_p + math.log(max(z, 1.0)) + 0.919)))
    return z


def smallest_effect(pairs: int, log10_p: float, *, follows_key: bool) -> float:
    """The effect a pair (standard deviations) that so many pairs show at that p every other time;
    infinite without pairs.
    """
    cost = UNIFORM_COST if follows_key else 0.0
    return sigmas(log10_p - cost) / math.sqrt(pairs) if pairs else math.inf


def _needed(effect: float, target: float) -> int:
    """Pairs until log10 p falls to the target every other time."""
    return max(1, math.ceil((sigmas(target) / max(effect, 1e-9)) ** 2))


def _check(question: Question) -> None:
    if question.marked < 1 or not 0.0 < question.share <= 1.0:
        raise InputError("--marked must be at least 1, and --share more than 0 and at most 1")
    if not 0.0 < question.alpha < 1.0 or question.keys < 1:
        raise InputError("--alpha must lie between 0 and 1, and --keys be at least 1")
    if question.available is not None and question.available < 1:
        raise InputError("--available must be at least 1")
    if not 0.0 < question.distinct <= 1.0:
        raise InputError("--distinct must be more than 0 and at most 1")
