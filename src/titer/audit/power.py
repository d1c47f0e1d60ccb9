"""What it would take to prove it, before anybody spends a request; and whether it can be at all.

    s        how far one distinct pair lies above chance, in standard deviations
    log p    about -n s^2 / 2 for n of them, plus what the bound costs; the needed n follows
    s(N, f)  c * N^a * f^b for N marked tokens, a share f of the training text: fitted, per width
             of the mark and kind of access, to students that were trained and tested

The fit (`attenuation.json`) comes from `python -m evals.radioactivity attenuation`. Outside the
range that was measured nothing is promised. The students were networks of a tenth of a million
parameters, fine-tuned in three passes; how much of a mark a large model takes up per token is
another number, and passes matter, so what is needed is an order of magnitude.
"""

from __future__ import annotations

import math
from importlib import resources
from typing import Literal

import msgspec

from titer.core.errors import InputError

Access = Literal["words", "chances", "reading"]
#: The statistic that serves each access best.
STATISTIC = {"words": "closed", "chances": "topk", "reading": "soft"}
#: What the bound for statistics that follow our own text costs, in powers of ten: the grid's size.
UNIFORM_COST = math.log10(33)
#: Standard errors of the fit below the fitted effect at which "likely enough" is asked.
CAUTION = 1.645


class Fit(msgspec.Struct, frozen=True):
    """log s = constant + marked * log N + share * log f, with residual standard deviation.

    `marked_from`, `share_from`: the least at which an effect was told from none, None when it
    never was; `marked_to`, `share_to`: the most that was measured. `points`: students fitted.
    `pairs_per_token`: distinct pairs from a token of the suspect's replies (or of the text that
    it reads); `most_pairs` the most that one test had.
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


class Attenuation(msgspec.Struct, frozen=True):
    """All fits, and where they come from."""

    source: str
    scheme: str
    conditions: dict[str, str | int | float]
    fits: tuple[Fit, ...]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked; see `titer audit power --help`."""

    marked: int
    share: float
    width: int = 1
    access: Access = "words"
    alpha: float = 1e-6
    keys: int = 1
    available: int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes. `needed` and `cautious` count distinct pairs: for an even chance, and at the
    low end of the measured spread; `tokens` what the suspect has to write or read for the latter.
    `why` says why it cannot be proved.
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

    def lines(self) -> list[str]:
        """The answer for a person."""
        head = "provable" if self.provable else f"NOT PROVABLE: {self.why}"
        out = [f"{self.statistic}, p < 10^{self.target_log10_p:.1f}: {head}"]
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
    _check(question, held)
    fit = next(f for f in held.fits if (f.access, f.width) == (question.access, question.width))
    target = math.log10(question.alpha / question.keys)
    cost = UNIFORM_COST if question.access == "reading" else 0.0
    notes = [
        (
            "measured on students of a tenth of a million parameters, three passes over the text: "
            "for a large model, or another number of passes, this is an order of magnitude"
        ),
        "after paraphrase, or training on other text afterwards, less is left",
    ]
    effect = _effect(fit, question)
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
        source=f"{held.source}: {fit.points} students, {held.scheme}, width {fit.width}",
        notes=tuple(notes),
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
    return max(1, math.ceil((sigmas(target) / effect) ** 2))


def _check(question: Question, held: Attenuation) -> None:
    if question.marked < 1 or not 0.0 < question.share <= 1.0:
        raise InputError("--marked must be at least 1, and --share more than 0 and at most 1")
    if not 0.0 < question.alpha < 1.0 or question.keys < 1:
        raise InputError("--alpha must lie between 0 and 1, and --keys be at least 1")
    if question.available is not None and question.available < 1:
        raise InputError("--available must be at least 1")
    widths = sorted({f.width for f in held.fits if f.access == question.access})
    if question.width not in widths:
        raise InputError(
            f"no student was measured at width {question.width}; measured are "
            f"{', '.join(map(str, widths))}. Wider marks are learned far less (docs/explanation)"
        )
