"""What the proxy asks of the policy behind it: `titer.engine.Engine`, or a fake in a test."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Protocol

from titer.core.nouns import RequestFacts
from titer.core.wire import Request
from titer.engine import Flight, Verdict
from titer.gateway.dialects.contract import Dialect, Route

__all__ = ["Find", "Flight", "Gate", "Verdict"]


class Gate(Protocol):
    """Admits, decides and records; never waits. Times are microseconds since 1970.

    `caller` is whatever `admit` gave; the proxy only hands it back.
    """

    def admit(self, presented: str, now: int) -> Any:
        """Who this key belongs to; raises `Refused`."""
        ...

    def decide(self, caller: Any, request: Request, facts: RequestFacts, now: int) -> Verdict:
        """What becomes of the request; raises `Refused`."""
        ...

    def visit(self, caller: Any, now: int) -> None:
        """Count a request that is no exchange (a list of models, an open route); raises
        `Refused` when a budget is spent.
        """
        ...

    def headers(self, caller: Any, now: int, family: str) -> tuple[tuple[str, str], ...]:
        """Rate-limit headers of the dialect family for the reply."""
        ...

    def record(self, flight: Flight) -> None:
        """Take note of an exchange that ended; never raises, never blocks."""
        ...


class Find(Protocol):
    """Which dialect and route a method and path belong to; `opened` are paths of engine extras."""

    def __call__(
        self, method: str, path: str, opened: Container[str] = ()
    ) -> tuple[Dialect, Route] | None: ...
