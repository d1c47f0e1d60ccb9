"""Objects in S3-compatible storage: put and get, with AWS Signature Version 4.

Requests are path-style (`ENDPOINT/BUCKET/KEY`), which every compatible server understands. The
signature is as in AWS's "Signature Version 4 signing process": a canonical request, its hash in a
string to sign, an HMAC-SHA-256 key derived from secret, day, region and service.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from titer.core.errors import InputError
from titer.core.unprinted import Unprinted
from titer.gateway.fetch import Peer, Reply, request

#: Where AWS itself answers; `{region}` is filled in.
ENDPOINT = "https://s3.{region}.amazonaws.com"
#: Attempts of one request; 5xx answers of storage are common and pass.
ATTEMPTS = 3

_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(Unprinted, frozen=True):
    """An access key; `token` for temporary ones. Never logged."""

    key: str
    secret: str
    token: str = ""

    @classmethod
    def from_environment(cls) -> Credentials:
        """From the variables that AWS's own tools read. Raises `InputError`."""
        found = [
            os.environ.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
        ]
        if not all(found):
            raise InputError(
                "to publish to S3, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and "
                "AWS_SESSION_TOKEN for temporary ones) in the environment"
            )
        return cls(found[0], found[1], os.environ.get("AWS_SESSION_TOKEN", ""))


def sign(
    method: str,
    path: str,
    headers: Mapping[str, str],
    payload: str,
    credentials: Credentials,
    *,
    region: str,
    at: dt.datetime,
    query: str = "",
    service: str = "s3",
) -> str:
    """The `authorization` header of a request.

    `path` is encoded already, `headers` are those to sign (names in lower case, `host` and
    `x-amz-date` among them), `payload` is the hex SHA-256 of the body, `at` the time in UTC.
    """
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        (
            method, path, query,
            *(f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)),
            "", names, payload,
        )
    )  # fmt: skip
    day = at.strftime("%Y%m%d")
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{at.strftime('%Y%m%dT%H%M%SZ')}\n{scope}\n{digest}"
    key = f"AWS4{credentials.secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return (
        f"{_ALGORITHM} Credential={credentials.key}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )


class Bucket:
    """One bucket, below a prefix."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        endpoint: str = "",
        region: str = "us-east-1",
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """`url` is `s3://BUCKET[/PREFIX]`. Raises `InputError` when it is none."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise InputError(f"{url}: expected s3://BUCKET or s3://BUCKET/PREFIX")
        self._endpoint = (endpoint or ENDPOINT.format(region=region)).rstrip("/")
        self._host = urlsplit(self._endpoint).netloc
        self._root = f"/{parts.netloc}/{parts.path.strip('/')}".rstrip("/")
        self._credentials = credentials
        self._region = region
        self._clock = clock

    def put(self, name: str, data: bytes, headers: Mapping[str, str]) -> None:
        """Write an object. Raises `InputError`."""
        reply = self._request("PUT", name, data, headers, limit=65_536)
        if reply.status not in (200, 201, 204):
            raise InputError(f"storage refused {name} with status {reply.status}{_code(reply)}")

    def get(self, name: str, limit: int) -> bytes | None:
        """Read an object, or None when there is none. Raises `InputError`."""
        reply = self._request("GET", name, b"", {}, limit=limit)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise InputError(f"storage refused {name} with status {reply.status}{_code(reply)}")
        return reply.body

    def _request(
        self, method: str, name: str, data: bytes, headers: Mapping[str, str], *, limit: int
    ) -> Reply:
        path = quote(f"{self._root}/{name}", safe="/-_.~")
        for attempt in range(ATTEMPTS):
            signed = self._signed(method, path, data, headers)
            reply = request(
                Peer(self._endpoint), method, path, body=data or None, headers=signed, limit=limit
            )
            if reply.status < 500 or attempt == ATTEMPTS - 1:
                break
        return reply

    def _signed(
        self, method: str, path: str, data: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        at = self._clock()
        payload = hashlib.sha256(data).hexdigest()
        own = {
            **headers,
            "host": self._host,
            "x-amz-content-sha256": payload,
            "x-amz-date": at.strftime("%Y%m%dT%H%M%SZ"),
        }
        if self._credentials.token:
            own["x-amz-security-token"] = self._credentials.token
        authorization = sign(
            method, path, own, payload, self._credentials, region=self._region, at=at
        )
        return {**own, "authorization": authorization}


def _code(reply: Reply) -> str:
    """The error code in a storage's XML, for the message; the XML itself is not parsed."""
    text = reply.body[:2000].decode("utf-8", "replace")
    _, found, rest = text.partition("<Code>")
    code = rest.partition("</Code>")[0][:60]
    return f" ({code})" if found and code.isalnum() else ""
