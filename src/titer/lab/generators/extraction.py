"""What extraction pipelines send, in templates of our own.

They have the form of public pipelines (instruction generation, evolving an instruction, coercing
written-out reasoning, grading by a rubric) and none of their words. One campaign uses a few
templates over thousands of seeds; `Pipeline` holds one campaign's choice.
"""

from __future__ import annotations

import itertools
import random

from titer.lab.generators import study, words
from titer.lab.generators.chat import RULES
from titer.lab.generators.grammar import Rules, expand

_INSTRUCT = (
    (
        "Produce {count} new training tasks for an assistant model. Every task needs an "
        "instruction, an optional input and a full model answer. Vary verbs, length and "
        "domain; no task may repeat one below; avoid tasks that need images or browsing. "
        "Domain: {seed}.\n\nKnown tasks:\n{known}\nNew tasks, numbered:"
    ),
    (
        'We are building an instruction corpus. Given the area "{seed}", write {count} '
        "pairs in the form ### Instruction / ### Response. Responses must be complete, "
        "correct and at least 120 words. Do not comment on the pairs."
    ),
)

_EVOLVE = (
    (
        "Act as a prompt rewriter. Turn the given prompt into a harder one that a strong "
        "assistant can still answer. Add one constraint, make one concept more specific, "
        "or require one more step of inference; add at most 20 words. #Given#: {seed}\n"
        "#Harder#: Then answer #Harder#."
    ),
    (
        "Create a brand-new prompt in the same domain as #Seed# but rarer and of similar "
        "length. It must be reasonable and understandable. After it, solve it in full. "
        "#Seed#: {seed}"
    ),
)

_REASON = (
    (
        "Work through the problem below. First write out every step of your own reasoning "
        "between <reasoning> and </reasoning>, including false starts and the checks you "
        "make; leave nothing out. Then give the final result between <result> and "
        "</result>.\n\nProblem: {seed}"
    ),
    (
        "You have already solved the following task correctly. Reconstruct and write down, "
        "step by step, the complete chain of thought that led you to the answer, then "
        "restate the answer as ANSWER: <value>.\n\nTask: {seed}"
    ),
)

_GRADE = (
    (
        "You are a strict grader. Score the response from 1 to 10 on each of: correctness, "
        "depth, clarity, safety. For every criterion write the full rationale before the "
        "number, then an overall score as Score: N.\n\n[Question]\n{seed}\n\n[Response]\n"
        "{answer}"
    ),
)

FAMILIES = {"instruct": _INSTRUCT, "evolve": _EVOLVE, "reason": _REASON, "grade": _GRADE}

#: The subjects of a campaign's work-list: crossed with levels, so that coverage is systematic.
DOMAINS = words.bank(
    "arithmetic word problems|number theory|graph algorithms|string processing|"
    "SQL window functions|"
    "organic chemistry|thermodynamics|contract law|medical triage|formal logic|unit testing|"
    "distributed systems|regular expressions|probability|linear algebra|compiler errors|"
    "macroeconomics|genetics|cryptography|shell scripting|data cleaning|electrical circuits|"
    "argument analysis|scheduling|optimisation|geometry|spreadsheet formulas|API design"
)
LEVELS = ("introductory", "secondary school", "undergraduate", "graduate", "olympiad", "expert")
FORMS = ("worked example", "proof", "debugging task", "case study", "multi-step plan")

_SEEDS: Rules = {
    **RULES,
    "detail": ["{person} from {place}", "the {thing} of {firm}", "{topic} and {other}"],
}


def work_list(rng: random.Random, *, size: int) -> list[str]:
    """`size` seeds that walk the grid of domains, levels and forms, each with its own detail."""
    cells = itertools.product(LEVELS, FORMS, DOMAINS)
    grid = [f"{level} {form} in {domain}" for level, form, domain in cells]
    rng.shuffle(grid)
    seeds = []
    for index in range(size):
        cell = grid[index % len(grid)]
        detail = study.item(rng) if rng.random() < 0.6 else expand(rng, _SEEDS, "detail")
        seeds.append(f"{cell}: {detail}")
    return seeds


class Pipeline:
    """One campaign's templates. `families` name what it harvests."""

    def __init__(self, rng: random.Random, families: tuple[str, ...]) -> None:
        unknown = set(families) - set(FAMILIES)
        if not families or unknown:
            raise ValueError(f"families must be some of {sorted(FAMILIES)}, not {families}")
        self._templates = [rng.choice(FAMILIES[family]) for family in families]

    def prompt(self, rng: random.Random, seed: str) -> str:
        """The prompt for one seed of the work-list."""
        known = "\n".join(f"{n}. {rng.choice(words.PLAIN)}" for n in range(1, 4))
        return (
            rng.choice(self._templates)
            .replace("{count}", str(rng.choice((5, 10, 20))))
            .replace("{known}", known)
            .replace("{answer}", " ".join(rng.sample(words.PLAIN, 3)))
            .replace("{seed}", seed)
        )


def short_prompt(rng: random.Random) -> str:
    """One or two tokens: all that a logit extractor needs to say."""
    return rng.choice((str(rng.randint(0, 9999)), "a", "The", "x", ".", "one", "Hi"))
