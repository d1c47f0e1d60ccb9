"""JA4 of ClientHellos out of RFCs and made by hand; what is no ClientHello has none."""

from __future__ import annotations

import struct

import pytest

from titer.core import ja4
from titer.core.errors import InputError

#: RFC 8448, section 3: "construct a ClientHello handshake message", 196 octets.
SIMPLE = bytes.fromhex(
    "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece70000"
    "06130113031302010000910000000b0009000006736572766572ff01000100000a00140012001d00"
    "17001800190100010101020103010400230000003300260024001d002099381de560e4bd43d23d8e"
    "435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304000d0020001e040305030603"
    "020308040805080604010501060102010402050206020202002d00020101001c00024001"
)
#: By hand, from the RFC's listing. TCP, TLS 1.3 by supported_versions (0304), a server name, three
#: cipher suites, nine extensions, no ALPN; then
#:   printf 1301,1302,1303 | sha256sum                                        -> 55b375c5d22e
#:   printf 000a,000d,001c,0023,002b,002d,0033,ff01_0403,0503,0603,0203,0804,0805,0806,0401,0501,\
#:     0601,0201,0402,0502,0602,0202 | sha256sum                              -> 59cd3dafc54d
OF_SIMPLE = "t13d030900_55b375c5d22e_59cd3dafc54d"
SIGNATURES = "0403,0503,0603,0203,0804,0805,0806,0401,0501,0601,0201,0402,0502,0602,0202"


#: RFC 9001, appendix A.2: the ClientHello of a QUIC client (the CRYPTO frame without its head).
QUIC = bytes.fromhex(
    "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c0000"
    "0413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006"
    "001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2"
    "c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010"
    "000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffff"
    "ffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000"
    "ffff"
)
#: By hand: QUIC by its transport parameters (0039), TLS 1.3, a server name, two suites, eleven
#: extensions, ALPN "alpn"; then
#:   printf 1301,1302 | sha256sum                                             -> 62ed6f6ca7ad
#:   printf 0005,000a,000d,001c,002b,002d,0033,0039,ff01_0403,0503,0603,0203,0804,0805,0806 |\
#:     sha256sum                                                              -> 4d634acda6c0
OF_QUIC = "q13d0211an_62ed6f6ca7ad_4d634acda6c0"


def listed(numbers, width):
    body = struct.pack(f">{len(numbers)}H", *numbers)
    return len(body).to_bytes(width) + body


def alpn(*names):
    body = b"".join(bytes([len(n)]) + n for n in names)
    return 0x10, len(body).to_bytes(2) + body


def made(*extensions, ciphers=(0x1301,), version=0x0303, cookie=b"", session=b""):
    body = struct.pack(">H", version) + bytes(32) + bytes([len(session)]) + session
    if version >> 8 == 0xFE:
        body += bytes([len(cookie)]) + cookie
    body += listed(ciphers, 2) + b"\x01\x00"
    if extensions:
        block = b"".join(struct.pack(">HH", k, len(v)) + v for k, v in extensions)
        body += struct.pack(">H", len(block)) + block
    head = b"\x01" + len(body).to_bytes(3)
    if version >> 8 == 0xFE:
        head += bytes(5) + len(body).to_bytes(3)
    return head + body


def records(message, size=16_384):
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(part)) + part for part in parts)


def of(*extensions, **more):
    return ja4.fingerprint(ja4.read_hello(made(*extensions, **more)))


def test_the_hello_of_rfc_8448():
    hello = ja4.read_hello(SIMPLE)
    assert ja4.fingerprint(hello) == OF_SIMPLE
    assert len(OF_SIMPLE) == ja4.LENGTH
    assert ja4.raw(hello) == (
        f"t13d030900_1301,1302,1303_000a,000d,001c,0023,002b,002d,0033,ff01_{SIGNATURES}"
    )
    assert ja4.raw(hello, original=True) == (
        "t13d030900_1301,1303,1302_0000,ff01,000a,0023,0033,002b,000d,002d,001c_" + SIGNATURES
    )
    assert ja4.seen(records(SIMPLE)) == OF_SIMPLE


def test_the_hello_of_rfc_9001():
    assert ja4.fingerprint(ja4.read_hello(QUIC)) == OF_QUIC


def test_a_hello_without_extensions_has_zeros_for_their_digest():
    # printf 0035 | sha256sum -> 0d2c0d90c0d1
    assert of(ciphers=(0x0035,), version=0x0301)[:10] == "t10i010000"
    assert of(ciphers=(0x0035,)).endswith("_000000000000")
    assert of((0, b"x"), alpn(b"h2")).endswith("_000000000000")  # neither of the two is hashed
    assert "_000000000000_" in of(ciphers=())


