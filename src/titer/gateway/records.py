"""What a worker hands to the analysis process, and how it becomes an `Exchange` there.

A record holds the request body only in memory, only until it is sketched. A large body (images,
long documents) is cut to its text in the worker, so that one upload cannot fill the ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from titer.core.nouns import Exchange, Origin, Principal, ReplyFacts, RequestFacts, Sketch, Usage
from titer.engine import Flight
from titer.gateway.dialects import BUILTIN
from titer.gateway.ring import Ring

if TYPE_CHECKING:  # the sketch brings numpy, which a worker never needs
    from titer.core.sketch import Sketcher

#: Bodies up to this size travel as they came; larger ones as text, head and tail. 128 KiB holds a
#: 64 KB prompt twice over and is 1/64 of the ring.
MAX_RAW = 128 << 10

#: Of a large body, this much of the text of each message travels (half head, half tail): the
#: sketch reads no more than that of a whole request.
MAX_TEXT = 16 << 10

Texts = tuple[tuple[str, str], ...]


class Record(msgspec.Struct, array_like=True):
    """One exchange on its way to the analysis process. Positions are the format."""

    id: str
    at: int
    principal: Principal
    origin: Origin
    dialect: str
    endpoint: str
    model: str
    raw: bytes
    texts: Texts
    facts: RequestFacts
    reply: ReplyFacts
    usage: Usage
    status: int


_DIALECTS = {dialect.name: dialect for dialect in BUILTIN}
_decode_body = msgspec.json.Decoder().decode
_NOTHING: Texts = ()


class Recorder:
    """The worker's end: `emit` is what the engine calls."""

    def __init__(self, ring: Ring) -> None:
        self._push = ring.push
        self._encode = msgspec.msgpack.Encoder().encode

    def emit(self, flight: Flight) -> bool:
        """Queue a flight; False when the ring is full and it was dropped."""
        raw, texts = flight.raw, _NOTHING
        if len(raw) > MAX_RAW:
            raw, texts = b"", shorten(read_texts(flight.dialect, raw))
        return self._push(
            self._encode(
                Record(
                    flight.id, flight.at, flight.caller.principal, flight.origin, flight.dialect,
                    flight.endpoint, flight.model, raw, texts, flight.facts, flight.reply,
                    flight.usage or Usage(), flight.status,
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
        texts = [r.texts or read_texts(r.dialect, r.raw) for r in decoded]
        sketches: Sequence[Sketch] = self._sketcher.sketch_many(texts)
        return [
            Exchange(
                r.id, r.at, r.principal, r.endpoint, r.model, r.origin, r.facts, sketch,
                r.usage, r.reply, r.status,
            )
            for r, sketch in zip(decoded, sketches, strict=True)
        ]  # fmt: skip


def read_texts(dialect: str, raw: bytes) -> Texts:
    """(role, text) of a body that a dialect has accepted; nothing where there is none."""
    codec = _DIALECTS.get(dialect)
    if codec is None or not raw:
        return _NOTHING
    try:
        body: Any = _decode_body(raw)
        return tuple(codec.texts(body))
    except (msgspec.MsgspecError, AttributeError, TypeError, ValueError):
        return _NOTHING


def shorten(texts: Texts) -> Texts:
    """Each text cut to its head and tail, and all of them to what one sketch can read."""
    kept: list[tuple[str, str]] = []
    room = 4 * MAX_TEXT
    for role, text in texts:
        if room <= 0:
            break
        if len(text) > MAX_TEXT:
            text = text[: MAX_TEXT // 2] + "\n" + text[-MAX_TEXT // 2 :]  # noqa: PLW2901
        kept.append((role, text))
        room -= len(text)
    return tuple(kept)
