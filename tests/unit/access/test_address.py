"""The client's address behind proxies, and behind those who only say they are."""

from __future__ import annotations

import pytest

from titer.access import ClientAddress
from titer.access.address import MAX_HOPS
from titer.core.errors import ConfigError

TRUSTED = ClientAddress(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),  # not a proxy of ours
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # the left part is hearsay
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),  # two fields are one list
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2,192.0.2.7"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # all trusted: the farthest
        ("10.0.0.1", ["garbage, 198.51.100.1"], "198.51.100.1"),  # not reached
        ("10.0.0.1", ["198.51.100.1, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, "], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3"], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.04"], "10.0.0.1"),
        ("10.0.0.1", ["1" * 10_000], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:1234"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:x"], "10.0.0.1"),
        ("10.0.0.1", ["[2001:DB9::0001]:443"], "2001:db9::1"),
        ("10.0.0.1", ["[2001:db9::1]443"], "10.0.0.1"),
        ("10.0.0.1", ["[2001:db9::1"], "10.0.0.1"),
        ("10.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("2001:db8::1", ["198.51.100.1"], "198.51.100.1"),
        ("", ["198.51.100.1"], ""),  # a unix socket
        ("garbage", ["198.51.100.1"], "garbage"),
    ],
)
def test_the_client_is_found(peer: str, forwarded: list[str], client: str) -> None:
    assert TRUSTED.of(peer, forwarded) == client


def test_nobody_is_trusted_unless_named() -> None:
    assert ClientAddress([]).of("10.0.0.1", ["198.51.100.1"]) == "10.0.0.1"


def test_a_chain_is_read_only_so_far() -> None:
    long = ["198.51.100.1"] + ["10.0.0.2"] * (MAX_HOPS + 5)
    assert TRUSTED.of("10.0.0.1", long) == "10.0.0.2"
    assert TRUSTED.of("10.0.0.1", [",".join(long)]) == "10.0.0.2"


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "proxy.example", "10.0.0.0/33", "::/129"])
def test_a_wrong_network_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="CIDR"):
        ClientAddress([text])
