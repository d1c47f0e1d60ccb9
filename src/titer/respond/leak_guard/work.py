"""The leak guard at work on one reply."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from titer.core.errors import Again, Refused
from titer.core.wire import Reply, Request
from titer.respond.leak_guard.guard import WITHHELD, without_instructions
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.scan import Scan, limits
from titer.respond.leak_guard.secrets import Watched
from titer.respond.leak_guard.settings import Action
from titer.respond.places import Kind, is_whole
from titer.respond.rewrite import Channel, Rewriter

#: Letters in a row in which an answer may repeat its own hidden reasoning: it is drafted there.
DRAFT = 400

#: Characters of one reply's hidden reasoning that are protected.
MAX_HIDDEN = 200_000


class Guarding(Rewriter):
    """At work on one reply."""

    #: Sees what transforms before it have taken out.
    last = True

    def __init__(
        self, index: Index, leak: int, watched: Watched | None, *, action: Action,
        request: Request | None, count: Callable[[str], None],
    ) -> None:  # fmt: skip
        super().__init__(self._channel)
        self._index = index
        self._limit = limits(leak)
        self._watched = watched
        self._action = action
        self._request = request
        self._count = count
        self._hidden: Index | None = None
        self._room = MAX_HIDDEN
        self._again = False

    def feed(self, unit: Reply) -> Iterable[Reply]:
        if unit.hidden and self._room > 0:
            if self._hidden is None:
                self._hidden = Index(("",))
            self._hidden.add(unit.hidden[: self._room])
            self._room -= len(unit.hidden)
        self._again = self._action == "regenerate" and is_whole(unit)
        return super().feed(unit)

    def _channel(self, kind: Kind, whole: bool) -> Channel:
        del kind, whole
        scan = Scan(self._index, self._limit, self._watched, self._leak)
        return _Both(scan, self)

    def draft(self) -> Scan | None:
        """A scan for the reasoning that this reply has hidden so far."""
        if self._hidden is None:
            return None
        return Scan(self._hidden, limits(DRAFT), None, self._leak)

    def _leak(self, what: str) -> None:
        self._count(what)
        if self._action == "refuse":
            raise Refused(WITHHELD)
        if self._again and self._request is not None:
            edited = without_instructions(self._request)
            if edited is not None:
                self._again, self._action, self._request = False, "redact", None
                raise Again(WITHHELD, edited)


class _Both:
    """A text before two guards: what is protected, and what this reply has hidden."""

    def __init__(self, first: Scan, owner: Guarding) -> None:
        self._first = first
        self._owner = owner
        self._second: Scan | None = None

    def push(self, text: str) -> str:
        return self._then(self._first.push(text))

    def close(self) -> str:
        out = self._then(self._first.close())
        return out + self._second.close() if self._second is not None else out

    def _then(self, text: str) -> str:
        if self._second is None:
            self._second = self._owner.draft()
        return text if self._second is None else self._second.push(text)
