"""How a reply travels to the client: four relays, by observed or enforced, events or one body.

Observing: what was received is written first, byte for byte, then tapped. Enforcing: events pass
through the transforms, which may hold them back for a bounded window; nothing that left is ever
recalled. The upstream side calls `start` when the head has come alone, `data` for every read,
then `end`, or `fail` when the reply breaks off.
"""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable

from titer.core.wire import Reply, Transform
from titer.gateway.dialects.contract import Dialect, Tap
from titer.gateway.limits import TAPPED_BODY
from titer.gateway.sse import Splitter, payload
from titer.gateway.timers import NEVER, Sweep

Write = Callable[[bytes], None]
#: Puts a question, is told once, and gives what withdraws it.
Ask = Callable[[str, Callable[[str | None], None]], Callable[[], object]]

VERBATIM, CHUNKED, PLAIN = range(3)
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class Relay(ABC):
    """What all four share: the head that has not left yet, the framing, the tap, the digest.

    `framing`: VERBATIM forwards the received framing, CHUNKED makes our own, PLAIN writes the
    payload alone (a length was announced, or the connection's end ends it).
    """

    __slots__ = ("begun", "framing", "head", "sha", "tap", "tapped", "write")

    #: Whether the reply is an event stream, whose closing event the tap waits for.
    streamed = False

    def __init__(self, write: Write, head: bytes, framing: int, tap: Tap | None) -> None:
        self.write = write
        self.head = head
        self.framing = framing
        self.tap = tap
        self.begun = False
        self.tapped = tap is not None
        self.sha = hashlib.sha256()

    def start(self) -> None:
        """The head has come and nothing else yet: let it go."""
        self.begun = True
        if self.head:
            self.write(self.head)
            self.head = b""

    def send(self, raw: bytes, pieces: list[bytes]) -> None:
        """Write one read of the reply: as received, or framed anew."""
        if self.framing == VERBATIM:
            data = raw
        else:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            if self.framing == CHUNKED:
                data = chunk(data)
        if self.head:
            data = self.head + data
            self.head = b""
        if data:
            self.begun = True
            self.write(data)

    @abstractmethod
    def data(self, raw: bytes, pieces: list[bytes]) -> None:
        """One read: the bytes as received and the payload in them."""

    def end(self) -> None:
        """The reply is complete."""
        self.start()
        if self.framing == CHUNKED:
            self.write(LAST_CHUNK)

    def release(self) -> bool:
        """The reply broke off: let go of what is held back. False when that failed."""
        return True

    def between_events(self) -> bool:
        """Whether an event of our own may follow what has been written."""
        return False

    def close(self) -> None:  # noqa: B027 - most relays have no timers
        """No more will come: let go of timers."""


class BodyObserve(Relay):
    """An unstreamed body, forwarded as it comes; the tap reads it whole at the end."""

    __slots__ = ("kept", "size")

    def __init__(self, write: Write, head: bytes, framing: int, tap: Tap | None) -> None:
        super().__init__(write, head, framing, tap)
        self.kept: list[bytes] = []
        self.size = 0

    def data(self, raw: bytes, pieces: list[bytes]) -> None:
        self.send(raw, pieces)
        if self.tapped:
            for piece in pieces:
                self.size += len(piece)
                self.sha.update(piece)
            if self.size > TAPPED_BODY:
                self.tapped = False
                self.kept.clear()
            else:
                self.kept += pieces

    def end(self) -> None:
        if self.head or self.framing == CHUNKED:
            super().end()
        if self.tapped and self.tap is not None:
            kept = self.kept
            self.tap.body(kept[0] if len(kept) == 1 else b"".join(kept))


class EventsObserve(Relay):
    """An event stream, forwarded as it comes, then split and tapped."""

    __slots__ = ("direct", "event", "last", "piece", "splitter", "update")

    streamed = True

    def __init__(self, write: Write, head: bytes, framing: int, tap: Tap) -> None:
        super().__init__(write, head, framing, tap)
        self.splitter = Splitter()
        self.event = tap.event
        self.update = self.sha.update
        self.last = self.piece = b""
        self.direct = False

    def data(self, raw: bytes, pieces: list[bytes]) -> None:
        if self.direct:
            self.write(raw)
        else:
            self.send(raw, pieces)
            self.direct = self.framing == VERBATIM
        for piece in pieces:
            self.update(piece)
            if (
                piece[:6] == b"data: "
                and piece.find(b"\n") == len(piece) - 2
                and piece[-1] == 10
                and not self.splitter.rest
                and b"\r" not in piece
                and self.tapped
            ):
                self.event(piece[6:-2])
            elif self.tapped:
                self._split(piece)
        self.last = raw
        self.piece = pieces[-1] if pieces else b""

    def _split(self, piece: bytes) -> None:
        try:
            events = self.splitter.feed(piece)
        except ValueError:  # longer than the cap: passed on, not read
            self.tapped = False
            self.splitter.rest = b""
            return
        for raw in events:
            data = payload(raw)[1]
            if data is not None:
                self.event(data)

    def end(self) -> None:
        if self.head or self.framing == CHUNKED:
            super().end()
        rest = self.splitter.end()
        if rest and self.tapped and rest.endswith((b"\r", b"\n")):
            data = payload(rest)[1]
            if data is not None:
                self.event(data)

    def between_events(self) -> bool:
        if not self.tapped or self.splitter.rest:
            return False
        return self.framing != VERBATIM or self.last.endswith(self.piece + b"\r\n")