@pytest.mark.parametrize(
    ("names", "ends"),
    [  # the examples of FoxIO's description, and its two words on what is missing
        ((b"h2", b"http/1.1"), "h2"), ((b"http/1.1",), "h1"), ((), "00"), ((b"",), "00"),
        ((b"x",), "xx"), ((b"\xab",), "ab"), ((b"\x20",), "20"), ((b"\xab\xcd",), "ad"),
        ((b"\x20\x61",), "21"), ((b"\x30\xab",), "3b"), ((b"\x61\x20",), "60"),
        ((b"\x30\x31\xab\xcd",), "3d"), ((b"\x30\xab\xcd\x31",), "01"),
    ],
)  # fmt: skip
def test_the_ends_of_the_first_protocol(names, ends):
    assert of(alpn(*names))[8:10] == ends


@pytest.mark.parametrize(
    ("version", "said"),
    [(0x0304, "13"), (0x0303, "12"), (0x0302, "11"), (0x0301, "10"), (0x0300, "s3"),
     (0x0002, "s2"), (0x7F1C, "00")],
)  # fmt: skip
def test_versions_by_name(version, said):
    assert of((0x2B, listed((0x0A0A, version), 1)))[1:3] == said


def test_the_highest_offered_version_counts():
    assert of((0x2B, listed((0x0303, 0x0304, 0x0302, 0xFAFA), 1)))[1:3] == "13"
    assert of((0x2B, listed((0xDADA,), 1)), version=0x0302)[1:3] == "11"  # nothing but GREASE


def test_reserved_values_count_nowhere():
    plain = of((0, b"x"), (0x0D, listed((0x0403,), 2)), ciphers=(0x1301, 0xC02B))
    greased = of(
        (0x2A2A, b""), (0, b"x"), (0x0D, listed((0xEAEA, 0x0403), 2)), (0xFAFA, b"\0"),
        ciphers=(0x0A0A, 0x1301, 0xC02B),
    )  # fmt: skip
    assert greased == plain
    assert of(ciphers=(0x0A1A, 0x00FF, 0x5600))[4:6] == "03"  # those are not reserved by RFC 8701


def test_order_matters_for_signatures_alone():
    one = of((0x0D, listed((0x0403, 0x0804), 2)), (0x17, b""), ciphers=(1, 2))
    assert one == of((0x17, b""), (0x0D, listed((0x0403, 0x0804), 2)), ciphers=(2, 1))
    assert one != of((0x17, b""), (0x0D, listed((0x0804, 0x0403), 2)), ciphers=(2, 1))


def test_transports_are_told_by_the_bytes():
    assert of((0x39, b""))[0] == "q"
    one = of(version=0xFEFD, cookie=b"cookie")
    assert one[:3] == "dd2"
    assert of((0x2B, listed((0xFEFD, 0xFEFC, 0xFEFF), 1)), version=0xFEFD)[:3] == "dd3"
    message = made(version=0xFEFF)
    datagram = b"\x16\xfe\xff" + bytes(8) + struct.pack(">H", len(message)) + message
    assert ja4.seen(datagram)[:3] == "dd1"
    assert ja4.hello_in(datagram[:-1] + b"") is None


def test_counts_stop_at_99():
    assert of(*((0x4000 + n, b"") for n in range(120)), ciphers=range(0x100, 0x200))[4:8] == "9999"


def test_a_hello_in_many_records_is_the_same():
    assert ja4.seen(records(SIMPLE, 1)) == OF_SIMPLE
    whole = records(SIMPLE, 50)
    for cut in range(len(whole)):
        assert ja4.hello_in(whole[:cut]) is None
    assert ja4.hello_in(whole + b"\x14\x03\x03\x00\x01\x01") == SIMPLE


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1", "no TLS handshake"),
        (b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", "no TLS handshake"),  # framed as SSL 2.0
        (b"\x16\x03\x01\x00\x00", "empty"),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "no ClientHello"),
        (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", "larger than"),
        (records(b"\x01\x00\x7f\x00", 1) + b"\x16\x03\x01\x00\x01x" * 7_000, "within"),
    ],
)
def test_what_holds_no_hello_says_so(data, why):
    with pytest.raises(InputError, match=why):
        ja4.hello_in(data)
    assert ja4.seen(data) == ""


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "no whole"),
        (SIMPLE[:-1], "no whole"),
        (b"\x01\x00\x00\x22" + bytes(34), "middle of a field"),
        (made((0x0D, b"\x00\x08\x04\x03")), "longer or shorter"),
        (made((0x0D, b"\x00\x03\x04\x03\x05")), "odd length"),
        (made((0x2B, b"")), "longer or shorter"),
        (made((0x10, b"\x00\x02\x09x")), "middle of a field"),
        (made(version=0xFEFD)[:9] + b"\0\0\1" + made(version=0xFEFD)[12:], "several datagrams"),
        (b"\x01\x00\x00\x2d" + made()[4:] + b"\x00\x00!!", "bytes follow"),
    ],
)
def test_what_is_broken_says_so(message, why):
    with pytest.raises(InputError, match=why):
        ja4.read_hello(message)
