"""From an address to what an origin says of it: keyed tokens, network number, kind of network.

Live traffic and logs come through here both, so that an exchange is the same from either.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from titer.access.address import Address
from titer.core.ids import Pseudonyms
from titer.gateway.networks.snapshot import Manifest, Snapshot, day

#: What an origin's `kind` is by a list of each kind, the most telling first: an exit of Tor
#: stands in a hosting network as well.
TELLING = (
    ("tor", "tor"), ("vpn", "vpn"), ("proxy", "proxy"), ("residential", "residential"),
    ("hosting", "hosting"), ("cloud", "hosting"),
)  # fmt: skip
#: What a network number in a list of kind `bad-asn` says, when no range does.
BY_NUMBER = "hosting"
#: Values of an origin's `kind`; "" is unknown.
ORIGIN_KINDS = frozenset(kind for _, kind in TELLING)
#: Addresses whose place is remembered: tokens and look-up cost as much as forwarding a request.
REMEMBERED = 4096
#: Bits of an address that are its network: a site's usual share.
NET4, NET6 = 24, 48


class Place(NamedTuple):
    """What is known of an address. `ip` and `net` are keyed tokens; empty and 0 are unknown."""

    ip: str = ""
    net: str = ""
    asn: int = 0
    kind: str = ""


class Used(msgspec.Struct, frozen=True):
    """One snapshot in force, as the evidence log names it."""

    name: str
    kind: str
    source: str
    dated: str
    sha256: str


class Networks:
    """The snapshots in force. Holds no address and no state."""

    def __init__(self, snapshots: Sequence[Snapshot] = ()) -> None:
        newest = sorted(snapshots, key=lambda s: (s.manifest.dated, s.manifest.name), reverse=True)
        self.manifests: tuple[Manifest, ...] = tuple(s.manifest for s in newest)
        self._numbered = [s.table for s in newest if s.manifest.kind == "asn"]
        self._kinds = [
            (kind, s.table)
            for listed, kind in TELLING
            for s in newest
            if s.manifest.kind == listed
        ]
        self._bad = frozenset(
            asn for s in newest if s.manifest.kind == "bad-asn" for asn in s.table.asns
        )

    def __bool__(self) -> bool:
        """Whether there is anything to look up."""
        return bool(self._numbered or self._kinds or self._bad)

    def find(self, address: Address) -> tuple[int, str]:
        """Network number (0 unknown) and kind ("" unknown) of an address."""
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is None:
                return self._find(int(address), six=True)
            address = address.ipv4_mapped
        return self._find(int(address), six=False)

    def by_number(self, asn: int) -> str:
        """The kind of a network that is known by its number alone."""
        return BY_NUMBER if asn in self._bad else ""

    def stale(self, now: int) -> tuple[str, ...]:
        """A sentence for each snapshot that is too old at `now` (microseconds)."""
        return tuple(
            f"network data {m.name!r} ({m.kind}) are of {m.dated}, {m.age(now)} days old: "
            "import newer ones"
            for m in self.manifests
            if m.stale(now)
        )

    def _find(self, number: int, *, six: bool) -> tuple[int, str]:
        asn = 0
        for table in self._numbered:
            owner = table.find6(number) if six else table.find4(number)
            if owner >= 0:
                asn = table.asns[owner]
                break
        for kind, table in self._kinds:
            if (table.find6(number) if six else table.find4(number)) >= 0:
                return asn, kind
        return asn, BY_NUMBER if asn in self._bad else ""


NOWHERE = Networks()


def in_use(manifests: Iterable[Manifest]) -> tuple[Used, ...]:
    """What the evidence log says of these snapshots, in order of their names."""
    return tuple(
        Used(m.name, m.kind, m.source, m.dated, m.sha256)
        for m in sorted(manifests, key=lambda m: m.name)
        if m.kind != "disposable"
    )


def told_by(used: Iterable[Used]) -> frozenset[str]:
    """The kinds of network that these snapshots can tell."""
    kinds = dict(TELLING)
    return frozenset(kinds[u.kind] for u in used if u.kind in kinds)


def oldest(used: Iterable[Used]) -> int:
    """The day of the oldest of them in microseconds; 0 when there is none."""
    return min((day(u.dated) for u in used), default=0)


class Places:
    """Makes the place of an address as it is written. Without pseudonyms nothing is known."""

    def __init__(self, pseudonyms: Pseudonyms | None, networks: Networks = NOWHERE) -> None:
        self._pseudonyms = pseudonyms
        self._networks = networks
        self._known: dict[str, Place] = {}

    def use(self, networks: Networks) -> None:
        """Look addresses up in other snapshots from now on."""
        self._networks = networks
        self._known.clear()

    def of(self, address: str) -> Place:
        """The place of one address; an unknown one when it cannot be read."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[address] = self._make(address)
        return known

    def kind_of(self, asn: int) -> str:
        """The kind of a network that a log names by its number alone."""
        return self._networks.by_number(asn)

    def _make(self, address: str) -> Place:
        if self._pseudonyms is None:
            return Place()
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return Place()
        net = ipaddress.ip_network((ip, NET4 if ip.version == 4 else NET6), strict=False)
        asn, kind = self._networks.find(ip)
        named = self._pseudonyms.of
        return Place(named("ip", str(ip)), named("net", str(net)), asn, kind)
