"""How people talk in a world: English of many shapes, other languages, code, a class's task."""

from __future__ import annotations

import random
import re
from typing import Protocol

from titer.lab.generators import chat, making, study, words
from titer.lab.generators.grammar import Rules
from titer.lab.generators.tongues import TONGUES
from titer.lab.world.phrases import Phrase, compile_phrase, escape, say
from titer.lab.world.scripts import SCRIPTS
from titer.lab.world.stuff import Stuff

LANGUAGES: dict[str, Rules] = {**TONGUES, **SCRIPTS}

Piece = str | tuple["Piece", ...] | list["Piece"] | range
_SLOT = re.compile(r"\{(?:n:(\d+)-(\d+)|([a-z_]+))\}")


class Talker(Protocol):
    """One person or program; texts are JSON-escaped."""

    def opening(self, rng: random.Random) -> str: ...

    def follow_up(self, rng: random.Random) -> str: ...


class Grammar:
    """A grammar of `generators`, compiled: sequences are lists, choices tuples, numbers ranges."""

    __slots__ = ("_rules", "_source")

    def __init__(self, source: Rules) -> None:
        self._source = source
        self._rules: dict[str, Piece] = {}

    def rule(self, name: str) -> Piece:
        """The compiled options of one rule."""
        if name not in self._rules:
            self._rules[name] = ()  # a loop in the grammar draws nothing
            self._rules[name] = tuple(self._production(text) for text in self._source[name])
        return self._rules[name]

    def _production(self, text: str) -> Piece:
        text = text.replace("{{", "\x01").replace("}}", "\x02")
        pieces: list[Piece] = []
        last = 0
        for found in _SLOT.finditer(text):
            pieces.append(_plain(text[last : found.start()]))
            low, high, name = found.groups()
            pieces.append(range(int(low), int(high) + 1) if name is None else self.rule(name))
            last = found.end()
        pieces.append(_plain(text[last:]))
        kept = [piece for piece in pieces if piece != ""]
        return kept[0] if len(kept) == 1 else kept


def _plain(text: str) -> str:
    return escape(text.replace("\x01", "{").replace("\x02", "}"))


def draw(rng: random.Random, piece: Piece) -> str:
    """One text of a compiled piece."""
    if isinstance(piece, str):
        return piece
    if isinstance(piece, list):
        return "".join([p if p.__class__ is str else draw(rng, p) for p in piece])
    if isinstance(piece, range):
        return str(piece[int(rng.random() * len(piece))])
    return draw(rng, piece[int(rng.random() * len(piece))]) if piece else ""


_ASKS = words.bank(
    "[How do I;What is the best way to;Can you help me;I need to;Is there a trick to;Tell me how "
    "to;Where do I begin if I want to] [understand;start with;improve;choose;compare;learn;avoid "
    "trouble with;teach;talk about;write about] |"
    "[Why is;When did;Who decided that;Is it normal that;Since when is] [everybody;nobody;my boss;"
    "the whole town;half of the internet] [so fond of;worried about;against;talking about] |"
    "[Quick question about;Something about;A few words on;One more on;My problem is;Today:] |"
    "[Give me;List;Name;I want;Think of] [three;four;five;some;a few;seven] [reasons;examples;"
    "mistakes;ideas;names;sources] [for;about;concerning] |"
    "[What would you;How would an expert;What does the law;What do people] [say about;do with;"
    "think of;recommend for] |"
    "[Draft;Write;Sketch;Improve] [an email;a post;a speech;a plan;a short story;a message] "
    "[on;about;around] "
)
_ENDS = words.bank(
    "[ if I only have ten minutes; on a small budget; at home; for work; before Friday;, please;"
    ", and be honest; without going mad;]|"
    "[. It is for my sister; for a class;. No lists; in simple words; as a table;, briefly;]"
)


class Tongue:
    """What all people of one world have in common: compiled grammars and habits of English."""

    def __init__(self, rng: random.Random, stuff: Stuff) -> None:
        asks = rng.sample(list(chat.RULES["ask"]), 24)
        rules: Rules = {**chat.RULES, "ask": asks}
        grammar = Grammar(rules)
        self.stuff = stuff
        self.asks = grammar.rule("ask")
        self.context = grammar.rule("context")
        self.more = grammar.rule("more")
        self.starts: list[Phrase] = [compile_phrase(text.replace(";", "|")) for text in _ASKS]
        self.ends: list[Phrase] = [compile_phrase(text.replace(";", "|")) for text in _ENDS]
        coding = Grammar(making._CODE)  # noqa: SLF001
        self.code_asks, self.code_more = coding.rule("ask"), coding.rule("more")
        names = list(LANGUAGES)
        rng.shuffle(names)
        self.languages = names
        self.weights = [1.0 / (1 + rank) ** 0.7 for rank in range(len(names))]
        self.foreign = {
            name: (Grammar(LANGUAGES[name]).rule("ask"), Grammar(LANGUAGES[name]).rule("more"))
            for name in names
        }


