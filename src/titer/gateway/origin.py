"""Where a call came from, as keyed tokens: the address itself never leaves this file."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence

from titer.access.address import ClientAddress, parse
from titer.core.ids import Pseudonyms
from titer.core.nouns import Origin
from titer.gateway.framing import RequestHead

#: Characters of a user agent's product that are kept, and of a JA4 fingerprint (36 in use).
AGENT_CHARS = 64
JA4_CHARS = 64


#: Addresses whose tokens are remembered: making them costs as much as forwarding a request.
ADDRESSES = 4096


class Origins:
    """Makes an `Origin` from a peer's address and a request's head."""

    def __init__(
        self, pseudonyms: Pseudonyms | None, *, trusted: Sequence[str] = (), ja4_header: str = ""
    ) -> None:
        self._pseudonyms = pseudonyms
        self._known: dict[str, tuple[str, str]] = {}
        self._address = ClientAddress(trusted)
        self._ja4_header = ja4_header.lower().encode()

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
        token, net = self._tokens(address)
        digest = hashlib.sha256(names).hexdigest()[:16]
        return Origin(ip=token, net=net, ja4=ja4, headers=digest, agent=agent)

    def _tokens(self, address: str) -> tuple[str, str]:
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= ADDRESSES:
                self._known.clear()
            known = self._known[address] = self._make_tokens(address)
        return known

    def _make_tokens(self, address: str) -> tuple[str, str]:
        if self._pseudonyms is None:
            return "", ""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return "", ""
        net = ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False)
        return self._pseudonyms.of("ip", str(ip)), self._pseudonyms.of("net", str(net))
