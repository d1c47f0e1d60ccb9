"""From lines to exchanges: the same facts, sketches and pseudonyms as live traffic.

A line that cannot be used is set apart with a reason. A line whose text cannot be read (no body,
a route that no dialect knows, a body of the wrong shape) is still an exchange, with what is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from titer.core.gather import gather
from titer.core.ids import Pseudonyms
from titer.core.nouns import Exchange, ReplyFacts, RequestFacts, Sketch, Usage
from titer.core.wire import Request
from titer.gateway import dialects
from titer.gateway.dialects.contract import Dialect
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.gateway.feeds.parts import FAILURES, Parts, keyed_id, why, word

#: Characters a token when the log does not say: as the engine estimates.
CHARS_PER_TOKEN = 4

Texts = tuple[tuple[str, str], ...]


class Sketches(Protocol):
    """The part of `titer.core.sketch.Sketcher` that is needed here."""

    def sketch_gathered(self, batch: Iterable[tuple[bytes, int]]) -> list[Sketch]: ...


class Format(Protocol):
    """A reader of one format. `names` gives the logged name of each pseudonym it made."""

    name: str
    names: dict[str, str]
    unknown: Counter[str]
    missing: Counter[str]

    def parts(self, line: bytes) -> Parts: ...


class Maker:
    """Turns lines of one format into exchanges, a batch at a time."""

    def __init__(self, shape: Format, *, sketcher: Sketches, pseudonyms: Pseudonyms) -> None:
        self.shape = shape
        self._parts = shape.parts
        self._sketcher = sketcher
        self._key = pseudonyms.key("exchange")
        self._dialects: dict[str, Dialect | None] = {}

    def many(self, lines: Sequence[bytes]) -> tuple[list[Exchange], list[tuple[int, str]]]:
        """Exchanges in the order of the lines, and (place, reason) of lines that are none.

        Blank lines are neither.
        """
        read: list[tuple[Parts, str, RequestFacts, str]] = []
        bad: list[tuple[int, str]] = []
        sketches = self._sketcher.sketch_gathered(self._read(lines, read, bad))
        return [
            Exchange(
                name, p.at, p.principal, p.endpoint, model, p.origin, facts, sketch,
                p.usage or _estimate(p), p.reply or _NO_REPLY, p.status,
            )
            for (p, name, facts, model), sketch in zip(read, sketches, strict=True)
        ], bad  # fmt: skip

    def _read(
        self,
        lines: Sequence[bytes],
        read: list[tuple[Parts, str, RequestFacts, str]],
        bad: list[tuple[int, str]],
    ) -> Iterator[tuple[bytes, int]]:
        """The gathered text of each line that can be used; all else of it goes into `read`.

        The sketcher pulls, so that no more bodies are held than one of its batches takes.
        """
        for place, line in enumerate(lines):
            if not line or line.isspace():
                continue
            try:
                parts = self._parts(line)
            except FAILURES as error:
                bad.append((place, why(error)))
                continue
            body = parts.body
            model = word(body.get("model")) if body is not None else ""
            facts, said = self._request(parts)
            parts.body = None
            read.append((parts, parts.id or keyed_id(line, self._key), facts, model))
            yield gather(said)

    def _request(self, parts: Parts) -> tuple[RequestFacts, Texts]:
        """Facts and texts of a body, or nothing of either, counted."""
        body = parts.body
        if body is None:
            self.shape.missing["request"] += 1
            return _NO_FACTS, ()
        endpoint = parts.endpoint
        if endpoint in self._dialects:
            dialect = self._dialects[endpoint]
        else:
            found = dialects.find("POST", endpoint)
            dialect = found[0] if found is not None and found[1].exchange else None
            if len(self._dialects) < 1_000:
                self._dialects[endpoint] = dialect
        if dialect is None:
            self.shape.missing["dialect"] += 1
            return _NO_FACTS, ()
        try:
            facts = dialect.facts(
                Request(
                    dialect=dialect.name,
                    endpoint=endpoint,
                    body=body,
                    raw=b"",
                    stream=body.get("stream") is True,
                )
            )
            texts = tuple(dialect.texts(body))
        except Exception:  # noqa: BLE001 - a body that its dialect would have refused
            self.shape.missing["request"] += 1
            return _NO_FACTS, ()
        return facts, texts


def to_exchange(line: bytes, sketcher: Sketches, pseudonyms: Pseudonyms) -> Exchange:
    """One line of titer's exchange log as an `Exchange`. Raises `ValueError` with the reason."""
    maker = Maker(ExchangeLog(pseudonyms), sketcher=sketcher, pseudonyms=pseudonyms)
    made, bad = maker.many([line])
    if bad or not made:
        raise ValueError(bad[0][1] if bad else "blank line")
    return made[0]


def _estimate(parts: Parts) -> Usage:
    chars = parts.reply.chars if parts.reply is not None else 0
    return Usage(parts.bytes_in // CHARS_PER_TOKEN, chars // CHARS_PER_TOKEN, estimated=True)


_NO_FACTS = RequestFacts()
_NO_REPLY = ReplyFacts()