class Person:
    """Somebody who chats in English: favourite topics, and habits of typing."""

    __slots__ = (
        "_bare",
        "_lower",
        "_opener",
        "_pastes",
        "_polite",
        "_talkative",
        "_tongue",
        "_topics",
    )

    def __init__(self, rng: random.Random, tongue: Tongue) -> None:
        self._tongue = tongue
        self._topics = tuple(tongue.stuff.topic(rng) for _ in range(6))
        self._lower = rng.random() < 0.3
        self._bare = rng.random() < 0.35
        self._opener = rng.choice(("", "", "", "", "", "hi, ", "Hello! ", "ok so ", "Hey. "))
        self._polite = rng.choice(("", "", "", "", " thanks", " Thank you!", " pls"))
        self._talkative = rng.random() * 0.85
        self._pastes = rng.betavariate(1, 5)

    def opening(self, rng: random.Random) -> str:
        """The first message of a conversation."""
        tongue = self._tongue
        if rng.random() < 0.3:
            text = draw(rng, tongue.asks)
        else:
            start = tongue.starts[int(rng.random() * len(tongue.starts))]
            end = tongue.ends[int(rng.random() * len(tongue.ends))]
            if rng.random() < 0.7:
                topic = self._topics[int(rng.random() * len(self._topics))]
            else:
                topic = tongue.stuff.topic(rng)
            text = f"{say(rng, start)}{topic}{say(rng, end)}?"
        while rng.random() < self._talkative and len(text) < 800:
            extra = tongue.stuff.sentence(rng) if rng.random() < 0.7 else draw(rng, tongue.context)
            text = f"{extra} {text}" if rng.random() < 0.5 else f"{text} {extra}"
        text = self._typed(rng, text)
        if rng.random() < self._pastes:  # something to read comes along
            length = 3 + int(rng.expovariate(0.15))
            text = f"{text}\\n\\n{tongue.stuff.document(rng, length)}"
        return text

    def follow_up(self, rng: random.Random) -> str:
        """A later message of the same conversation."""
        text = draw(rng, self._tongue.more)
        if rng.random() < 0.4:
            text = f"{text} {self._tongue.stuff.sentence(rng)}"
        return self._typed(rng, text)

    def _typed(self, rng: random.Random, text: str) -> str:
        if self._opener and rng.random() < 0.4:
            text = self._opener + text
        if self._polite and rng.random() < 0.4:
            text += self._polite
        if self._lower:
            text = text.lower()
        return text.rstrip(".?!") if self._bare else text


class Speaker:
    """Somebody who chats in another language than English."""

    __slots__ = ("_asks", "_more", "lang")

    def __init__(self, rng: random.Random, tongue: Tongue) -> None:
        self.lang = rng.choices(tongue.languages, weights=tongue.weights)[0]
        self._asks, self._more = tongue.foreign[self.lang]

    def opening(self, rng: random.Random) -> str:
        """One question, or a few together."""
        text = draw(rng, self._asks)
        while rng.random() < 0.6 and len(text) < 600:
            text = f"{text} {draw(rng, self._asks)}"
        return text

    def follow_up(self, rng: random.Random) -> str:
        """A later message of the same conversation."""
        return draw(rng, self._more)


class Coder:
    """Somebody who writes code with help."""

    __slots__ = ("_fluent", "_tongue")

    def __init__(self, rng: random.Random, tongue: Tongue) -> None:
        self._tongue = tongue
        self._fluent = escape(rng.choice(words.CODE_TONGUES))

    def opening(self, rng: random.Random) -> str:
        """A question with code in it, more often than not."""
        if rng.random() < 0.4:
            return draw(rng, self._tongue.code_asks)
        stuff = self._tongue.stuff
        return (
            f"{stuff.clause(rng)}, and now this {self._fluent} fails:\\n```\\n{stuff.code(rng)}"
            f"\\n```\\n{draw(rng, self._tongue.code_more)}"
        )

    def follow_up(self, rng: random.Random) -> str:
        """A later message of the same conversation."""
        return draw(rng, self._tongue.code_more)


class Pupil:
    """Somebody in a class: pastes the assignment's words, or asks about it."""

    __slots__ = ("_asks", "_brief", "_tongue")

    def __init__(self, tongue: Tongue, brief: str, asks: Piece) -> None:
        self._tongue = tongue
        self._brief = brief
        self._asks = asks

    def opening(self, rng: random.Random) -> str:
        """Half the class pastes the brief as it was given out."""
        if rng.random() < 0.45:
            return f"{self._brief}\\n\\n{draw(rng, self._asks)}"
        return f"{draw(rng, self._asks)} {self._tongue.stuff.sentence(rng)}"

    def follow_up(self, rng: random.Random) -> str:
        """A later message of the same conversation."""
        return draw(rng, self._tongue.more)


def class_of(rng: random.Random, tongue: Tongue) -> tuple[str, Piece]:
    """(the assignment as handed out, what pupils ask) of one class."""
    task = tongue.stuff.topic(rng)
    points = " ".join(tongue.stuff.sentence(rng) for _ in range(rng.randint(2, 5)))
    brief = (
        f"Assignment {rng.randint(1, 9)}: {task}. {points} Hand in {rng.randint(2, 9) * 100} "
        f"words on {tongue.stuff.topic(rng)}."
    )
    rules: Rules = {**study._PUPIL, "task": [task]}  # noqa: SLF001
    return brief, Grammar(rules).rule("ask")
