"""RFC 3161 time stamps over heads: an authority that is not the operator says when it saw one.

What is stamped is the head with the log's own signatures (`heads.Vouched.stamped`), hashed with
SHA-256. A reply holds the authority's signature over that hash and a time, and its certificate;
`openssl ts -verify` reads the same file. A certificate counts as of the time in the stamp: one
that had expired by then is refused, one that expires later leaves the stamp standing (keeping it
beyond that is for archives, which stamp again).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence

import msgspec
from cryptography import x509
from rfc3161_client import (
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client.tsp import TimeStampResponse

from titer.core.errors import EvidenceError
from titer.evidence.heads import MAX_TOKEN

#: Media types of RFC 3161 section 3.4.
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
#: Certificates in one file of roots.
MAX_ROOTS = 64


class Stamp(msgspec.Struct, frozen=True):
    """What a verified reply says: when (seconds since 1970), by whom, under which policy, and when
    the authority's certificate ends: until then another may be had over this head.
    """

    at: int
    authority: str
    policy: str
    serial: int
    certificate_ends: int


class Request(msgspec.Struct, frozen=True):
    """A query to send, and the nonce that the reply must repeat."""

    query: bytes
    nonce: int


def ask(data: bytes) -> Request:
    """The query for some bytes, with a nonce, and asking for the authority's certificate."""
    built = TimestampRequestBuilder().data(data).nonce(nonce=True).cert_request(cert_request=True)
    made = built.build()
    assert made.nonce is not None
    return Request(made.as_bytes(), made.nonce)


def read_roots(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file. Raises EvidenceError."""
    try:
        found = tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise EvidenceError(
            f"time stamp: the roots are no certificates in PEM ({error})"
        ) from None
    if len(found) > MAX_ROOTS:
        raise EvidenceError(f"time stamp: more than {MAX_ROOTS} roots")
    return found


def verify(
    token: bytes,
    data: bytes,
    roots: Sequence[x509.Certificate],
    *,
    nonce: int | None = None,
    now: int | None = None,
) -> Stamp:
    """Verify a reply over `data` against trusted roots. Raises EvidenceError.

    1. Size and form: one strict DER reply that was granted.
    2. Imprint: SHA-256, SHA-384 or SHA-512 of `data` (a stamp of something else).
    3. Expiry: the authority's certificate was valid at the stamped time.
    4. Signature, chain to a root, critical extended key usage `timeStamping`, nonce.
    5. The future: with `now` (seconds), a stamp of later than that, and a minute, is refused.
    """
    try:
        return _verified(token, data, roots, nonce, now)
    except EvidenceError:
        raise
    except Exception as error:  # noqa: BLE001 - parsers raise many kinds on a stranger's DER
        what = str(error)[:200] or type(error).__name__
        raise EvidenceError(f"time stamp: something in it cannot be read ({what})") from None


def _verified(
    token: bytes,
    data: bytes,
    roots: Sequence[x509.Certificate],
    nonce: int | None,
    now: int | None,
) -> Stamp:
    reply = decode(token)
    info = reply.tst_info
    algorithm = _HASHES.get(info.message_imprint.hash_algorithm.dotted_string)
    if algorithm is None:
        raise EvidenceError("time stamp: by a hash that is not SHA-256, SHA-384 or SHA-512")
    if info.message_imprint.message != hashlib.new(algorithm, data).digest():
        raise EvidenceError("time stamp: it is about other bytes than this head")
    leaf = _leaf(reply)
    at = info.gen_time.replace(tzinfo=dt.UTC)
    name = leaf.subject.rfc4514_string()
    if at > leaf.not_valid_after_utc or at < leaf.not_valid_before_utc:
        raise EvidenceError(
            f"time stamp: expired certificate; {name} was valid from "
            f"{leaf.not_valid_before_utc:%F} to {leaf.not_valid_after_utc:%F}, and stamped on "
            f"{at:%F}"
        )
    if now is not None and at.timestamp() > now + 60:
        raise EvidenceError("time stamp: it is of the future; compare the clocks")
    builder = VerifierBuilder(roots=list(roots), nonce=nonce)
    try:
        builder.build().verify(decode(token), info.message_imprint.message)
    except (VerificationError, ValueError) as error:
        raise EvidenceError(f"time stamp: {error or 'it does not hold'}") from None
    return Stamp(
        int(at.timestamp()), name, info.policy.dotted_string, info.serial_number,
        int(leaf.not_valid_after_utc.timestamp()),
    )  # fmt: skip


def decode(token: bytes) -> TimeStampResponse:
    """Read a reply that was granted. Raises EvidenceError."""
    if len(token) > MAX_TOKEN:
        raise EvidenceError(f"time stamp: larger than {MAX_TOKEN} bytes")
    try:
        reply = decode_timestamp_response(token)
        status = reply.status
        if status not in (0, 1):
            words = "; ".join(reply.status_string) or f"status {status}"
            raise EvidenceError(f"time stamp: the authority refused ({words[:200]})")
        _ = reply.tst_info
    except ValueError as error:
        raise EvidenceError(f"time stamp: not an RFC 3161 reply ({str(error)[:200]})") from None
    return reply


def _leaf(reply: TimeStampResponse) -> x509.Certificate:
    """The certificate that signed, found by issuer and serial number."""
    signers = list(reply.signed_data.signer_infos)
    if len(signers) != 1:
        raise EvidenceError("time stamp: expected exactly one signer")
    for raw in reply.signed_data.certificates:
        one = x509.load_der_x509_certificate(raw)
        if one.issuer == signers[0].issuer and one.serial_number == signers[0].serial_number:
            return one
    raise EvidenceError("time stamp: the authority's certificate is not in it; ask with certReq")


_HASHES = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
