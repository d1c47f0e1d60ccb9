"""Templates: what stays the same in many requests, and how one is made from a family.

Everything is JSON-escaped text. A template can be said as it is, with some words changed, or
worded anew with the same intents.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

from titer.lab.bodies import CHAT
from titer.lab.generators import words
from titer.lab.world import wording
from titer.lab.world.phrases import FULL, LIGHT, compile_phrase, escape, reword, say, settle
from titer.lab.world.stuff import Draw, Stuff
from titer.lab.world.wording import Family

#: What fills the slots of phrases.
BANKS = {
    "trade": words.TRADES,
    "firm": words.FIRMS,
    **wording.BOOK.banks,
    "fieldtwo": wording.BOOK.banks["field"],
    "code": words.CODE_TONGUES,
    "thing": words.THINGS,
}
_JOINS = (" ", " ", "\\n", "\\n- ", "\\n\\n")
_COMPILED = {
    wording_: compile_phrase(wording_)
    for family in (*wording.HONEST, *wording.ATTACK.values())
    for intent in (*family.intents, family.label, family.role)
    for wording_ in intent
}


class Template:
    """One template: a system part, what comes before and after the item, and its settings."""

    __slots__ = ("_family", "crossed", "head", "item", "params", "reply", "system", "tail")

    def __init__(
        self,
        *,
        system: str,
        head: str,
        tail: str,
        item: Draw,
        reply: float,
        params: str = "",
        family: Family | None = None,
    ) -> None:
        self.system = system
        self.head = head
        self.tail = tail
        self.item = item
        self.reply = reply
        self.params = params
        self._family = family
        self.crossed = family is not None and family.item == "cell"

    def said(self, item: str) -> tuple[str, str]:
        """(system, user) with `item` put in."""
        return self.system, f"{self.head}{item}{self.tail}"

    def jittered(self, rng: random.Random, item: str) -> tuple[str, str]:
        """The same with some words changed."""
        system = reword(rng, self.system, LIGHT) if self.system else ""
        return system, f"{reword(rng, self.head, LIGHT)}{item}{self.tail}"

    def reworded(self, rng: random.Random, item: str) -> tuple[str, str]:
        """The same intents in other words, as a rewriting model would put them."""
        if self._family is None:
            system = reword(rng, self.system, FULL) if self.system else ""
            return system, f"{reword(rng, self.head, FULL)}{item}{reword(rng, self.tail, FULL)}"
        parts = _clauses(rng, self._family)
        if rng.random() < 0.5:
            rng.shuffle(parts)
        text = reword(rng, _JOINS[int(rng.random() * len(_JOINS))].join(parts), FULL)
        if self.system:
            return text, item
        return "", f"{item}\\n\\n{text}" if rng.random() < 0.4 else f"{text}\\n\\n{item}"


def _clauses(rng: random.Random, family: Family, *, least: int = 2) -> list[str]:
    """One wording of each intent, some intents left out."""
    intents = list(family.intents)
    while len(intents) > least and rng.random() < 0.45:
        intents.pop(rng.randrange(1, len(intents)))
    texts = [_word(rng, intent) for intent in intents]
    return [text for text in texts if text]


def _word(rng: random.Random, intent: wording.Intent) -> str:
    chosen = intent[int(rng.random() * len(intent))]
    return say(rng, settle(rng, _COMPILED[chosen], BANKS))


def compose(rng: random.Random, family: Family, stuff: Stuff, *, params: str = "") -> Template:
    """A new template of `family`."""
    parts = _clauses(rng, family)
    join = rng.choice(_JOINS)
    role = _word(rng, family.role) if family.role and rng.random() < 0.55 else ""
    label = _word(rng, family.label)
    if rng.random() < 0.3:  # a house or product has words of its own
        parts.append(f"{escape(_name(rng))}: {_word(rng, family.intents[-1])}".rstrip())
    kind = rng.random()
    system, head, tail = "", "", ""
    if kind < 0.35:
        system = join.join([role, *parts] if role else parts)
        head = f"{label}\\n" if label and rng.random() < 0.5 else ""
    elif kind < 0.85 or len(parts) < 2:
        head = join.join([role, *parts] if role else parts)
        head += f"\\n\\n{label}\\n" if label else "\\n\\n"
    else:
        system = role
        head = f"{parts[0]}\\n\\n{label} "
        tail = f"\\n\\n{join.join(parts[1:])}"
    return Template(
        system=system,
        head=head,
        tail=tail,
        item=stuff.by_name[family.item],
        reply=family.reply,
        params=params,
        family=family,
    )


_SYLLABLES = "ka|lo|mi|ter|van|su|ro|bel|nex|dor|fin|gra|hul|jas|pel|qui|sto|tam|ul|vex|wen|zor"


def _name(rng: random.Random) -> str:
    """A product's name that nobody else has."""
    parts = _SYLLABLES.split("|")
    return "".join(rng.choice(parts) for _ in range(rng.randint(2, 4))).capitalize()


