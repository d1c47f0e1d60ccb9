"""A small seeded grammar: `{name}` in a production is replaced by a draw from the rule `name`.

    rules = {"ask": ["How do I {verb} my {thing}?"], "verb": ["fix", "sell"], "thing": ["bike"]}
    expand(random.Random(1), rules, "ask")  ->  "How do I sell my bike?"

`{n:LOW-HIGH}` is replaced by a whole number of that range. The same generator state gives the
same text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

Rules = Mapping[str, Sequence[str]]

#: Nested rules deeper than this are a loop in the grammar, not a text.
MAX_DEPTH = 12

_SLOT = re.compile(r"\{(?:n:(\d+)-(\d+)|([a-z_]+))\}")


def expand(rng: random.Random, rules: Rules, symbol: str) -> str:
    """One text of `symbol`. Raises KeyError for an unknown rule, ValueError for a loop."""
    return _expand(rng, rules, symbol, 0)


def _expand(rng: random.Random, rules: Rules, symbol: str, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise ValueError(f"the rule {symbol!r} loops: break the cycle")
    options = rules[symbol]
    return fill(rng, rules, options[int(rng.random() * len(options))], depth=depth)


def fill(rng: random.Random, rules: Rules, production: str, *, depth: int = 0) -> str:
    """`production` with every slot drawn."""
    if "{" not in production:
        return production

    def draw(slot: re.Match[str]) -> str:
        low, high, name = slot.groups()
        if name is None:
            return str(rng.randint(int(low), int(high)))
        return _expand(rng, rules, name, depth + 1)

    return _SLOT.sub(draw, production)


class Hand:
    """How one person types: kept for all of a person's texts, so that style is a habit."""

    __slots__ = ("_lower", "_no_stop", "_opener", "_polite", "_slips")

    def __init__(self, rng: random.Random) -> None:
        self._lower = rng.random() < 0.3
        self._no_stop = rng.random() < 0.35
        self._slips = rng.choice((0.0, 0.0, 0.0, 0.01, 0.03))
        self._opener = rng.choice(("", "", "", "", "", "hi, ", "Hello! ", "ok so ", "Hey. "))
        self._polite = rng.choice(("", "", "", "", " thanks", " Thank you!", " pls"))

    def write(self, rng: random.Random, text: str) -> str:
        """`text` as this person would have typed it."""
        if self._opener and rng.random() < 0.4:
            text = self._opener + text
        if self._polite and rng.random() < 0.4:
            text += self._polite
        if self._lower:
            text = text.lower()
        if self._no_stop:
            text = text.rstrip(".?!")
        if self._slips:
            text = " ".join(_slip(rng, word, self._slips) for word in text.split(" "))
        return text


def _slip(rng: random.Random, word: str, rate: float) -> str:
    """`word`, now and then with two letters swapped."""
    if len(word) < 4 or rng.random() >= rate:
        return word
    at = rng.randrange(1, len(word) - 1)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
