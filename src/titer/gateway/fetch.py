"""Requests that titer makes on its own: to witnesses, time stampers, other gateways, static files.

One request a call, over HTTP/1.1 with the standard library: no redirects are followed, no proxy is
asked, a reply is read up to a limit. TLS is checked against the system's roots, or `roots`; plain
HTTP is for machines that reach each other privately, and what comes back is verified all the same.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from titer.core.errors import InputError

#: Seconds for each step of a request.
TIMEOUT = 10.0
#: Seconds from the first byte sent to the last one read: a peer that drips bytes ends no step.
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
    """One request to a peer's URL, with `path` after it.

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
        raise InputError(f"{peer.url}: expected http://HOST or https://HOST, without a password")
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        connection = http.client.HTTPSConnection(
            url.hostname, port, timeout=timeout, context=peer.context()
        )
    else:
        connection = http.client.HTTPConnection(url.hostname, port, timeout=timeout)
    query = f"?{url.query}" if url.query else ""
    late = threading.Event()
    guard = threading.Timer(deadline, lambda: _cut(held, late))
    guard.daemon = True
    held = None
    try:
        connection.connect()
        held = connection.sock  # a connection forgets it once the reply's head has come
        guard.start()
        connection.request(
            method, f"{url.path.rstrip('/')}{path}{query}" or "/", body, dict(headers or {})
        )
        reply = connection.getresponse()
        data = reply.read(limit + 1)
        found = {name.lower(): value for name, value in reply.getheaders()}
    except (OSError, http.client.HTTPException, ValueError) as error:
        what = "it took too long" if late.is_set() else str(error) or type(error).__name__
        raise InputError(f"{peer.url} cannot be reached: {what}") from None
    finally:
        guard.cancel()
        connection.close()
    if late.is_set():
        raise InputError(f"{peer.url}{path}: the reply took more than {deadline:.0f} s")
    if len(data) > limit:
        raise InputError(f"{peer.url}{path}: the reply has more than {limit} bytes")
    return Reply(reply.status, found, data)


def _cut(held: socket.socket | None, late: threading.Event) -> None:
    """End an exchange whose time is up, wherever it waits."""
    late.set()
    with contextlib.suppress(OSError):
        if held is not None:
            held.shutdown(socket.SHUT_RDWR)
