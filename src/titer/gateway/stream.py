"""How a reply travels to the client: four relays, by observed or enforced, events or one body.

Observing: what was received is written first, byte for byte, then tapped. Enforcing: events pass
through the transforms, which may hold them back for a bounded window; nothing that left is ever
recalled. The upstream side calls `start` when the head has come alone, `data` for every read,
then `end`, or `fail` when the reply breaks off.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from titer.core.wire import Reply, Transform
from titer.gateway.dialects.contract import Dialect, Tap
from titer.gateway.limits import TAPPED_BODY
from titer.gateway.sse import Splitter, payload
from titer.gateway.timers import NEVER, Sweep

Write = Callable[[bytes], None]

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

    def held(self) -> int:
        held = 0
        for transform in self.transforms:
            held += transform.held
        return held

    def _render(self, units: Iterable[Reply]) -> list[bytes]:
        render = self.render
        return [render(unit) if unit.edited else unit.raw for unit in units]


class EventsEnforce(Relay):
    """An event stream through transforms, with a bounded hold-back window.

    Comments pass at once. The tap reads what left. Raises ValueError from `data` for an event
    that exceeds the cap: passing it unread would be a way around every control.
    """

    __slots__ = ("armed", "chain", "deadline", "hold", "on_fault", "splitter", "unit")

    streamed = True

    def __init__(
        self, write: Write, head: bytes, framing: int, tap: Tap, *,
        dialect: Dialect, transforms: tuple[Transform, ...], hold: Hold,
        on_fault: Callable[[Exception], None],
    ) -> None:  # fmt: skip
        super().__init__(write, head, framing, tap)
        self.splitter = Splitter()
        self.chain = _Chain(dialect, transforms)
        self.unit = self.chain.unit
        self.hold = hold
        self.on_fault = on_fault
        self.armed = False
        self.deadline = NEVER

    def data(self, raw: bytes, pieces: list[bytes]) -> None:  # noqa: ARG002 - the relay's shape
        out: list[bytes] = []
        for piece in pieces:
            for event in self.splitter.feed(piece):
                name, data = payload(event)
                if data is None:
                    out.append(event)
                else:
                    out += self.chain.feed(self.unit(event, name, data))
        self._leave(out)
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
                self.close()

    def expire(self, now: float) -> None:  # noqa: ARG002 - the sweep's shape
        """The window's time is up: release what is held."""
        self.close()
        try:
            self._leave(self.chain.flush())
        except Exception as error:  # noqa: BLE001 - it must not reach the sweep
            self.on_fault(error)

    def release(self) -> bool:
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
        self.close()
        rest = self.splitter.end()
        out = []
        if rest:
            name, data = payload(rest)
            if data is not None:
                out += self.chain.feed(self.unit(rest, name, data))
        self._leave(out + self.chain.flush())
        super().end()

    def between_events(self) -> bool:
        return True

    def close(self) -> None:
        self.armed = False
        self.deadline = NEVER
        self.hold.sweep.discard(self)


class BodyEnforce(Relay):
    """An unstreamed body through transforms: kept whole up to a cap, then sent with its length.

    `head` lacks the length and the empty line. Raises ValueError from `data` over the cap.
    """

    __slots__ = ("cap", "chain", "kept", "size")

    def __init__(
        self, write: Write, head: bytes, tap: Tap, *,
        dialect: Dialect, transforms: tuple[Transform, ...], cap: int,
    ) -> None:  # fmt: skip
        super().__init__(write, head, PLAIN, tap)
        self.chain = _Chain(dialect, transforms)
        self.kept: list[bytes] = []
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

    def end(self) -> None:
        whole = b"".join(self.kept)
        unit = self.chain.unit(whole, "", whole)
        body = b"".join(self.chain.feed(unit) + self.chain.flush())
        self.sha.update(body)
        self.begun = True
        self.write(b"%bcontent-length: %d\r\n\r\n%b" % (self.head, len(body), body))
        if self.tap is not None:
            self.tap.body(body)
