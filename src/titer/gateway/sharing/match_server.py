"""Private matching over HTTP: one request, an offer in, an answer out (`evidence.share.matching`).

    POST /match    authorization: Bearer TOKEN, or a client's certificate, or both
                   body and reply are the files of `titer match answer`, as JSON

Each answered offer lets the partner try guesses. So a partner has so many runs a day and in 30
days, counted in the log together with those by files; a list has a limit; the run is an entry of
the log before the answer leaves; an offer is answered once. What is refused costs a partner its
time: requests of an address are slowed down, and one offer is worked on at a time.
"""

from __future__ import annotations

import hmac
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from titer.core.errors import InputError
from titer.core.unprinted import Unprinted
from titer.evidence.share import matching
from titer.gateway.small_server import Answered, Asked, Rate, SmallServer

PATH = "/match"
#: Requests of one address: so many at once, and one every five seconds after that.
BURST, PER_SECOND = 10.0, 0.2
#: Seconds that an offer waits for the one before it.
WAIT = 20.0
#: Bytes of an offer besides its points, and of a point with its quotes and comma.
_FRAME, _POINT = 1024, 48
_DAYS = 30.0


class Partner(Unprinted, frozen=True, kw_only=True):
    """Who may ask. `token` or `subject` (the common name of its certificate) may be empty, not
    both; when both are set, both are asked for. `day` and `month` are runs in 1 and 30 days.
    """

    name: str
    token: str = ""
    subject: str = ""
    most: int = matching.MOST
    day: int = 1
    month: int = 4
    counted: bool = False


class Counted(Protocol):
    """Sessions of a partner that were answered in the last `days`."""

    def __call__(self, partner: str, days: float) -> set[str]: ...


class Desk:
    """Answers offers. `own(partner)` is what takes part, `runs` what was answered, and `note(
    partner, session, own, points)` logs a run or raises `InputError`.
    """

    def __init__(
        self, partners: Sequence[Partner], *, sender: str, own: Callable[[str], set[str]],
        runs: Counted, note: Callable[[Partner, str, int, int], None],
    ) -> None:  # fmt: skip
        self._partners = tuple(partners)
        self._sender = sender
        self._own = own
        self._runs = runs
        self._note = note
        self._one = threading.Lock()

    @property
    def limit(self) -> int:
        """Bytes of the largest offer that anybody may send."""
        return _FRAME + _POINT * max(matching.padded(p.most) for p in self._partners)

    def handle(self, asked: Asked) -> Answered:
        """The reply to a request; never raises for what a peer sent."""
        if asked.path != PATH:
            return _said(404, f"there is nothing here; POST an offer to {PATH}")
        if asked.method != "POST":
            return _said(405, "POST an offer")
        partner = self._who(asked)
        if partner is None:
            return _said(401, "send the token, or the certificate, that was agreed on")
        if not self._one.acquire(timeout=WAIT):
            return _said(503, "other offers are being answered; come back later")
        try:
            return self._answer(partner, asked.body)
        finally:
            self._one.release()

    def _answer(self, partner: Partner, body: bytes) -> Answered:
        day, month = self._runs(partner.name, 1.0), self._runs(partner.name, _DAYS)
        if len(day) >= partner.day or len(month) >= partner.month:
            return _said(
                429,
                f"{partner.day} offers a day and {partner.month} in 30 days are answered, as each "
                "lets you try guesses; come back later",
            )
        try:
            offer = matching.read_offer(body)
            if offer.session in month:
                return _said(409, "this very offer was answered before: make a new one")
            own = self._own(partner.name)
            made = matching.answer(
                offer, own, sender=self._sender, most=partner.most, counted=partner.counted
            )
        except InputError as error:
            return _said(400, str(error))
        try:
            self._note(partner, offer.session, len(own), len(offer.points))
        except InputError:
            return _said(503, "the run could not be logged, and is not answered without that")
        return Answered(200, msgspec.json.encode(made), "application/json")

    def _who(self, asked: Asked) -> Partner | None:
        scheme, _, token = asked.authorization.partition(" ")
        given = token.strip().encode() if scheme.lower() == "bearer" else b""
        found = None
        for one in self._partners:  # all of them: how long it takes says nothing
            shown = hmac.compare_digest(one.token.encode(), given) if one.token else True
            if shown and (not one.subject or one.subject == asked.peer):
                found = one
        return found


def server(desk: Desk, host: str, port: int, tls: ssl.SSLContext | None) -> SmallServer:
    """The socket for a desk. Raises OSError."""
    return SmallServer(
        host, port, desk.handle, limit=desk.limit, tls=tls, rate=Rate(BURST, PER_SECOND)
    )


def _said(status: int, why: str) -> Answered:
    return Answered(status, msgspec.json.encode({"error": why}), "application/json")
