"""What a worker hands to the analysis process, and how it becomes an `Exchange` there.

A record holds the request's text (as much of it as a sketch reads) only in memory, only until it
is sketched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from titer.core.nouns import Exchange, Origin, Principal, ReplyFacts, RequestFacts, Usage
from titer.core.wire import Written
from titer.engine import Flight
from titer.gateway.ring import Ring

if TYPE_CHECKING:  # the sketch brings numpy, which a worker never needs
    from titer.core.sketch import Sketcher


#: Characters of a marked reply's text that are handed over where no token ids came.
MAX_SAID = 65_536


class Marked(msgspec.Struct, array_like=True, gc=False):
    """What a marked reply said: token ids (32 bits each) by choice, or its text; `cut` counts ids
    that are left out.
    """

    ids: tuple[bytes, ...] = ()
    text: str = ""
    cut: int = 0


class Record(msgspec.Struct, array_like=True, gc=False):
    """One exchange on its way to the analysis process. Positions are the format."""

    id: str
    at: int
    principal: Principal
    origin: Origin
    endpoint: str
    model: str
    text: bytes
    chars: int
    facts: RequestFacts
    reply: ReplyFacts
    usage: Usage
    status: int
    marked: Marked | None = None


class Recorder:
    """The worker's end: `emit` is what the engine calls."""

    def __init__(self, ring: Ring) -> None:
        self._push = ring.push
        self._encode = msgspec.msgpack.Encoder().encode

    def emit(self, flight: Flight) -> bool:
        """Queue a flight; False when the ring is full and it was dropped."""
        return self._push(
            self._encode(
                Record(
                    flight.id, flight.at, flight.caller.principal, flight.origin,
                    flight.endpoint, flight.model, flight.text, flight.chars, flight.facts,
                    flight.reply, flight.usage or Usage(), flight.status,
                    None if flight.written is None else _marked(flight.written),
                )
            )
        )  # fmt: skip


def _marked(written: Written) -> Marked | None:
    """What is handed over of a marked reply, None when nothing is known of it."""
    ids, text = written.ids, written.text[:MAX_SAID]
    return Marked(ids, text, written.cut) if ids or text else None


class Batch(NamedTuple):
    """Records as exchanges, in their order, and those among them of which more is known."""

    exchanges: list[Exchange]
    marked: list[tuple[Exchange, Marked]]


class Reader:
    """The analysis process's end: records in, exchanges out, a batch at a time."""

    def __init__(self, sketcher: Sketcher) -> None:
        self._sketcher = sketcher
        self._decode = msgspec.msgpack.Decoder(Record).decode
        self.garbled = 0

    def read(self, records: Sequence[bytes]) -> Batch:
        """Exchanges in the order of the records; what cannot be decoded is counted."""
        decoded: list[Record] = []
        for record in records:
            try:
                decoded.append(self._decode(record))
            except msgspec.MsgspecError:
                self.garbled += 1
        sketches = self._sketcher.sketch_gathered([(r.text, r.chars) for r in decoded])
        exchanges = [
            Exchange(
                r.id, r.at, r.principal, r.endpoint, r.model, r.origin, r.facts, sketch,
                r.usage, r.reply, r.status,
            )
            for r, sketch in zip(decoded, sketches, strict=True)
        ]  # fmt: skip
        marked = [
            (exchange, r.marked)
            for r, exchange in zip(decoded, exchanges, strict=True)
            if r.marked is not None
        ]
        return Batch(exchanges, marked)
