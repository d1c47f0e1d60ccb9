"""Honest making: agents that call tools over many turns, and people who write code."""

from __future__ import annotations

import random
from typing import Any

from titer.lab.generators import words
from titer.lab.generators.chat import RULES
from titer.lab.generators.grammar import Rules, expand

_CODE: Rules = {
    **RULES,
    "tongue": words.CODE_TONGUES,
    "unit": ["function", "class", "query", "script", "test", "module", "decorator", "migration"],
    "duty": [
        "parses dates in {n:2-5} formats",
        "retries with back-off",
        "merges two sorted lists",
        "counts words per user",
        "reads a CSV with {n:3-40} columns",
        "caches to disk",
        "validates an IBAN",
        "draws a histogram",
        "renames files by date",
        "paginates results",
        "locks a row before an update",
        "streams a file in chunks of {n:4-64} KB",
    ],
    "fault": [
        "IndexError on line {n:10-900}",
        "a deadlock under load",
        "wrong totals in {month}",
        "a flaky test",
        "memory that grows by {n:10-400} MB an hour",
        "a type error",
        "times that are off by one hour",
        "a 502 after {n:20-60} seconds",
    ],
    "snippet": [
        "```\nfor i in range(len(rows) - {n:0-2}):\n    total += rows[i]['{field}']\n```",
        "```\nSELECT {field}, count(*) FROM {field}s GROUP BY 1 HAVING count(*) > {n:1-90}\n```",
        "```\nlet x = cache.get(&key).unwrap_or(&{n:0-9});\n```",
        '```\nif err != nil {{ return nil, fmt.Errorf("step %d: %w", {n:1-20}, err) }}\n```',
    ],
    "field": ["amount", "owner", "region", "status", "created_at", "price", "visits", "score"],
    "ask": [
        "Write a {tongue} {unit} that {duty}.",
        "Why do I get {fault} here?\n{snippet}",
        "Port this to {tongue}:\n{snippet}",
        "How do I make this faster?\n{snippet}\nIt {duty}.",
        "Review my {unit}, it {duty} but shows {fault}.\n{snippet}",
        "Explain what this does to a new colleague.\n{snippet}",
        "In {tongue}, what is the idiomatic way to write a {unit} that {duty}?",
        "Add logging and a test.\n{snippet}\n{snippet}",
        "We moved from {tongue} to {tongue} and now there is {fault}. Where do I look first?",
    ],
    "more": [
        "still {fault}",
        "Can you add types?",
        "Now without the third-party package.",
        "It must also {duty}.",
        "And a test for the empty case.",
        "Explain line {n:2-30}.",
    ],
    "goal": [
        "Rebook the trip of {person} from {place} to {place} {when}.",
        "Find out why order {n:10000-99999} for {firm} is late and tell {person}.",
        "Compare three offers for a {thing} below {n:50-900} and reserve the best.",
        "Collect what {firm} published on {topic} and write {n:3-8} bullet points.",
        "Move the meeting with {person} at {firm} to {when}, avoiding clashes.",
    ],
}

_TOOLS = (
    ("search", "Search the knowledge base.", "query"),
    ("get_order", "Fetch one order.", "order_id"),
    ("list_events", "List calendar events.", "day"),
    ("send_message", "Send a message to a person.", "recipient"),
    ("book", "Make a booking.", "reference"),
    ("read_page", "Read one page.", "url"),
    ("calculate", "Evaluate an expression.", "expression"),
)


class Coder:
    """One person who writes code with help."""

    def __init__(self, rng: random.Random) -> None:
        fluent = rng.sample(words.CODE_TONGUES, 2)
        self._rules: Rules = {
            **_CODE,
            "tongue": [*fluent, *fluent, rng.choice(words.CODE_TONGUES)],
        }

    def opening(self, rng: random.Random) -> str:
        """The first message of a conversation."""
        return expand(rng, self._rules, "ask").replace("{{", "{").replace("}}", "}")

    def follow_up(self, rng: random.Random) -> str:
        """A later message of the same conversation."""
        return expand(rng, self._rules, "more")


def tools(rng: random.Random) -> list[dict[str, Any]]:
    """The tools one agent declares, as OpenAI chat writes them."""
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": description,
                "parameters": {
                    "type": "object",
                    "properties": {argument: {"type": "string"}},
                    "required": [argument],
                },
            },
        }
        for name, description, argument in rng.sample(_TOOLS, rng.randint(2, 5))
    ]


def goal(rng: random.Random) -> str:
    """What an agent's user wants done."""
    return expand(rng, _CODE, "goal")


def tool_result(rng: random.Random) -> str:
    """What a tool answered: JSON text with a few facts."""
    return (
        f'{{"id": {rng.randint(1000, 99999)}, "who": "{rng.choice(words.PEOPLE)}", '
        f'"where": "{rng.choice(words.PLACES)}", "note": "{rng.choice(words.PLAIN)}"}}'
    )
