"""HTTP Message Signatures (RFC 9421) with Ed25519, over requests that titer sends.

    content-digest    sha-256=:BASE64:, of the body (RFC 9530)
    signature-input   titer=("@method" "@authority" "@path" "@query" "content-type" "webhook-id"
                      "webhook-timestamp" "content-digest");created=...;expires=...;nonce="...";
                      keyid="...";alg="ed25519";tag="titer-webhook"     (in one line)
    signature         titer=:BASE64: of the signature over the signature base (RFC 9421, 2.5)

`@target-uri` is not covered: behind a proxy that ends TLS a receiver sees `http://`. `keyid` is
the JWK thumbprint of the public key (RFC 7638, RFC 8037), so that a receiver that knows several
keys finds the right one, and nobody chooses names. A signature is for one attempt: it expires
after `LIFETIME` seconds, and its nonce comes once.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

#: Seconds for which a signature holds: a receiver's clock may be off by minutes.
LIFETIME = 300
#: Random bytes of a nonce.
NONCE = 16
LABEL, TAG = "titer", "titer-webhook"

#: What a string of a structured field may hold (RFC 9651, 3.3.3).
_STRING = re.compile(r"[ -~]*")


def headers(
    key: Ed25519PrivateKey,
    method: str,
    authority: str,
    target: str,
    *,
    fields: Mapping[str, str],
    body: bytes,
    now: int,
    nonce: str = "",
) -> dict[str, str]:
    """The three header fields to add to a request.

    `authority` is the value of Host in lower case without a default port, `target` path and query
    as sent, `fields` header fields in lower case that are signed too. `now` is in seconds.
    """
    digest = content_digest(body)
    path, mark, query = target.partition("?")
    covered = [
        ("@method", method), ("@authority", authority), ("@path", path),
        ("@query", "?" + query if mark else "?"),  # RFC 9421, 2.2.7: also when there is none
        *fields.items(), ("content-digest", digest),
    ]  # fmt: skip
    parameters: dict[str, int | str] = {
        "created": now, "expires": now + LIFETIME, "nonce": nonce or secrets.token_urlsafe(NONCE),
        "keyid": keyid(key.public_key()), "alg": "ed25519", "tag": TAG,
    }  # fmt: skip
    given = signature_params([name for name, _ in covered], parameters)
    signature = base64.b64encode(key.sign(signature_base(covered, given))).decode()
    return {
        "content-digest": digest,
        "signature-input": f"{LABEL}={given}",
        "signature": f"{LABEL}=:{signature}:",
    }


def signature_base(covered: Sequence[tuple[str, str]], parameters: str) -> bytes:
    """What is signed (RFC 9421, 2.5): components in order, then `signature_params`' text.

    Raises ValueError for a component whose value cannot be in one.
    """
    for name, value in covered:
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise ValueError(f"{name} cannot be signed as it is")
    lines = [f'"{name}": {value}' for name, value in covered]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode("ascii")


def signature_params(names: Sequence[str], parameters: Mapping[str, int | str]) -> str:
    """The signature's parameters as a structured field (RFC 9421, 2.3). Raises ValueError."""
    inner = " ".join(_string(name) for name in names)
    more = "".join(
        f";{name}={value if isinstance(value, int) else _string(value)}"
        for name, value in parameters.items()
    )
    return f"({inner}){more}"


def content_digest(body: bytes) -> str:
    """RFC 9530's field for a body."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """A public key as a JWK (RFC 8037), its members in the order that a thumbprint needs."""
    return {"crv": "Ed25519", "kty": "OKP", "x": _url(key.public_bytes_raw())}


def keyid(key: Ed25519PublicKey) -> str:
    """The JWK thumbprint of a key (RFC 7638)."""
    return _url(hashlib.sha256(msgspec.json.encode(jwk(key))).digest())


def _string(text: str) -> str:
    if not _STRING.fullmatch(text):
        raise ValueError("a string of a structured field is printable ASCII")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
