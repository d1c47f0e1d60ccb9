"""Honest study: evaluation runs (fixed few-shot prefix and one item) and a class on one task."""

from __future__ import annotations

import random

from titer.lab.generators.chat import RULES
from titer.lab.generators.grammar import Rules, expand

_SUMS: Rules = {
    **RULES,
    "sum": [
        "{person} buys {n:2-30} tickets at {n:3-40} each and pays with {n:500-900}. What is left?",
        "A tank of {n:60-900} litres loses {n:2-9} litres an hour. When is it half empty?",
        "{person} has {n:4-60} stamps and gives away every third one. How many remain?",
        "A train covers {n:60-480} km in {n:1-6} hours. How far does it get in {n:7-12}?",
        "{n:3-12} bakers make {n:20-200} loaves. How many do {n:13-40} bakers make?",
        "The sides of a field are {n:5-80} m and {n:5-80} m. How long is the fence?",
    ],
    "fact": [
        "A {trade} never works on Sundays. Today is Sunday. Is the {trade} at work?",
        "All {thing}s in {place} are red. {person} owns one there. What colour is it?",
        "Which word does not belong: {topic}, {topic}, {place}?",
        "True or false: {plain}, therefore {plain}.",
    ],
}

_ASSIGNMENTS = (
    "causes of the drought in the valley of our reader",
    "whether the narrator of the short story can be trusted",
    "how the pump experiment shows air pressure",
    "what the town should do with the old railway station",
    "why the trade route moved north after the flood",
)

_PUPIL: Rules = {
    **RULES,
    "ask": [
        "help me with my essay about {task}, I have {n:100-500} words",
        "What are three arguments about {task}?",
        "our teacher wants us to write about {task}. how do i start",
        "Is this a good first sentence for {task}: {plain}?",
        "I must explain {task} to my class {when}, can you give me notes",
        "write an introduction on {task} but make it sound like me, i am {n:12-17}",
        "What is the opposite view on {task}?",
        "can you check my text. it is about {task}. {plain} and then {plain}. so {plain}.",
        "Which quotes fit {task}?",
        "explain {task} like i am {n:6-11}",
    ],
}


def item(rng: random.Random) -> str:
    """One benchmark-like question."""
    return expand(rng, _SUMS, rng.choice(("sum", "sum", "fact")))


def few_shot_prefix(rng: random.Random, *, shots: int) -> str:
    """A fixed prefix of worked examples, ending where the next item goes."""
    examples = [f"Q: {item(rng)}\nA: {rng.randint(1, 400)}\n\n" for _ in range(shots)]
    head = rng.choice(
        (
            "Answer the question.\n\n",
            "The following are questions with answers.\n\n",
            "",
            "Solve the problem and give the final value only.\n\n",
        )
    )
    return head + "".join(examples) + "Q: "


def assignment(rng: random.Random) -> str:
    """The task a class works on."""
    return rng.choice(_ASSIGNMENTS)


def pupil_question(rng: random.Random, task: str) -> str:
    """One pupil's question about the class's task."""
    return expand(rng, {**_PUPIL, "task": [task]}, "ask")