class Hold:
    """The hold-back window: at most `units` held units, for at most `seconds`."""

    __slots__ = ("seconds", "sweep", "units")

    def __init__(self, sweep: Sweep, *, units: int, seconds: float) -> None:
        self.sweep = sweep
        self.units = units
        self.seconds = seconds


class _Chain:
    """Units through the transforms in order; what comes out, as bytes."""

    __slots__ = ("render", "transforms", "unit")

    def __init__(self, dialect: Dialect, transforms: tuple[Transform, ...]) -> None:
        codec = dialect.codec()  # one a reply: some dialects say everything twice
        self.unit = codec.unit
        self.render = codec.render
        self.transforms = transforms

    def feed(self, unit: Reply) -> list[bytes]:
        units: Iterable[Reply] = (unit,)
        for transform in self.transforms:
            units = [out for one in units for out in transform.feed(one)]
        return self._render(units)

    def flush(self) -> list[bytes]:
        units: list[Reply] = []
        for transform in self.transforms:
            units = [out for one in units for out in transform.feed(one)]
            units += transform.flush()
        return self._render(units)

    def end(self) -> list[bytes]:
        """`flush`, and what transforms say when a reply is over, whether or not it said so."""
        units: list[Reply] = []
        for transform in self.transforms:
            units = [out for one in units for out in transform.feed(one)]
            units += transform.flush()
            over = getattr(transform, "over", None)
            if over is not None:
                units += over()
        return self._render(units)

    def wants(self) -> str:
        """What a transform waits to be told about, or empty."""
        for transform in self.transforms:
            text = getattr(transform, "wants", None)
            if text:
                return str(text)
        return ""

    def told(self, answer: str | None) -> list[bytes]:
        """Answer the first that waits; what it lets go passes those after it."""
        units: list[Reply] = []
        asked = False
        for transform in self.transforms:
            if not asked and getattr(transform, "wants", None):
                asked = True
                units = [*transform.told(answer)]  # type: ignore[attr-defined]
            elif asked:
                units = [out for one in units for out in transform.feed(one)]
        return self._render(units)

    def held(self) -> int:
        held = 0
        for transform in self.transforms:
            held += transform.held
        return held

    def _render(self, units: Iterable[Reply]) -> list[bytes]:
        render = self.render
        return [render(unit) if unit.edited else unit.raw for unit in units]


class Asks(Relay):
    """A relay that may have to wait for an answer; it stops reading meanwhile: nothing piles up.

    `ask` puts a question and returns what withdraws it; `stall` stops and starts the upstream;
    `then` is called when an end that had to wait has come.
    """

    __slots__ = ("ask", "ended", "on_fault", "stall", "then", "waiting", "withdraw")

    chain: _Chain

    def asking(
        self, ask: Ask | None, stall: Callable[[bool], None], on_fault: Callable[[Exception], None]
    ) -> None:
        """Set what every enforcing relay needs."""
        self.ask = ask
        self.stall = stall
        self.on_fault = on_fault
        self.waiting = self.ended = False
        self.withdraw: Callable[[], object] | None = None
        self.then: Callable[[], None] = lambda: None

    def question(self) -> bool:
        """Put the question that a transform has, if any; True while waiting."""
        text = self.chain.wants()
        if not text:
            return False
        if not self.waiting:
            self.waiting = True
            self.stall(True)
        self.withdraw = (self.ask or no_answer)(text, self._told)
        return True

    def _told(self, answer: str | None) -> None:
        self.withdraw = None
        try:
            self.answered(self.chain.told(answer))
            if self.question():
                return
            self.waiting = False
            self.stall(False)
            self.resumed()
            if self.ended and not self.waiting:
                self.ended = False
                self.end()
                if not self.waiting:
                    self.then()
        except Exception as error:  # noqa: BLE001 - it must not reach the loop
            self.on_fault(error)

    @abstractmethod
    def answered(self, out: list[bytes]) -> None:
        """What may leave now."""

    def resumed(self) -> None:
        """Go on with what had come meanwhile."""

    def withdrawn(self) -> None:
        """No answer is needed any more."""
        if self.withdraw is not None:
            self.withdraw()
            self.withdraw = None


def no_answer(text: str, told: Callable[[str | None], None]) -> Callable[[], object]:
    """Where nobody can be asked."""
    del text
    return asyncio.get_running_loop().call_soon(told, None).cancel


