"""Webhooks, signed as Standard Webhooks has it (standardwebhooks.com, specification 1.0.0), as RFC
9421 has it (`titer.gateway.sharing.message_signatures`), or as both.

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
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from titer.core.errors import ConfigError
from titer.gateway.sharing import message_signatures
from titer.gateway.sharing.outbound import Reach, SendError, Target, ask
from titer.gateway.sharing.streams import Event

SYMMETRIC, ASYMMETRIC, PUBLIC = "whsec_", "whsk_", "whpk_"
#: Bytes of an HMAC key (the specification's limits), and of an Ed25519 seed.
MIN_KEY, MAX_KEY, SEED = 24, 64, 32
#: Bytes of a receiver's answer that are read.
MAX_ANSWER = 64 << 10
#: Statuses by which a receiver refuses this event and no other.
_POISON = frozenset({400, 413, 415, 422})
#: The longest pause that a receiver's retry-after is granted, in seconds.
MAX_AFTER = 3600.0

_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]")

Form = Literal["standard", "rfc9421", "both"]


class Signer:
    """A webhook's key; see `read_key`."""

    def __init__(self, key: bytes | Ed25519PrivateKey, form: Form) -> None:
        self._key = key
        self._form = form

    @property
    def private(self) -> Ed25519PrivateKey | None:
        """The Ed25519 key, if it is one."""
        return self._key if isinstance(self._key, Ed25519PrivateKey) else None

    def headers(self, goal: Target, name: str, at: int, body: bytes) -> dict[str, str]:
        """All header fields of an event's request."""
        fields = {
            "content-type": "application/json", "webhook-id": name, "webhook-timestamp": str(at)
        }  # fmt: skip
        more: dict[str, str] = {}
        if self._form != "standard" and self.private is not None:
            more = message_signatures.headers(
                self.private, "POST", goal.netloc, goal.path, fields=fields, body=body, now=at
            )
        if self._form != "rfc9421":
            # The parts of what is signed are joined by full stops: an id must have none.
            more["webhook-signature"] = self._standard(f"{name}.{at}.".encode() + body)
        return {**fields, **more}

    def _standard(self, data: bytes) -> str:
        if isinstance(self._key, Ed25519PrivateKey):
            return "v1a," + _b64(self._key.sign(data))
        return "v1," + _b64(hmac.digest(self._key, data, hashlib.sha256))


def signer(secret: str, name: str, form: Form = "standard") -> Signer:
    """The key of a webhook, out of `whsec_...` or `whsk_...`. Raises `ConfigError`."""
    for prefix in (SYMMETRIC, ASYMMETRIC):
        if secret.startswith(prefix):
            try:
                key = base64.b64decode(secret.removeprefix(prefix), validate=True)
            except (binascii.Error, ValueError):
                break
            if prefix == SYMMETRIC and MIN_KEY <= len(key) <= MAX_KEY:
                if form != "standard":
                    raise ConfigError(
                        f"{name}: RFC 9421 signatures are made with Ed25519: write whsk_ and "
                        f"base64 of {SEED} random bytes (openssl rand -base64 {SEED})"
                    )
                return Signer(key, form)
            if prefix == ASYMMETRIC and len(key) in (SEED, 2 * SEED):
                return Signer(Ed25519PrivateKey.from_private_bytes(key[:SEED]), form)
    raise ConfigError(
        f"{name}: write whsec_ and base64 of {MIN_KEY} to {MAX_KEY} random bytes, or whsk_ and "
        f"base64 of an Ed25519 key of {SEED} bytes"
    )


class Webhook:
    """A receiver of events, one request each."""

    #: Events that are handed over at a time: so much is repeated when the process is killed.
    batch = 1

    def __init__(
        self, goal: Target, sign: Signer, reach: Reach, *, clock: Callable[[], float] = time.time
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
        name = _NOT_IN_ID.sub("-", event.uid)
        reply = ask(
            "POST", self._goal, reach=self._reach, body=body, limit=MAX_ANSWER,
            headers=self._sign.headers(self._goal, name, int(self._clock()), body),
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
