"""Where a call came from, as keyed tokens: the address itself never leaves `networks.places`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from titer.access.address import ClientAddress, parse
from titer.core.ids import Pseudonyms
from titer.core.nouns import Origin
from titer.gateway.framing import RequestHead
from titer.gateway.networks.places import NOWHERE, Networks, Places

#: Characters of a user agent's product that are kept, and of a JA4 fingerprint (36 in use).
AGENT_CHARS = 64
JA4_CHARS = 64


class Origins:
    """Makes an `Origin` from a peer's address and a request's head.

    `networks` says which network an address belongs to, and of what kind that is. A JA4 that our
    own TLS saw is the caller's when the connection is: then no header counts. Where a trusted
    proxy forwards for somebody (`x-forwarded-for`), what we saw is the proxy's, and its header
    is the only word on the caller's.
    """

    def __init__(
        self,
        pseudonyms: Pseudonyms | None,
        *,
        trusted: Sequence[str] = (),
        ja4_header: str = "",
        networks: Networks = NOWHERE,
    ) -> None:
        self._places = Places(pseudonyms, networks)
        self._address = ClientAddress(trusted)
        self._ja4_header = ja4_header.lower().encode()

    def use(self, networks: Networks) -> None:
        """Look addresses up in other snapshots from now on."""
        self._places.use(networks)

    def of(self, peer: str, head: RequestHead, seen: str = "") -> Origin:
        """The origin of one request; empty fields are unknown. `seen` is the JA4 of `peer`."""
        forwarded = [value.decode("latin-1") for value in head.all(b"x-forwarded-for")]
        address = self._address.of(peer, forwarded)
        names = b",".join([name for name, _ in head.headers if name != b"content-length"])
        agents = head.all(b"user-agent")
        agent = agents[0].decode("latin-1").split(" ", 1)[0][:AGENT_CHARS] if agents else ""
        place = self._places.of(address)
        digest = hashlib.sha256(names).hexdigest()[:16]
        return Origin(
            ip=place.ip, net=place.net, asn=place.asn, headers=digest, agent=agent,
            ja4=self._ja4(peer, head, seen, relayed=bool(forwarded)), kind=place.kind,
        )  # fmt: skip

    def _ja4(self, peer: str, head: RequestHead, seen: str, *, relayed: bool) -> str:
        if not seen and not self._ja4_header:
            return ""
        proxy = parse(peer)
        trusted = proxy is not None and self._address.trusts(proxy)
        if seen and not (trusted and relayed):
            return seen
        values = head.all(self._ja4_header) if trusted and self._ja4_header else []
        return values[0].decode("latin-1")[:JA4_CHARS] if len(values) == 1 else ""
