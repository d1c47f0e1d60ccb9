"""What an operator can set about the data plane. Values are final: secrets already resolved."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec


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


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one gateway worker. Times are seconds, sizes bytes.

    upstream: URL of the model server, `http` or `https`; a base path is put before every path.
    credential: the header that authenticates us to the upstream; callers' keys never reach it.
    upstream_ca: PEM file of the authority that signs an `https` upstream, besides the system's.
    host, port: where to listen. certificate, private_key: PEM files; both or none (plain HTTP).

    connect_timeout: to open an upstream connection. first_byte_timeout: from the request to the
    reply's head (reasoning models think for minutes). idle_timeout: between two reads of a reply.
    total_timeout: the whole exchange; none by default.
    header_timeout: to receive a request's head. keep_alive: an idle client connection lives.
    body_grace and body_rate: a request body must arrive within `body_grace` seconds plus its
    size over `body_rate` bytes a second. write_stall: a client must drain 64 KiB in this time.

    header_bytes, header_count, body_bytes: of a request. transformed_bytes: of an unstreamed
    reply that a mitigation must see whole.
    max_connections: client connections; beyond, 503 and close. max_in_flight: requests at the
    upstream; max_waiting: requests that wait for their turn; beyond, 503 with `retry-after`.
    retry_after: what that header says.

    open_routes: what else callers with a key may use: weighed where the engines' dialect knows the
    route, else passed through untouched. drain_seconds: how long
    requests in flight may take after SIGTERM. trusted_proxies: networks whose forwarding headers
    are believed. ja4_header: in which header a trusted proxy puts the JA4 fingerprint of
    whoever it forwards for ("" = none). metrics_open: `/metrics` for every peer, not only for
    loopback.
    hold_tokens, hold_ms: the hold-back window; whichever is reached first releases.
    summary: who sums hidden reasoning up, or nobody.
    enforce: False forwards every reply verbatim, whatever the policy says (observe only).
    """

    upstream: str
    credential: Secret | None = None
    upstream_ca: str | None = None
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
    open_routes: tuple[OpenRoute, ...] = ()
    drain_seconds: float = 30.0
    trusted_proxies: tuple[str, ...] = ()
    ja4_header: str = ""
    metrics_open: bool = False
    hold_tokens: int = 64
    hold_ms: float = 150.0
    enforce: bool = True
    summary: SummarySettings | None = None

    def __post_init__(self) -> None:
        """Raise ValueError naming the field that cannot be."""
        Upstream.of(self.upstream)
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key: set both, or neither")
        if self.credential is not None:
            text = self.credential.name + self.credential.value
            if not self.credential.name or not text.isascii() or not text.isprintable():
                raise ValueError("credential: its name and value must be printable ASCII")
        for name in ("connect_timeout", "first_byte_timeout", "idle_timeout", "header_timeout",
                     "keep_alive", "body_rate", "write_stall", "header_bytes", "header_count",
                     "max_connections", "max_in_flight", "hold_tokens", "hold_ms"):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be more than 0")


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
