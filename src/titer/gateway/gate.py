"""What the proxy asks of the policy behind it: `titer.engine.Engine`, or a fake in a test."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from titer.core.nouns import Origin, ReplyFacts, RequestFacts, Usage
from titer.core.wire import Request, Transform
from titer.gateway.dialects.contract import Dialect, Route


class Verdict(msgspec.Struct):
    """What becomes of a request: forward `request`, put the reply through `transforms`."""

    request: Request
    transforms: tuple[Transform, ...] = ()
    denied: tuple[str, ...] = ()


class Flight(msgspec.Struct):
    """One exchange that has ended, with the request body."""

    id: str
    at: int
    caller: Any
    origin: Origin
    dialect: str
    endpoint: str
    model: str
    raw: bytes
    facts: RequestFacts
    reply: ReplyFacts
    usage: Usage | None
    status: int


class Gate(Protocol):
    """Admits, decides and records; never waits. Times are microseconds since 1970."""

    def admit(self, presented: str, now: int) -> Any:
        """Who this key belongs to; raises `Refused`."""
        ...

    def decide(self, caller: Any, request: Request, facts: RequestFacts, now: int) -> Any:
        """A `Verdict`; raises `Refused`."""
        ...

    def headers(self, caller: Any, now: int, family: str) -> tuple[tuple[str, str], ...]:
        """Rate-limit headers of the dialect family for the reply."""
        ...

    def record(self, flight: Any) -> None:
        """Take note of an exchange that ended; never raises, never blocks."""
        ...


class Find(Protocol):
    """Which dialect and route a method and path belong to."""

    def __call__(self, method: str, path: str) -> tuple[Dialect, Route] | None: ...
