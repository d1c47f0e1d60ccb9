"""What is done once for a request's head: route, key, origin, and the head sent upstream."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from titer.core.nouns import Origin
from titer.gateway.dialects.contract import Dialect, Route
from titer.gateway.framing import Headers, RequestHead, refusal
from titer.gateway.gate import Find
from titer.gateway.origin import Origins
from titer.gateway.settings import GatewaySettings, Upstream

#: Never passed on: hop-by-hop fields (RFC 9110, section 7.6.1), what we write ourselves, what
#: would compress the reply and so blind the tap, the caller's own secrets, claims about where a
#: request came from, and what would choose a part of the engine.
DROPPED = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade http2-settings content-length content-encoding host expect "
    b"accept-encoding authorization x-api-key api-key cookie forwarded x-forwarded-for "
    b"x-forwarded-host x-forwarded-proto x-forwarded-port x-real-ip "
    b"x-data-parallel-rank".split()
)
#: Headers that ask SGLang for token ids, as parameters do that policy looks at.
_DROPPED_PREFIX = b"x-sglext-"


#: A service of the gateway's own: bearer token and body to status and JSON.
Service = Callable[[str, bytes], tuple[int, bytes]]


class Plan:
    """What a head amounts to. The same head from the same connection gives the same plan.

    `wire` is the head for the upstream without its length and empty line.
    """

    __slots__ = ("anthropic", "dialect", "key", "open", "origin", "route", "service", "wire")

    def __init__(self) -> None:
        self.dialect: Dialect | None = None
        self.route: Route | None = None
        self.service: Service | None = None
        self.open = False
        self.key = ""
        self.anthropic = False
        self.origin = Origin()
        self.wire = b""


class Planner:
    """Makes plans."""

    def __init__(
        self,
        settings: GatewaySettings,
        find: Find,
        origins: Origins,
        services: Mapping[str, Service] | None = None,
    ) -> None:
        self._find = find
        self._services = dict(services or {})
        self._origins = origins
        self._open = {(route.method, route.path) for route in settings.open_routes}
        upstream = Upstream.of(settings.upstream)
        self._base = upstream.base.encode()
        self._fixed = b"host: %b\r\n" % upstream.authority.encode()
        self._dropped = DROPPED
        if settings.credential is not None:
            name, value = settings.credential.name.lower(), settings.credential.value
            self._fixed += f"{name}: {value}\r\n".encode()
            self._dropped |= {name.encode()}
        if settings.ja4_header:
            self._dropped |= {settings.ja4_header.lower().encode()}

    def plan(self, head: RequestHead, peer: str, ja4: str = "") -> Plan:
        """`ja4` is of the connection's own TLS, "" unknown.

        Raises `Refused` when a caller shows several different keys.
        """
        plan = Plan()
        opened = (head.method, head.path) in self._open
        found = self._find(head.method, head.path, (head.path,) if opened else ())
        if found is not None:
            plan.dialect, plan.route = found
        else:
            plan.open = opened
            if head.method == "POST":
                plan.service = self._services.get(head.path)
        plan.anthropic = any(name == b"anthropic-version" for name, _ in head.headers)
        plan.key = presented_key(head.headers)
        plan.origin = self._origins.of(peer, head, ja4)
        plan.wire = self._wire(head)
        return plan

    def _wire(self, head: RequestHead) -> bytes:
        dropped = self._dropped.union(head.nominated) if head.nominated else self._dropped
        lines = [b"%b %b%b HTTP/1.1\r\n" % (head.method.encode(), self._base, head.target)]
        lines.append(self._fixed)
        for name, value in head.headers:
            # An underscore reads like a hyphen to some servers: such names could pose as others.
            if name not in dropped and b"_" not in name and not name.startswith(_DROPPED_PREFIX):
                lines.append(b"%b: %b\r\n" % (name, value))
        return b"".join(lines)


def presented_key(headers: Headers) -> str:
    """The key a caller shows, "" when none: `Authorization: Bearer` or `x-api-key`.

    Raises `Refused` when it shows two different ones: which would count is a matter of taste.
    """
    keys = set()
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            keys.add(token.strip() if scheme.lower() == b"bearer" else b"")
        elif name == b"x-api-key":
            keys.add(value.strip())
    keys.discard(b"")
    if len(keys) > 1:
        raise refusal("Send one API key, not several.", "several_keys")
    return keys.pop().decode("latin-1") if keys else ""
