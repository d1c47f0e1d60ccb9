"""What a dialect is: a sans-IO codec between bytes and `Request` / `Reply`.

A dialect owns no socket and keeps no state between calls except in the `Tap` it makes for one
reply. The proxy frames HTTP and server-sent events; the dialect gives them meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol

import msgspec

from titer.core.nouns import ReplyFacts, RequestFacts, Usage
from titer.core.wire import Problem, Reply, Request


class Route(msgspec.Struct, frozen=True):
    """One method and path of a dialect. `exchange` is False for routes without a body to weigh
    (`GET /v1/models`): they need a key and count against budgets, nothing more. A path may end
    in `/*` for one further segment.
    """

    method: str
    path: str
    exchange: bool = True


class Rendered(msgspec.Struct, frozen=True):
    """A refusal in a dialect's own words: what the official SDKs turn into their exceptions."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Tap(Protocol):
    """Reads one reply as it passes and never raises: garbage is counted, not fatal.

    `event` gets the payload of one server-sent event (the bytes after `data: `), `body` the
    whole of an unstreamed reply. `done` is True once the dialect's closing event was seen.
    """

    done: bool

    def event(self, data: bytes) -> None: ...

    def body(self, body: bytes) -> None: ...

    def text(self) -> str:
        """What the reply has said so far (reasoning not included)."""
        ...

    def facts(self) -> ReplyFacts: ...

    def usage(self) -> Usage | None:
        """What the upstream reported, or None: then the engine estimates."""
        ...


class Codec(Protocol):
    """Units of one reply there and back. In enforce mode call `render` for every unit that
    leaves, edited or not, in order: dialects that say things twice must know what was sent.
    """

    def unit(self, raw: bytes, event: str, data: bytes | None) -> Reply:
        """See `Dialect.unit`."""
        ...

    def render(self, unit: Reply) -> bytes:
        """See `Dialect.render`; gives `unit.raw` when nothing changed."""
        ...


class Dialect(Protocol):
    """One file per dialect in this package; `titer.gateway.dialects.BUILTIN` lists them."""

    name: str
    family: Literal["openai", "anthropic"]
    routes: tuple[Route, ...]

    def parse(self, endpoint: str, raw: bytes) -> Request:
        """Decode a request body; raises `Refused` with a message that says what to mend."""
        ...

    def facts(self, request: Request) -> RequestFacts:
        """The request without its text."""
        ...

    def texts(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(role, text) of everything the caller wrote, in order: system prompts, all turns,
        tool results; images and binary parts are skipped.
        """
        ...

    def error(self, problem: Problem) -> Rendered: ...

    def stream_error(self, problem: Problem) -> bytes:
        """The event(s) that end a stream which has already begun."""
        ...

    def tap(self) -> Tap: ...

    def unit(self, raw: bytes, event: str, data: bytes | None) -> Reply:
        """One server-sent event (or, with event == "" and raw == data, a whole body) decoded for
        transforms. Undecodable payloads give a unit with `data=None`, passed as it came.
        """
        ...

    def render(self, unit: Reply) -> bytes:
        """The bytes of an edited unit, in the framing it came in."""
        ...

    def codec(self) -> Codec:
        """The codec for one reply in enforce mode: a fresh one where the dialect repeats itself
        (Responses sends deltas and then the whole), else the dialect itself.
        """
        ...
