"""Reasoning replaced by a summary that another model writes.

The transform does no I/O. Where a stretch of reasoning has ended it holds that unit, says in
`wants` what is to be summarised, and goes on when it is `told`. Told nothing (the summariser is
down, slow, too expensive, or copies what it read), the structure alone stands there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from titer.core.wire import Reply
from titer.respond.places import places
from titer.respond.reasoning.formats import Format
from titer.respond.reasoning.hide import Hide, Inside, structure

#: Summaries asked for one reply: a model that thinks between many tool calls costs no more.
MAX_ASKED = 4
#: Characters of a summary that are served, and in a row that it may have in common with what it
#: sums up: beyond, it is a copy.
MAX_SUMMARY, COPIED = 2_000, 48
#: Characters of reasoning in which a copy is looked for; summarisers are not shown more.
MAX_READ = 20_000

#: What stands in a held unit until the summary comes: private characters. A model may write them
#: as well, and a mark that is none of ours stays as it is.
_MARK = "\uf8f0{}\uf8f1"
_MARKS = re.compile("\uf8f0\\d{1,2}\uf8f1")


def copies(summary: str, hidden: str) -> bool:
    """Whether a summary repeats `COPIED` characters in a row of what it sums up."""
    known = {hidden[at : at + COPIED] for at in range(max(0, len(hidden) - COPIED + 1))}
    return any(
        summary[at : at + COPIED] in known for at in range(max(0, len(summary) - COPIED + 1))
    )


class Summed(Hide):
    """At work on one reply."""

    def __init__(
        self, form: Format, lone: Callable[[], None] = lambda: None, inside: Inside | None = None
    ) -> None:
        super().__init__(form, stand=self._stand, lone=lone, inside=inside)
        self._texts: list[str] = []
        self._said: dict[str, str] = {}
        self._stalled: list[Reply] = []

    @property
    def wants(self) -> str:
        """The reasoning to be summarised next; empty while there is none."""
        waiting = [text for text in self._texts if text not in self._said]
        return waiting[0] if self._stalled and waiting else ""

    def feed(self, unit: Reply) -> Iterable[Reply]:
        units = [*super().feed(unit)]
        if self._stalled or any(text not in self._said for text in self._texts):
            self._stalled += units
            return () if self.wants else self._let_go()
        return units

    def told(self, summary: str | None) -> Iterable[Reply]:
        """The answer to `wants`, or None when there is none."""
        hidden = self.wants
        stands = structure(hidden)
        said = (summary or "").strip()[:MAX_SUMMARY]
        if said and not copies(said, hidden[:MAX_READ]):
            stands += f" {said}"
        self._said[hidden] = stands
        return () if self.wants else self._let_go()

    def flush(self) -> Iterable[Reply]:
        """The window is over: what is not summed up by now has its structure."""
        for text in self._texts:
            self._said.setdefault(text, structure(text))
        return self._let_go()

    def _stand(self, hidden: str) -> str:
        if hidden in self._said:
            return self._said[hidden]
        if len(self._texts) >= MAX_ASKED:
            return structure(hidden)
        self._texts.append(hidden)
        return _MARK.format(len(self._texts) - 1)

    def _let_go(self) -> list[Reply]:
        """The stalled units, with what stands for the reasoning in its place."""
        units, self._stalled = self._stalled, []
        for unit in units:
            unit.text, unit.reasoning = self._fill(unit.text), self._fill(unit.reasoning)
            for place in places(unit.data) if unit.data is not None else ():
                value = place.holder[place.name]
                if "\uf8f0" in value:
                    place.holder[place.name] = self._fill(value)
        return units

    def _fill(self, text: str) -> str:
        if "\uf8f0" not in text:
            return text
        ours = {_MARK.format(at): self._said.get(said, "") for at, said in enumerate(self._texts)}
        return _MARKS.sub(lambda m: ours.get(m[0], m[0]), text)
