"""Requests to others: to hosts that the operator named, to no other place, and bounded.

* The host must be one of those configured; an address of this machine or a private network only
  when the host is configured as private (server-side request forgery, CWE-918). What the name
  resolves to is checked, and that very address is dialled, so that a second answer of DNS does
  not lead elsewhere.
* A redirect is an error, never followed.
* Head and body have limits, and the whole exchange has a deadline, from the name to the last byte:
  a resolver that is silent, eight addresses that are, or a peer that drips cost that much time and
  no more.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from titer.core.errors import InputError, TiterError
from titer.gateway.dialling import Held, NotReachedError, Place, connect, resolve

#: Seconds for one exchange, from name to last byte.
DEADLINE = 30.0
#: Bytes of a reply, unless the caller says otherwise.
MAX_REPLY = 32 << 20
_PIECE = 64 << 10
_USER_AGENT = "titer"


class SendError(TiterError):
    """A peer could not be reached, or did not answer well. Worth another try if `again`, after
    `after` seconds at least; `poison` when it is this message alone that is not wanted.
    """

    def __init__(
        self, text: str, *, again: bool = True, after: float = 0.0, poison: bool = False
    ) -> None:
        super().__init__(text)
        self.again = again
        self.after = after
        self.poison = poison


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests may go: `hosts` in public networks, `private` ones anywhere (also by http).

    `ca` is a PEM file of an authority besides the system's; `certificate` and `private_key` are
    shown to a peer that asks for a certificate.
    """

    hosts: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    ca: str | None = None
    certificate: str | None = None
    private_key: str | None = None

    def allows(self, host: str) -> bool:
        return host in self.hosts or host in self.private


class Target(msgspec.Struct, frozen=True):
    """A URL that may be asked: its parts, and whether its host may be in a private network."""

    scheme: str
    host: str
    port: int
    path: str
    private: bool

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.scheme == "https" else 80)
        return host if usual else f"{host}:{self.port}"


class Reply(msgspec.Struct, frozen=True):
    """A reply whole. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    data: bytes


def target(url: str, reach: Reach) -> Target:
    """The parts of a URL that may be asked. Raises `InputError` for any other."""
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > 2048:
        raise InputError("that is no URL: printable ASCII without spaces, 2048 at most")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError("that is no URL") from None
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("https", "http") or not host:
        raise InputError("a URL begins with https:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise InputError("a URL holds no user and no password: give a token by reference")
    if not reach.allows(host):
        raise InputError(f"{host} is not a host that may be asked: add it to hosts under [share]")
    private = host in reach.private
    if parts.scheme == "http" and not private:
        raise InputError(
            f"http:// is for hosts under private_hosts alone; use https:// for {host}"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    default = 443 if parts.scheme == "https" else 80
    return Target(parts.scheme, host, port or default, path, private)


def ask(
    method: str, goal: Target, *, headers: Mapping[str, str], body: bytes = b"",
    reach: Reach, limit: int = MAX_REPLY, deadline: float = DEADLINE,
) -> Reply:  # fmt: skip
    """One request and its reply. Raises `SendError`; a status is the caller's business."""
    end = time.monotonic() + deadline
    raw = dial(goal.host, goal.port, private=goal.private, timeout=deadline)
    with Held(raw, end) as held:
        held.socket.settimeout(max(end - time.monotonic(), 0.001))
        connection = http.client.HTTPConnection(goal.host, goal.port)
        try:
            if goal.scheme == "https":
                held.secure(_context(reach), goal.host)
            connection.sock = held.socket
            connection.request(method, goal.path, body=body or None, headers={
                "host": goal.netloc, "user-agent": _USER_AGENT, "accept-encoding": "identity",
                "connection": "close", **headers,
            })  # fmt: skip
            with contextlib.closing(connection.getresponse()) as answer:
                data = _body(answer, limit, end)
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, data)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise SendError(f"{goal.host}: {why}") from None


def _body(answer: http.client.HTTPResponse, limit: int, end: float) -> bytes:
    if 300 <= answer.status < 400:
        raise SendError("the peer redirects, which is not followed", again=False)
    if answer.getheader("content-encoding", "identity").lower() != "identity":
        raise SendError("the peer sent an encoding that was not asked for", again=False)
    parts: list[bytes] = []
    total = 0
    while part := answer.read(_PIECE):
        total += len(part)
        if total > limit:
            raise SendError(f"the reply is larger than {limit} bytes", again=False)
        if time.monotonic() > end:
            raise SendError("the reply took too long")
        parts.append(part)
    return b"".join(parts)


def dial(host: str, port: int, *, private: bool, timeout: float) -> socket.socket:
    """A TCP connection to the host within `timeout` seconds, all addresses and the resolving of
    the name together. Raises `SendError`, also for an address it may not have.
    """
    end = time.monotonic() + timeout
    places = addresses(host, port, private=private, kind=socket.SOCK_STREAM, timeout=timeout)
    try:
        return connect(places, end=end)
    except NotReachedError as error:
        raise SendError(f"{host}: {error}") from None


def addresses(
    host: str, port: int, *, private: bool, kind: socket.SocketKind, timeout: float = DEADLINE
) -> list[Place]:
    """What a host may be reached at. Raises `SendError` when one of it is not public."""
    try:
        found = resolve(host, port, kind=kind, timeout=timeout)
    except NotReachedError as error:
        raise SendError(f"{host}: {error}") from None
    for _, address in found:
        ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if not private and not ip.is_global:
            raise SendError(
                f"{host} leads to an address that is not public; if that is meant, name it under "
                "private_hosts", again=False,
            )  # fmt: skip
    return found


def _context(reach: Reach) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if reach.ca is not None:
        try:
            context.load_verify_locations(Path(reach.ca))
        except (OSError, ssl.SSLError):
            raise InputError(f"{reach.ca}: holds no certificates in PEM") from None
    if reach.certificate is not None:
        try:
            context.load_cert_chain(reach.certificate, reach.private_key)
        except (OSError, ssl.SSLError):
            raise InputError(
                f"{reach.certificate}: no certificate with its key in PEM, to show to a peer"
            ) from None
    return context


def tls(raw: socket.socket, host: str, reach: Reach) -> socket.socket:
    """A connection made secure within `DEADLINE`, the peer's name checked. Raises OSError."""
    held = Held(raw, time.monotonic() + DEADLINE)
    try:
        held.secure(_context(reach), host)
    except BaseException:
        held.close()
        raise
    return held.let_go()
