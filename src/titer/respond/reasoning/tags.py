"""Takes reasoning out of a text that may be cut anywhere: one pass, one state, bounded tail.

    visible --open--> hidden --close--> visible      (opened again: hidden again)

1. A tag in a fenced block, in a code span, or between two equal quotes is talk about tags.
2. Inside reasoning an opening tag of the same kind nests; it takes as many closing ones.
3. What is never closed is reasoning to the end of the text.
4. A closing tag that nothing opened hides what came before it, as far as that has not left: all
   of it in a whole text or while `held`; nothing in a stream, where `inside` formats and
   `held.HeldChannel` are the remedy.

A tail is kept back only while it may be the beginning of a tag (at most `MAX_TAIL` characters).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from titer.respond.reasoning.formats import Format, Tag
from titer.respond.reasoning.patterns import MAX_TAIL, machine, partial_of, reach_of

_PAIRS = {"\u201c": "\u201d", "«": "»", "\u2018": "\u2019"}
_QUOTES = frozenset({'"', "'", "`", *_PAIRS, *_PAIRS.values()})


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
        #: Nothing has left of a stream: a closing tag that nothing opened hides what came before.
        self.held = False
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
            if self._whole or self.held:
                self.held = False
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
        if name != "tick" and self._machine.longer(reach_of(buffer, found), size):
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
                edge = partial_of(buffer, at, tag, self._machine)
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
        if self._machine.longer(reach_of(buffer, found), found.end() - found.start()):
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
