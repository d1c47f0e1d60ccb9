"""What an operator can set about the data plane. Values are final: secrets already resolved."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

_POSITIVE = (
    "connect_timeout", "first_byte_timeout", "idle_timeout", "header_timeout", "keep_alive",
    "body_rate", "write_stall", "header_bytes", "header_count", "body_bytes",
    "transformed_bytes", "max_connections", "max_in_flight", "hold_tokens", "hold_ms",
)  # fmt: skip
#: A header's name (RFC 9110, 5.6.2).
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Secret(msgspec.Struct, frozen=True):
    """A header that carries a secret; its value is in no `repr`."""

    name: str
    value: str

    def __repr__(self) -> str:
        """The name alone."""
        return f"Secret({self.name!r}, ...)"

    __str__ = __repr__


class OpenRoute(msgspec.Struct, frozen=True):
    """A method and exact path that no dialect knows and that keyed callers may use untouched."""

    method: str
    path: str


class SummarySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who sums reasoning up: an OpenAI-compatible server, and the bounds of asking it.

    `timeout` is in seconds, from the question to the answer's last byte.
    """

    url: str
    model: str
    credential: Secret | None = None
    timeout: float = 2.0
    max_tokens: int = 200

    def __post_init__(self) -> None:
        """Raise ValueError naming the field that cannot be."""
        Upstream.of(self.url)
        if not self.model:
            raise ValueError("model: name the model that sums up")
        if not 0 < self.timeout <= 60 or self.max_tokens <= 0:
            raise ValueError("timeout: 0 to 60 s; max_tokens: more than 0")


class DataPlane(msgspec.Struct, frozen=True, kw_only=True):
    """Where callers connect, and the limits of the data plane. Times are seconds, sizes bytes.

    host: address to listen on; the default is reachable from this machine alone.
    port: port to listen on.
    certificate: PEM file of our certificate chain; with `private_key`, callers connect by TLS.
    private_key: PEM file of the certificate's key.
    connect_timeout: to open a connection to the server.
    first_byte_timeout: from the request to the head of the reply; reasoning models think long.
    idle_timeout: between two reads of a reply.
    total_timeout: for a whole exchange; none unless set.
    header_timeout: for a caller to send a request's head.
    keep_alive: how long an idle connection of a caller lives.
    body_grace: a request's body must arrive within this time plus its size over `body_rate`.
    body_rate: bytes a second that a sending caller must keep up.
    write_stall: within this time a caller must take 64 KiB of the reply.
    header_bytes: most bytes of a request's head.
    header_count: most header fields of a request.
    body_bytes: most bytes of a request's body.
    transformed_bytes: most bytes of an unstreamed reply that a mitigation must see whole.
    max_connections: most connections of callers per worker; beyond, 503.
    max_in_flight: most requests at the server per worker.
    max_waiting: most requests that wait for their turn per worker; beyond, 503.
    retry_after: what `retry-after` says then.
    drain_seconds: how long requests in flight may take after SIGTERM.
    trusted_proxies: networks whose `x-forwarded-for` is believed, such as `10.0.0.0/8`.
    ja4_header: the header in which a trusted proxy gives the JA4 fingerprint of the caller that it
        forwards for. Where TLS ends at titer no header is needed.
    metrics_open: serve `/metrics` to every peer instead of to this machine alone.
    hold_tokens: hold-back window of an enforced stream in tokens.
    hold_ms: the same in milliseconds; whichever is reached first releases.
    enforce: false forwards every reply verbatim, whatever the ladder says (observe only).
    """

    host: str = "127.0.0.1"
    port: int = 8080
    certificate: str | None = None
    private_key: str | None = None
    connect_timeout: float = 5.0
    first_byte_timeout: float = 600.0
    idle_timeout: float = 120.0
    total_timeout: float | None = None
    header_timeout: float = 10.0
    keep_alive: float = 75.0
    body_grace: float = 10.0
    body_rate: float = 1024.0
    write_stall: float = 60.0
    header_bytes: int = 32 * 1024
    header_count: int = 100
    body_bytes: int = 32 * 1024 * 1024
    transformed_bytes: int = 8 * 1024 * 1024
    max_connections: int = 12_000
    max_in_flight: int = 8_192
    max_waiting: int = 1_024
    retry_after: float = 1.0
    drain_seconds: float = 30.0
    trusted_proxies: tuple[str, ...] = ()
    ja4_header: str = ""
    metrics_open: bool = False
    hold_tokens: int = 64
    hold_ms: float = 150.0
    enforce: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError naming the field that cannot be."""
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0")
        for name in ("body_grace", "max_waiting", "retry_after", "drain_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.total_timeout is not None and self.total_timeout <= 0:
            raise ValueError("total_timeout must be more than 0; leave it out for none")
        if not self.host:
            raise ValueError("host must be an address; 0.0.0.0 is every one of this machine's")
        if self.ja4_header and not TOKEN.fullmatch(self.ja4_header):
            raise ValueError("ja4_header must be the name of an HTTP header")
        if not 0 <= self.port <= 65_535:
            raise ValueError("port must lie between 0 (any free one) and 65535")
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key: set both, or neither")


class GatewaySettings(DataPlane, frozen=True, kw_only=True):
    """Settings of one gateway worker, everything that they refer to read.

    upstream: URL of the model server, `http` or `https`; a base path is put before every path.
    credential: the header that authenticates us to the upstream; callers' keys never reach it.
    upstream_ca: PEM file of the authority that signs an `https` upstream, besides the system's.
    open_routes: what else callers with a key may use: weighed where the engines' dialect knows the
        route, else passed through untouched.
    summary: who sums hidden reasoning up, or nobody.
    """

    upstream: str
    credential: Secret | None = None
    upstream_ca: str | None = None
    open_routes: tuple[OpenRoute, ...] = ()
    summary: SummarySettings | None = None

    def __post_init__(self) -> None:
        """Raise ValueError naming the field that cannot be."""
        super().__post_init__()
        Upstream.of(self.upstream)
        if self.credential is not None:
            text = self.credential.name + self.credential.value
            if not self.credential.name or not text.isascii() or not text.isprintable():
                raise ValueError("credential: its name and value must be printable ASCII")


class Upstream(msgspec.Struct, frozen=True):
    """An upstream URL, taken apart. `authority` is what its Host header says."""

    tls: bool
    host: str
    port: int
    authority: str
    base: str

    @classmethod
    def of(cls, url: str) -> Upstream:
        """Read `http(s)://host[:port][/base]`; raises ValueError saying what is wrong."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("upstream: give a URL such as http://127.0.0.1:8000") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("upstream: give a URL such as http://127.0.0.1:8000")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("upstream: leave user, password, query and fragment out of the URL")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("upstream: the URL has characters that do not belong in one")
        tls = parts.scheme == "https"
        port = port or (443 if tls else 80)
        base = parts.path.rstrip("/")
        return cls(tls, parts.hostname, port, parts.netloc, base)
