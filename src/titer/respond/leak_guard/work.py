"""The leak guard at work on one reply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future

import numpy as np
import numpy.typing as npt

from titer.core.errors import Again, Refused
from titer.core.wire import Reply, Request
from titer.respond.leak_guard import lanes
from titer.respond.leak_guard.guard import WITHHELD, without_instructions
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.memory import Memory
from titer.respond.leak_guard.scan import NEVER, Limits, Scan, limits
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

#: Times the letters of a leak that a caller may have had of a text in pieces before shorter ones
#: are a leak too. Of a piece the first 19 letters are not counted.
COLLECTED = 2

#: Characters that wait for an index in the making; then it is waited for.
MAX_KEPT = 32_768

#: Characters for which a bitmap is made at first, and by how many times more it grows: one that
#: is full takes every answer for a leak, one for the longest reasoning takes 4 MiB.
ROOM, GROWS = 900, 4


class Guarded:
    """What is guarded: an index, there or in the making, and who is remembered to have had of it.

    `caller` is empty where nobody is remembered; `name` tells one text from another.
    """

    def __init__(
        self, index: Index | Future[Index], watched: Watched | None, caller: str, name: bytes
    ) -> None:
        self._index = index
        self.watched = watched
        self.caller = caller
        self.name = name

    @property
    def ready(self) -> bool:
        return isinstance(self._index, Index) or self._index.done()

    @property
    def index(self) -> Index:
        """The index; waits for it, and raises what its making raised."""
        return self._index if isinstance(self._index, Index) else self._index.result()


class Guarding(Rewriter):
    """At work on one reply."""

    #: Sees what transforms before it have taken out.
    last = True

    def __init__(
        self, guarded: Sequence[Guarded], leak: int, memory: Memory | None, *, action: Action,
        request: Request | None, count: Callable[[str], None],
    ) -> None:  # fmt: skip
        super().__init__(self._channel)
        self._guarded = guarded
        self._leak_at = leak
        self._memory = memory
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
        return Passes([*(Waiting(one, self._scan) for one in self._guarded), _Draft(self)])

    def _scan(self, one: Guarded) -> Scan:
        """A scan for one of the things that are guarded, stricter for a caller who collects it."""
        memory = self._memory
        if memory is None or not one.caller:
            return Scan(one.index, limits(self._leak_at), one.watched, self._leak)
        collecting = memory.count(one.caller, one.name) >= COLLECTED * self._leak_at
        limit = limits(self._leak_at, collecting=collecting)

        def noted(grams: npt.NDArray[np.uint64]) -> None:
            memory.take(one.caller, one.name, grams)

        return Scan(one.index, limit, one.watched, self._leak, noted)

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
    made[:, lanes.BAG] = NEVER
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


class Passes:
    """A text before several guards, one after the other."""

    def __init__(self, guards: Sequence[Channel]) -> None:
        self._guards = guards

    def push(self, text: str) -> str:
        for guard in self._guards:
            text = guard.push(text)
        return text

    def close(self) -> str:
        rest = ""
        for guard in self._guards:
            rest = (guard.push(rest) if rest else "") + guard.close()
        return rest


class Waiting:
    """A scan whose index may still be in the making: until it is there nothing leaves."""

    def __init__(self, guarded: Guarded, make: Callable[[Guarded], Scan]) -> None:
        self._guarded = guarded
        self._make = make
        self._scan: Scan | None = None
        self._kept: list[str] = []
        self._size = 0

    def push(self, text: str) -> str:
        if self._scan is None:
            if not self._guarded.ready and self._size < MAX_KEPT:
                self._kept.append(text)
                self._size += len(text)
                return ""
            text = self._begin() + text
        return self._scan.push(text) if self._scan is not None else text

    def close(self) -> str:
        out = ""
        if self._scan is None and self._kept:
            text = self._begin()
            out = self._scan.push(text) if self._scan is not None else text
        return out + (self._scan.close() if self._scan is not None else "")

    def _begin(self) -> str:
        self._scan = self._make(self._guarded)
        text = "".join(self._kept)
        self._kept.clear()
        return text


class _Draft:
    """A text before the guard of what this reply has hidden, once something is."""

    def __init__(self, owner: Guarding) -> None:
        self._owner = owner
        self._scan: Scan | None = None

    def push(self, text: str) -> str:
        if not text:
            return ""
        self._owner.learn()
        if self._scan is None:
            self._scan = self._owner.draft()
        return text if self._scan is None else self._scan.push(text)

    def close(self) -> str:
        return self._scan.close() if self._scan is not None else ""
