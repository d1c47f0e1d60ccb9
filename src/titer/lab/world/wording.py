"""What templates say: families of intents, each with several wordings, honest ones and not.

A family is intents in order; an intent is worded in one of several ways, each with choices.
"""

from __future__ import annotations

from typing import NamedTuple

from titer.lab.world.phrasebook import TEXT

Intent = tuple[str, ...]


class Family(NamedTuple):
    """Intents in order, what is put in, what stands before it, and how long replies are."""

    name: str
    intents: tuple[Intent, ...]
    item: str
    label: Intent
    reply: float
    role: Intent = ()


class Book(NamedTuple):
    """The phrase book, read."""

    honest: tuple[Family, ...]
    attack: dict[str, Family]
    shared: dict[str, Intent]
    banks: dict[str, tuple[str, ...]]


def read(text: str) -> Book:
    """The phrase book of `text`. Raises ValueError for a line that fits nowhere."""
    shared: dict[str, list[str]] = {}
    banks: dict[str, list[str]] = {}
    families: list[tuple[list[str], list[list[str]], list[list[str]]]] = []
    lines: list[str] = []
    for line in text.strip().split("\n"):
        words = line.split()
        if not line.startswith("@"):
            if line:
                lines.append("" if line == "~" else line)
            continue
        if words[0] == "@family":
            families.append((words[1:], [], []))
            continue
        lines = shared[words[1]] if words[0] == "@same" or words[1] in shared else []
        if words[0] == "@shared":
            shared[words[1]] = lines
        elif words[0] == "@bank":
            banks[words[1]] = lines
        elif words[0] in ("@intent", "@same"):
            families[-1][1].append(lines)
        elif words[0] == "@label":
            families[-1][2].append(lines)
        else:
            raise ValueError(f"the phrase book has no {words[0]}")
    honest, attack = [], {}
    for (kind, name, item, reply, *role), intents, label in families:
        family = Family(
            name,
            tuple(map(tuple, intents)),
            item,
            tuple(label[0]),
            float(reply),
            tuple(shared[role[0]]) if role else (),
        )
        if kind == "honest":
            honest.append(family)
        else:
            attack[name] = family
    return Book(
        tuple(honest),
        attack,
        {name: tuple(lines) for name, lines in shared.items()},
        {name: tuple(lines) for name, lines in banks.items()},
    )


BOOK = read(TEXT)
HONEST = BOOK.honest
ATTACK = BOOK.attack
#: What a caller tries who wants the system prompt or secrets of a deployment.
LEAK = BOOK.shared["leak"]
