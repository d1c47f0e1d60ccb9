"""The leak guard at work on one reply."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from titer.core.errors import Again, Refused
from titer.core.wire import Reply, Request
from titer.respond.leak_guard import lanes
from titer.respond.leak_guard.guard import WITHHELD, without_instructions
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.scan import Limits, Scan, limits
from titer.respond.leak_guard.secrets import Watched
from titer.respond.leak_guard.settings import Action
from titer.respond.places import Kind, is_whole
from titer.respond.rewrite import Channel, Rewriter

#: Letters in a row in which an answer may repeat its own hidden reasoning: it is drafted there.
DRAFT = 400

#: Characters of one reply's hidden reasoning that are protected.
MAX_HIDDEN = 200_000

#: Characters of hidden reasoning that are learnt at a time, and that are read again with the next
#: block: a gram of nine letters, or a word, may begin in one and end in the other.
BLOCK, OVERLAP = 512, 64

#: A score that is never reached.
_NEVER = 1 << 40

#: Characters for which a bitmap is made at first, and by how many times more it grows: one that
#: is full takes every answer for a leak, one for the longest reasoning takes 4 MiB.
ROOM, GROWS = 900, 4


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
        self._hidden: _Hidden | None = None
        self._again = False

    def feed(self, unit: Reply) -> Iterable[Reply]:
        if unit.hidden:
            if self._hidden is None:
                self._hidden = _Hidden()
            self._hidden.hear(unit.hidden)
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
        return Scan(self._hidden.index, _draft_limits(), None, self._leak)

    def learn(self) -> None:
        """Learn what was hidden up to now, before text is looked at."""
        if self._hidden is not None:
            self._hidden.learn()

    def _leak(self, what: str) -> None:
        self._count(what)
        if self._action == "refuse":
            raise Refused(WITHHELD)
        if self._again and self._request is not None:
            edited = without_instructions(self._request)
            if edited is not None:
                self._again, self._action, self._request = False, "redact", None
                raise Again(WITHHELD, edited)


def _draft_limits() -> Limits:
    """`DRAFT` letters; words in any order do not count, as an answer has those of its draft."""
    made = limits(DRAFT)
    made[:, lanes.BAG] = _NEVER
    return made


class _Hidden:
    """The reasoning that one reply has hidden; it comes token by token and is learnt in blocks."""

    def __init__(self) -> None:
        self.index = Index((), room=ROOM)
        self._fits = ROOM
        self._size = 0
        self._blocks: list[str] = []
        self._tail = ""
        self._fresh: list[str] = []
        self._waiting = 0

    def hear(self, text: str) -> None:
        """More of it; what is beyond `MAX_HIDDEN` is not learnt."""
        text = text[: MAX_HIDDEN - self._size - self._waiting]
        if text:
            self._fresh.append(text)
            self._waiting += len(text)
            if self._waiting >= BLOCK:
                self.learn()

    def learn(self) -> None:
        """Learn what has come since the last time."""
        if not self._waiting:
            return
        fresh = "".join(self._fresh)
        block = self._tail + fresh
        self._tail = block[-OVERLAP:]
        self._blocks.append(fresh)
        self._size += self._waiting
        self._waiting = 0
        self._fresh.clear()
        if self._size <= self._fits:
            self.index.add(block)
            return
        self._fits = min(GROWS * self._size, MAX_HIDDEN)
        self.index.become(Index(("".join(self._blocks),), room=self._fits))


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
        if not text:
            return ""
        self._owner.learn()
        if self._second is None:
            self._second = self._owner.draft()
        return text if self._second is None else self._second.push(text)
