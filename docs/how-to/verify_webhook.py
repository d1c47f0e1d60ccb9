"""Verify a webhook of titer by its HTTP Message Signature: `pip install http-message-signatures`.

Nothing of titer is used. Give the body as it came, before any decoding, and the URL under which
your callers know you.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms

COVERED = (
    "@method", "@authority", "@path", "@query", "content-type", "webhook-id",
    "webhook-timestamp", "content-digest",
)  # fmt: skip
#: Nonces that were seen while their signatures held; keep them where all your processes look.
SEEN: set[str] = set()


class Keys(HTTPSignatureKeyResolver):
    """The keys that you were given: keyid -> PEM, as `titer share keys` prints them."""

    def __init__(self, pems: Mapping[str, bytes]) -> None:
        self._pems = pems

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        return load_pem_public_key(self._pems[key_id])  # a KeyError is a refusal


def verify(
    method: str, url: str, headers: Mapping[str, str], body: bytes, pems: Mapping[str, bytes]
) -> str:
    """The event's name (the same at every attempt: take an event once). Raises for anything that
    is not signed by one of the keys, is older than five minutes, or came before.
    """
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=Keys(pems))
    (found,) = verifier.verify(
        SimpleNamespace(method=method, url=url, headers=dict(headers)),
        max_age=timedelta(minutes=5),
        expect_tag="titer-webhook",
        require_components=COVERED,
        body=body,
    )
    if found.nonce is None or found.nonce in SEEN:
        raise ValueError("a signature that was used before")
    SEEN.add(found.nonce)
    return next(value for name, value in headers.items() if name.lower() == "webhook-id")
