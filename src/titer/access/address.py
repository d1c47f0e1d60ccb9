"""The client's address when proxies stand in front: believed only as far as they are trusted.

`X-Forwarded-For` is written left to right, each proxy appending whom it heard from. Whoever
connects to us can write anything in it, so it is read from the right, and only while the hop
that appended is on the list of trusted proxies. The first address that is not trusted is the
client. Anything that is no address makes the whole header worthless: the peer's address counts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from titer.core.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Hops looked at; a longer chain is no real one.
MAX_HOPS = 32
#: Most characters of an address with port, brackets and zone.
MAX_ADDRESS = 100


class ClientAddress:
    """Finds the client's address. `trusted` are proxies in CIDR notation or single addresses.

    Raises `ConfigError` for what is neither.
    """

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted: dict[tuple[int, int], set[int]] = {}
        for text in trusted:
            try:
                network = ipaddress.ip_network(text.strip())
            except ValueError as error:
                raise ConfigError(
                    f"trusted proxy {text[:MAX_ADDRESS]!r} is neither an address nor a network "
                    "in CIDR notation without host bits, such as 10.0.0.0/8"
                ) from error
            shift = network.max_prefixlen - network.prefixlen
            bits = int(network.network_address) >> shift
            self._trusted.setdefault((network.version, shift), set()).add(bits)

    def of(self, peer_ip: str, forwarded: Sequence[str]) -> str:
        """The client's address; `forwarded` are the values of the X-Forwarded-For fields in
        the order received. Written in its shortest form, IPv4 in IPv6 as IPv4.
        """
        if not self._trusted or not forwarded:
            return peer_ip
        peer = parse(peer_ip)
        if peer is None or not self.trusts(peer):
            return peer_ip
        client = peer
        hops = ",".join(forwarded[-MAX_HOPS:]).rsplit(",", MAX_HOPS)[-MAX_HOPS:]
        for hop in reversed(hops):
            found = parse(hop)
            if found is None:
                return peer_ip
            client = found
            if not self.trusts(found):
                break
        return str(client)

    def trusts(self, address: Address) -> bool:
        """Whether an address is one of the trusted proxies."""
        number, version = int(address), address.version
        return any(
            version == v and number >> shift in networks
            for (v, shift), networks in self._trusted.items()
        )


def parse(text: str) -> Address | None:
    """An address out of `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]:80`; None for
    anything else. Zones are dropped: they mean nothing on another machine.
    """
    if len(text) > MAX_ADDRESS:
        return None
    text = text.strip(" \t")
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(":" + port):
            return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _is_port(text: str) -> bool:
    digits = text[1:]
    return text[0] == ":" and digits.isascii() and digits.isdigit() and len(digits) <= 5
