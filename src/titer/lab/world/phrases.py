"""Phrases with choices in them, compiled for speed and kept as JSON text.

    "[Write|Set] down [every|each] step of the {kind}."

`[a|b]` is a choice. `{name}` is a slot: filled from word banks when a template is made. What
comes out is escaped for the inside of a JSON string, so that lines can be joined, not encoded.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence

#: Fixed text, or the ways of saying it.
Part = str | tuple[str, ...]
Phrase = tuple[Part, ...]
Banks = Mapping[str, Sequence[str]]

_CHOICE = re.compile(r"\[([^\]]*\|[^\]]*)\]")
_SLOT = re.compile(r"\{([a-z]+)\}")

#: How many words of a clause a light rewording touches, and how many a full one.
LIGHT, FULL = 0.12, 0.45


def escape(text: str) -> str:
    """`text` as it stands inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def compile_phrase(text: str) -> Phrase:
    """The parts of `text`; slots stay as they are."""
    parts: list[Part] = []
    for number, piece in enumerate(_CHOICE.split(text)):
        if number % 2:
            parts.append(tuple(escape(option) for option in piece.split("|")))
        elif piece:
            parts.append(escape(piece))
    return tuple(parts)


def say(rng: random.Random, phrase: Phrase) -> str:
    """One wording of `phrase`."""
    draw = rng.random
    return "".join([p if p.__class__ is str else p[int(draw() * len(p))] for p in phrase])


def settle(rng: random.Random, phrase: Phrase, banks: Banks) -> Phrase:
    """`phrase` with its slots filled; choices stay open."""

    def fill(found: re.Match[str]) -> str:
        return escape(rng.choice(banks[found.group(1)]))

    return tuple(
        _SLOT.sub(fill, part) if isinstance(part, str) else tuple(_SLOT.sub(fill, p) for p in part)
        for part in phrase
    )


_SYNONYMS = {
    word: tuple(options.split("|"))
    for word, options in {
        "write": "compose|draft|produce|put together",
        "give": "provide|supply|offer|return",
        "answer": "reply|response|solution|result",
        "question": "query|problem|exercise|item",
        "problem": "question|exercise|puzzle|case",
        "task": "assignment|job|exercise|request",
        "following": "next|given|below-mentioned|present",
        "below": "underneath|that follows|given here",
        "step": "stage|move|part",
        "steps": "stages|moves|parts",
        "every": "each|any|each single",
        "each": "every|every single|any",
        "reasoning": "thinking|line of thought|working|deduction",
        "complete": "full|whole|entire|finished",
        "full": "complete|whole|entire|unabridged",
        "text": "passage|piece|writing|material",
        "the": "this|our|that",
        "a": "one|some|a single",
        "and": "and also|as well as|plus|then",
        "must": "should|has to|needs to|ought to",
        "do": "please do|kindly do|always do",
        "then": "next|afterwards|after that|finally",
        "first": "to begin with|at the start|initially",
        "your": "your own|the|all your",
        "you": "you yourself|you, the model,|you",
        "are": "act as|are now|remain",
        "is": "appears|stands|is now",
        "in": "within|inside|using",
        "with": "using|along with|together with",
        "that": "which|such that|so that",
        "not": "never|under no condition|in no case",
        "new": "fresh|novel|original|further",
        "list": "enumerate|name|set out",
        "as": "like|in the manner of|just as",
        "for": "on behalf of|regarding|about",
        "only": "just|nothing but|solely",
        "explain": "describe|spell out|make clear",
        "detail": "depth|length|care",
        "final": "last|closing|ultimate",
        "model": "system|assistant|engine",
    }.items()
}
_FILLERS = ("please", "carefully", "really", "now", "indeed", "simply", "exactly", "of course")


def reword(rng: random.Random, text: str, rate: float) -> str:
    """`text` with about `rate` of its words exchanged, moved or added; its sense stays."""
    words = text.split(" ")
    draw = rng.random
    for index, word in enumerate(words):
        if draw() >= rate or "\\" in word:
            continue
        options = _SYNONYMS.get(word.lower())
        if options is not None:
            words[index] = options[int(draw() * len(options))]
        elif draw() < 0.5:
            words[index] = f"{word} {_FILLERS[int(draw() * len(_FILLERS))]}"
        elif index > 0:
            words[index - 1], words[index] = word, words[index - 1]
    return " ".join(words)
