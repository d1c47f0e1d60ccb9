"""JA4: hostile bytes end in a fingerprint or in `InputError`; order and records do not matter."""

from __future__ import annotations

import contextlib
import struct

from hypothesis import given
from hypothesis import strategies as st

from titer.core import ja4
from titer.core.errors import InputError

NUMBER = st.integers(0, 0xFFFF)
RESERVED = st.sampled_from([n << 12 | 0xA00 | n << 4 | 0xA for n in range(16)])
LISTS = st.lists(NUMBER, max_size=40)
#: Extensions whose content JA4 reads have a list in it; any other may hold anything.
PLAIN = st.tuples(NUMBER.filter(lambda k: k not in (0x0D, 0x10, 0x2B)), st.binary(max_size=8))


def built(ciphers, extensions):
    block = b"".join(struct.pack(">HH", k, len(v)) + v for k, v in extensions)
    body = b"\x03\x03" + bytes(32) + b"\0" + struct.pack(">H", 2 * len(ciphers))
    body += struct.pack(f">{len(ciphers)}H", *ciphers) + b"\x01\0"
    body += struct.pack(">H", len(block)) + block
    return b"\x01" + len(body).to_bytes(3) + body


@given(LISTS, st.lists(PLAIN, max_size=20), st.lists(RESERVED, max_size=3), st.randoms())
def test_order_and_reserved_values_change_nothing(ciphers, extensions, reserved, rng):
    one = ja4.read_hello(built(ciphers, extensions))
    more = [*extensions, *((kind, b"") for kind in reserved)]
    mixed = [*ciphers, *reserved]
    rng.shuffle(more)
    rng.shuffle(mixed)
    two = ja4.read_hello(built(mixed, more))
    assert ja4.fingerprint(one) == ja4.fingerprint(two)
    assert ja4.raw(one) == ja4.raw(two)
    assert len(ja4.fingerprint(one)) == ja4.LENGTH


@given(LISTS, st.lists(PLAIN, max_size=20), st.data())
def test_any_split_into_records_gives_the_message(ciphers, extensions, data):
    message = built(ciphers, extensions)
    wire, at = b"", 0
    while at < len(message):
        size = data.draw(st.integers(1, len(message)))
        part = message[at : at + size]
        wire += b"\x16\x03\x01" + struct.pack(">H", len(part)) + part
        at += size
    if len(wire) <= ja4.MAX_RECORDS:
        assert ja4.hello_in(wire) == message


@given(LISTS, st.lists(PLAIN, max_size=8), st.lists(st.tuples(NUMBER, st.integers(0, 255))))
def test_a_changed_hello_is_read_or_refused(ciphers, extensions, changes):
    wire = bytearray(built(ciphers, extensions))
    for place, value in changes:
        wire[place % len(wire)] = value
    with contextlib.suppress(InputError):
        ja4.fingerprint(ja4.read_hello(bytes(wire)))
    ja4.seen(b"\x16\x03\x01" + struct.pack(">H", len(wire)) + bytes(wire))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    assert isinstance(ja4.seen(data), str)
    assert isinstance(ja4.seen(b"\x16\x03\x01" + data), str)
    with contextlib.suppress(InputError):
        ja4.read_hello(data)
