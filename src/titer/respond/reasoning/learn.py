"""Learns how a model writes its reasoning from its replies: tags in text, silent beginnings.

A tag counts as the model's own when a reply's text begins with it and closes it later, in at least
a quarter of the replies that hold anything like it. A text that closes what it never opened shows
that the prompt's template had opened it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from titer.respond.places import reasons
from titer.respond.reasoning.formats import MAX_TAG, UNION, Format, Tag, pair

#: Replies that are enough to know a format, and characters that are read of each.
ENOUGH = 200
MAX_CHARS = 200_000

#: A text that begins with something like a tag: `<x>`, `[X]`, `<|x|>`, `◁x▷`.
_FIRST = re.compile(r"\s*(<\|[\w:]{2,40}\|>|<[a-zA-Z_][\w:]{1,40}>|\[[A-Z_]{2,40}\]|◁\w{2,40}▷)")


class Learnt(msgspec.Struct):
    """What was seen of one model."""

    replies: int = 0
    fields: dict[str, int] = {}
    opened: dict[str, int] = {}
    silent: dict[str, int] = {}

    def take(self, text: str, fields: Iterable[str] = ()) -> None:
        """One reply: its text as a client joins it, and the members that it came in."""
        self.replies += 1
        for name in fields:
            if reasons(name):
                self.fields[name] = self.fields.get(name, 0) + 1
        text = text[:MAX_CHARS]
        found = _FIRST.match(text)
        if found is not None and _closing(found[1], text[found.end() :]):
            self.opened[found[1]] = self.opened.get(found[1], 0) + 1
            return
        for tag in UNION:
            if tag.start and text.lstrip().lower().startswith(tag.open.lower()):
                self.opened[tag.open] = self.opened.get(tag.open, 0) + 1
                return
        for tag in UNION:
            at = min((i for c in tag.close if "/" in c and (i := text.find(c)) >= 0), default=-1)
            if at > 0 and tag.open not in text[:at]:
                self.silent[tag.open] = self.silent.get(tag.open, 0) + 1
                return

    def format(self) -> Format:
        """The format, by what at least a quarter of the replies with tags show."""
        total = sum(self.opened.values()) + sum(self.silent.values())
        counts = Counter(self.opened) + Counter(self.silent)
        names = [name for name, n in counts.most_common() if n * 4 >= total]
        return Format(
            tuple(_tag(name) for name in names),
            inside=sum(self.silent.values()) * 2 > max(total, 1),
        )


def _closing(opening: str, rest: str) -> str:
    """The text that closes a tag, if it is there."""
    inner = opening.strip("<>[]|◁▷")
    close = (
        opening[0] + "/" + opening[1:], f"<|/{inner}|>", f"<|end_of_{inner[9:]}|>",
        f"<|END_{inner[6:]}|>", f"<|end_{inner}|>", "<|end|>",
    )  # fmt: skip
    return next((c for c in close if len(c) <= MAX_TAG and c in rest), "")


def _tag(opening: str) -> Tag:
    known = next((tag for tag in UNION if tag.open == opening), None)
    if known is not None:
        return known
    if opening[0] == "<" and opening[1] != "|":
        return pair(opening[1:-1])
    inner = opening.strip("[]|<>◁▷")
    return Tag(opening, (opening[0] + "/" + opening[1:], f"<|/{inner}|>", f"<|end_{inner}|>"))
