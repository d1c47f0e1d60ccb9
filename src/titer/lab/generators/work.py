"""Honest work that repeats itself: teams, batch jobs, support bots. The hard negatives.

A batch job sends one template with thousands of documents; a team sends the same few templates
from many desks; a support bot sends one system prompt with thousands of short questions.
"""

from __future__ import annotations

import random

from titer.lab.generators import words
from titer.lab.generators.chat import RULES
from titer.lab.generators.grammar import Rules, expand

_JOBS: Rules = {
    **RULES,
    "verb": [
        "Summarise",
        "Classify",
        "Extract the dates from",
        "Rewrite",
        "Check",
        "Translate",
        "Tag",
        "Shorten",
        "Compare",
        "Review",
        "Proofread",
        "Score the tone of",
    ],
    "kind": [
        "ticket",
        "invoice",
        "contract clause",
        "product review",
        "call note",
        "lab report",
        "meeting minute",
        "press item",
        "claim",
        "shift log",
        "listing",
        "complaint",
    ],
    "out": [
        "JSON with the fields {field} and {field}",
        "one sentence",
        "{n:2-5} bullet points",
        "a table with {n:2-4} columns",
        "a single label",
        "at most {n:20-90} words",
        "British English",
        "a subject line and a body",
    ],
    "field": ["date", "amount", "customer", "severity", "owner", "product", "deadline", "tone"],
    "rule": [
        "Do not invent anything.",
        "Leave names as they are.",
        "Use {out}.",
        "If unsure, say unknown.",
        "The reader is a {trade}.",
        "Keep the order of events.",
        "Mention {firm} only once.",
        "Never promise a refund.",
        "Ignore signatures.",
        "Our house style forbids exclamation marks.",
    ],
    "template": [
        "{verb} the following {kind} for {firm}. {rule} {rule}\n\n",
        "You help the {kind} desk at {firm}. {verb} what follows into {out}. {rule}\n---\n",
        "{kind} intake, {firm}.\nTask: {verb} it.\nFormat: {out}.\n{rule}\nText:\n",
        "Read this {kind} and answer with {out}. {rule} {rule} {rule}\n\n",
    ],
    "system": [
        "You are the assistant of {firm}. {rule} {rule} Answer in {out}.",
        "You answer customers of {firm} about {thing} and {thing} orders. {rule} {rule}",
        "Internal helper for {trade} staff at {firm}. {rule}",
    ],
    "support": [
        "where is my {thing}",
        "the {thing} i bought in {place} does not turn on",
        "how do i cancel order {n:10000-99999}",
        "my card was charged twice",
        "can i change the address to {place}",
        "do you ship a {thing} to {place}",
        "what is the warranty on the {thing}",
        "i want to talk to {person}",
        "the code {n:1000-9999} did not work",
        "refund for the {thing} please",
        "opening hours in {place} on sunday",
        "is the {thing} back in stock {when}",
        "i forgot my password again",
        "the invoice has the wrong name, should be {person}",
    ],
}


def template(rng: random.Random) -> str:
    """One internal template of a firm, ending where the document goes."""
    return expand(rng, _JOBS, "template")


def system_prompt(rng: random.Random) -> str:
    """One system prompt of a firm's assistant: who it is, and a page of rules."""
    rules = [expand(rng, _JOBS, "rule") for _ in range(rng.randint(8, 20))]
    facts = document(rng, sentences=rng.randint(6, 14))
    return f"{expand(rng, _JOBS, 'system')}\n\nRules:\n- " + "\n- ".join(rules) + f"\n\n{facts}"


def document(rng: random.Random, *, sentences: int) -> str:
    """A document to work on: `sentences` plain sentences with names and numbers in them."""
    parts = []
    for _ in range(sentences):
        who = rng.choice(words.PEOPLE)
        plain = rng.choice(words.PLAIN)
        where = rng.choice(words.PLACES)
        parts.append(
            rng.choice(
                (
                    f"{who} noted that {plain}.",
                    f"In {where}, {plain}.",
                    f"{plain.capitalize()} ({rng.randint(2, 980)} in all).",
                    f"According to {rng.choice(words.FIRMS)}, {plain}.",
                    f"{who} asked whether {plain}, and {rng.choice(words.PLAIN)}.",
                )
            )
        )
    return " ".join(parts)


def support_question(rng: random.Random) -> str:
    """One short question of a customer."""
    return expand(rng, _JOBS, "support")