def settings(rng: random.Random, *, endpoint: str) -> str:
    """Parameters as JSON members with a leading comma, like most callers' few."""
    parts: list[str] = []
    if rng.random() < 0.45:
        parts.append(f'"temperature":{rng.choice((0, 0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.7, 1))}')
    if endpoint == CHAT and rng.random() < 0.4:
        parts.append(f'"max_tokens":{rng.choice((64, 256, 512, 1000, 1024, 2000, 2048, 4096))}')
    if rng.random() < 0.12:
        parts.append(f'"top_p":{rng.choice((0.9, 0.95, 1))}')
    return "".join(f",{part}" for part in parts)


class Catalogue:
    """Public templates by rank: frameworks, apps and prompt libraries, some released inside.

    Popularity follows Zipf's law with `exponent`. `release` holds a day for each (negative and
    far off: always there); `hot` are the few that spread fast once out.
    """

    exponent = 1.05

    def __init__(
        self,
        rng: random.Random,
        make: Callable[..., Template],
        *,
        size: int,
        first_day: float,
        days: float,
    ) -> None:
        self.templates: list[list[Template]] = []
        self.release: list[float] = []
        self.hot: list[bool] = []
        for rank in range(size):
            params = settings(rng, endpoint=CHAT)
            count = 1 + int(rng.expovariate(0.7))
            self.templates.append([make(rng, params=params) for _ in range(min(6, count))])
            fresh = rank >= 5 and rng.random() < 0.15
            self.release.append(first_day + rng.random() * (days - first_day) if fresh else -1e6)
            self.hot.append(fresh and rng.random() < 0.12)
        weights = [
            1.0 / (rank + 1) ** self.exponent * (1.0 if release < -1e5 else 0.0)
            for rank, release in enumerate(self.release)
        ]
        self._sums = list(itertools.accumulate(weights))
        self._new = [rank for rank, release in enumerate(self.release) if release > -1e5]
        self._first_day = first_day
        self._days = days

    def pick(self, rng: random.Random) -> int:
        """An established one, by popularity."""
        return rng.choices(range(len(self._sums)), cum_weights=self._sums)[0]

    def adopt(self, rng: random.Random) -> tuple[int, float] | None:
        """A newly released one and the day it is taken up, or None for most callers."""
        if not self._new or rng.random() > 0.35:
            return None
        hot = [rank for rank in self._new if self.hot[rank]]
        if hot and rng.random() < 0.25:
            rank = rng.choice(hot)
            spread = 0.15
        else:  # by rank, as with the established ones
            rank = self._new[int(len(self._new) * rng.random() ** 2)]
            spread = 0.5
        day = self.release[rank] + rng.expovariate(1.0) * spread * (self._days - self._first_day)
        return rank, day


_TOOLS = words.bank("search|fetch|open_file|write_file|run|list_events|send_message|book|query_db")


def tools(rng: random.Random) -> str:
    """The JSON of an agent framework's declared tools, with a leading comma."""
    names = rng.sample(
        _TOOLS,
        rng.randint(2, 6),
    )
    parts = [
        f'{{"type":"function","function":{{"name":"{name}","description":"{_describe(rng, name)}",'
        '"parameters":{"type":"object","properties":{"input":{"type":"string"}},'
        '"required":["input"]}}}'
        for name in names
    ]
    return f',"tools":[{",".join(parts)}]'


def _describe(rng: random.Random, name: str) -> str:
    verb = rng.choice(("Use this to", "Call it to", "Lets you", "Helps to"))
    whom, kind = rng.choice(BANKS["audience"]), rng.choice(BANKS["kind"])
    return f"{verb} {name.replace('_', ' ')}: {kind}, {whom}."
