"""Where the operator's verification service answers: `POST /titer/step-up` on the gateway.

    authorization: Bearer <the shared secret>
    {"nonce": "...", "verified": true}     the caller is who it should be: step_up is lifted
    {"nonce": "...", "verified": false}    it is not; the nonce is used up
    {"alive": true}                        a sign of life

200 when it was recorded, 401 for a wrong secret, 400 for what cannot be read, 409 for a nonce that
was answered before, 410 for one that is not ours or too old, 503 when nothing can be recorded
(answer again). Callers' keys do not open this door, and nothing of it reaches the model server.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from titer.core.errors import InputError
from titer.core.nouns import Verification
from titer.evidence.intake import Intake
from titer.respond.step_up import MAX_NONCE, StepUp

#: Where the service answers.
PATH = "/titer/step-up"


class _Answer(msgspec.Struct):
    nonce: str = ""
    verified: bool = False
    alive: bool = False


class Desk:
    """Takes answers for one worker's `StepUp`; entries go through the intake to the log's writer.

    An answer is durable before it is acknowledged: that costs a few disk syncs, on the worker's
    loop. Only who has the shared secret can cause them, once per nonce.
    """

    def __init__(self, step_up: StepUp, data: Path, clock: Callable[[], int]) -> None:
        assert step_up.settings is not None
        self._step_up = step_up
        self._settings = step_up.settings
        self._intake = Intake(data)
        self._clock = clock

    def answer(self, key: str, body: bytes) -> tuple[int, bytes]:
        """(status, JSON) of one answer; `key` is what the request showed as its bearer token."""
        if not hmac.compare_digest(_digest(key), _digest(self._settings.secret)):
            return _say(401, "show the shared secret as a bearer token")
        try:
            said = msgspec.json.decode(body, type=_Answer)
        except (msgspec.MsgspecError, RecursionError):
            return _say(400, 'send {"nonce": "...", "verified": true} or {"alive": true}')
        with contextlib.suppress(OSError):  # without it the service may seem to be down
            self._step_up.heard()
        if said.nonce:
            return self._take(said)
        return (200, b"{}\n") if said.alive else _say(400, "name the nonce that is answered")

    def _take(self, said: _Answer) -> tuple[int, bytes]:
        now = self._clock()
        if len(said.nonce) > MAX_NONCE:
            return _say(410, "the nonce is not one of ours")
        nonces = self._step_up.nonces
        try:
            subject = nonces.read(said.nonce, now)
        except ValueError as error:
            return _say(410, str(error))
        until = now + self._settings.verified_s * 1_000_000 if said.verified else now
        digest = hashlib.sha256(said.nonce.encode()).hexdigest()
        entry = Verification(now, subject, digest, until)
        try:
            if not nonces.spend(said.nonce):
                return _say(409, "the nonce was answered before")
        except OSError:
            return _say(503, "nothing can be recorded at present; answer again")
        try:
            self._intake.hand_over("verification", msgspec.json.encode(entry))
        except (OSError, InputError):
            with contextlib.suppress(OSError):
                nonces.unspend(said.nonce)
            return _say(503, "nothing can be recorded at present; answer again")
        if said.verified:
            self._step_up.vouch(subject, until)
        return 200, b"{}\n"


def _digest(text: str) -> bytes:
    """Of equal length whatever was shown, so that a comparison tells nothing by its time."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _say(status: int, problem: str) -> tuple[int, bytes]:
    words: dict[str, Any] = {"error": problem}
    return status, msgspec.json.encode(words) + b"\n"
