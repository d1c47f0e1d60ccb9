"""JA4: what a TLS client shows of itself in its ClientHello, as a fingerprint of 36 characters.

    records -> hello_in -> the ClientHello message -> read_hello -> Hello -> fingerprint, raw

From FoxIO's public description ("JA4: TLS Client Fingerprinting", BSD-3-Clause; the other members
of its JA4+ family are licensed otherwise and are not here) and RFC 8446, 9147, 7301, 8701. It is
no secret and no proof: whoever wants to can send another program's ClientHello.

Where the description leaves a choice: of DTLS versions the highest is the newest, though its
number is the lowest; a reserved (GREASE) name in ALPN counts like any other name; a ClientHello
in SSL 2.0's framing has no fingerprint.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from titer.core.errors import InputError

#: Bytes of one ClientHello that are read. With post-quantum key shares they take 1.8 KB, with
#: several of the largest 16 KB; OpenSSL refuses what is larger than 128 KB.
MAX_HELLO = 32 * 1024
#: Bytes of records that hold so much, were each of them filled to an eighth of a kilobyte only.
MAX_RECORDS = MAX_HELLO + 256 * 13
#: Clients whose fingerprint is remembered, and numbers in the lists of one such: 3 MB at most.
KNOWN, KNOWN_NUMBERS = 256, 300
#: Characters of a fingerprint.
LENGTH = 36

_HANDSHAKE = 22
_SNI, _SIGNATURES, _ALPN, _VERSIONS, _QUIC = 0x0000, 0x000D, 0x0010, 0x002B, 0x0039
_READ = frozenset((_SIGNATURES, _ALPN, _VERSIONS))
_NAMES = {
    0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2",
    0xFEFF: "d1", 0xFEFD: "d2", 0xFEFC: "d3",
}  # fmt: skip
_DATAGRAM = 0xFE00
#: The sixteen values of RFC 8701 (GREASE).
_RESERVED = frozenset(n << 12 | n << 4 | 0x0A0A for n in range(16))
_FIELD = struct.Struct(">HH").unpack_from
_NOTHING = "0" * 12
_CUT = "the ClientHello ends in the middle of a field"


class Hello(msgspec.Struct, frozen=True, gc=False):
    """What JA4 reads of a ClientHello, in the order of the wire, reserved values left out.

    `alpn` is the first protocol offered, b"" when there is none.
    """

    transport: Literal["t", "q", "d"]
    version: int
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...]
    signatures: tuple[int, ...] = ()
    alpn: bytes = b""


def hello_in(data: bytes) -> bytes | None:
    """The ClientHello message at the start of a stream of TLS records, or of one DTLS datagram.

    None while more bytes are needed. Raises `InputError` when there is none, and when it is
    larger than `MAX_HELLO`.
    """
    message, at = b"", 0
    while len(data) - at >= 3:
        if data[at] != _HANDSHAKE or data[at + 1] not in (3, 0xFE):
            raise InputError("that is no TLS handshake record")
        head = 13 if data[at + 1] == 0xFE else 5
        if len(data) - at < head:
            break
        size = int.from_bytes(data[at + head - 2 : at + head])
        if not size:
            raise InputError("a handshake record is empty")
        message += data[at + head : at + head + size]
        at += head + size
        if message[:1] not in (b"", b"\x01"):
            raise InputError("the first handshake message is no ClientHello")
        if len(message) >= 4:
            whole = int.from_bytes(message[1:4]) + (12 if head == 13 else 4)
            if whole > MAX_HELLO:
                raise InputError(f"the ClientHello is larger than {MAX_HELLO} bytes")
            if len(message) >= whole:
                return message[:whole]
    if len(data) > MAX_RECORDS:
        raise InputError(f"no whole ClientHello within {MAX_RECORDS} bytes of records")
    return None


def read_hello(message: bytes) -> Hello:
    """Read a ClientHello with its handshake header. Raises `InputError` saying what is wrong."""
    at = 4
    datagram = len(message) > 13 and message[12] == 0xFE and message[4] != 3
    if datagram:  # RFC 9147, section 5.2: sequence number, offset and length of the fragment
        at = 12
        if message[6:9] != b"\0\0\0" or message[9:12] != message[1:4]:
            raise InputError("a ClientHello in several datagrams is not read")
    if message[:1] != b"\x01" or int.from_bytes(message[1:4]) != len(message) - at:
        raise InputError("that is no whole ClientHello")
    version, at = int.from_bytes(message[at : at + 2]), at + 34
    at = _over(message, at, 1)  # session id
    if datagram:
        at = _over(message, at, 1)  # cookie
    end = _over(message, at, 2)
    ciphers = _numbers(message[at + 2 : end])
    at = _over(message, end, 1)  # compression methods
    if at == len(message):
        return Hello("d" if datagram else "t", version, ciphers, ())
    if _over(message, at, 2) != len(message):
        raise InputError("bytes follow the extensions")
    at += 2
    extensions: list[int] = []
    bodies: dict[int, bytes] = {}
    while at < len(message):
        if at + 4 > len(message):
            raise InputError(_CUT)
        kind, size = _FIELD(message, at)
        at += 4 + size
        if at > len(message):
            raise InputError(_CUT)
        if kind not in _RESERVED:
            extensions.append(kind)
            if kind in _READ:
                bodies.setdefault(kind, message[at - size : at])
    if _VERSIONS in bodies:
        version = _newest(_numbers(_listed(bodies[_VERSIONS], 1)), version)
    return Hello(
        transport="d" if datagram else "q" if _QUIC in extensions else "t",
        version=version,
        ciphers=ciphers,
        extensions=tuple(extensions),
        signatures=_numbers(_listed(bodies.get(_SIGNATURES, b"\0\0"), 2)),
        alpn=_first(_listed(bodies.get(_ALPN, b"\0\0"), 2)),
    )


def fingerprint(hello: Hello) -> str:
    """JA4: `LENGTH` characters."""
    ciphers, extensions = _sorted(hello)
    digests = (_digest(ciphers), _digest(extensions, _joined(hello.signatures)))
    return "_".join((_head(hello), *digests))


_remembered = lru_cache(maxsize=KNOWN)(fingerprint)


def raw(hello: Hello, *, original: bool = False) -> str:
    """JA4_r: the lists in clear; with `original` (JA4_ro) as they came, SNI and ALPN included."""
    if original:
        ciphers, extensions = _joined(hello.ciphers), _joined(hello.extensions)
    else:
        ciphers, extensions = _sorted(hello)
    parts = (_head(hello), ciphers, extensions, *filter(None, [_joined(hello.signatures)]))
    return "_".join(parts)


def seen(data: bytes) -> str:
    """The fingerprint of the ClientHello in `data`; "" when there is none that can be read."""
    try:
        message = hello_in(data)
        return _known(read_hello(message)) if message is not None else ""
    except InputError:
        return ""


def _known(hello: Hello) -> str:
    small = len(hello.ciphers) + len(hello.extensions) + len(hello.signatures) <= KNOWN_NUMBERS
    return _remembered(hello) if small else fingerprint(hello)


def _head(hello: Hello) -> str:
    """The part that is not hashed."""
    named = "d" if _SNI in hello.extensions else "i"
    counts = f"{min(99, len(hello.ciphers)):02}{min(99, len(hello.extensions)):02}"
    ends = _ends(hello.alpn)
    return f"{hello.transport}{_NAMES.get(hello.version, '00')}{named}{counts}{ends}"


def _ends(name: bytes) -> str:
    """First and last character of the first protocol, of its hex digits if either is no letter
    or digit.
    """
    if not name:
        return "00"
    first, last = name[:1], name[-1:]
    if first.isalnum() and last.isalnum():  # of bytes: ASCII only
        return (first + last).decode()
    return f"{first.hex()[0]}{last.hex()[1]}"


def _sorted(hello: Hello) -> tuple[str, str]:
    told = [kind for kind in sorted(hello.extensions) if kind not in (_SNI, _ALPN)]
    return _joined(sorted(hello.ciphers)), _joined(told)


def _joined(numbers: Sequence[int]) -> str:
    return struct.pack(f">{len(numbers)}H", *numbers).hex(",", 2)


def _digest(first: str, then: str = "") -> str:
    """Twelve hex digits; zeros when the first list is empty, as FoxIO has it."""
    if not first:
        return _NOTHING
    return hashlib.sha256((f"{first}_{then}" if then else first).encode()).hexdigest()[:12]


def _newest(offered: tuple[int, ...], otherwise: int) -> int:
    datagram = [v for v in offered if v & 0xFF00 == _DATAGRAM]
    if datagram and len(datagram) == len(offered):
        return min(datagram)
    return max(offered, default=otherwise)


def _numbers(data: bytes) -> tuple[int, ...]:
    """16-bit numbers without the reserved ones."""
    if len(data) % 2:
        raise InputError("a list of the ClientHello has an odd length")
    every = struct.unpack(f">{len(data) // 2}H", data)
    return tuple([n for n in every if n not in _RESERVED])


def _over(message: bytes, at: int, width: int) -> int:
    """Where the field ends that begins at `at` with its length in `width` bytes."""
    end = at + width + int.from_bytes(message[at : at + width])
    if end > len(message) or at + width > len(message):
        raise InputError(_CUT)
    return end


def _listed(body: bytes, width: int) -> bytes:
    """The list that fills an extension. Raises when lengths disagree."""
    if len(body) < width or int.from_bytes(body[:width]) != len(body) - width:
        raise InputError("an extension of the ClientHello is longer or shorter than its list")
    return body[width:]


def _first(names: bytes) -> bytes:
    """The first name of an ALPN list."""
    if not names:
        return b""
    if names[0] >= len(names):
        raise InputError(_CUT)
    return names[1 : 1 + names[0]]
