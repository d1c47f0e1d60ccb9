"""The compiled patterns of a format's tags, and where a tag may be beginning at a text's end."""

from __future__ import annotations

import functools
import re

from titer.respond.reasoning.formats import Tag

#: A tag with spaces and attributes; longer ones are not tags.
MAX_TAIL = 160

#: What gpt-oss puts between messages. After reasoning of that format it is no text either.
MARKS = (
    "<|start|>assistant<|channel|>final<|message|>", "<|channel|>final<|message|>",
    "<|start|>assistant", "<|end|>", "<|return|>",
)  # fmt: skip

_XML = re.compile(r"<(/?)([a-z_:]+)>")
_LT, _GT = r"(?:<|\\u003[cC])", r"(?:>|\\u003[eE])"
_SPACE = re.compile(r"\s+")


class Machine:
    """The compiled patterns of one format; shared by all replies of a model."""

    def __init__(self, tags: tuple[Tag, ...]) -> None:
        body = [t for t in tags if not t.start]
        self.starts = tuple(t for t in tags if t.start)
        self.tags = tags
        self.kinds = dict(enumerate(body))
        opens = [f"(?P<o{n}>{_pattern(t.open)})" for n, t in self.kinds.items()]
        closes = sorted({c for t in body for c in t.close}, key=len, reverse=True)
        # A lone `<|end|>` is the end of any message: only tags with a slash, or learnt ones, tell.
        lone = [c for c in closes if "/" in c or "END" in c or "end_of" in c]
        words = sorted(opens, key=len, reverse=True)
        words.append(f"(?P<mark>{'|'.join(_pattern(mark) for mark in MARKS)})")
        if lone:
            words.append(f"(?P<close>{'|'.join(_pattern(c) for c in lone)})")
        tick = rf"(?P<tick>`{{1,{MAX_TAIL}}}|~{{3,{MAX_TAIL}}})"
        self.visible = re.compile("|".join((r"(?P<line>\n)", tick, *words)), re.IGNORECASE)
        self.firsts = frozenset(
            c for t in body for w in (t.open, *t.close) for c in (w[0].lower(), w[0].upper())
        ) | {"\\", "<"}
        # Without one of these signs a text holds no tag and no code: most pieces of a stream.
        self.special = re.compile("[" + re.escape("".join({*self.firsts, *"`~\n"})) + "]")
        every = {w.lower() for t in body for w in (t.open, *t.close)}
        self.literals = (*every, *MARKS)
        self._hidden: dict[Tag, re.Pattern[str]] = {}

    def hidden(self, tag: Tag) -> re.Pattern[str]:
        """Finds the end of a tag, and the same tag opened once more."""
        found = self._hidden.get(tag)
        if found is None:
            closes = "|".join(_pattern(c) for c in sorted(tag.close, key=len, reverse=True))
            nested = "" if tag.start else f"|(?P<open>{_pattern(tag.open)})"
            found = self._hidden[tag] = re.compile(f"(?P<close>{closes}){nested}", re.IGNORECASE)
        return found

    def longer(self, tail: str, size: int) -> bool:
        """Whether a tail that begins with a tag of `size` may become a longer tag."""
        low = tail[:MAX_TAIL].lower()
        return any(len(word) > size and word.startswith(low) for word in self.literals)

    def partial(self, text: str, start: int) -> int:
        """Where a tail begins that may become a tag; len(text) when there is none."""
        size = len(text)
        at = max(start, size - MAX_TAIL)
        while at < size:
            if text[at] in self.firsts and self._begins(text[at:]):
                return at
            at += 1
        return size

    def _begins(self, tail: str) -> bool:
        low = tail.lower().replace("\\u003c", "<").replace("\\u003e", ">")
        if low[0] == "\\":
            return "\\u003c".startswith(low)
        escape = low.rfind("\\")
        if escape > 0 and "\\u003e".startswith(low[escape:]):
            low = low[:escape]
        tight = _SPACE.sub("", low).replace("<\\/", "</")
        for literal in self.literals:
            if literal.startswith(low) or (literal[0] == "<" and literal.startswith(tight)):
                return True
            if literal[-1] == ">" and ">" not in low and _attributes(literal, low):
                return True
        return False


def reach_of(buffer: str, found: re.Match[str]) -> str:
    """The text from a match on, as far as a tag may reach."""
    return buffer[found.start() : found.start() + MAX_TAIL]


def _attributes(literal: str, low: str) -> bool:
    """Whether `low` is the tag with attributes begun: `<think mode=...`."""
    name = literal[:-1]
    rest = low.removeprefix("<").lstrip()
    return rest.startswith(name[1:]) and rest[len(name) - 1 :][:1].isspace()


def _pattern(word: str) -> str:
    """A tag as a pattern: `<name>` with spaces and attributes, anything else to the letter."""
    found = _XML.fullmatch(word.lower())
    if found is None:
        return re.escape(word).replace("<", _LT).replace(">", _GT)
    slash = r"\s*\\?/\s*" if found[1] else r"\s*"
    rest = r"\s*" if found[1] else r"(?:\s[^<>\\]{0,64})?\s*"
    return f"{_LT}{slash}{re.escape(found[2])}{rest}{_GT}"


@functools.lru_cache(maxsize=256)
def machine(tags: tuple[Tag, ...]) -> Machine:
    """The compiled machine of a format's tags."""
    return Machine(tags)


def partial_of(text: str, start: int, tag: Tag, made: Machine) -> int:
    """As `Machine.partial`, for the words of one tag (`start` ones begin with any letter)."""
    if not tag.start:
        return made.partial(text, start)
    longest = max(len(word) for word in tag.close)
    for at in range(max(start, len(text) - longest), len(text)):
        low = text[at:].lower()
        if any(word.lower().startswith(low) for word in tag.close):
            return at
    return len(text)
