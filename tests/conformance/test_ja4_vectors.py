"""FoxIO's 29 fingerprints of TLS clients, from ClientHellos built by what its program printed."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from titer.core import ja4

VECTORS = json.loads((Path(__file__).parent / "vectors" / "foxio" / "ja4.json").read_text())
#: The description, unlike FoxIO's programs, writes two hex digits of such a name.
NOT_ASCII = "tls-non-ascii-alpn.pcapng"
PROTOCOLS = {"h1": b"http/1.1", "h2": b"h2", "00": b"", "99": b"\xab\xcd"}
VERSIONS = {"10": 0x0301, "11": 0x0302, "12": 0x0303, "13": 0x0304}
#: RFC 8701; what a client puts in so that servers ignore what they do not know.
GREASE = 0x3A3A


def numbers(text):
    return [int(one, 16) for one in text.split(",")] if text else []


def packed(values):
    return struct.pack(f">{len(values)}H", *values)


def sized(width, data):
    return len(data).to_bytes(width) + data


def built(told):
    """TLS records with a ClientHello that shows what a JA4_ro names, and reserved values."""
    head, ciphers, kinds, *rest = told.split("_")
    version, offered = VERSIONS[head[1:3]], PROTOCOLS[head[-2:]]
    bodies = {
        0x0000: sized(2, b"\0" + sized(2, b"a.example")),
        0x000D: sized(2, packed(numbers(rest[0]) if rest else [])),
        0x0010: sized(2, sized(1, offered)),
        0x002B: sized(1, packed([GREASE, version, 0x0303])),
    }
    extensions = b"".join(
        packed([kind]) + sized(2, bodies.get(kind, b"")) for kind in [GREASE, *numbers(kinds)]
    )
    body = packed([min(version, 0x0303)]) + bytes(32) + sized(1, bytes(32))
    body += sized(2, packed([GREASE, *numbers(ciphers)])) + sized(1, b"\0") + sized(2, extensions)
    return b"\x16\x03\x01" + sized(2, b"\x01" + sized(3, body))


@pytest.mark.parametrize(
    "vector", VECTORS, ids=[f"{one['capture']} {one['ja4']}" for one in VECTORS]
)
def test_the_fingerprint_is_what_foxio_prints(vector):
    stream = built(vector["ja4_ro"])
    hello = ja4.read_hello(ja4.hello_in(stream))
    expected = vector
    if vector["capture"] == NOT_ASCII:
        assert vector["ja4"].startswith("t13d151699_")
        expected = {name: text.replace("99_", "ad_", 1) for name, text in vector.items()}
    assert ja4.raw(hello, original=True) == expected["ja4_ro"]
    assert ja4.raw(hello) == expected["ja4_r"]
    assert ja4.fingerprint(hello) == expected["ja4"]
    assert ja4.seen(stream) == expected["ja4"]


def test_all_of_them_are_here():
    assert len(VECTORS) == 29
    assert len({(one["capture"], one["ja4"]) for one in VECTORS}) == 29
