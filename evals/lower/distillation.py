"""What a student learns from replies, with and without titer's doses.

    python -m evals.lower distillation            # about ten minutes, writes distillation.json
    python -m evals.lower distillation --quick    # a look; writes nothing
    python -m evals.lower.distillation --part dilution    # one of the three questions again

The teacher is the lab's artificial language (512 words, known probabilities), so that what a
student lacks is exact: its *gap* is the mean Kullback-Leibler divergence from teacher to student
over contexts of fresh text, in nats a token; an untrained student has about 2.5, a perfect one 0.
Students are the lab's networks, trained for as long as helps at their size. Three questions:

* `tokens`: how the gap falls with the tokens obtained: what containment after a share takes away.
* `logprobs`: how many tokens without log-probabilities teach as much as one with: what stripping
  costs an attacker, at each strength of `logprobs`, with the real rounding and capping. A passive
  student takes what is left at its word; an adaptive one knows the rounding, learns from the
  tokens and moves only towards the interval that a rounded value allows.
* `dilution`: a product of experts (`respond.sampling`) at several weights. A passive student
  learns what it is given. Adaptive ones know the proxy and the weight exactly:
      inverting     the most likely student behind the product (1-g) student + g proxy
                    (arXiv:2605.22737), alone or averaged with the proxy
      reweighting   weigh each token by proxy^-g (at most `HEAVIEST`), sharpen by 1 / (1-g)
      dividing      learn what was served, then divide a part of the proxy out of it
      filtering     learn from the half of the tokens that the proxy expects least
  Each may train shorter or longer (`LONGER`), and the best by the true gap counts, which favours
  the attacker. Beside it what every honest reader pays, the divergence from teacher to what is
  served.

Tiny models on an artificial language: directions and ratios, not field figures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from titer.lab.radioactive.language import Language
from titer.lab.radioactive.network import Network, windows
from titer.lab.radioactive.writing import log_chances, write
from titer.respond.logprobs import lessen, plan
from titer.respond.sampling.product_of_experts import combine

RESULT = Path(__file__).with_name("distillation.json")
SEEDS = (31, 32)
TOKENS = (5_000, 10_000, 20_000, 50_000, 100_000)
#: Tokens of students that are given log-probabilities, or diluted replies.
TAUGHT = (5_000, 10_000, 20_000)
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 0.9)
#: Tokens of diluted replies, and the proxy's weights that are tried at that size.
DILUTED = {50_000: (0.0, 0.3, 0.6, 0.9), 200_000: (0.0, 0.6)}
#: Alternatives that an API gives at most, tokens of one reply, and of the public text of a proxy.
TOP, LENGTH, PUBLIC = 20, 50, 5_000
#: (tokens up to which, steps): longer training only learns a small text by heart.
STEPS = ((5_000, 60), (10_000, 100), (20_000, 200), (50_000, 400), (10**9, 500))
#: Shares of the weight that a dividing student tries, and greatest weight of a token.
DIVIDED = (0.0, 0.25, 0.5, 0.75, 1.0)
HEAVIEST = 20.0
#: Adaptive students train so many times as long as a passive one.
LONGER = {"careful": (0.5, 1.0, 2.0), "inverting": (1.0, 2.0), "reweighting": (0.5, 1.0),
          "filtering": (0.5, 1.0)}  # fmt: skip
#: Shares of an inverting student in its average with the proxy.
AVERAGED = (1.0, 0.75, 0.5)
ADAPTIVE = ("inverting", "reweighting", "dividing", "filtering")
#: How much a value outside of the interval of its rounding counts, against a token.
TRUST = 1.0
PARTS = ("tokens", "logprobs", "dilution")


def taught(student: Network, contexts, ids, shares, steps: int) -> None:
    """Train on probabilities of some tokens at each place; what they leave is not known.

    The loss is the divergence over the known tokens and the rest as one more.
    """

    def slope(chosen, own):
        rows = np.arange(len(chosen))[:, None]
        at, wanted = ids[chosen], shares[chosen]
        rest = np.maximum(1.0 - own[rows, at].sum(axis=1), 1e-6)
        left = np.maximum(1.0 - wanted.sum(axis=1), 0.0)
        target = own * (left / rest)[:, None]
        target[rows, at] = wanted
        return (own - target).astype(np.float32)

    student.fit(contexts, slope, steps=steps)


def bounded(student: Network, told, half: float, steps: int) -> None:
    """Train on tokens, and towards the intervals that rounded log-probabilities allow.

    `told` is as `Case.told` gives it, each value within `half` of the truth; what is inside its
    interval is left.
    """
    contexts, tokens, ids, logs = told
    most = np.exp(np.minimum(logs + half, 0.0))
    least = np.exp(logs - half)

    def slope(chosen, own):
        rows = np.arange(len(chosen))[:, None]
        known = own[rows, ids[chosen]]
        wanted = np.clip(known, least[chosen], most[chosen])
        rest = np.maximum(1.0 - known.sum(axis=1), 1e-6)
        left = np.maximum(1.0 - wanted.sum(axis=1), 0.0)
        target = own * (left / rest)[:, None]
        target[rows, ids[chosen]] = wanted
        found = (1.0 + TRUST) * own - TRUST * target
        found[rows[:, 0], tokens[chosen]] -= 1.0
        return found.astype(np.float32)

    student.fit(contexts, slope, steps=steps)


class Diluted:
    """The teacher behind a product of experts."""

    window = 3

    def __init__(self, teacher, proxy, weight):
        self.teacher, self.proxy, self.weight = teacher, proxy, weight

    def logits(self, contexts):
        if not self.weight:
            return self.teacher.logits(contexts)
        own = log_chances(self.teacher.logits(contexts))
        return combine(own, log_chances(self.proxy.logits(contexts)), self.weight)


class Case:
    """One seed: a teacher, its fresh text to judge on, and students."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.teacher = Language(seed=seed)
        self.size = len(self.teacher.words)
        self.fresh = self.replies(self.teacher, 20_000, 99)
        self.contexts, _ = windows(self.fresh, 3, self.size)
        self.contexts = self.contexts[self.contexts[:, -1] < self.size]
        self.truth = log_chances(self.teacher.logits(self.contexts))

    def replies(self, model, tokens: int, salt: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, salt])
        count = max(1, tokens // LENGTH)
        begins = [np.array([b], np.uint32) for b in rng.integers(0, self.size, count)]
        return write(model, begins, LENGTH, rng)

    def gap(self, logits: np.ndarray) -> float:
        own = log_chances(logits)
        return float((np.exp(self.truth) * (self.truth - own)).sum(axis=1).mean())

    def student(self, documents=()) -> Network:
        made = Network(self.size, seed=self.seed + 7)
        if len(documents):
            made.train(documents, steps=_steps(sum(map(len, documents))))
        return made

    def hard(self, tokens: int) -> float:
        made = self.student(self.replies(self.teacher, tokens, 1))
        return self.gap(made.logits(self.contexts))

    def told(self, tokens: int, strength: float):
        """Contexts, tokens, and the ids and log-probabilities that `logprobs` leaves of them (at
        strength 0: all that APIs give).
        """
        documents = self.replies(self.teacher, tokens, 1)
        contexts, wanted = windows(documents, 3, self.size)
        before = np.where(contexts[:, -1:] < self.size, contexts, 0)
        logs = log_chances(self.teacher.logits(before))
        ids = np.argsort(-logs, axis=1)[:, :TOP]
        shares = np.take_along_axis(logs, ids, axis=1)
        if strength:
            left = plan(strength)
            if left.k is not None:
                ids, shares = ids[:, : left.k], shares[:, : left.k]
            shares = np.array([lessen(row, left) for row in shares.astype(float).tolist()])
        return contexts, wanted, ids, shares

    def soft(self, tokens: int, strength: float) -> float:
        """A passive student with log-probabilities."""
        contexts, _, ids, logs = self.told(tokens, strength)
        shares = np.exp(logs)
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
        made = self.student()
        taught(made, contexts, ids, shares, _steps(tokens))
        return self.gap(made.logits(self.contexts))

    def careful(self, tokens: int, strength: float) -> float:
        """An adaptive student with log-probabilities: it knows how they were rounded."""
        told = self.told(tokens, strength)
        half = plan(strength).quantum / 2.0 if strength else 1e-3
        found = []
        for longer in LONGER["careful"]:
            made = self.student()
            bounded(made, told, half, round(longer * _steps(tokens)))
            found.append(self.gap(made.logits(self.contexts)))
        return min(found)

    def diluted(self, weight: float, tokens: int, proxy: Network) -> dict[str, float]:
        served = Diluted(self.teacher, proxy, weight)
        documents = self.replies(served, tokens, 2)
        contexts, wanted = windows(documents, 3, self.size)
        at = np.arange(1 << 16)

        def known(chosen):
            return log_chances(proxy.logits(contexts[chosen])).astype(np.float32)

        expected = np.concatenate(
            [
                known(part)[at[: len(part)], wanted[part]]
                for part in np.array_split(np.arange(len(wanted)), 1 + len(wanted) // 4096)
            ]
        )
        heavy = np.minimum(np.exp(-weight * expected), HEAVIEST)
        heavy = (heavy / heavy.mean()).astype(np.float32)
        rare = (expected <= np.median(expected)).astype(np.float32)
        away = log_chances(proxy.logits(self.contexts))

        def inverting(chosen, own):
            mixed = (1.0 - weight) * np.log(np.maximum(own, 1e-12)) + weight * known(chosen)
            mixed = np.exp(mixed - mixed.max(axis=1, keepdims=True))
            mixed /= mixed.sum(axis=1, keepdims=True)
            mixed[at[: len(chosen)], wanted[chosen]] -= 1.0
            return mixed

        def weighed(weights):
            def slope(chosen, own):
                own[at[: len(chosen)], wanted[chosen]] -= 1.0
                return own * weights[chosen][:, None]

            return slope

        passive = self.student(documents).logits(self.contexts)
        found = {"passive": self.gap(passive)}
        if not weight:  # nothing to adapt to: every way is the same as none
            return found | dict.fromkeys(("adaptive", *ADAPTIVE), found["passive"])
        base = log_chances(passive)
        # What was served is teacher^(1-g) proxy^g: divide the proxy out again.
        shares = [weight * part for part in DIVIDED]
        found["dividing"] = min(self.gap((base - g * away) / (1.0 - g)) for g in shares)
        for name, slope, sharpen in (
            ("inverting", inverting, 1.0),
            ("reweighting", weighed(heavy), 1.0 / (1.0 - weight)),
            ("filtering", weighed(rare), 1.0),
        ):
            gaps = []
            for longer in LONGER[name]:
                made = self.student()
                made.fit(contexts, slope, steps=round(longer * _steps(tokens)))
                own = log_chances(sharpen * made.logits(self.contexts))
                mixes = AVERAGED if name == "inverting" else (1.0,)
                gaps += [self.gap(share * own + (1.0 - share) * away) for share in mixes]
            found[name] = min(gaps)
        found["adaptive"] = min(found.values())
        return found


def _steps(tokens: int) -> int:
    return next(steps for most, steps in STEPS if tokens <= most)


def _spread(values: list[float]) -> dict:
    return {
        "mean": round(float(np.mean(values)), 4), "least": round(min(values), 4),
        "most": round(max(values), 4),
    }  # fmt: skip


def _worth(curve: dict[int, float], gap: float) -> float | None:
    """Tokens of the curve that reach a gap, interpolated in logarithms; None beyond its end."""
    sizes = sorted(curve)
    logs = [np.log(n) for n in sizes]
    gaps = [curve[n] for n in sizes]
    if gap < gaps[-1]:
        return None
    return float(np.exp(np.interp(-gap, [-g for g in gaps], logs)))


def run(seeds, tokens, taught_on, diluted_on, *, parts=PARTS, before=None) -> dict:
    """The parts asked for; the others as they were `before`."""
    found = {
        "what": "students of an artificial teacher; gaps are mean KL in nats a token",
        "seeds": list(seeds), "steps": STEPS, **(before or {}),
    }  # fmt: skip
    cases = [Case(seed) for seed in seeds]
    if "tokens" in parts:
        found["untrained"] = _spread([case.gap(case.student().logits(case.contexts))
                                      for case in cases])  # fmt: skip
        found["tokens"] = {str(n): _spread([case.hard(n) for case in cases]) for n in tokens}
    if "logprobs" in parts:
        curve = {int(n): cell["mean"] for n, cell in found["tokens"].items()}
        found["logprobs"] = _logprobs(cases, found["tokens"], curve, taught_on)
    if "dilution" in parts:
        for weight, row in _dilution(cases, diluted_on).items():
            found.setdefault("dilution", {}).setdefault(weight, {}).update(row)
    return found


def _logprobs(cases: list[Case], hard: dict, curve: dict[int, float], taught_on) -> dict:
    passive: dict = {}
    adaptive: dict = {}
    for strength in STRENGTHS:
        stripped = strength > 0 and plan(strength).strip
        for n in taught_on:
            for students, learn in ((passive, Case.soft), (adaptive, Case.careful)):
                cell = hard[str(n)] if stripped else _spread(
                    [learn(case, n, strength) for case in cases]
                )  # fmt: skip
                equal = _worth(curve, cell["mean"])
                students.setdefault(f"{strength:g}", {})[str(n)] = {
                    **cell,
                    "worth tokens without": round(equal) if equal else f"over {max(curve)}",
                }
    return {"top": TOP, "strengths": passive, "adaptive": adaptive}


def _dilution(cases: list[Case], diluted_on) -> dict:
    rows: dict = {}
    for case in cases:
        proxy = case.student(case.replies(case.teacher, PUBLIC, 3))
        for weight in sorted({weight for weights in diluted_on.values() for weight in weights}):
            row = rows.setdefault(f"{weight:g}", {"honest": []})
            served = Diluted(case.teacher, proxy, weight)
            row["honest"].append(case.gap(served.logits(case.contexts)))
            for n in (n for n, weights in diluted_on.items() if weight in weights):
                for who, gap in case.diluted(weight, n, proxy).items():
                    row.setdefault(f"{who} {n}", []).append(gap)
    return {weight: {k: _spread(v) for k, v in row.items()} for weight, row in rows.items()}


def main(*, quick: bool = False, parts=PARTS, size: int = 0) -> dict:
    if quick:
        found = run(SEEDS[:1], TOKENS[:3], TAUGHT[:1], {5_000: (0.0, 0.6)})
        print(json.dumps(found, indent=1))
        return found
    before = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else None
    diluted = {n: weights for n, weights in DILUTED.items() if size in (0, n)}
    found = run(SEEDS, TOKENS, TAUGHT, diluted, parts=parts, before=before)
    print(json.dumps(found, indent=1))
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--size", type=int, default=0, help="one size of diluted replies alone")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    main(quick=given.quick, parts=given.part or PARTS, size=given.size)
