"""What a worker hands to the analysis process, and how it becomes an `Exchange` there.

A record holds the request's text (as much of it as a sketch reads) only in memory, only until it
is sketched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from titer.core.nouns import Exchange, Origin, Principal, ReplyFacts, RequestFacts, Usage
from titer.engine import Flight
from titer.gateway.ring import Ring

if TYPE_CHECKING:  # the sketch brings numpy, which a worker never needs
    from titer.core.sketch import Sketcher


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
                )
            )
        )  # fmt: skip


class Reader:
    """The analysis process's end: records in, exchanges out, a batch at a time."""

    def __init__(self, sketcher: Sketcher) -> None:
        self._sketcher = sketcher
        self._decode = msgspec.msgpack.Decoder(Record).decode
        self.garbled = 0

    def exchanges(self, records: Sequence[bytes]) -> list[Exchange]:
        """Exchanges in the order of the records; what cannot be decoded is counted."""
        decoded: list[Record] = []
        for record in records:
            try:
                decoded.append(self._decode(record))
            except msgspec.MsgspecError:
                self.garbled += 1
        sketches = self._sketcher.sketch_gathered([(r.text, r.chars) for r in decoded])
        return [
            Exchange(
                r.id, r.at, r.principal, r.endpoint, r.model, r.origin, r.facts, sketch,
                r.usage, r.reply, r.status,
            )
            for r, sketch in zip(decoded, sketches, strict=True)
        ]  # fmt: skip