class EventsEnforce(Asks):
    """An event stream through transforms, with a bounded hold-back window.

    Comments pass at once. The tap reads what left. Raises ValueError from `data` for an event
    that exceeds the cap: passing it unread would be a way around every control.
    """

    __slots__ = ("armed", "chain", "deadline", "events", "hold", "splitter", "unit")

    streamed = True

    def __init__(
        self, write: Write, head: bytes, framing: int, tap: Tap, *,
        dialect: Dialect, transforms: tuple[Transform, ...], hold: Hold,
    ) -> None:  # fmt: skip
        super().__init__(write, head, framing, tap)
        self.events: deque[bytes] = deque()
        self.splitter = Splitter()
        self.chain = _Chain(dialect, transforms)
        self.unit = self.chain.unit
        self.hold = hold
        self.armed = False
        self.deadline = NEVER

    def data(self, raw: bytes, pieces: list[bytes]) -> None:  # noqa: ARG002 - the relay's shape
        for piece in pieces:
            self.events += self.splitter.feed(piece)
        self.resumed()

    def resumed(self) -> None:
        out: list[bytes] = []
        while self.events and not self.waiting:
            event = self.events.popleft()
            name, data = payload(event)
            if data is None:
                out.append(event)
            else:
                out += self.chain.feed(self.unit(event, name, data))
                if self.question():
                    break
        self._leave(out)
        if self.waiting:
            return
        held = self.chain.held()
        if held >= self.hold.units:
            self._leave(self.chain.flush())
            held = self.chain.held()
        if held and not self.armed:
            self.armed = True
            self.hold.sweep.add(self)
            self.deadline = self.hold.sweep.now + self.hold.seconds
        elif not held:
            self.deadline = NEVER
            if self.armed:
                self.disarm()

    def expire(self, now: float) -> None:  # noqa: ARG002 - the sweep's shape
        """The window's time is up: release what is held."""
        self.disarm()
        try:
            self._leave(self.chain.flush())
        except Exception as error:  # noqa: BLE001 - it must not reach the sweep
            self.on_fault(error)

    def answered(self, out: list[bytes]) -> None:
        self._leave(out)

    def release(self) -> bool:
        self.withdrawn()
        try:
            self._leave(self.chain.flush())
        except Exception:  # noqa: BLE001 - a transform's fault: what it holds is not let out
            return False
        return True

    def _leave(self, out: list[bytes]) -> None:
        if not out:
            if self.head and not self.begun:
                self.start()
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        self.sha.update(data)
        self.send(b"", [data])
        if self.tap is not None:
            for raw in out:
                event = payload(raw)[1]
                if event is not None:
                    self.tap.event(event)

    def end(self) -> None:
        if self.waiting:
            self.ended = True
            return
        self.disarm()
        rest = self.splitter.end()
        if rest and payload(rest)[1] is not None:
            self.events.append(rest)
            self.resumed()
            if self.chain.wants():
                self.ended = True
                return
        self._leave(self.chain.end())
        super().end()

    def between_events(self) -> bool:
        return True

    def close(self) -> None:
        self.withdrawn()
        self.disarm()

    def disarm(self) -> None:
        """Let go of the window's timer."""
        self.armed = False
        self.deadline = NEVER
        self.hold.sweep.discard(self)


class BodyEnforce(Asks):
    """An unstreamed body through transforms: kept whole up to a cap, then sent with its length.

    `head` lacks the length and the empty line. Raises ValueError from `data` over the cap.
    """

    __slots__ = ("cap", "chain", "kept", "out", "size")

    def __init__(
        self, write: Write, head: bytes, tap: Tap, *,
        dialect: Dialect, transforms: tuple[Transform, ...], cap: int,
    ) -> None:  # fmt: skip
        super().__init__(write, head, PLAIN, tap)
        self.chain = _Chain(dialect, transforms)
        self.kept: list[bytes] = []
        self.out: list[bytes] = []
        self.size = 0
        self.cap = cap

    def start(self) -> None:
        """Nothing leaves before the whole is known."""

    def data(self, raw: bytes, pieces: list[bytes]) -> None:  # noqa: ARG002 - the relay's shape
        for piece in pieces:
            self.size += len(piece)
        if self.size > self.cap:
            raise ValueError("a reply is too large to be checked")
        self.kept += pieces

    def answered(self, out: list[bytes]) -> None:
        self.out += out

    def close(self) -> None:
        self.withdrawn()

    def end(self) -> None:
        if self.kept:
            whole = b"".join(self.kept)
            self.kept.clear()
            self.out = self.chain.feed(self.chain.unit(whole, "", whole))
            if self.question():
                self.ended = True
                return
        body = b"".join(self.out + self.chain.flush())
        self.sha.update(body)
        self.begun = True
        self.write(b"%bcontent-length: %d\r\n\r\n%b" % (self.head, len(body), body))
        if self.tap is not None:
            self.tap.body(body)
