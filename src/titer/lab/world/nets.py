"""Networks, addresses and client software of a world, as pieces of JSON.

Addresses are private (10.0.0.0/8, fd00::/8), network numbers too (RFC 6996): no made-up caller
carries a real network's name. Popularity of networks and software is Zipf-like.
"""

from __future__ import annotations

import itertools
import random
from typing import NamedTuple

import msgspec

from titer.lab import origins

#: (kind, first private number, how many, blocks of /24 each, exponent of popularity)
_KINDS = (
    ("home", 4_200_000_000, 90, 380, 1.1),
    ("mobile", 4_200_001_000, 20, 240, 1.0),
    ("hosting", 4_200_002_000, 40, 120, 1.2),
    ("vpn", 4_200_003_000, 8, 6, 1.0),
    ("office", 4_200_004_000, 500, 12, 0.3),
    ("campus", 4_200_005_000, 12, 8, 0.5),
)
_JSON = msgspec.json.encode


class Network(NamedTuple):
    """One network: its number, and its run of /24 blocks within 10.0.0.0/8."""

    asn: int
    first: int
    blocks: int


class Networks:
    """All networks of a world."""

    def __init__(self, rng: random.Random) -> None:
        self.by_kind: dict[str, list[Network]] = {}
        self._sums: dict[str, list[float]] = {}
        at = 0
        for kind, number, count, blocks, exponent in _KINDS:
            made = []
            for index in range(count):
                size = max(1, int(blocks * rng.uniform(0.5, 1.5)))
                made.append(Network(number + index, at % 60_000, size))
                at += size
            self.by_kind[kind] = made
            weights = [1.0 / (1 + rank) ** exponent for rank in range(count)]
            self._sums[kind] = list(itertools.accumulate(weights))

    def some(self, rng: random.Random, kind: str) -> Network:
        """A network of `kind`, by popularity."""
        return rng.choices(self.by_kind[kind], cum_weights=self._sums[kind])[0]


#: Callers behind one address of a network that translates addresses, on average.
BEHIND = 3
#: Share of home networks that do; mobile networks all do.
TRANSLATED = 0.35


def place_of_person(rng: random.Random, network: Network, *, crowd: int) -> str:
    """Somebody's address at home or on the move: many networks put strangers behind one.

    `crowd` is how many callers a world has; it sets how many exits such a network needs.
    """
    mobile = network.blocks > 0 and 4_200_001_000 <= network.asn < 4_200_002_000
    if not mobile and (network.asn * 2654435761) % 100 >= 100 * TRANSLATED:
        return place(rng, network)
    rank = network.asn % 1000
    exits = max(2, int(crowd * 0.25 / (1 + rank) / BEHIND))
    exit_ = int(rng.random() * exits)
    part = network.first + exit_ % network.blocks
    last = 1 + exit_ // network.blocks % 254
    return f'"ip":"10.{part >> 8}.{part & 255}.{last}","asn":{network.asn}'


def block(rng: random.Random, network: Network) -> int:
    """One /24 of a network."""
    return network.first + rng.randrange(network.blocks)


def place(rng: random.Random, network: Network, *, part: int = -1, host: int = 0) -> str:
    """JSON members `ip` and `asn` of one address; `part` and `host` fix block and last number."""
    part = part if part >= 0 else block(rng, network)
    last = host or rng.randrange(1, 255)
    if part % 5 == 3 and not host:  # some blocks speak IPv6: one /64 a caller
        site = f"fd00:{part >> 8:x}:{part & 255:x}:{rng.getrandbits(16):x}"
        return f'"ip":"{site}::{last:x}","asn":{network.asn}'
    return f'"ip":"10.{part >> 8}.{part & 255}.{last}","asn":{network.asn}'


class Software(NamedTuple):
    """JSON members `ja4`, `user_agent`, `headers` of a client, and which API it calls."""

    members: str
    messages: bool


def _software() -> list[Software]:
    made = []
    bases = (
        (origins.OPENAI_SDK, ("3.54.0", "3.53.1", "3.51.0", "3.40.2", "2.9.0"), False),
        (origins.OPENAI_ASYNC, ("3.54.0", "3.52.0", "3.49.3"), False),
        (origins.NODE, ("", "20", "22"), False),
        (origins.ANTHROPIC_SDK, ("2.12.0", "2.11.4", "1.9.0"), True),
        (origins.ANTHROPIC_ASYNC, ("2.12.0", "2.10.1"), True),
        (origins.REQUESTS, ("2.34.2", "2.32.5"), False),
        (origins.CURL, ("8.14.1", "8.5.0"), False),
    )
    for base, versions, messages in bases:
        for version in versions:
            stem = base.agent.rstrip("0123456789.")
            agent = f"{stem}{version}" if version else base.agent
            members = (
                f'"ja4":"{base.ja4}","user_agent":"{agent}",'
                f'"headers":{_JSON(list(base.headers)).decode()}'
            )
            made.append(Software(members, messages))
    return made


class Clients:
    """The software in use, by popularity; the order differs by world."""

    def __init__(self, rng: random.Random) -> None:
        known = _software()
        rng.shuffle(known)
        self._known = {
            flag: [client for client in known if client.messages is flag] for flag in (True, False)
        }
        self._sums = {
            flag: list(itertools.accumulate(1.0 / (1 + rank) ** 0.9 for rank in range(len(made))))
            for flag, made in self._known.items()
        }

    def some(self, rng: random.Random, *, messages: bool) -> str:
        """Members of one client that calls this kind of API."""
        made = self._known[messages]
        return rng.choices(made, cum_weights=self._sums[messages])[0].members

    def bulk(self, rng: random.Random) -> str:
        """Members of what an attacker's fleet runs: an asynchronous SDK."""
        return rng.choice([c for c in self._known[False] if "Async" in c.members]).members


def card(rng: random.Random) -> str:
    """JSON member `payment` with a new opaque token."""
    return f'"payment":"card-{rng.getrandbits(40):010x}"'


def is_hosting(asn: int) -> bool:
    """Whether a made-up network number is a hosting or VPN network, as a snapshot would say."""
    ranges = {kind: (first, count) for kind, first, count, _, _ in _KINDS}
    return any(first <= asn < first + count for first, count in (ranges["hosting"], ranges["vpn"]))
