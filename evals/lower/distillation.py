"""What a student learns from replies, with and without titer's doses.

    python -m evals.lower distillation            # about five minutes, writes distillation.json
    python -m evals.lower distillation --quick    # a look; writes nothing

The teacher is the lab's artificial language (512 words, known probabilities), so that what a
student lacks is exact: its *gap* is the mean Kullback-Leibler divergence from teacher to student
over contexts of fresh text, in nats a token; an untrained student has about 2.5, a perfect one 0.
Students are the lab's networks, trained for as long as helps at their size. Three questions:

* `tokens`: how the gap falls with the tokens obtained: what containment after a share takes away.
* `logprobs`: how many tokens without log-probabilities teach as much as one with: what stripping
  costs an attacker, at each strength of `logprobs`, with the real rounding and capping.
* `dilution`: a product of experts (`respond.sampling`) at several weights: the gap of a passive
  student and of an adaptive one, which knows the proxy and divides as much of it out as helps;
  beside it what every honest reader pays, the divergence from teacher to what is served.

Tiny models on an artificial language: directions and ratios, not field figures.
"""

from __future__ import annotations

import json
import sys
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
DILUTED = (50_000,)
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 0.9)
WEIGHTS = (0.0, 0.3, 0.6, 0.9)
#: Alternatives that an API gives at most, tokens of one reply, and of the public text of a proxy.
TOP, LENGTH, PUBLIC = 20, 50, 5_000
#: (tokens up to which, steps): longer training only learns a small text by heart.
STEPS = ((5_000, 60), (10_000, 100), (20_000, 200), (50_000, 400), (10**9, 500))
#: Shares of the weight that an adaptive student tries to divide out.
DIVIDED = (0.0, 0.25, 0.5, 0.75, 1.0)


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

    def soft(self, tokens: int, strength: float) -> float:
        """With the log-probabilities that `logprobs` leaves (at 0: all that APIs give)."""
        documents = self.replies(self.teacher, tokens, 1)
        contexts, _ = windows(documents, 3, self.size)
        before = np.where(contexts[:, -1:] < self.size, contexts, 0)
        logs = log_chances(self.teacher.logits(before))
        ids = np.argsort(-logs, axis=1)[:, :TOP]
        shares = np.take_along_axis(logs, ids, axis=1)
        if strength:
            left = plan(strength)
            if left.k is not None:
                ids, shares = ids[:, : left.k], shares[:, : left.k]
            shares = np.array([lessen(row, left) for row in shares.astype(float).tolist()])
        shares = np.exp(shares)
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
        made = self.student()
        taught(made, contexts, ids, shares, _steps(tokens))
        return self.gap(made.logits(self.contexts))

    def diluted(self, weight: float, tokens: int, proxy: Network) -> dict:
        served = Diluted(self.teacher, proxy, weight)
        own = self.student(self.replies(served, tokens, 2)).logits(self.contexts)
        # What was served is teacher^(1-g) proxy^g: divide the proxy out again.
        base = log_chances(own)
        away = log_chances(proxy.logits(self.contexts))
        adaptive = [(base - g * away) / (1.0 - g) for g in (weight * part for part in DIVIDED)]
        return {"passive": self.gap(own), "adaptive": min(map(self.gap, adaptive))}


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


def run(seeds, tokens, taught_on, diluted_on) -> dict:
    cases = [Case(seed) for seed in seeds]
    hard = {n: [case.hard(n) for case in cases] for n in tokens}
    curve = {n: float(np.mean(gaps)) for n, gaps in hard.items()}
    soft: dict = {}
    for strength in STRENGTHS:
        stripped = strength > 0 and plan(strength).strip
        for n in taught_on:
            gaps = hard[n] if stripped else [case.soft(n, strength) for case in cases]
            equal = _worth(curve, float(np.mean(gaps)))
            soft.setdefault(f"{strength:g}", {})[n] = {
                **_spread(gaps),
                "worth tokens without": round(equal) if equal else f"over {max(tokens)}",
            }
    dilution: dict = {}
    for case in cases:
        proxy = case.student(case.replies(case.teacher, PUBLIC, 3))
        for weight in WEIGHTS:
            row = dilution.setdefault(f"{weight:g}", {"honest": []})
            served = Diluted(case.teacher, proxy, weight)
            row["honest"].append(case.gap(served.logits(case.contexts)))
            for n in diluted_on:
                for who, gap in case.diluted(weight, n, proxy).items():
                    row.setdefault(f"{who} {n}", []).append(gap)
    untrained = [case.gap(case.student().logits(case.contexts)) for case in cases]
    return {
        "what": "students of an artificial teacher; gaps are mean KL in nats a token",
        "seeds": list(seeds), "steps": STEPS, "untrained": _spread(untrained),
        "tokens": {n: _spread(gaps) for n, gaps in hard.items()},
        "logprobs": {"top": TOP, "strengths": soft},
        "dilution": {w: {k: _spread(v) for k, v in row.items()} for w, row in dilution.items()},
    }  # fmt: skip


def main(*, quick: bool = False) -> None:
    if quick:
        print(json.dumps(run(SEEDS[:1], TOKENS[:3], TAUGHT[:1], DILUTED[:1]), indent=1))
        return
    found = run(SEEDS, TOKENS, TAUGHT, DILUTED)
    print(json.dumps(found, indent=1))
    RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
