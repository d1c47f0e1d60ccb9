"""Indicators: what ties a caller to others beyond one operator's keyed tokens.

An address, a network's number and a fingerprint of software mean the same at every operator, so
these are what two of them can compare. Frames, cells and pseudonyms are keyed and mean nothing
elsewhere. One spelling per value: whatever is written in another way is written again here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Literal, get_args

import msgspec

from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Origin

Kind = Literal["ipv4", "ipv6", "asn", "ja4", "headers"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Bits of an address that are its network, as the log's tokens have it.
NET4, NET6 = 24, 48
#: Widest ranges that are taken: each costs one token per /24 or /48 (256 at most).
WIDEST4, WIDEST6 = 16, 40
#: Highest network number that is given out (RFC 7607 reserves 0, RFC 7300 the last one).
MAX_ASN = 2**32 - 2
#: Private network numbers (RFC 6996).
_PRIVATE_ASN = ((64_512, 65_534), (4_200_000_000, 4_294_967_294))

#: FoxIO JA4 (TLS client): protocol, version, SNI, counts, ALPN, two truncated SHA-256.
_JA4 = re.compile(r"[tqd][0-9sd][0-9][di][0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}")
#: SHA-256 of the header names in order, first 16 digits (`titer.gateway.origin`).
_HEADERS = re.compile(r"[0-9a-f]{16}")


class Indicator(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One value, and how many subjects showed it: of a campaign (`members`), and of all others.

    `first` and `last` are when members showed it (microseconds; 0 unknown).
    """

    kind: Kind
    value: str
    members: int = 0
    others: int = 0
    first: int = 0
    last: int = 0

    @property
    def key(self) -> str:
        """Kind and value in one word: what is compared between operators."""
        return f"{self.kind}:{self.value}"


def canonical(kind: str, value: str) -> Indicator:
    """The indicator of a value in its one spelling. Raises `InputError` for what is none."""
    if kind in ("ipv4", "ipv6"):
        return _range(kind, value)
    if kind == "asn":
        digits = value[2:] if value[:2].upper() == "AS" else value
        number = int(digits[:11]) if digits.isascii() and digits.isdigit() else 0
        if any(first <= number <= last for first, last in _PRIVATE_ASN):
            raise InputError(f"AS{number} is private: it is another network at each operator")
        if 0 < number <= MAX_ASN:
            return Indicator("asn", str(number))
    elif kind == "ja4" and _JA4.fullmatch(value):
        return Indicator("ja4", value)
    elif kind == "headers" and _HEADERS.fullmatch(value):
        return Indicator("headers", value)
    elif kind not in KINDS:
        raise InputError(f"there is no kind of indicator {kind[:20]!r}; known: {', '.join(KINDS)}")
    raise InputError(f"that is no {kind} indicator: {value[:80]!r}")


def network_of(address: str) -> Indicator | None:
    """The /24 or /48 that an address is in; None when that is not public. Raises `InputError`."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        raise InputError(f"that is no address: {address[:80]!r}") from None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    bits = NET4 if ip.version == 4 else NET6
    net = ipaddress.ip_network((ip, bits), strict=False)
    if not _public(net):
        return None
    return Indicator("ipv4" if ip.version == 4 else "ipv6", str(net))


def shown(origin: Origin) -> Iterator[Indicator]:
    """What an origin shows in clear; its addresses are tokens (`tokens`)."""
    if origin.asn:
        yield Indicator("asn", str(origin.asn))
    if _JA4.fullmatch(origin.ja4):
        yield Indicator("ja4", origin.ja4)
    if _HEADERS.fullmatch(origin.headers):
        yield Indicator("headers", origin.headers)


def tokens(indicator: Indicator, pseudonyms: Pseudonyms) -> Iterator[str]:
    """The words by which an operator's own log would know an indicator (see `words`)."""
    if indicator.kind not in ("ipv4", "ipv6"):
        yield indicator.key
        return
    net = ipaddress.ip_network(indicator.value)
    narrow = NET4 if net.version == 4 else NET6
    if net.prefixlen == net.max_prefixlen:
        yield f"ip:{pseudonyms.of('ip', str(net.network_address))}"
    elif net.prefixlen <= narrow:
        for part in net.subnets(new_prefix=narrow):
            yield f"net:{pseudonyms.of('net', str(part))}"


def words(origin: Origin) -> Iterator[str]:
    """The words of an origin, to be looked up among `tokens`."""
    if origin.ip:
        yield f"ip:{origin.ip}"
    if origin.net:
        yield f"net:{origin.net}"
    for indicator in shown(origin):
        yield indicator.key


def _range(kind: str, value: str) -> Indicator:
    """A network, or an address as a network of one. Raises `InputError`."""
    if len(value) > 64:
        raise InputError(f"that is no {kind} range: it is too long")
    try:
        net = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise InputError(f"that is no {kind} range: {value!r}") from None
    if net.version != (4 if kind == "ipv4" else 6):
        raise InputError(f"{value!r} is no {kind} range")
    if net.prefixlen < (WIDEST4 if net.version == 4 else WIDEST6):
        raise InputError(
            f"{net} is too wide to say anything: give /{WIDEST4} (IPv4) or /{WIDEST6} at least"
        )
    if not _public(net):
        raise InputError(f"{net} is not a public network: it means another place at each operator")
    return Indicator("ipv4" if net.version == 4 else "ipv6", str(net))


def _public(net: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether a network is the same place for everybody, or one of the examples' (RFC 5737, RFC
    3849, RFC 2544).
    """
    return net.is_global or any(
        net.version == other.version and net.subnet_of(other)  # type: ignore[arg-type]
        for other in _EXAMPLES
    )


_EXAMPLES = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15",
                 "2001:db8::/32")
)  # fmt: skip
