"""Webhooks, signed as Standard Webhooks has it (standardwebhooks.com, specification 1.0.0).

webhook-id          of the log's origin and the entry's index: the same at every attempt
webhook-timestamp   seconds since 1970, of the attempt
webhook-signature   v1,BASE64 (HMAC-SHA-256) or v1a,BASE64 (Ed25519) over id.timestamp.body
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from titer.core.errors import ConfigError
from titer.gateway.sharing.outbound import Reach, SendError, Target, ask
from titer.gateway.sharing.streams import Event

SYMMETRIC, ASYMMETRIC = "whsec_", "whsk_"
#: Bytes of an HMAC key (the specification's limits), and of an Ed25519 seed.
MIN_KEY, MAX_KEY, SEED = 24, 64, 32
#: Bytes of a receiver's answer that are read.
MAX_ANSWER = 64 << 10
#: Statuses by which a receiver refuses this event and no other.
_POISON = frozenset({400, 413, 415, 422})
#: The longest pause that a receiver's retry-after is granted, in seconds.
MAX_AFTER = 3600.0

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]")

Sign = Callable[[bytes], str]


def signer(secret: str, name: str) -> Sign:
    """What makes a signature out of the signed content. Raises `ConfigError`."""
    for prefix in (SYMMETRIC, ASYMMETRIC):
        if secret.startswith(prefix):
            try:
                key = base64.b64decode(secret.removeprefix(prefix), validate=True)
            except (binascii.Error, ValueError):
                break
            if prefix == SYMMETRIC and MIN_KEY <= len(key) <= MAX_KEY:
                return lambda data: "v1," + _b64(hmac.digest(key, data, hashlib.sha256))
            if prefix == ASYMMETRIC and len(key) in (SEED, 2 * SEED):
                private = Ed25519PrivateKey.from_private_bytes(key[:SEED])
                return lambda data: "v1a," + _b64(private.sign(data))
    raise ConfigError(
        f"{name}: write whsec_ and base64 of {MIN_KEY} to {MAX_KEY} random bytes, or whsk_ and "
        f"base64 of an Ed25519 key of {SEED} bytes"
    )


class Webhook:
    """A receiver of events, one request each."""

    #: Events that are handed over at a time: so much is repeated when the process is killed.
    batch = 1

    def __init__(
        self, goal: Target, sign: Sign, reach: Reach, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._goal = goal
        self._sign = sign
        self._reach = reach
        self._clock = clock

    def send(self, events: Sequence[Event]) -> None:
        """Deliver events in order. Raises `SendError`."""
        for event in events:
            self._deliver(event)

    def _deliver(self, event: Event) -> None:
        body = msgspec.json.encode(
            {"type": f"titer.{event.kind}", "timestamp": event.moment, "data": event.fact}
        )
        at = str(int(self._clock()))
        # The parts of what is signed are joined by full stops: an id must have none.
        name = _NOT_IN_ID.sub("-", event.uid)
        signed = f"{name}.{at}.".encode() + body
        reply = ask(
            "POST", self._goal, reach=self._reach, body=body, limit=MAX_ANSWER,
            headers={
                "content-type": "application/json", "webhook-id": name,
                "webhook-timestamp": at, "webhook-signature": self._sign(signed),
            },
        )  # fmt: skip
        check(reply.status, reply.headers.get("retry-after", ""), self._goal.host)

    def close(self) -> None:
        return


def check(status: int, after: str, host: str) -> None:
    """Raise `SendError` unless a status means that the event was taken."""
    if 200 <= status < 300:
        return
    pause = float(after) if after.isdigit() and len(after) < 9 else 0.0
    raise SendError(
        f"{host}: answered {status}", after=min(pause, MAX_AFTER), poison=status in _POISON
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
