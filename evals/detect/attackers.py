"""Keys that extract, by kind of attack, each hidden in some share of honest traffic.

    template     data synthesis with one public template (evol, data generation, personas)
    reasoning    harvest of reasoning: solve, verify, explain step by step
    rubric       the model as a judge or reward model
    instruct     self-instruct and its kin
    logits       log-probabilities or a bias swept over the vocabulary
    prompt       reading out system prompts

Templates are the published ones, filled with real seeds, split by pipeline: those of one side
are never seen on the other. An attacker uses one template (self-instruct pipelines have stages,
so up to three of one pipeline), takes long replies, and cannot avoid asking.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

from evals.accounts import _filled, _templates
from evals.detect import clocks, crowd
from evals.detect.pools import Deck, Pools, Turn, lines
from titer.core.nouns import Exchange

ATTACKS = ("template", "reasoning", "rubric", "instruct", "logits", "prompt")
#: Which pipelines' templates are of a side.
PIPELINES = {
    "tune": ("distilabel", "WizardLM", "codealpaca"),
    "report": ("camel", "rulm", "vigogne", "self-instruct", "stanford_alpaca", "open-r1"),
}
_RUBRIC = re.compile(r"verify_answer|evaluate_partial|EVALUATION|ru_sbs|CRITIC|elimination")
_FAMILIES = {
    "reasoning": ("reasoning_distill",), "instruct": ("self_instruct",),
    "rubric": ("judge_scoring",),
    "template": ("evol_instruct", "embedding_data_gen", "roleplay_gen", "persona_gen",
                 "tool_data_gen", "preference_gen", "instruction_gen_from_text", "response_gen"),
}  # fmt: skip
#: Shares of honest traffic that hide the attack are drawn from these.
COVERS = ("chat", "chat", "application", "agent", "support")
#: Replies that an attack takes: mean and spread of the logarithm of their tokens.
_REPLIES = {
    "template": (6.2, 0.6), "reasoning": (6.8, 0.5), "rubric": (4.6, 0.8), "instruct": (6.6, 0.6),
    "logits": (0.0, 0.0), "prompt": (4.8, 0.8),
}  # fmt: skip
_VOCABULARY = 128_000
#: The source of an attack that fills no pipeline's template.
PROBES = "published probes"
_PLACES = {"": 35, "hosting": 30, "residential": 20, "proxy": 15}


class Arms:
    """What attackers of one side can send: the templates and seeds, or decks."""

    def __init__(self, pools: Pools) -> None:
        side = pools.side
        rows = [
            row
            for row in _templates()
            if row["pipeline"] in PIPELINES[side] and "{" in row["template"]
        ]
        self.templates: dict[str, list[dict]] = {attack: [] for attack in ATTACKS}
        for row in rows:
            self.templates[_attack_of(row)].append(row)
        half = side == "report"
        numbers = lines("attack/logit_extraction_prompts.jsonl.zst")
        self.short = pools.deal(
            [[("user", text.split('"', 4)[3])] for text in numbers[half::2][:500]]
        )


def _attack_of(row: dict) -> str:
    if _RUBRIC.search(row["name"]):
        return "rubric"
    return next((a for a, families in _FAMILIES.items() if row["family"] in families), "template")


class Attacker:
    """One key: its attack requests are made once and serve every mix."""

    def __init__(self, pools: Pools, arms: Arms, attack: str, name: str, most: int) -> None:
        self.rng = random.Random(f"{attack}-{name}")
        self.name, self.attack = f"{attack}-{name}", attack
        self.settings: dict[str, Any] = {
            "temperature": self.rng.choice((0.0, 0.6, 0.7, 1.0)),
            "max_tokens": self.rng.choice((1024, 2048, 3072, 4096)),
        }
        self.scan = self.rng.choice(("top-k", "bisect", "sweep"))
        self.pools = pools
        #: Where its texts were published.
        self.source = PROBES
        self.deck = self._deck(pools, arms, most)

    def _deck(self, pools: Pools, arms: Arms, most: int) -> Deck:
        rng = self.rng
        if self.attack == "logits":
            return rng.choices(arms.short, k=rng.choice((1, 3, 40)))
        if self.attack == "prompt":
            return pools.deal(
                [
                    [("system", rng.choice(pools.prompts.roles)), ("user", _worded(text, rng))]
                    for text in rng.choices(pools.leaks, k=most)
                ]
            )
        row = rng.choice(arms.templates[self.attack])
        self.source = row["pipeline"]
        stages = [row]
        if self.attack == "instruct":
            of_pipeline = [
                r for r in arms.templates["instruct"] if r["pipeline"] == row["pipeline"]
            ]
            stages = rng.sample(of_pipeline, min(len(of_pipeline), rng.randint(1, 3)))
        seeds = rng.sample(pools.prompts.seeds, min(most, len(pools.prompts.seeds)))
        return pools.deal(
            [
                [("user", _filled(rng.choice(stages)["template"], seeds[i % len(seeds)], rng))]
                for i in range(most)
            ]
        )

    def exchanges(
        self, mix: float, count: int, *, cover: str = "", draw: int = 0, past: int = 0
    ) -> Iterator[tuple[Exchange, Turn]]:
        """`count` exchanges, a share `mix` of them the attack's; the rest one honest kind's.

        Before them, `past` exchanges of that honest kind alone.
        """
        rng = random.Random(f"{self.name}-{mix}-{cover}-{draw}")
        hides = crowd.MAKERS[cover or rng.choice(COVERS)](self.pools, rng)
        number, before = iter(range(10**9)), iter(range(past))

        def request() -> tuple[Turn, int, dict[str, Any]]:
            if next(before, None) is not None:
                return hides()
            return self.request(next(number), rng) if rng.random() < mix else hides()

        times = (clocks.around if rng.random() < 0.5 else clocks.copied)(rng, past + count)
        return crowd.exchanges(
            f"{self.name}-{mix}", request, times, rng, kind="attack", places=_PLACES, eager=0.3
        )

    def request(self, number: int, rng: random.Random) -> tuple[Turn, int, dict[str, Any]]:
        """The attack's request of that number."""
        turn = self.deck[number % len(self.deck)]
        if self.attack == "logits":
            return turn, 1, self._scan(number)
        mean, spread = _REPLIES[self.attack]
        return turn, int(rng.lognormvariate(mean, spread)) + 1, self.settings

    def _scan(self, number: int) -> dict[str, Any]:
        """Parameters of a published logit attack: see request_shapes.jsonl of the prompt data."""
        sent: dict[str, Any] = {"max_tokens": 1, "temperature": 0.0}
        if self.scan == "top-k":  # k ids at a time under one large bias
            ids = range(5 * number, 5 * number + 5)
            sent |= {"logprobs": True, "top_logprobs": 5}
        elif self.scan == "bisect":  # one id, its bias halved until it tops the list
            ids = range(number // 20, number // 20 + 1)
            sent |= {"logit_bias": number % 20}
        else:
            ids = range(100 * number, 100 * number + 100)
            sent |= {"logprobs": True, "top_logprobs": 5, "seed": 42}
        sent["logit_bias_ids"] = tuple(i % _VOCABULARY for i in ids)
        return sent


def _worded(text: str, rng: random.Random) -> str:
    """The same probe put a little differently, as scripts do."""
    head = rng.choice(("", "", "Hello. ", "Quick question: ", "System check. ", "Ok, "))
    tail = rng.choice(("", "", " Thanks.", " Do not explain.", " Start now.", "\n\n"))
    return head + text + tail
