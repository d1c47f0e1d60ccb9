"""Requests that titer makes on its own: to witnesses, time stampers, other gateways, static files.

One request a call, over HTTP/1.1 with the standard library: no redirects are followed, no proxy is
asked, a reply is read up to a limit. TLS is checked against the system's roots, or `roots`; plain
HTTP is for machines that reach each other privately, and what comes back is verified all the same.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from titer.core.errors import InputError
from titer.gateway.dialling import Held, connect, resolve

#: Seconds for each step of a request.
TIMEOUT = 10.0
#: Seconds from the name to the last byte read: a peer that drips bytes ends no step.
DEADLINE = 60.0
#: Bytes of a reply when the caller names no other limit.
LIMIT = 1 << 20


class Reply(msgspec.Struct, frozen=True):
    """Status, headers (names in lower case) and body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Peer(msgspec.Struct, frozen=True):
    """How a peer is reached: `roots`, `certificate` and `key` are PEM files, for mutual TLS."""

    url: str
    roots: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """The TLS settings. Raises `InputError` when a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.roots)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise InputError(f"TLS settings for {self.url}: {error}") from None
        return context


def request(
    peer: Peer | str,
    method: str = "GET",
    path: str = "",
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    limit: int = LIMIT,
    timeout: float = TIMEOUT,
    deadline: float = DEADLINE,
) -> Reply:
    """One request to a peer's URL, with `path` after it. `timeout` seconds for each step, and for
    each of its addresses; `deadline` for all of it, the name's resolving included.

    Raises `InputError` on a URL that is none, on a reply beyond `limit` or `deadline`, and when
    the peer cannot be reached or does not speak HTTP.
    """
    peer = Peer(peer) if isinstance(peer, str) else peer
    try:
        url = urlsplit(peer.url)
        port = url.port
    except ValueError:
        raise InputError(f"{peer.url} is no URL") from None
    if url.scheme not in ("http", "https") or not url.hostname or url.username is not None:
        raise InputError(f"{peer.url!r}: expected http://HOST or https://HOST, without a password")
    default = 443 if url.scheme == "https" else 80
    query = f"?{url.query}" if url.query else ""
    target = f"{url.path.rstrip('/')}{path}{query}" or "/"
    end = time.monotonic() + deadline
    late = False
    try:
        places = resolve(url.hostname, port or default, timeout=deadline)
        with Held(connect(places, end=end, step=timeout), end) as held:
            try:
                held.socket.settimeout(timeout)
                if url.scheme == "https":
                    held.secure(peer.context(), url.hostname)
                connection = http.client.HTTPConnection(url.hostname, port)
                connection.default_port = default  # which the header Host leaves out
                connection.sock = held.socket
                connection.request(method, target, body, dict(headers or {}))
                with contextlib.closing(connection.getresponse()) as reply:
                    data = reply.read(limit + 1)
                    found = {name.lower(): value for name, value in reply.getheaders()}
            finally:
                late = held.late
    except (OSError, http.client.HTTPException, ValueError) as error:
        what = "it took too long" if late else str(error) or type(error).__name__
        raise InputError(f"{peer.url} cannot be reached: {what}") from None
    if late:
        raise InputError(f"{peer.url}{path}: the reply took more than {deadline:.0f} s")
    if len(data) > limit:
        raise InputError(f"{peer.url}{path}: the reply has more than {limit} bytes")
    return Reply(reply.status, found, data)
