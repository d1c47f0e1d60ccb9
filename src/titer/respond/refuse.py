"""Refuse: turn requests away, saying how to appeal and accusing nobody."""

from __future__ import annotations

from titer.core.errors import Refused
from titer.core.nouns import Card, Standing
from titer.core.wire import Problem, Request, Transform


class Refuse:
    """The mitigation. Any strength above 0 refuses; the ladder asks for a person before it.

    `contact` completes "... contact ___": an address or the name of a desk.
    """

    card = Card(
        name="refuse",
        version="1",
        technique="AML.T0024",
        measures="nothing more is served to the subject",
        blind_to="what was already taken, and accounts not linked to this one",
        benign_causes="a mistaken decision: hence the reference to quote and a person's say",
        cost="1 us a request",
        lifecycle="calibrated",
        stage="gate",
        clashes=("*",),
    )

    def __init__(self, contact: str = "the operator of this service") -> None:
        self._contact = contact

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """Raises `Refused` (permission) with a reference that the operator can look up."""
        if strength <= 0:
            return request
        raise Refused(
            Problem(
                kind="permission",
                message="requests of this account are paused pending a review; to appeal,"
                f" contact {self._contact} and quote reference {standing.subject}",
                code="paused_for_review",
            )
        )

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """A reply that has begun is finished."""
        del strength, standing
        return None
