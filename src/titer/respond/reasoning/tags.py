"""Takes reasoning out of a text that may be cut anywhere: one pass, one state, bounded tail.

    visible --open--> hidden --close--> visible      (opened again: hidden again)

1. A tag in a fenced block, in a code span, or between two equal quotes is talk about tags.
2. Inside reasoning an opening tag of the same kind nests; it takes as many closing ones.
3. What is never closed is reasoning to the end of the text.
4. A closing tag that nothing opened hides what came before it, as far as that has not left: all
   of it in a whole text; nothing in a stream, where `inside` formats are the remedy.

A tail is kept back only while it may be the beginning of a tag (at most `MAX_TAIL` characters).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from titer.respond.reasoning.formats import Format, Tag

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
_PAIRS = {"\u201c": "\u201d", "«": "»", "\u2018": "\u2019"}
_QUOTES = frozenset({'"', "'", "`", *_PAIRS, *_PAIRS.values()})


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


def _from(buffer: str, found: re.Match[str]) -> str:
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


class TagChannel:
    """One text. `replace(hidden)` gives what stands for a stretch of reasoning ("" to strip).

    `keep` writes the tags around a replacement; `took` hears every piece that is taken out. A text
    that is believed to begin inside reasoning does not when `outside()` says so at its first word,
    and was the answer after all when it ends unclosed and `answer()` says that nothing cut it off.
    """

    def __init__(
        self,
        form: Format,
        *,
        whole: bool,
        took: Callable[[str], None],
        replace: Callable[[str], str] | None = None,
        lone: Callable[[], None] = lambda: None,
        outside: Callable[[], bool] = lambda: False,
        answer: Callable[[], bool] = lambda: False,
    ) -> None:
        self._machine = machine(form.tags)
        self._outside = outside
        self._answer = answer
        self._whole = whole
        self._took = took
        self._replace = replace
        self._lone = lone
        self._tail = ""
        self._edge = -1
        self._before = ""
        self._fence = ""
        self._tick = False
        self._span = ""
        self._blank = True
        self._begun = False
        self._eat = False
        self._depth = 0
        self._marked = False
        self._tag: Tag | None = None
        self._hid: list[str] = []
        self._assumed = form.inside and bool(form.tags)
        self._blankly = self._believed = self._assumed
        if self._assumed:
            self._enter(form.tags[0])

    def push(self, text: str) -> str:
        """What may leave; whole texts leave on `close`."""
        if self._whole:
            self._tail += text
            return ""
        return self._run(text, last=False)

    def close(self) -> str:
        """The rest: an unfinished tag is text, reasoning that was never closed is not."""
        out = self._run("", last=True)
        if self._tag is not None and self._believed and self._answer():
            out += "".join(self._hid)
        elif self._tag is not None:
            out += self._leave()
        return out

    # the machine

    def _run(self, text: str, *, last: bool) -> str:
        if self._blankly and (text or self._tail).strip():
            self._blankly = False
            if self._outside():
                self._tail = "".join(self._hid) + self._tail
                self._hid.clear()
                self._tag, self._assumed, self._believed = None, False, False
        if self._begun and not (self._tail or last) and not self._machine.special.search(text):
            if self._tag is None:
                shown: list[str] = []
                self._show(text, shown)
                return shown[0] if shown else ""
            if not self._tag.start:
                self._hide(text)
                return ""
        buffer = self._tail + text
        self._tail = ""
        self._edge = -1
        out: list[str] = []
        at = 0
        if not self._begun and self._tag is None:
            blank = len(buffer) - len(buffer.lstrip()) - MAX_TAIL
            if blank > 0:  # a text that begins with pages of nothing is not kept back for them
                out.append(buffer[:blank])
                buffer = buffer[blank:]
            waits, at = self._start(buffer, last=last)
            if waits:
                self._tail = buffer
                return "".join(out)
        while True:
            step = self._hidden_step if self._tag is not None else self._visible_step
            at, more = step(buffer, at, out, last=last)
            if not more:
                break
        return "".join(out)

    def _start(self, buffer: str, *, last: bool) -> tuple[bool, int]:
        """(wait for more, where to go on): formats that are believed where a text begins."""
        head = buffer.lstrip()
        space = len(buffer) - len(head)
        low = head.lower()
        for tag in self._machine.starts:
            word = tag.open.lower()
            if low.startswith(word) and (word != "analysis" or len(head) > len(word)):
                after = head[len(word) : len(word) + 1]
                if word == "analysis" and (after.isspace() or after.islower() or after in ":,.-"):
                    continue
                self._begun = True
                self._enter(tag)
                return False, space + len(word)
            if not last and word.startswith(low):
                return True, 0
        self._begun = bool(head)
        return False, 0

    def _visible_step(
        self, buffer: str, at: int, out: list[str], *, last: bool
    ) -> tuple[int, bool]:
        found = self._machine.visible.search(buffer, at)
        if found is None or (not last and self._undecided(buffer, found)):
            edge = len(buffer)
            if not last:
                edge = self._partial(buffer, at)
                edge = min(edge, max(at, len(buffer.rstrip("~"))))  # a fence may be growing
                if found is not None:
                    edge = min(edge, found.start())
            self._show(buffer[at:edge], out)
            self._tail = buffer[edge:]
            return edge, False
        edge = found.start()
        if not last:
            edge = min(edge, self._partial(buffer, at))
        if edge < found.start():
            # A tag may begin before this token and reach over it (`<` newline `think>`).
            self._show(buffer[at:edge], out)
            self._tail = buffer[edge:]
            return edge, False
        self._show(buffer[at:edge], out)
        name = found.lastgroup or ""
        if name == "line":
            self._span = "" if self._blank else self._span  # a paragraph ends its spans
            self._blank, self._tick = True, False
            self._show("\n", out)
        elif name == "tick":
            self._mark(found[0])
            self._show(found[0], out)
        elif self._fence or self._tick or self._span or self._quoted(buffer, found):
            self._show(found[0], out)
        elif name == "mark":
            if not self._marked:
                self._show(found[0], out)
        elif name == "close":
            self._lone()
            if self._whole:
                self._took("".join(out))
                out.clear()
            self._eat = True
        else:
            self._enter(self._machine.kinds[int(name[1:])])
        return found.end(), True

    def _partial(self, buffer: str, at: int) -> int:
        """`Machine.partial` of this run's buffer: looked up once, not at each line of a piece."""
        if self._edge < at:
            self._edge = self._machine.partial(buffer, at)
        return self._edge

    def _undecided(self, buffer: str, found: re.Match[str]) -> bool:
        name = found.lastgroup
        if name == "line":
            return False
        size = found.end() - found.start()
        if name != "tick" and self._machine.longer(_from(buffer, found), size):
            return True
        if found.end() < len(buffer):
            return False
        if name == "tick":
            return size < MAX_TAIL
        return self._prior(buffer, found.start()) in _QUOTES

    def _mark(self, run: str) -> None:
        """A run of backticks or tildes: a fence where a line begins, else a code span (of three
        or more backticks it may go over several lines).
        """
        if self._span:
            if run == self._span:
                self._span = ""
        elif self._fence:
            if self._blank and run[0] == self._fence[0] and len(run) >= len(self._fence):
                self._fence = ""
        elif self._blank and len(run) >= 3:
            self._fence = run
        elif run[0] == "`" and len(run) >= 3 and not self._tick:
            self._span = run
        elif run[0] == "`":
            self._tick = not self._tick

    def _prior(self, buffer: str, at: int) -> str:
        return buffer[at - 1] if at else self._before

    def _quoted(self, buffer: str, found: re.Match[str]) -> bool:
        quote = self._prior(buffer, found.start())
        after = buffer[found.end() : found.end() + 1]
        return bool(quote) and quote in _QUOTES and after == _PAIRS.get(quote, quote)

    def _show(self, text: str, out: list[str]) -> None:
        if not text:
            return
        self._before = text[-1]
        if self._eat:
            text = text.lstrip()
            if not text:
                return
            self._eat = False
        if not text.isspace():
            self._blank = False
        self._begun = True
        out.append(text)

    def _hidden_step(
        self, buffer: str, at: int, out: list[str], *, last: bool
    ) -> tuple[int, bool]:
        tag = self._tag
        assert tag is not None
        found = self._machine.hidden(tag).search(buffer, at)
        if found is None or (not last and self._undecided_close(buffer, found)):
            edge = len(buffer)
            if not last:
                edge = _partial_of(buffer, at, tag, self._machine)
                if found is not None:
                    edge = min(edge, found.start())
            self._hide(buffer[at:edge])
            self._tail = buffer[edge:]
            return edge, False
        self._hide(buffer[at : found.start()])
        if self._quoted(buffer, found):
            self._hide(found[0])
        elif found.lastgroup == "open":
            if self._assumed:  # a model that writes the tag that its template was to write
                self._assumed = False
                self._sure()
            else:
                self._depth += 1
                self._hide(found[0])
        elif self._depth > 1:
            self._depth -= 1
            self._hide(found[0])
        else:
            out.append(self._leave())
        return found.end(), True

    def _undecided_close(self, buffer: str, found: re.Match[str]) -> bool:
        if self._machine.longer(_from(buffer, found), found.end() - found.start()):
            return True
        if found.end() < len(buffer):
            return False
        return self._prior(buffer, found.start()) in _QUOTES

    def _hide(self, text: str) -> None:
        if text:
            self._before = text[-1]
            self._assumed = self._assumed and text.isspace()
            self._hid.append(text)
            if not self._believed:
                self._took(text)

    def _sure(self) -> None:
        """What was believed to be reasoning is."""
        if self._believed:
            self._believed = False
            self._took("".join(self._hid))

    def _enter(self, tag: Tag) -> None:
        self._tag = tag
        self._marked = self._marked or "<|channel|>" in tag.open
        self._depth = 1
        self._before = ""

    def _leave(self) -> str:
        self._sure()
        tag, hidden = self._tag, "".join(self._hid)
        assert tag is not None
        self._tag = None
        self._hid = []
        self._before = ""
        self._eat = True
        self._begun = True
        if self._replace is None or not hidden.strip():
            return ""
        self._blank = False
        return f"{tag.open}{self._replace(hidden)}{tag.close[0]}\n"


def _partial_of(text: str, start: int, tag: Tag, made: Machine) -> int:
    """As `Machine.partial`, for the words of one tag (`start` ones begin with any letter)."""
    if not tag.start:
        return made.partial(text, start)
    longest = max(len(word) for word in tag.close)
    for at in range(max(start, len(text) - longest), len(text)):
        low = text[at:].lower()
        if any(word.lower().startswith(low) for word in tag.close):
            return at
    return len(text)
