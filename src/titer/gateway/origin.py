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

    `networks` says which network an address belongs to, and of what kind that is.
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

    def of(self, peer: str, head: RequestHead) -> Origin:
        """The origin of one request; empty fields are unknown."""
        forwarded = [value.decode("latin-1") for value in head.all(b"x-forwarded-for")]
        address = self._address.of(peer, forwarded)
        names = b",".join([name for name, _ in head.headers if name != b"content-length"])
        agents = head.all(b"user-agent")
        agent = agents[0].decode("latin-1").split(" ", 1)[0][:AGENT_CHARS] if agents else ""
        ja4 = ""
        proxy = parse(peer) if self._ja4_header else None
        if proxy is not None and self._address.trusts(proxy):
            values = head.all(self._ja4_header)
            if len(values) == 1:
                ja4 = values[0].decode("latin-1")[:JA4_CHARS]
        place = self._places.of(address)
        digest = hashlib.sha256(names).hexdigest()[:16]
        return Origin(
            ip=place.ip, net=place.net, asn=place.asn, ja4=ja4, headers=digest, agent=agent,
            kind=place.kind,
        )  # fmt: skip
