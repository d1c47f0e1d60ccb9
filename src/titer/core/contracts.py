"""The two contracts that plug-ins keep; `titer.testing` checks them.

A `Detector` is a fold over one subject's exchanges: no I/O, no clock, no randomness, so that
replay gives the same findings. A `Mitigation` lowers what a reply teaches: it edits the request
and makes a `Transform` for the reply; strength 0 is identity.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from titer.core.nouns import Card, Exchange, Finding, Standing
from titer.core.wire import Request, Transform


class Detector(Protocol):
    """Weighs one subject. The state must be encodable by msgspec.msgpack.

    A detector does not grant itself bits: its findings carry `score`, a non-negative statistic
    that never falls over one subject's life (a running maximum), and `bits=0`; the engine sets
    `id`, `bits` and `calibration` from the calibration in force.
    """

    card: Card

    def subject(self, exchange: Exchange) -> str | None:
        """Whom this exchange speaks about (usually `exchange.principal.subject`), or None."""
        ...

    def start(self) -> Any:
        """The state of a subject that was never seen."""
        ...

    def step(self, state: Any, exchange: Exchange) -> tuple[Any, Iterable[Finding]]:
        """The next state, and a finding when the subject's score has risen noticeably.

        `state` is what `step` or `start` returned, or what msgpack made of that.
        """
        ...


class Unavailable(Exception):  # noqa: N818 - a state of the world, not a fault
    """A mitigation cannot work at present; the dose's `otherwise` says what is given instead."""


class Mitigation(Protocol):
    """Lowers what a reply teaches; strength is 0..1, 0 is identity, more is never weaker."""

    card: Card

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """The request to forward (edited, with a delay, with what to tell at its end).

        Raises `Refused` to turn it away, `Unavailable` while the mitigation cannot work.
        """
        ...

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """A fresh transform for one reply, or None when the reply is left alone."""
        ...


class Answering(Protocol):
    """A mitigation whose transform depends on the request that the reply answers (its model, its
    system prompt). `answer` is then called in place of `reply`, with the request as forwarded.
    """

    def answer(self, request: Request, strength: float, standing: Standing) -> Transform | None:
        """A fresh transform for the reply to `request`, or None."""
        ...
